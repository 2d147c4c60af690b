"use strict";
// The per-question explorer. The page holds an index of all questions and their texts in packed blocks (store.js); a list of what
// the filters leave (find.js, controls.js, list.js); one trajectory, or two side by side (detail.js); all of it named by the page's
// address (address.js). Texts from a run are only ever written by textContent, through text.js.

const $ = (id) => document.getElementById(id);

// What is looked at. Every field but `q` and `n` is a filter or an order; the empty string stands for none.
const NOTHING = {
  q: "", // the trajectory: STAGE/ID
  n: "", // which one, where a stage has several of one id
  find: "", suite: "", stage: "", verdict: "", failure: "", searches: "", kind: "", type: "", // filters
  beside: "", // the other evaluation
  pair: "", // how the two differ
  sort: "",
};
const state = { ...NOTHING };
let shown = []; // records that the filters leave, in the order asked for
let current = null; // the record that is open

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) write(made, text);
  return made;
}

const plainWords = (key) => key.replaceAll("_", " ");
const figure = (value) => String(Math.round(value * 1000) / 1000);
const thousands = (count) => count.toLocaleString("en");
