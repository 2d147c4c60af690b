"""A language model that judges free answers through any OpenAI-compatible endpoint, strictly or relaxed.

The modes are FreshQA's (Vu et al. 2023, arXiv 2310.03214, section 2). The strict mode accepts an answer only
if everything in it is right and up to date; the relaxed mode looks at the main answer. In both, an answer to
a question with a false premise must say that the premise is false. A third mode, `support`, does not see the
gold answers: it asks whether the passages that the agent was shown support the answer. `frames` asks as the
autorater of FRAMES (Krishna et al. 2024): is the gold answer present in the answer? `fresheval-strict` and
`fresheval-relaxed` have the rules of FreshQA's FreshEval with demonstrations and the date. All prompts are in
our words, in files (see `FILES`). Files of the same names in the user's prompt folder replace them, for
example by the authors' own prompts.

The judged answer is untrusted data. The judge sees it inside one JSON object, neutralised like retrieved
text, and cut if it is very long. Its braces are replaced, so that a judge that repeats the answer does not
seem to give a verdict. A verdict is parsed as JSON and never evaluated as code. After an unreadable verdict
the judge is asked once more. A second unreadable verdict is recorded as an error and counts neither as
correct nor as incorrect.

Each verdict is appended to a cache file under a hash of the request. If a run was killed, or its server was
busy, the resumed run asks only for the missing verdicts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from masksearch.errors import UsageError
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import BAD_REQUEST, EndpointError, EndpointPolicy, Reply, open_connections
from masksearch.llm.structured import JsonModes
from masksearch.runtime.files import append_json_lines, hash_json, read_appended
from masksearch.text.excerpts import beginning
from masksearch.text.neutralise import neutralise
from masksearch.text.thoughts import without_thoughts
from masksearch.types import MaskedTask, Question, Task

Mode = Literal["strict", "relaxed", "frames", "fresheval-strict", "fresheval-relaxed", "support"]
MODES: tuple[Mode, ...] = ("strict", "relaxed")
PREDICTION_WORDS = 500
"""Maximum number of words of a prediction that the judge sees (characters in scripts without spaces)."""
FIELD_WORDS = 1000
"""Maximum number of words of a question, or of one accepted answer, that the judge sees."""
RAW = 2000
"""Maximum number of characters of the judge's reply that a verdict records."""
OUTAGE = 8
"""Number of consecutive items without a reply that counts as an outage. In an outage, no more requests are
sent. If `concurrency` is larger, it is used instead of this number."""
MOST_OPENINGS = 100
"""Maximum number of opening braces of a reply that the parser tries as the start of JSON."""
KEYS = ("JUDGE_API_KEY", "OPENAI_API_KEY")
"""Environment variables for the API key; the first that is set counts."""
PASSAGES, PASSAGE_WORDS = 30, 150
"""Maximum number of passages that the mode `support` shows, the last ones, and of words of each."""
FILES = (
    "judge-strict.j2",
    "judge-relaxed.j2",
    "judge-frames.j2",
    "judge-fresheval-strict.j2",
    "judge-fresheval-relaxed.j2",
    "judge-item.j2",
    "judge-repair.j2",
    "judge-support.j2",
    "judge-support-item.j2",
)
SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "verdict": {"type": "string", "enum": ["correct", "incorrect"]},
    },
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}
_REFUSED = (401, 403, 404)
_BRACES = str.maketrans("{}", "｛｝")


@dataclass(frozen=True)
class Item:
    """One answer to judge."""

    question: str
    answers: tuple[str, ...]
    """Equally acceptable gold answers."""
    prediction: str
    parts: tuple[tuple[str, ...], ...] = ()
    """Parts of a list answer, each with its equally acceptable forms; empty for other answers."""
    false_premise: bool = False
    """Whether the question has a false premise, which the answer must point out."""
    passages: tuple[str, ...] = ()
    """Passages that the agent was shown; only the mode `support` shows them to the judge."""


@dataclass(frozen=True)
class Verdict:
    """A judge's verdict on one item. If there is no verdict, `correct` is None and `error` gives the
    reason."""

    correct: bool | None
    raw: str = ""
    """The judge's reply, cut to RAW characters."""
    error: str = ""
    tokens: int = 0
    """Number of tokens of the judge's prompts and replies together, as the server counts them."""
    written: int = 0
    """Number of tokens of the judge's replies."""
    settled: bool = True
    """Whether the verdict is final; False if the endpoint failed, so that a later run asks again."""


