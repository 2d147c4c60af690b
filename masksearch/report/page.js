"use strict";
// The trajectory viewer. State: stage, filter, query, and the place in the filtered list; kept in the address, as in
// #stage=eval&filter=wrong&q=paris&i=3 (i counts from 1). Texts are only ever written by textContent.
(() => {
  const stages = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const FILTERS = ["all", "right", "partial", "wrong", "invalid", "unscored"];
  const KINDS = { think: "think", search: "search", information: "information", answer: "answer", other: "outside the tags" };
  const state = { stage: 0, filter: "all", query: "", index: 0, focus: -1 };
  let shown = [];
  let settled = false; // the address is left alone until it names a place or somebody moves

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function haystack(item) {
    if (item.haystack === undefined) {
      item.haystack = [item.id, item.title, item.task, item.answer, ...item.golds, ...item.segments.map((s) => s[1])].join("\n").toLowerCase();
    }
    return item.haystack;
  }

  function matching(filter) {
    const query = state.query.trim().toLowerCase();
    return stages[state.stage].items.filter((item) => (filter === "all" || item.verdict === filter) && (!query || haystack(item).includes(query)));
  }

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!asked.has("stage")) return false;
    state.stage = Math.max(0, stages.findIndex((s) => s.stage === asked.get("stage")));
    state.filter = FILTERS.includes(asked.get("filter")) ? asked.get("filter") : "all";
    state.query = asked.get("q") || "";
    state.index = Math.max(0, (parseInt(asked.get("i"), 10) || 1) - 1);
    state.focus = -1;
    return true;
  }

  function writeAddress() {
    if (!settled) return;
    const kept = new URLSearchParams({ stage: stages[state.stage].stage });
    if (state.filter !== "all") kept.set("filter", state.filter);
    if (state.query) kept.set("q", state.query);
    kept.set("i", String(state.index + 1));
    try { history.replaceState(null, "", "#" + kept); } catch { /* some viewers of local files forbid it */ }
  }

  function figures(values) {
    return Object.entries(values).map(([name, value]) => `${name.replaceAll("_", " ")} ${Math.round(value * 1000) / 1000}`);
  }

  function withMasks(text) {
    const made = element("p", "task");
    text.split("[mask]").forEach((part, place) => {
      if (place) made.append(element("b", "", "[mask]"));
      made.append(part);
    });
    return made;
  }

  // The gold answers inside a text, marked; golds of one or two characters would be found everywhere.
  function marked(text, golds) {
    const made = element("div");
    const words = golds.filter((gold) => gold.trim().length > 2).sort((a, b) => b.length - a.length);
    if (!words.length) { made.textContent = text; return made; }
    const pattern = new RegExp("(" + words.map((word) => word.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|") + ")", "gi");
    text.split(pattern).forEach((part, place) => made.append(place % 2 ? element("mark", "", part) : part));
    return made;
  }

  function describe(item) {
    const list = element("dl", "compact");
    const row = (name, values) => {
      if (!values.length) return;
      const value = element("dd");
      values.forEach((text) => value.append(element("span", "", text)));
      list.append(element("dt", "", name), value);
    };
    row("Gold", item.ramp ? item.golds.map((gold, place) => `${place + 1}. ${gold}`) : [item.golds.join("  or  ")]);
    row("Answer", [item.answer || "(none)"]);
    row("Scores", figures(item.scores));
    row("Reward", figures(item.reward));
    row("Cost", figures(item.usage));
    row("Error", item.error ? [item.error] : []);
    return list;
  }

  function bar(item) {
    const made = element("div", "bar");
    const button = (text, step, off) => {
      const one = element("button", "", text);
      one.disabled = off;
      one.addEventListener("click", () => move(step));
      return one;
    };
    made.append(button("← Previous", -1, state.index === 0), button("Next →", 1, state.index === shown.length - 1));
    made.append(element("span", "quiet", `${state.index + 1} of ${shown.length}`));
    const outcome = item.verdict === "invalid" ? `invalid: ${item.status}` : item.verdict;
    made.append(element("span", "verdict " + item.verdict, outcome));
    if (item.step !== null) made.append(element("span", "quiet", `step ${item.step}` + (item.fate ? `, ${item.fate}` : "")));
    const keys = element("span", "keys");
    const present = new Set(item.segments.map((segment) => segment[0]));
    Object.keys(KINDS).filter((kind) => kind !== "other" || present.has(kind)).forEach((kind) => keys.append(element("span", "k-" + kind, KINDS[kind])));
    made.append(keys);
    return made;
  }

  function showDetail() {
    const detail = $("detail");
    detail.replaceChildren();
    const item = shown[state.index];
    if (!item) { detail.append(element("p", "quiet", "No trajectory fits these filters.")); return; }
    detail.append(bar(item));
    if (item.title) detail.append(element("h3", "", item.title));
    detail.append(withMasks(item.task), describe(item));
    item.segments.forEach(([kind, text], place) => {
      const made = element("div", "segment " + kind + (place === state.focus ? " focus" : ""));
      made.append(element("h4", "", KINDS[kind]), kind === "information" ? marked(text, item.golds) : element("div", "", text));
      detail.append(made);
    });
    detail.scrollTop = 0;
  }

  function showList() {
    const list = $("list");
    list.replaceChildren();
    shown.forEach((item, place) => {
      const row = element("li");
      row.title = item.task;
      const step = item.step !== null ? `step ${item.step} · ` : "";
      row.append(element("span", "dot " + item.verdict), element("span", "name", step + (item.title || item.task)));
      if (item.scores.f1 !== undefined) row.append(element("span", "figure", item.scores.f1.toFixed(2)));
      row.addEventListener("click", () => { state.index = place; state.focus = -1; select(); });
      list.append(row);
    });
  }

  function showFilters() {
    const group = $("filters");
    group.replaceChildren();
    FILTERS.forEach((filter) => {
      const count = matching(filter).length;
      if (filter === "unscored" && !count && state.filter !== filter) return;
      const one = element("button", "", `${filter} ${count}`);
      one.setAttribute("aria-pressed", String(filter === state.filter));
      one.addEventListener("click", () => { state.filter = filter; state.index = 0; state.focus = -1; refresh(); });
      group.append(one);
    });
    const stage = stages[state.stage];
    $("count").textContent = stage.items.length < stage.total ? `${stage.items.length} of the stage's ${stage.total} are on this page` : "";
  }

  function select() {
    [...$("list").children].forEach((row, place) => {
      if (place === state.index) { row.setAttribute("aria-current", "true"); reveal($("list"), row); } else row.removeAttribute("aria-current");
    });
    showDetail();
    writeAddress();
  }

  // Scrolls inside a box only, never the page.
  function reveal(box, child) {
    const top = child.getBoundingClientRect().top - box.getBoundingClientRect().top;
    if (top < 0 || top + child.offsetHeight > box.clientHeight) box.scrollTop += top - box.clientHeight / 3;
  }

  function refresh() {
    shown = matching(state.filter);
    state.index = Math.min(state.index, Math.max(0, shown.length - 1));
    $("stage").value = String(state.stage);
    if ($("query").value !== state.query) $("query").value = state.query;
    showFilters();
    showList();
    select();
  }

  function move(step) {
    const next = state.index + step;
    if (next < 0 || next >= shown.length) return;
    state.index = next;
    state.focus = -1;
    select();
  }

  function moveFocus(step) {
    const parts = [...document.querySelectorAll("#detail .segment")];
    if (!parts.length) return;
    state.focus = Math.min(parts.length - 1, Math.max(0, state.focus + step));
    parts.forEach((part, place) => part.classList.toggle("focus", place === state.focus));
    reveal($("detail"), parts[state.focus]);
  }

  stages.forEach((stage, place) => {
    const option = element("option", "", `${stage.stage} (${stage.items.length})`);
    option.value = String(place);
    $("stage").append(option);
  });
  $("stage").addEventListener("change", (event) => { 
    Object.assign(state, { stage: Number(event.target.value), index: 0, focus: -1 });
    if (!matching(state.filter).length) state.filter = "all";
    refresh();
  });
  $("query").addEventListener("input", (event) => { state.query = event.target.value; state.index = 0; state.focus = -1; refresh(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const action = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), j: () => moveFocus(1), k: () => moveFocus(-1) }[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  window.addEventListener("hashchange", () => { if (readAddress()) refresh(); });
  settled = readAddress();
  if (settled) {
    refresh();
    $("trajectories").scrollIntoView();
  } else {
    state.stage = Math.max(0, stages.map((stage) => stage.kind).lastIndexOf("eval"));
    refresh();
    settled = true;
  }
})();
