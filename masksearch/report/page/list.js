// The list of questions: a listbox with only the visible rows in the document, so that long lists stay fast.

const ROW = 52; // height of a row in pixels, as in page.css
const BEYOND = 8; // rows drawn above and below the visible rows
const SIGNS = { right: "\u2713", partial: "\u25d0", wrong: "\u2717", invalid: "!", unscored: "?" };

const outcomeOf = (record) => (record.verdict === "invalid" ? `invalid, ${record.status}` : VERDICTS[record.verdict]);

function signOf(record) {
  const made = element("span", `sign ${record.verdict}`, SIGNS[record.verdict]);
  made.setAttribute("aria-hidden", "true");
  return made;
}

// Returns the facts below a question in the list, which are also part of its label.
function factsOf(record) {
  const several = store.stages.length > 1 && !state.stage;
  const searches = record.searches === null ? "" : `${record.searches} ${record.searches === 1 ? "search" : "searches"}`;
  return [
    record.step === null ? "" : `step ${record.step}`,
    record.failure ? plainWords(record.failure) : record.verdict === "invalid" ? record.status : "",
    searches,
    several ? record.stage.title : "",
  ].filter(Boolean);
}

function rowOf(record, place) {
  const row = element("div", "row");
  row.id = `row-${place}`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-setsize", String(shown.length));
  row.setAttribute("aria-posinset", String(place + 1));
  row.setAttribute("aria-selected", String(record === current));
  row.style.top = `${place * ROW}px`;
  const name = visible(nameOf(record).slice(0, 300));
  const other = partnerOf(record);
  const outcomes = other ? `${outcomeOf(record)}, the other ${outcomeOf(other)}` : outcomeOf(record);
  row.setAttribute("aria-label", [name, outcomes, record.f1 === null ? "" : `F1 ${percent(record.f1)}%`, ...factsOf(record)].filter(Boolean).map(visible).join(", "));
  const signs = element("span", "signs");
  signs.append(signOf(record), ...(other ? [signOf(other)] : []));
  const words = element("span", "words");
  words.append(element("bdi", "name", name), element("bdi", "facts", factsOf(record).join(" · ")));
  const scores = element("span", "figure");
  if (record.f1 !== null) scores.append(element("span", "", percent(record.f1)));
  if (other && other.f1 !== null) scores.append(element("span", "other", percent(other.f1)));
  row.append(signs, words, scores);
  row.addEventListener("click", () => openRecord(record, { quiet: true }));
  return row;
}

// Draws the visible rows, and always the open row, because the list's aria-activedescendant points to it.
function drawRows() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
  const places = new Set(Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at));
  const active = shown.indexOf(current);
  if (active >= 0) places.add(active);
  $("rows").replaceChildren(...[...places].sort((a, b) => a - b).map((place) => rowOf(shown[place], place)));
  if (active >= 0) list.setAttribute("aria-activedescendant", `row-${active}`); else list.removeAttribute("aria-activedescendant");
}

// Scrolls the list, but not the page, so that the open row is visible.
function revealRow() {
  const list = $("list"), active = shown.indexOf(current);
  $("rows").style.height = `${shown.length * ROW}px`; // set before scrolling, because scrollTop cannot exceed the height
  if (active < 0) return;
  const top = active * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

// Opens the record `step` rows further, limited to the first and last row.
function move(step) {
  if (!shown.length) return;
  const active = shown.indexOf(current);
  const next = active < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, active + step));
  openRecord(shown[next], { quiet: true });
}
