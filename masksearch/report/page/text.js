// Writes untrusted texts. They are never parsed as markup. Control characters, direction marks and
// overrides, invisible separators and tag characters are shown as signs, so that they can neither reverse
// nor hide text. <bdi> or the style's `unicode-bidi` isolates every text, so that a right-to-left text
// does not affect its surroundings.

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const LONGEST = 20000; // characters of a segment that are shown at first

function sign(character) {
  return `\u27e8U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

const visible = (text) => text.replaceAll("\r\n", "\n").replace(CONTROLS, sign);

// Adds a text to an element, with control characters as marked signs.
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

// Builds one pattern for several texts, longest first; null without texts.
function patternOf(texts) {
  const words = [...new Set(texts.map((text) => text.trim()).filter(Boolean))].sort((a, b) => b.length - a.length);
  return words.length ? new RegExp("(" + words.map(escaped).join("|") + ")", "giu") : null;
}

// Adds a text with marked gold answers and search words. Golds of one or two characters are not marked,
// because they would match everywhere.
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

// Adds a text with the marks that marks.py computed, as [start, end, kind, label]: false quotes, and sentences
// that hold a gold answer. The label follows the marked text, hidden from view but not from a screen reader.
function writeNoted(parent, text, marks, golds, sought) {
  let end = 0;
  for (const [start, stop, kind, label] of marks) {
    if (start < end || stop > text.length) continue;
    writeMarked(parent, text.slice(end, start), [], sought);
    const mark = element("mark", kind);
    mark.title = visible(label);
    writeMarked(mark, text.slice(start, stop), kind === "holds" ? golds : [], sought);
    mark.append(element("span", "unseen", ` (${label}) `));
    parent.append(mark);
    end = stop;
  }
  writeMarked(parent, text.slice(end), [], sought);
}

// Shows the start of a text of any length, and a button for the rest.
function longText(text, marks, golds, sought) {
  const made = element("div", "text");
  made.dir = "auto";
  writeNoted(made, text.slice(0, LONGEST), marks, golds, sought);
  if (text.length > LONGEST) {
    const button = element("button", "", `Show all ${thousands(text.length)} characters`);
    button.type = "button";
    button.addEventListener("click", () => { made.replaceChildren(); writeNoted(made, text, marks, golds, sought); });
    made.append(document.createElement("br"), button);
  }
  return made;
}

// Shows a task's text with highlighted masks.
function withMasks(text) {
  const made = element("span");
  text.split("[mask]").forEach((part, place) => {
    if (place) made.append(element("b", "mask", "[mask]"));
    write(made, part);
  });
  return made;
}
