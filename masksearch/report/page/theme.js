"use strict";
// Light or dark colours: those of the system unless the reader chooses; the browser's local storage, if
// allowed, keeps the choice.
(() => {
  const KEY = "masksearch-colours";
  const root = document.documentElement;

  function remembered() {
    try { return localStorage.getItem(KEY) || ""; } catch { return ""; }
  }

  function remember(choice) {
    try { if (choice) localStorage.setItem(KEY, choice); else localStorage.removeItem(KEY); } catch { /* without local storage the choice lasts until the page is closed */ }
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
