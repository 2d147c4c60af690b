// The metric of the plots: every plot holds a drawing of each of its metrics, of which one is visible. Without
// JavaScript that is F1. The choice is kept in the page's address, as `metric=em`.
(() => {
  const root = document.documentElement;
  const each = (selector, act, box = document) => box.querySelectorAll(selector).forEach(act);
  const known = (metric) => [...document.querySelectorAll("[data-choice=metric] option")].some((one) => one.value === metric);
  const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  let first = "";

  function show(metric) {
    each("[data-choice=metric]", (select) => { select.value = metric; });
    each(".plots", (box) => {
      let found = false;
      each("[data-plot]", (drawing) => { drawing.hidden = drawing.dataset.plot !== metric; found = found || !drawing.hidden; }, box);
      each(".lacking", (line) => { line.hidden = found; }, box);
    });
    if (metric === first) delete root.dataset.metric; else root.dataset.metric = metric;
  }

  function keep(metric) {
    const kept = state();
    if (metric === first) kept.delete("metric"); else kept.set("metric", metric);
    try { history.replaceState(null, "", `#${kept}`); } catch { /* some viewers of local files forbid changes of the address */ }
  }

  function fromAddress() {
    const asked = state().get("metric");
    if (asked && known(asked)) show(asked);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const select = document.querySelector("[data-choice=metric]");
    if (!select) return;
    first = select.value;
    each("label.metric", (label) => { label.hidden = select.options.length < 2; });
    each("[data-choice=metric]", (one) => one.addEventListener("change", () => { show(one.value); keep(one.value); }));
    fromAddress();
    window.addEventListener("hashchange", fromAddress);
  });
})();
