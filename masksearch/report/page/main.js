// Connects the parts and opens the page.

const root = document.documentElement;
const now = () => String(Math.round(performance.now())); // ms since navigation; `data-list` and `data-ready` record the loading times
let found = null; // numbers of the records that match the search; null: all

// Opens one record; with `quiet` neither the page nor the focus moves.
async function openRecord(record, { quiet = false } = {}) {
  current = record;
  revealRow();
  drawRows();
  if (quiet) writeAddress();
  await showDetail();
  if (!quiet) { $("trajectories").scrollIntoView(); $("detail").focus({ preventScroll: true }); }
}

function sayCount() {
  const both = state.beside ? " that both answered" : "";
  $("count").textContent = `${thousands(shown.length)} of ${thousands(store.records.length)} trajectories${both}`;
  root.dataset.list = root.dataset.list || now();
}

// Applies the state. The open record stays open if it still matches the filters, and with `keep` always.
function refresh({ keep = false } = {}) {
  const { records, counts } = applyFilters(found);
  shown = records;
  if (!keep && !shown.includes(current)) current = shown[0] || null;
  showControls(counts);
  sayCount();
  revealRow();
  drawRows();
  return showDetail();
}

async function search(keep) {
  $("list").setAttribute("aria-busy", "true");
  const result = await searchTexts(state.find, (share) => { $("progress").textContent = share < 1 ? `reading the texts: ${Math.round(share * 100)}%` : ""; });
  if (result === undefined) return;
  found = result;
  $("list").removeAttribute("aria-busy");
  await refresh({ keep });
}

async function fromAddress() {
  const named = recordOfAddress();
  current = named;
  if (state.q && !named) $("missing").textContent = visible(`The page holds no trajectory ${state.q}.`);
  else $("missing").textContent = "";
  await search(Boolean(named));
}

function wireControls() {
  [...Object.keys(VALUES), "beside", "sort"].forEach((field) => $(field).addEventListener("change", (event) => {
    state[field] = event.target.value;
    if (field === "beside" && !state.beside) Object.assign(state, { pair: "", sort: state.sort === "difference" ? "" : state.sort });
    refresh();
    writeAddress();
  }));
  let waiting;
  $("find").addEventListener("input", (event) => {
    state.find = event.target.value;
    $("list").setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => search(false).then(writeAddress), 120);
  });
  $("controls").addEventListener("submit", (event) => { event.preventDefault(); $("list").focus(); });
  $("clear").addEventListener("click", () => {
    Object.keys(VALUES).concat("find", "beside").forEach((field) => { state[field] = ""; });
    search(true).then(writeAddress);
    $("find").focus();
  });
}

const PAGE_OF_ROWS = 8;
const LIST_KEYS = {
  ArrowDown: () => move(1), ArrowUp: () => move(-1), PageDown: () => move(PAGE_OF_ROWS), PageUp: () => move(-PAGE_OF_ROWS),
  Home: () => move(-Infinity), End: () => move(Infinity), Enter: () => $("detail").focus(),
};
const PAGE_KEYS = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), j: () => moveThroughParts(1), k: () => moveThroughParts(-1), "/": () => $("find").focus() };

function leave() {
  if (document.activeElement === $("find") && state.find) {
    $("find").value = state.find = "";
    search(true).then(writeAddress);
  } else $("list").focus();
}

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const { target, key } = event;
    if (key === "Escape" && $("trajectories").contains(target) && target.tagName !== "SELECT") { event.preventDefault(); leave(); return; }
    if (target === $("find") && key === "ArrowDown") { event.preventDefault(); $("list").focus(); return; }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    const action = (target === $("list") && LIST_KEYS[key]) || PAGE_KEYS[key];
    if (action) { event.preventDefault(); action(); }
  });
}

function wireList() {
  $("list").addEventListener("scroll", drawRows, { passive: true });
  new ResizeObserver(drawRows).observe($("list"));
}

async function begin() {
  await openStore();
  wireControls();
  wireKeys();
  wireList();
  if (readAddress()) {
    await fromAddress();
    $("trajectories").scrollIntoView();
  } else {
    const stage = store.stages[store.opensWith];
    state.stage = stage.suite ? stage.title : "";
    await refresh();
  }
  document.querySelectorAll("details.examples").forEach((box) => box.addEventListener("toggle", () => { if (box.open) showExamples(box); }));
  window.addEventListener("hashchange", () => {
    if (!readAddress()) return;
    fromAddress().then(() => { $("trajectories").scrollIntoView(); $("detail").focus({ preventScroll: true }); });
  });
  root.dataset.ready = now();
}

begin().catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  $("count").textContent = old ? "This browser cannot unpack the trajectories; open the page in a browser from 2023 or later." : `The trajectories could not be opened: ${error.message}`;
});
