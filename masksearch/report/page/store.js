// The data of the page: an index, unpacked at once, and blocks of texts, unpacked on demand. explorer.py
// describes both.

const store = { stages: [], tasks: [], records: [], blocks: [], kinds: {}, opensWith: 0 };
const KEPT_BLOCKS = 32;
const opened = new Map(); // block number -> promise of its details, most recently used last

async function unpack(packed) {
  const binary = atob(packed);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place++) bytes[place] = binary.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function openStore() {
  const index = await unpack($("index").textContent);
  store.kinds = index.kinds;
  store.opensWith = index.opens_with;
  store.stages = index.stages.map((stage, number) => ({ ...stage, number, byTask: new Map() }));
  store.tasks = index.tasks.map(([id, title, text, golds, ramp, type, kind]) => ({ id, title, text, golds, ramp, type, kind }));
  store.records = index.records[0].map((_, number) => {
    const record = { number };
    index.fields.forEach((field, column) => { record[field] = index.records[column][number]; });
    record.task = store.tasks[record.task];
    record.stage = store.stages[record.stage];
    if (!record.stage.byTask.has(record.task)) record.stage.byTask.set(record.task, record);
    return record;
  });
  let first = 0;
  store.blocks = index.blocks.map((count) => { first += count; return { first: first - count, count }; });
  store.blocks.forEach((block, number) => { for (let at = 0; at < block.count; at++) store.records[block.first + at].block = number; });
}

// The blocks come after the script in the page, so that the list works while the browser still reads them.
const read = new Promise((resolve) => { document.addEventListener("DOMContentLoaded", resolve); });

async function readBlock(number) {
  if (!$(`block-${number}`)?.nextSibling) await read; // the browser has not read the whole block yet
  return unpack($(`block-${number}`).textContent);
}

// Returns the details of a block's trajectories; caches the KEPT_BLOCKS most recently used blocks.
function openBlock(number) {
  const found = opened.get(number) || readBlock(number);
  opened.delete(number);
  opened.set(number, found);
  if (opened.size > KEPT_BLOCKS) opened.delete(opened.keys().next().value);
  return found;
}

async function detailOf(record) {
  return (await openBlock(record.block))[record.number - store.blocks[record.block].first];
}

// Returns the record of the same question in the evaluation to compare with, or null.
function partnerOf(record) {
  if (!state.beside || record.stage.title === state.beside) return null;
  const other = store.stages.find((stage) => stage.title === state.beside);
  return (other && other.byTask.get(record.task)) || null;
}
