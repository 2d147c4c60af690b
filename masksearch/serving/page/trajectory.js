// One trajectory: its steps while they happen, then its answer, sources and link.

class Trajectory {
  constructor(question) {
    this.box = $("trajectory");
    this.steps = make("ol", "steps");
    this.how = fold("how", [make("span", "", "How it searched")], [this.steps], true);
    this.head = make("div", "");
    this.box.replaceChildren(make("h2", "asked", question), this.head, this.how);
    this.box.hidden = false;
    this.thought = null;
  }

  add(step) {
    if (step.step === "thought") {
      if (!this.thought) this.thought = this.line("thought", "");
      this.thought.textContent = plain((this.thoughts = (this.thoughts || "") + step.text)).trimEnd();
      return;
    }
    this.thought = null;
    this.thoughts = "";
    if (step.step === "note") this.line("note", `Note: ${step.text}`);
    else if (step.step === "search") this.call("Search", step.query);
    else if (step.step === "open") this.call("Open", step.title);
    else if (step.step === "results") this.results(step);
  }

  line(kind, text) {
    const row = document.createElement("li"), body = make("div", kind, text);
    row.append(body);
    this.steps.append(row);
    return body;
  }

  call(word, text) {
    const body = this.line("call", "");
    body.replaceChildren(make("b", "", word), " ", make("bdi", "", text));
    say(`${word}: ${text}`, "busy");
  }

  results(step) {
    if (!step.hits.length) { this.line("note", step.text || "Nothing was found."); return; }
    const body = this.line("found", "");
    body.replaceChildren(...step.hits.map((hit) => fold("", [make("bdi", "", hit.title)], [passage(hit.text, "")], false)));
  }

  // Shows the answer; the steps stay, folded.
  end(record) {
    const [mark, kind] = verdict(record);
    const parts = record.fault
      ? [make("p", "answer", record.fault)]
      : [make("p", "answer", record.answer), make("span", `mark ${kind}`, mark)];
    for (const step of record.steps) if (step.step === "note") parts.push(make("p", "note", `Note: ${step.text}`));
    if (record.sources.length) {
      parts.push(make("h3", "", record.grounded ? "Sources" : "Passages that it quotes"), ...record.sources.map(source));
    }
    parts.push(foot(record));
    this.head.replaceChildren(...parts);
    this.how.open = Boolean(record.fault);
    this.how.firstChild.replaceChildren(make("span", "", `How it searched: ${count(record.searches, "search", "searches")}, ${record.seconds} s`));
  }
}

// Returns the mark of an answer and its class.
function verdict(record) {
  if (record.fault) return [record.fault, "unsure"];
  if (record.declined) return ["says that it found nothing", "unsure"];
  if (record.grounded) return ["✓ grounded in what was read", "good"];
  return ["✗ not found in what was read", "bad"];
}

function source(row) {
  const summary = [make("span", "name", row.title), " ", make("span", "id", row.id)];
  if (row.sentence) summary.push(make("span", "sentence", row.sentence));
  return fold("source", summary, [passage(row.text, row.sentence)], false);
}

function foot(record) {
  const box = make("div", "foot"), link = make("a", "", "Link to this answer"), copy = make("button", "small", "Copy the link");
  link.href = `#t=${encodeURIComponent(record.id)}`;
  copy.type = "button";
  copy.addEventListener("click", () => copyText(link.href));
  box.append(link, copy, make("span", "", `${record.model}, ${record.asked.slice(0, 16).replace("T", " ")} UTC`));
  return box;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("The link is copied.");
  } catch {
    say(`The browser does not allow it; the link is ${text}`);
  }
}
