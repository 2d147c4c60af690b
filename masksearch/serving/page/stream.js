// Requests to this server. A fault is an Error whose message is the server's sentence.

class Fault extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

async function request(path, options = {}) {
  const headers = { ...(options.headers || {}) }, token = stored(TOKEN);
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault("The server does not answer; is it running?", 0);
  }
  if (response.ok) return response;
  let sentence = `The server answered ${response.status}.`;
  try { sentence = (await response.json()).detail || sentence; } catch { /* the answer is no JSON */ }
  throw new Fault(sentence, response.status);
}

// Reads server-sent events; `take(name, data)` gets each.
async function readEvents(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const fields = Object.fromEntries(piece.split("\n").map((line) => { const colon = line.indexOf(": "); return [line.slice(0, colon), line.slice(colon + 2)]; }));
      if (fields.data) take(fields.event, JSON.parse(fields.data));
    }
  }
}

// Asks a question; returns its record.
async function askServer(question, signal, show) {
  const response = await request("ask", { method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify({ question }) });
  let record = null, fault = "";
  try {
    await readEvents(response, (name, data) => {
      if (name === "step") show(data);
      else if (name === "record") record = data;
      else if (name === "fault") fault = data.detail;
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (record) return record;
  throw new Fault(fault || "The connection ended before the answer; ask again.", 0);
}
