// The question box, the address, and the start.

let running = null, waitingFor = null;

function busy(on) {
  $("go").hidden = on;
  $("stop").hidden = !on;
  $("trajectory").setAttribute("aria-busy", String(on));
}

function grow() {
  const box = $("question");
  box.style.setProperty("height", "auto");
  box.style.setProperty("height", `${box.scrollHeight + 2}px`);
}

async function ask(question) {
  if (running) running.abort();
  const mine = running = new AbortController();
  busy(true);
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  document.title = question;
  const view = new Trajectory(question);
  say("The model reads the question.", "busy");
  try {
    const record = await askServer(question, mine.signal, (step) => {
      if (mine !== running) return;
      if (step.step === "waiting") say(`The model answers others; ${count(step.ahead, "question waits", "questions wait")} before yours.`, "busy");
      else if (step.step === "started") say("The model reads the question.", "busy");
      else view.add(step);
    });
    if (mine !== running) return;
    view.end(record);
    announce(record);
    remember(record);
    history.replaceState(null, "", `#t=${encodeURIComponent(record.id)}`);
  } catch (error) {
    if (mine === running) failed(error, () => ask(question));
  } finally {
    if (mine === running) { running = null; busy(false); }
  }
}

function announce(record) {
  const sources = record.sources.length ? `, ${count(record.sources.length, "source", "sources")}` : "";
  const notes = record.steps.filter((step) => step.step === "note").map((step) => ` Note: ${step.text}`).join("");
  if (record.fault) say(record.fault, "fault");
  else say(`Answer: ${record.answer}. ${verdict(record)[0]}${sources}.${notes}`, "heard");
}

function failed(error, again) {
  if (error.name === "AbortError") { say("Stopped."); return; }
  say(error.message, "fault");
  if (error.status === 401) {
    waitingFor = again;
    $("token-form").hidden = false;
    $("token").focus();
  }
}

// Shows the record that the address names: from this browser, or from the server.
async function show() {
  const key = new URLSearchParams(location.hash.slice(1)).get("t");
  if (!key) return;
  if (running) { running.abort(); running = null; busy(false); }
  try {
    const record = earlier().find((other) => other.id === key) || await (await request(`answers/${encodeURIComponent(key)}`)).json();
    const view = new Trajectory(record.question);
    document.title = record.question;
    for (const step of record.steps) view.add(step);
    view.end(record);
    announce(record);
    const number = Number(new URLSearchParams(location.hash.slice(1)).get("s"));
    const chosen = number ? $("trajectory").querySelectorAll(".source")[number - 1] : null;
    if (chosen) { chosen.open = true; chosen.scrollIntoView({ block: "center" }); }
    else $("trajectory").focus();
  } catch (error) {
    $("trajectory").hidden = true;
    failed(error, show);
  }
}

async function whenReady() {
  try {
    await request("ready");
    if ($("status").classList.contains("loading")) say("The model is loaded.");
  } catch (error) {
    if (error.status !== 503) return;
    if (!running && $("trajectory").hidden) say(error.message, "busy loading");
    setTimeout(whenReady, 2000);
  }
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (question) ask(question); else say("Write a question first.", "fault");
});
$("question").addEventListener("input", grow);
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("form").requestSubmit(); }
});
$("stop").addEventListener("click", () => { if (running) running.abort(); $("question").focus(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
  else if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) { event.preventDefault(); $("question").focus(); }
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  store(TOKEN, $("token").value.trim());
  $("token-form").hidden = true;
  say("");
  if (waitingFor) waitingFor();
});
$("forget").addEventListener("click", () => { store(EARLIER, null); list(); $("question").focus(); });
addEventListener("hashchange", show);
list();
show();
whenReady();
if (!location.hash) $("question").focus();
document.documentElement.dataset.ready = "yes";
