// Texts that others wrote. Nothing in them is markup, and nothing in them may turn the page around or hide: control characters,
// direction marks and overrides, invisible separators and tag characters are shown as signs. Every text is isolated by <bdi> or
// `unicode-bidi` in the style, so that a right-to-left one leaves its surroundings alone.

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const LONGEST = 20000; // characters of one piece that are shown at once

function sign(character) {
  return `\u27e8U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

const visible = (text) => text.replaceAll("\r\n", "\n").replace(CONTROLS, sign);

// Adds a text to an element, its control characters as marked signs.
function write(parent, text) {
  const plain = String(text).replaceAll("\r\n", "\n");
  let end = 0;
  for (const match of plain.matchAll(CONTROLS)) {
    if (match.index > end) parent.append(plain.slice(end, match.index));
    const made = document.createElement("span");
    made.className = "control";
    made.textContent = sign(match[0]);
    parent.append(made);
    end = match.index + match[0].length;
  }
  if (end < plain.length) parent.append(plain.slice(end));
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// One pattern for several texts, longest first; null where there is none to look for.
function patternOf(texts) {
  const words = [...new Set(texts.map((text) => text.trim()).filter(Boolean))].sort((a, b) => b.length - a.length);
  return words.length ? new RegExp("(" + words.map(escaped).join("|") + ")", "giu") : null;
}

// Adds a text with the golds and what was searched for marked. Golds of one or two characters would be found everywhere.
function writeMarked(parent, text, golds, sought) {
  const gold = patternOf(golds.filter((one) => one.trim().length > 2));
  const asked = patternOf(sought);
  const inner = (target, part) => {
    if (!asked) { write(target, part); return; }
    part.split(asked).forEach((piece, place) => { if (place % 2) target.append(element("mark", "sought", piece)); else write(target, piece); });
  };
  if (!gold) { inner(parent, text); return; }
  text.split(gold).forEach((part, place) => {
    if (!(place % 2)) { inner(parent, part); return; }
    const mark = element("mark", "gold");
    inner(mark, part);
    parent.append(mark);
  });
}

// A text of any length: the first part, and a button for the rest.
function longText(text, golds, sought) {
  const made = element("div", "text");
  made.dir = "auto";
  writeMarked(made, text.slice(0, LONGEST), golds, sought);
  if (text.length > LONGEST) {
    const button = element("button", "", `Show all ${thousands(text.length)} characters`);
    button.type = "button";
    button.addEventListener("click", () => { made.replaceChildren(); writeMarked(made, text, golds, sought); });
    made.append(document.createElement("br"), button);
  }
  return made;
}

// A task's text with its masks standing out.
function withMasks(text) {
  const made = element("span");
  text.split("[mask]").forEach((part, place) => {
    if (place) made.append(element("b", "mask", "[mask]"));
    write(made, part);
  });
  return made;
}
