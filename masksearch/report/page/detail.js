// Shows one trajectory, or two of the same question side by side.

const PARTS = { think: "think", search: "search", open: "open", information: "information", answer: "answer", other: "outside the tags" };
let opening = 0; // number of the last requested detail; earlier details are dropped when they arrive

function facts(pairs) {
  const list = element("dl", "compact");
  for (const [name, values] of pairs) {
    if (!values.length) continue;
    const value = element("dd");
    values.forEach((text) => value.append(element("bdi", "", text), " "));
    list.append(element("dt", "", name), value);
  }
  return list;
}

const figuresOf = (values, write = figure) => Object.entries(values || {}).map(([name, value]) => `${measureName(name)} ${write(value)}`);

function bar(record) {
  const made = element("div", "bar");
  const active = shown.indexOf(record);
  const button = (text, step, off) => {
    const one = element("button", "", text);
    one.type = "button";
    one.disabled = off;
    one.addEventListener("click", () => move(step));
    return one;
  };
  made.append(button("← Previous", -1, active <= 0), button("Next →", 1, active < 0 || active === shown.length - 1));
  made.append(element("span", "quiet", active < 0 ? "excluded by the filters" : `${thousands(active + 1)} of ${thousands(shown.length)}`));
  const link = element("a", "", "Link to this one");
  link.href = permalink(record);
  link.addEventListener("click", (event) => event.stopPropagation());
  made.append(link);
  return made;
}

function outcome(record) {
  const made = element("p", `outcome ${record.verdict}`);
  made.append(signOf(record), " ", element("b", "", outcomeOf(record)));
  if (record.failure) made.append(element("span", "quiet", ` ${plainWords(record.failure)}${store.kinds[record.failure] ? ": " + store.kinds[record.failure] : ""}`));
  return made;
}

function sideOf(record, detail, golds, both) {
  const side = element("section", "side");
  const step = record.step === null ? "" : `, step ${record.step}${record.fate ? `, ${record.fate}` : ""}`;
  const heading = element("h4", "", record.stage.title + step);
  side.setAttribute("aria-label", visible(record.stage.title));
  side.append(heading, outcome(record));
  const pairs = [["Answer", [detail.answer || "(none)"]]];
  if (!both) pairs.push(["Scores (%)", figuresOf(detail.scores, percent)], ["Cost", figuresOf(detail.cost)]);
  pairs.push(
    ["Wanted", (detail.wanted || []).map(([name, found]) => `${found ? SIGNS.right : SIGNS.wrong} ${name}: ${found ? "found" : "not found"}`)],
    ["Reward", figuresOf(detail.reward)],
    ["Error", detail.error ? [detail.error] : []],
    ["Searches failed", detail.search_errors || []],
    ["Judge", detail.judge_error ? [detail.judge_error] : []],
  );
  side.append(facts(pairs));
  detail.segments.forEach(([kind, text, marks]) => {
    const part = element("div", `segment ${kind}`);
    part.tabIndex = -1;
    part.append(element("h5", "", PARTS[kind]), longText(text, marks || [], golds, soughtWords(state.find)));
    side.append(part);
  });
  if (!detail.segments.length) side.append(element("p", "quiet", "The trajectory is missing."));
  return side;
}

// Builds a table of the metrics that differ, with first minus second, and a line with the equal metrics.
function differences(record, other, detail, beside) {
  const values = { ...detail.scores, ...detail.cost }, others = { ...beside.scores, ...beside.cost };
  const names = [...new Set([...Object.keys(values), ...Object.keys(others)])];
  const scores = new Set([...Object.keys(detail.scores || {}), ...Object.keys(beside.scores || {})]);
  const written = (name, value) => (scores.has(name) ? `${percent(value)}%` : figure(value));
  const different = names.filter((name) => values[name] !== others[name]);
  const same = names.filter((name) => values[name] === others[name]).map((name) => `${measureName(name)} ${written(name, values[name])}`);
  const box = element("div", "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Figures that differ");
  if (different.length) box.append(figureTable(different, [[record.stage.title, values], [other.stage.title, others]], written));
  return same.length ? [box, element("p", "quiet", `The same in both: ${same.join(", ")}.`)] : [box];
}

function headerCell(text, scope, className) {
  const made = element("th", className, text);
  made.scope = scope;
  return made;
}

function figureTable(names, sides, written) {
  const table = element("table", "figures");
  table.createTHead().insertRow().append(headerCell("Evaluation", "col"), ...names.map((name) => headerCell(measureName(name), "col", "number")));
  const body = table.createTBody();
  const line = (title, texts) => body.insertRow().append(headerCell(title, "row"), ...texts.map((text) => element("td", "number", text)));
  sides.forEach(([title, values]) => line(title, names.map((name) => (name in values ? written(name, values[name]) : ""))));
  line("Difference", names.map((name) => change(name, sides[0][1][name], sides[1][1][name], written)));
  return table;
}

function change(name, first, second, written) {
  if (first === undefined || second === undefined) return "";
  return (first > second ? "+" : "\u2212") + written(name, Math.abs(first - second));
}

function agreement(record, other) {
  if (record.verdict === "unscored" || other.verdict === "unscored") return "One of the two has no verdict.";
  if (right(record) === right(other)) return right(record) ? "Both are right." : "Neither is right.";
  return `The verdicts differ: only ${visible((right(record) ? record : other).stage.title)} is right.`;
}

async function showDetail() {
  const mine = ++opening, record = current, box = $("detail");
  if (!record) {
    box.replaceChildren(element("p", "quiet", "No question fits these filters."));
    return;
  }
  const other = partnerOf(record);
  const [detail, beside] = await Promise.all([detailOf(record), other ? detailOf(other) : null]);
  if (mine !== opening) return;
  const { task } = record;
  const heading = element("h3", "task");
  heading.id = "detail-title";
  heading.dir = "auto";
  heading.append(task.text ? withMasks(task.text) : element("span", "", task.id));
  const parts = [bar(record)];
  if (task.title) { const title = element("p", "quiet title", task.title); title.dir = "auto"; parts.push(title); }
  parts.push(heading);
  const golds = task.ramp ? task.golds.map((gold, place) => `${place + 1}. ${gold}`) : [task.golds.join("  or  ")];
  const kinds = [task.type, task.kind].filter(Boolean).map(plainWords);
  parts.push(facts([["Gold", golds], ["Kind", kinds], ["Id", [task.id]]]));
  if (other) parts.push(element("p", "agreement", agreement(record, other)), ...differences(record, other, detail, beside));
  const sides = element("div", other ? "sides two" : "sides");
  sides.append(sideOf(record, detail, task.golds, other));
  if (other) sides.append(sideOf(other, beside, task.golds, record));
  parts.push(sides);
  box.replaceChildren(...parts);
  box.scrollTop = 0;
}

// Steps through the segments by moving the focus, so that a screen reader follows.
function moveThroughParts(step) {
  const parts = [...document.querySelectorAll("#detail .segment")];
  if (!parts.length) return;
  const place = parts.indexOf(document.activeElement);
  parts[Math.min(parts.length - 1, Math.max(0, place + step))].focus();
}