def item_of(task: Task, prediction: str) -> Item:
    """Builds the item to judge for a task.

    The gold fills of a masked text are one accepted answer, numbered in order.
    """
    if isinstance(task, Question):
        return Item(task.question, task.answers, prediction, task.parts, task.false_premise)
    return Item(
        f"Which words belong in the place of each [mask], in order? {task.text}",
        (_numbered(task),),
        prediction,
    )


def _numbered(task: MaskedTask) -> str:
    if task.masks == 1:
        return task.answers[0]
    return "; ".join(f"{number}. {answer}" for number, answer in enumerate(task.answers, 1))


class Judge:
    """A judge of one mode.

    The constructor sends no request. It raises UsageError for a wrong URL or prompt folder and
    MissingExtraError without the package `openai`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        mode: Mode = "strict",
        *,
        cache: Path | None = None,
        prompts: str = "",
        concurrency: int = 8,
        max_tokens: int = 512,
        timeout: float = 120.0,
        retries: int = 4,
        date: str = "",
    ) -> None:
        """`cache` is the file of verdicts (JSON Lines; judges may share a file), None for no cache.
        `prompts` is a folder whose files replace our prompt files of the same names; an empty text selects
        our files. `max_tokens` limits a verdict; `timeout` is in seconds; `date` is the day that FreshEval's
        prompts name."""
        if not model:
            raise UsageError("A judge needs the name of a model at its endpoint; set it with --judge.model.")
        self.url = url
        self.model = model
        self.mode = mode
        self.cache = cache
        self.concurrency = concurrency
        self.max_tokens = max_tokens
        self.timeout = timeout
        self.retries = retries
        self.date = date
        self._templates = _load(prompts)
        self.open_policy()  # only to check the URL and the package before any work starts
        self._forms = JsonModes()

    @cached_property
    def prompt_hash(self) -> str:
        """Returns the SHA-256 of the prompt files in use and of the JSON schema, as hex."""
        used = (f"judge-{self.mode}.j2", self._item_file, "judge-repair.j2")
        texts = {name: source for name, (source, _) in self._templates.items() if name in used}
        return hash_json({"prompts": texts, "schema": SCHEMA})

    @property
    def _item_file(self) -> str:
        return "judge-support-item.j2" if self.mode == "support" else "judge-item.j2"

    def _is_asked(self, item: Item) -> bool:
        """Whether an item needs a request; without one it counts as incorrect."""
        return is_asked(item) and (self.mode != "support" or bool(item.passages))

    async def judge(self, items: Sequence[Item], on_done: Callable[[], None] | None = None) -> list[Verdict]:
        """Judges the items and returns the verdicts in order; equal items are asked once.

        An empty prediction is incorrect without a request. If the endpoint still fails after all retries,
        the item gets an error and stays open for a later run. Raises ModelError if the endpoint refuses
        the key or does not know the model, because then every request would fail.
        """
        known = self._known()
        # Connections belong to the event loop that opened them, so each call opens its own.
        connections = open_connections(self.concurrency)
        places = asyncio.Semaphore(self.concurrency)
        work = _Work(self.open_policy(connections), places, max(OUTAGE, self.concurrency))
        asked: dict[str, asyncio.Task[Verdict]] = {}

        async def one(item: Item) -> Verdict:
            verdict = await self._settle(item, known, asked, work)
            if on_done is not None:
                on_done()
            return verdict

        jobs = [asyncio.ensure_future(one(item)) for item in items]
        try:
            return list(await asyncio.gather(*jobs))
        finally:
            pending = [*jobs, *asked.values()]
            for job in pending:
                job.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            await connections.aclose()

    async def _settle(
        self, item: Item, known: Mapping[str, Verdict], asked: dict[str, asyncio.Task[Verdict]], work: _Work
    ) -> Verdict:
        if not self._is_asked(item):
            return Verdict(False)
        messages = self.messages(item)
        key = self.key(messages)
        if key in known:
            return known[key]
        if key not in asked:
            asked[key] = asyncio.ensure_future(self._ask(key, messages, work))
        return await asyncio.shield(asked[key])

    async def verdict(self, item: Item, policy: EndpointPolicy) -> Verdict:
        """Judges one item; neither reads nor writes the cache. Raises EndpointError."""
        return await self._verdict(self.messages(item), policy) if self._is_asked(item) else Verdict(False)

    def messages(self, item: Item) -> list[dict[str, Any]]:
        """Builds the chat that asks for a verdict."""
        shown = _shown_support(item) if self.mode == "support" else _shown(item)
        system = self._render(f"judge-{self.mode}.j2", false_premise=item.false_premise, date=self.date)
        user = self._render(
            self._item_file, item=json.dumps(shown, ensure_ascii=False), false_premise=item.false_premise
        )
        return [{"role": "system", "content": system}, {"role": "user", "content": user}]

    def key(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Returns the cache key of a verdict: a hash of the model, the prompts and the item as shown."""
        return hash_json({"prompts": self.prompt_hash, "model": self.model, "messages": list(messages)})

    def _known(self) -> dict[str, Verdict]:
        """Reads the verdicts of earlier runs from the cache.

        An unreadable verdict is used only if it was made with the same `max_tokens`; with another limit the
        reply might be readable.
        """
        known: dict[str, Verdict] = {}
        for row in read_appended(self.cache) if self.cache is not None else ():
            correct = row.get("correct")
            if isinstance(correct, bool) or (correct is None and row.get("max_tokens") == self.max_tokens):
                raw, error = str(row.get("raw", "")), str(row.get("error", ""))
                known[str(row.get("key"))] = Verdict(
                    correct, raw, error, int(row.get("tokens") or 0), int(row.get("written") or 0)
                )
        return known

    async def _ask(self, key: str, messages: list[dict[str, Any]], work: _Work) -> Verdict:
        async with work.places:
            if work.failed >= work.outage:
                return Verdict(None, error=work.reason, settled=False)
            try:
                verdict = await self._verdict(messages, work.policy)
            except EndpointError as error:
                if error.status in _REFUSED:
                    raise
                # A bad request concerns only this item, which may be too long, for example. It is no sign of
                # an outage.
                if error.status not in BAD_REQUEST:
                    work.failed, work.reason = work.failed + 1, str(error)
                return Verdict(None, error=str(error), settled=False)
        work.failed = 0
        if self.cache is not None:
            values = {name: value for name, value in asdict(verdict).items() if name != "settled"}
            row = {
                "key": key,
                "mode": self.mode,
                "model": self.model,
                "max_tokens": self.max_tokens,
                **values,
            }
            append_json_lines(self.cache, [row])
        return verdict

    async def _verdict(self, messages: list[dict[str, Any]], policy: EndpointPolicy) -> Verdict:
        """Asks for a verdict, and once more if the first is unreadable. Raises EndpointError."""
        first = await self._complete(messages, policy)
        correct = _read(first)
        if correct is not None:
            return Verdict(correct, first.text[:RAW], "", first.total, first.tokens)
        repair = {"role": "user", "content": self._render("judge-repair.j2")}
        second = await self._complete(
            [*messages, {"role": "assistant", "content": first.text[:RAW] or "(empty)"}, repair], policy
        )
        correct = _read(second)
        fault = "" if correct is not None else _fault(second)
        return Verdict(
            correct, second.text[:RAW], fault, first.total + second.total, first.tokens + second.tokens
        )

    async def _complete(self, messages: Sequence[Mapping[str, Any]], policy: EndpointPolicy) -> Reply:
        """Requests one reply in the strictest JSON mode that the server supports."""
        return await self._forms.complete(policy, messages, "verdict", SCHEMA, self.max_tokens, Sampling())

    def open_policy(self, connections: Any = None) -> EndpointPolicy:
        """Opens a client of the endpoint; the caller closes the `connections` it passes."""
        return EndpointPolicy(
            self.model,
            self.url,
            self.timeout,
            self.retries,
            flag="--judge.url",
            keys=KEYS,
            connections=connections,
        )

    def _render(self, name: str, **values: Any) -> str:
        import jinja2

        try:
            return str(self._templates[name][1].render(**values))
        except jinja2.TemplateError as error:
            raise UsageError(f"The judge's prompt {name} cannot be filled in: {error}.") from error


