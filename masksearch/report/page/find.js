// Selects and orders the records by the filters and the search, and counts the records that each further
// choice would leave.

const MOST_SEARCHES = 8; // the last option also covers more searches
const VERDICTS = { right: "right", "not-right": "not right", partial: "partly right", wrong: "wrong", invalid: "invalid", unscored: "unscored" };
const PAIRS = { verdict: "verdicts differ", here: "only this one right", there: "only the other right", score: "F1 differs", both: "both right", neither: "neither right" };
const right = (record) => record.verdict === "right";

// Maps a field of the state to the values of a record that the field's filter matches
const VALUES = {
  suite: (record) => [record.stage.suite].filter(Boolean),
  stage: (record) => [record.stage.title],
  verdict: (record) => (right(record) || record.verdict === "unscored" ? [record.verdict] : ["not-right", record.verdict]),
  failure: (record) => (record.failure ? [record.failure] : []),
  searches: (record) => (record.searches === null ? [] : [String(Math.min(MOST_SEARCHES, record.searches))]),
  kind: (record) => [record.task.kind].filter(Boolean),
  type: (record) => [record.task.type].filter(Boolean),
  pair: (record) => pairValues(record, partnerOf(record)),
};

function pairValues(record, other) {
  if (!other) return [];
  const values = [];
  if (record.verdict !== "unscored" && other.verdict !== "unscored") {
    if (right(record) !== right(other)) values.push("verdict", right(record) ? "here" : "there");
    else values.push(right(record) ? "both" : "neither");
  }
  if (record.f1 !== other.f1) values.push("score");
  return values;
}

const ORDERS = {
  question: (a, b) => nameOf(a).localeCompare(nameOf(b)),
  "f1-up": (a, b) => missingLast(a.f1, b.f1, 1),
  "f1-down": (a, b) => missingLast(a.f1, b.f1, -1),
  searches: (a, b) => missingLast(a.searches, b.searches, -1),
  tokens: (a, b) => missingLast(a.tokens, b.tokens, -1),
  seconds: (a, b) => missingLast(a.seconds, b.seconds, -1),
  difference: (a, b) => missingLast(differenceOf(a), differenceOf(b), -1),
};

const nameOf = (record) => record.task.title || record.task.text || record.task.id;

function missingLast(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (a - b);
}

function differenceOf(record) {
  const other = partnerOf(record);
  return other && record.f1 !== null && other.f1 !== null ? Math.abs(record.f1 - other.f1) : null;
}

// Splits a query into lower-case words and "quoted phrases", all of which a trajectory must contain.
function soughtWords(query) {
  return [...query.toLowerCase().matchAll(/"([^"]+)"?|[^\s"]+/gu)].map((match) => (match[1] || match[0]).trim()).filter(Boolean);
}

const AT_ONCE = 8; // blocks to read at the same time
const haystacks = []; // searchable text by record, filled by the first search
let searching = 0; // number of the last search; earlier searches stop

// Fills the haystacks of one block.
async function readHaystacks(number) {
  const { first, count } = store.blocks[number];
  if (haystacks[first] !== undefined) return;
  const details = await readBlock(number);
  for (let at = 0; at < count; at++) {
    const { id, title, text, golds } = store.records[first + at].task, detail = details[at];
    haystacks[first + at] = [id, title, text, ...golds, detail.answer, ...detail.segments.map((segment) => segment[1])].join("\n").toLowerCase();
  }
}

// Fills all haystacks, a few blocks at a time; returns false if another search has started meanwhile.
async function readTexts(mine, progress) {
  for (let number = 0; number < store.blocks.length; number += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, store.blocks.length - number) }, (_, at) => readHaystacks(number + at));
    await Promise.all(some);
    if (mine !== searching) return false;
    progress(Math.min(1, (number + AT_ONCE) / store.blocks.length));
  }
  return true;
}

// Returns the numbers of the records that contain the whole query; null for all records (an empty query);
// undefined if a later search has started.
async function searchTexts(query, progress) {
  const mine = ++searching;
  const words = soughtWords(query);
  if (!words.length) return null;
  if (!(await readTexts(mine, progress))) return undefined;
  const found = new Set();
  haystacks.forEach((text, number) => { if (words.every((word) => text.includes(word))) found.add(number); });
  return found;
}

// Returns { records, counts }; counts maps field -> value -> records that this value would leave under the
// other filters.
function applyFilters(found) {
  const fields = Object.keys(VALUES);
  const counts = Object.fromEntries(fields.map((field) => [field, new Map()]));
  const records = store.records.filter((record) => {
    if (found && !found.has(record.number)) return false;
    if (state.beside && !partnerOf(record)) return false;
    const values = fields.map((field) => VALUES[field](record));
    const failing = fields.filter((field, place) => state[field] && !values[place].includes(state[field]));
    fields.forEach((field, place) => {
      if (failing.length > 1 || (failing.length === 1 && failing[0] !== field)) return;
      values[place].forEach((value) => counts[field].set(value, (counts[field].get(value) || 0) + 1));
    });
    return !failing.length;
  });
  if (ORDERS[state.sort]) records.sort(ORDERS[state.sort]);
  return { records, counts };
}
