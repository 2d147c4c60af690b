// The state in the page's address: #q=STAGE/ID&verdict=wrong&find=paris. Empty fields are left out.

const readable = (text) => encodeURIComponent(text).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%20", "+");

function addressOf(wanted) {
  return "#" + Object.keys(EMPTY).filter((field) => wanted[field]).map((field) => `${field}=${readable(wanted[field])}`).join("&");
}

const nameInAddress = (record) => ({ q: `${record.stage.title}/${record.task.id}`, n: record.occurrence > 1 ? String(record.occurrence) : "" });
const permalink = (record) => addressOf({ ...EMPTY, ...nameInAddress(record), beside: partnerOf(record) ? state.beside : "" });

// Reads the state from the address; returns false if the address holds no state (a plain anchor, or no hash).
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (![...asked].some(([field, value]) => value && field in EMPTY)) return false;
  for (const field of Object.keys(EMPTY)) state[field] = asked.get(field) || "";
  return true;
}

// The part of the address that metric.js keeps; empty for the first metric.
const metricInAddress = () => (root.dataset.metric ? `&metric=${readable(root.dataset.metric)}` : "");

function writeAddress() {
  Object.assign(state, current ? nameInAddress(current) : { q: "", n: "" });
  try { history.replaceState(null, "", addressOf(state) + metricInAddress()); } catch { /* some viewers of local files forbid changes of the address */ }
}

// Returns the record that the address names, or null.
function recordOfAddress() {
  return store.records.find((record) => {
    const name = nameInAddress(record);
    return name.q === state.q && (name.n || "1") === (state.n || "1");
  }) || null;
}
