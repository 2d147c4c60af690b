"use strict";
// The per-question explorer. store.js unpacks an index of all questions and blocks of texts; find.js,
// controls.js and list.js filter and list the questions; detail.js shows one trajectory, or two side by
// side; address.js keeps the state in the page's address. All texts from a run are written through
// textContent, by text.js.

const $ = (id) => document.getElementById(id);

// The empty state. Every field but `q` and `n` is a filter or an order; the empty string means none.
const EMPTY = {
  q: "", // the open trajectory: STAGE/ID
  n: "", // its number if the stage has several trajectories with this id
  find: "", suite: "", stage: "", verdict: "", failure: "", searches: "", kind: "", type: "", // filters
  beside: "", // the evaluation to compare with
  pair: "", // how the two evaluations differ
  sort: "",
};
const state = { ...EMPTY };
let shown = []; // records that match the filters, in the chosen order
let current = null; // the open record

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) write(made, text);
  return made;
}

const plainWords = (key) => key.replaceAll("_", " ");
const measureName = (key) => (key === "seconds" ? "seconds, batched" : plainWords(key)); // as in the tables
const figure = (value) => String(Math.round(value * 1000) / 1000);
const percent = (share) => (Math.round(share * 1000) / 10).toFixed(1);
const thousands = (count) => count.toLocaleString("en");
