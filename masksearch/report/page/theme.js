"use strict";
// Light or dark: as the system has it, unless a reader chose; the choice is remembered where the browser lets a page keep something.
(() => {
  const KEY = "masksearch-colours";
  const root = document.documentElement;

  function remembered() {
    try { return localStorage.getItem(KEY) || ""; } catch { return ""; }
  }

  function remember(choice) {
    try { if (choice) localStorage.setItem(KEY, choice); else localStorage.removeItem(KEY); } catch { /* it holds for this visit */ }
  }

  function wear(choice) {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice; else delete root.dataset.theme;
  }

  wear(remembered());
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = root.dataset.theme || "";
    select.addEventListener("change", () => { wear(select.value); remember(select.value); });
  });
})();