@dataclass
class _Work:
    """The state that all requests of one call of `Judge.judge` share."""

    policy: EndpointPolicy
    places: asyncio.Semaphore
    outage: int
    """Number of consecutive items without a reply that counts as an outage (see `OUTAGE`)."""
    failed: int = 0
    """Number of consecutive items without a reply so far; a reply sets it back to 0."""
    reason: str = ""
    """Error message of the last item without a reply; items that are not sent during an outage get it too."""


def is_asked(item: Item) -> bool:
    """Whether the prediction has text to judge; an empty prediction is incorrect without a request."""
    return bool(neutralise(item.prediction[: PREDICTION_WORDS * 100]))


def verdict_columns(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Returns the columns of a result row for verdicts by mode.

    `judge_strict`, `judge_relaxed`, ... and `supported` (of the mode `support`) are 0 or 1 if there is a
    verdict; `judge_error` names the missing verdicts.
    """
    columns: dict[str, Any] = {
        column_of(mode): int(verdict.correct)
        for mode, verdict in verdicts.items()
        if verdict.correct is not None
    }
    errors = [f"{mode}: {verdict.error}" for mode, verdict in verdicts.items() if verdict.correct is None]
    return columns | ({"judge_error": " ".join(errors)} if errors else {})


def column_of(mode: str) -> str:
    """Returns the column of a mode's verdicts: `judge_fresheval_strict` for `fresheval-strict`."""
    return "supported" if mode == "support" else f"judge_{mode.replace('-', '_')}"


def _load(folder: str) -> dict[str, tuple[str, Any]]:
    """Loads the source text and the template of each of the judge's prompt files. Files in `folder`, the
    user's prompt folder, replace ours.

    Raises UsageError for a folder without prompt files, and for a file that is unreadable or not a valid
    template.
    """
    import jinja2

    own = Path(__file__).parent / "prompts"
    theirs = Path(folder)
    if folder and not any((theirs / name).is_file() for name in FILES):
        raise UsageError(
            f"The folder {folder} holds no prompt for the judge; the file names are {', '.join(FILES)}."
        )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    templates = {}
    for name in FILES:
        path = theirs / name if folder and (theirs / name).is_file() else own / name
        try:
            source = path.read_text(encoding="utf-8")
            templates[name] = source, environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise UsageError(
                f"{path}, line {error.lineno} is not a valid template: {error.message}."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The prompt {path} cannot be read: {error}.") from error
    return templates


def _shown(item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "question": _field(item.question),
        "gold": [_field(answer) for answer in item.answers],
    }
    if item.parts:
        shown["parts"] = [[_field(form) for form in part] for part in item.parts]
    return {**shown, "prediction": shown_prediction(item.prediction)}


def _shown_support(item: Item) -> dict[str, Any]:
    passages = [beginning(text, PASSAGE_WORDS).translate(_BRACES) for text in item.passages[-PASSAGES:]]
    return {
        "question": _field(item.question),
        "passages": passages,
        "prediction": shown_prediction(item.prediction),
    }


def _field(text: str) -> str:
    return beginning(text, FIELD_WORDS)


def shown_prediction(text: str) -> str:
    """Returns a prediction as the judge sees it: neutralised, on one line, without braces.

    A prediction longer than PREDICTION_WORDS words is cut, and a mark shows the cut.
    """
    whole, shown = neutralise(text), beginning(text, PREDICTION_WORDS)
    cut = len(whole) - len(shown)
    mark = f" [... the answer goes on; {cut} characters are cut here]" if cut > 0 else ""
    return shown.translate(_BRACES) + mark


def _read(reply: Reply) -> bool | None:
    return None if reply.refusal and not reply.text else read_verdict(reply.text)


def _fault(reply: Reply) -> str:
    if reply.refusal or reply.finish == "content_filter":
        return "The judge refused to answer."
    if not reply.text.strip():
        return "The judge answered nothing."
    cut = ", and was cut short; raise judge.max_tokens" if reply.finish == "length" else ""
    return f"The judge gave no readable verdict{cut}."


def read_verdict(text: str) -> bool | None:
    """Parses the verdict in a reply: a JSON object whose `verdict` is correct or incorrect.

    Prose or a fence may surround the object. Returns None for anything else. This includes verdicts that
    disagree, a verdict inside another value, a verdict after a brace that is never closed, and an object with
    two different `verdict` fields.
    """
    text = without_thoughts(text)
    if "<think>" in text:
        return None
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    found: set[bool | None] = set()
    place = depth = tried = 0
    while (start := text.find("{", place)) >= 0:
        tried += 1
        if tried > MOST_OPENINGS:
            return None
        depth = max(0, depth - text.count("}", place, start)) + 1
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            place = start + 1
            continue
        depth -= 1
        if depth == 0 and isinstance(value, _Pairs):
            verdicts = [verdict for name, verdict in value.pairs if name == "verdict"]
            found |= {_VERDICTS.get(str(verdict).strip().lower()) for verdict in verdicts}
    return found.pop() if len(found) == 1 else None


_VERDICTS = {"correct": True, "incorrect": False}


class _Pairs:
    """A JSON object as a list of (name, value) pairs. Unlike a dict, it keeps repeated names."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs
