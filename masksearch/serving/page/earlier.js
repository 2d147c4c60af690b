// Earlier questions with their records, in the browser's local storage if it is allowed.

const EARLIER = "masksearch-earlier", TOKEN = "masksearch-token", MOST = 30;

function stored(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function store(key, value) {
  try { if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value); return true; } catch { return false; }
}

function earlier() {
  try {
    const found = JSON.parse(stored(EARLIER) || "[]");
    return Array.isArray(found) ? found.filter((record) => record && typeof record.id === "string" && Array.isArray(record.steps) && Array.isArray(record.sources)) : [];
  } catch { return []; }
}

// Keeps a record; the oldest go if the storage is full.
function remember(record) {
  let records = [record, ...earlier().filter((other) => other.id !== record.id)].slice(0, MOST);
  while (records.length && !store(EARLIER, JSON.stringify(records))) records = records.slice(0, -1);
  list();
}

function list() {
  const records = earlier();
  $("earlier").hidden = !records.length;
  $("earlier-list").replaceChildren(...records.map((record) => {
    const row = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.append(make("bdi", "", record.question), make("span", "said", record.fault || record.answer));
    button.addEventListener("click", () => { location.hash = `t=${encodeURIComponent(record.id)}`; });
    row.append(button);
    return row;
  }));
}
