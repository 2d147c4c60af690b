// Elements and texts. Every text of the corpus, the model and the server is set as `textContent`.

const $ = (id) => document.getElementById(id);
// The same characters as `visible_controls` in text/display.py: no text may hide or reverse a line.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

function plain(text) {
  return String(text ?? "").replace(CONTROLS, (found) => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// Returns an element with a class and a text.
function make(tag, kind, text) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text !== undefined) { element.textContent = plain(text); element.dir = "auto"; }
  return element;
}

// Returns a `details` element; `open` shows its content.
function fold(kind, summary, content, open) {
  const element = make("details", kind), head = document.createElement("summary");
  head.append(...summary);
  element.append(head, ...content);
  element.open = Boolean(open);
  return element;
}

// Returns a passage whose sentence is marked.
function passage(text, sentence) {
  const element = make("p", "text"), whole = plain(text), part = plain(sentence);
  const start = part ? whole.indexOf(part) : -1;
  element.dir = "auto";
  if (start < 0) { element.textContent = whole; return element; }
  const marked = make("mark", "", "");
  marked.textContent = part;
  element.append(whole.slice(0, start), marked, whole.slice(start + part.length));
  return element;
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function say(text, kind) {
  const line = $("status");
  line.className = `status ${kind || ""}`;
  line.textContent = plain(text);
}
