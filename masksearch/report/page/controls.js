// The form controls (filters, search, order, the evaluation to compare with) and the examples of failures.

const CHOICES = { suite: "all suites", stage: "all stages", verdict: "any outcome", failure: "any or no failure", searches: "any number", kind: "any kind", type: "any type", pair: "any difference" };
const EXAMPLES = 3; // per kind of failure

const WORDS = {
  suite: (value) => value,
  stage: (value) => value,
  verdict: (value) => VERDICTS[value],
  failure: plainWords,
  searches: (value) => (Number(value) === MOST_SEARCHES ? `${value} or more` : value),
  kind: plainWords,
  type: plainWords,
  pair: (value) => PAIRS[value],
};

// Returns every value of a field on this page, in the order of the select's options.
function valuesOf(field) {
  if (field === "verdict" || field === "pair") return Object.keys(field === "verdict" ? VERDICTS : PAIRS);
  const found = new Set(store.records.flatMap((record) => VALUES[field](record)));
  if (field === "searches") return [...found].sort((a, b) => a - b);
  if (field === "failure") return [...Object.keys(store.kinds).filter((kind) => found.has(kind)), ...[...found].filter((kind) => !(kind in store.kinds))];
  return [...found];
}

function option(value, text, chosen) {
  const made = element("option");
  made.value = value;
  made.textContent = visible(text);
  made.selected = value === chosen;
  return made;
}

const offered = {}; // field -> its values, computed once

function showSelect(field, counts) {
  const select = $(field);
  offered[field] = offered[field] || valuesOf(field);
  const values = offered[field].filter((value) => counts.get(value) || value === state[field] || field === "stage" || field === "suite");
  const unknown = state[field] && !values.includes(state[field]) ? [state[field]] : [];
  const label = (value) => `${WORDS[field](value) || value} (${thousands(counts.get(value) || 0)})`;
  select.replaceChildren(option("", CHOICES[field], state[field]), ...[...values, ...unknown].map((value) => option(value, label(value), state[field])));
  select.closest("label").hidden = field === "pair" ? !state.beside : offered[field].length < (field === "failure" ? 1 : 2) && !state[field];
}

function showBeside() {
  const stages = store.stages.filter((stage) => stage.kind === "eval" || stage.suite);
  const select = $("beside");
  select.replaceChildren(option("", "none", state.beside), ...stages.map((stage) => option(stage.title, stage.title, state.beside)));
  select.closest("label").hidden = stages.length < 2 && !state.beside;
}

function showSort() {
  [...$("sort").options].forEach((one) => { one.hidden = one.value === "difference" && !state.beside; });
  $("sort").value = ORDERS[state.sort] ? state.sort : "";
}

function showControls(counts) {
  Object.keys(VALUES).forEach((field) => showSelect(field, counts[field]));
  showBeside();
  showSort();
  if ($("find").value !== state.find) $("find").value = state.find;
  $("clear").disabled = Object.keys(VALUES).concat("find", "beside").every((field) => !state[field]);
}

function exampleList(records) {
  const list = element("ul");
  records.forEach((record) => {
    const item = element("li"), link = element("a");
    link.href = permalink(record);
    link.append(element("bdi", "", nameOf(record).slice(0, 160)));
    item.append(link, " ", element("bdi", "quiet", `answered: ${record.answer || "(none)"}; gold: ${(record.task.golds[0] || "").slice(0, 80)}`));
    list.append(item);
  });
  return list;
}

// When the box is opened, lists a few questions of every kind of failure, spread over one evaluation.
function showExamples(box) {
  const records = store.records.filter((record) => record.stage.title === box.dataset.stage && record.failure);
  const kinds = offered.failure.filter((kind) => records.some((record) => record.failure === kind));
  box.replaceChildren(box.firstElementChild, ...kinds.flatMap((kind) => {
    const found = records.filter((record) => record.failure === kind);
    const some = Array.from({ length: Math.min(EXAMPLES, found.length) }, (_, at) => found[Math.floor((at * found.length) / EXAMPLES)] || found[at]);
    return [element("h4", "", `${plainWords(kind)}`), exampleList([...new Set(some)])];
  }));
  if (!kinds.length) box.append(element("p", "quiet", "The questions that failed are not on this page."));
}
