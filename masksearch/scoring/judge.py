"""A language model as judge of free answers, behind any OpenAI-compatible endpoint, in two modes: strict and relaxed.

The rules are those of FreshQA's two modes (Vu et al. 2023, arXiv 2310.03214, section 2): strict counts an answer only if everything in it is right and up
to date, relaxed looks at the main answer; in both an answer to a question with a false premise must say that the premise is false. The prompts are
files (`judge-strict.j2`, `judge-relaxed.j2`, `judge-item.j2`, `judge-repair.j2`); a folder may hold others in their place.

What is judged is data: it is shown as one JSON object, made harmless like retrieved text, its braces replaced so that no echo of it can pass for a
verdict, and cut where it is very long. A verdict is read as JSON and never evaluated. What cannot be read is asked for once more, and is then an error
on record: it counts neither as correct nor as incorrect.

Verdicts are kept in a file as they come, under a hash of all that was asked, so that a run that was killed, or met a busy server, asks only for the rest.
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
from masksearch.llm.structured import JsonForms
from masksearch.runtime.files import append_json_lines, hash_json, read_appended
from masksearch.text.excerpts import beginning
from masksearch.text.neutralise import neutralise
from masksearch.text.thoughts import without_thoughts
from masksearch.types import MaskedTask, Question, Task

Mode = Literal["strict", "relaxed"]
MODES: tuple[Mode, ...] = ("strict", "relaxed")
PREDICTION_WORDS = 500
"""Words of a prediction that are judged (in scripts without spaces characters)."""
FIELD_WORDS = 1000
"""Words of a question or of one accepted answer that are shown."""
RAW = 2000
"""Characters of a reply that are kept on record."""
OUTAGE = 8
"""So many items in a row without an answer (or as many as are asked at a time, if that is more) are an outage: the rest is not asked."""
MOST_OPENINGS = 100
"""Braces of a reply that are tried as the beginning of JSON."""
KEYS = ("JUDGE_API_KEY", "OPENAI_API_KEY")
"""Environment variables that the key is read from: the first that is set."""
FILES = ("judge-strict.j2", "judge-relaxed.j2", "judge-item.j2", "judge-repair.j2")
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
    """One answer to be judged."""

    question: str
    answers: tuple[str, ...]
    """Equally acceptable."""
    prediction: str
    parts: tuple[tuple[str, ...], ...] = ()
    """Where the answer is a list: its parts, each in its equally acceptable forms."""
    false_premise: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a judge said. `correct` is None where no verdict could be had; `error` then says why."""

    correct: bool | None
    raw: str = ""
    """The reply, cut to RAW characters."""
    error: str = ""
    tokens: int = 0
    """Of prompts and replies together, as the server counts."""
    written: int = 0
    """Those of the replies alone."""
    settled: bool = True
    """Whether a later run need not ask again; False where the endpoint failed."""


def item_of(task: Task, prediction: str) -> Item:
    """What there is to judge of a task. The fills of a masked text are one answer, numbered in order."""
    if isinstance(task, Question):
        return Item(task.question, task.answers, prediction, task.parts, task.false_premise)
    return Item(
        f"Which words belong in the place of each [mask], in order? {task.text}",
        (_numbered(task),),
        prediction,
    )


def _numbered(task: MaskedTask) -> str:
    return (
        task.answers[0]
        if task.masks == 1
        else "; ".join(f"{number}. {answer}" for number, answer in enumerate(task.answers, 1))
    )


class Judge:
    """A judge of one mode. Raises UsageError for a wrong URL or prompt folder, MissingExtraError without `openai`, both before anything is asked."""

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
    ) -> None:
        """`cache` is the file of verdicts (JSON Lines; several judges may share one); `prompts` a folder whose files replace those of the same name."""
        if not model:
            raise UsageError("A judge needs the name of a model at its endpoint; give it with --judge.model.")
        self.url, self.model, self.mode = url, model, mode
        self.cache, self.concurrency, self.max_tokens, self.timeout, self.retries = (
            cache,
            concurrency,
            max_tokens,
            timeout,
            retries,
        )
        self._templates = _load(prompts)
        self.open_policy()
        self._forms = JsonForms()

    @cached_property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt files in use, and of the form asked for, as hex."""
        texts = {
            name: source
            for name, (source, _) in self._templates.items()
            if name in (f"judge-{self.mode}.j2", "judge-item.j2", "judge-repair.j2")
        }
        return hash_json({"prompts": texts, "schema": SCHEMA})

    async def judge(self, items: Sequence[Item], on_done: Callable[[], None] | None = None) -> list[Verdict]:
        """A verdict on each item, in order; equal items are asked once. An empty prediction is incorrect without asking.

        An endpoint that fails, however often it is asked, is an error on the items it failed and leaves them open. Raises ModelError where it
        refuses the key or does not know the model: no item would fare better.
        """
        known = self._known()
        # Connections belong to the event loop they are opened in.
        connections = open_connections(self.concurrency)
        work = _Work(
            self.open_policy(connections), asyncio.Semaphore(self.concurrency), max(OUTAGE, self.concurrency)
        )
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
        if not is_asked(item):
            return Verdict(False)
        messages = self.messages(item)
        key = self.key(messages)
        if key in known:
            return known[key]
        if key not in asked:
            asked[key] = asyncio.ensure_future(self._ask(key, messages, work))
        return await asyncio.shield(asked[key])

    async def verdict(self, item: Item, policy: EndpointPolicy) -> Verdict:
        """A verdict on one item, neither looked up nor kept. Raises EndpointError."""
        return await self._verdict(self.messages(item), policy) if is_asked(item) else Verdict(False)

    def messages(self, item: Item) -> list[dict[str, Any]]:
        """The chat that asks for a verdict."""
        shown: dict[str, Any] = {
            "question": _field(item.question),
            "gold": [_field(answer) for answer in item.answers],
        }
        if item.parts:
            shown["parts"] = [[_field(form) for form in part] for part in item.parts]
        shown["prediction"] = shown_prediction(item.prediction)
        system = self._render(f"judge-{self.mode}.j2", false_premise=item.false_premise)
        return [
            {"role": "system", "content": system},
            {
                "role": "user",
                "content": self._render(
                    "judge-item.j2",
                    item=json.dumps(shown, ensure_ascii=False),
                    false_premise=item.false_premise,
                ),
            },
        ]

    def key(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """What a verdict is kept under: a hash of the model, the prompts and the item as it is shown."""
        return hash_json({"prompts": self.prompt_hash, "model": self.model, "messages": list(messages)})

    def _known(self) -> dict[str, Verdict]:
        """Verdicts of earlier runs. One that could not be read is settled for replies of the same length only."""
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
                if error.status not in BAD_REQUEST:  # one that is too long, say, is a matter of its own
                    work.failed, work.reason = work.failed + 1, str(error)
                return Verdict(None, error=str(error), settled=False)
        work.failed = 0
        if self.cache is not None:
            row = {name: value for name, value in asdict(verdict).items() if name != "settled"}
            append_json_lines(
                self.cache,
                [{"key": key, "mode": self.mode, "model": self.model, "max_tokens": self.max_tokens, **row}],
            )
        return verdict

    async def _verdict(self, messages: list[dict[str, Any]], policy: EndpointPolicy) -> Verdict:
        """The verdict, after one repair if need be. Raises EndpointError."""
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
        """One reply, in the most exact form of JSON that the server takes."""
        return await self._forms.complete(policy, messages, "verdict", SCHEMA, self.max_tokens, Sampling())

    def open_policy(self, connections: Any = None) -> EndpointPolicy:
        """A client of the endpoint; whoever opened its connections closes them."""
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
    """What the requests of one call share."""

    policy: EndpointPolicy
    places: asyncio.Semaphore
    outage: int
    failed: int = 0
    """Items in a row that got no answer."""
    reason: str = ""


def is_asked(item: Item) -> bool:
    """Whether there is anything to judge: an empty prediction is incorrect without asking."""
    return bool(neutralise(item.prediction[: PREDICTION_WORDS * 100]))


def verdict_columns(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """The columns of a row by mode: `judge_strict` and `judge_relaxed`, 0 or 1, where there is a verdict; `judge_error` where one is missing."""
    columns: dict[str, Any] = {
        f"judge_{mode}": int(verdict.correct)
        for mode, verdict in verdicts.items()
        if verdict.correct is not None
    }
    errors = [f"{mode}: {verdict.error}" for mode, verdict in verdicts.items() if verdict.correct is None]
    return columns | ({"judge_error": " ".join(errors)} if errors else {})


def _load(folder: str) -> dict[str, tuple[str, Any]]:
    """Source and template of each prompt file, the user's before ours. Raises UsageError for a folder without any, or a file that is no template."""
    import jinja2

    own = Path(__file__).parent / "prompts"
    theirs = Path(folder)
    if folder and not any((theirs / name).is_file() for name in FILES):
        raise UsageError(
            f"The folder {folder} holds no prompt for the judge; its files would be {', '.join(FILES)}."
        )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    templates = {}
    for name in FILES:
        path = theirs / name if folder and (theirs / name).is_file() else own / name
        try:
            source = path.read_text(encoding="utf-8")
            templates[name] = source, environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise UsageError(f"{path}, line {error.lineno} is no valid template: {error.message}.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The prompt {path} cannot be read: {error}.") from error
    return templates


def _field(text: str) -> str:
    return beginning(text, FIELD_WORDS)


def shown_prediction(text: str) -> str:
    """A prediction as a judge sees it: harmless, on one line, without braces; cut with a mark where it is longer than PREDICTION_WORDS words."""
    whole, shown = neutralise(text), beginning(text, PREDICTION_WORDS)
    mark = (
        f" [... the answer goes on; {len(whole) - len(shown)} characters are cut here]"
        if len(shown) < len(whole)
        else ""
    )
    return shown.translate(_BRACES) + mark


def _read(reply: Reply) -> bool | None:
    return None if reply.refusal and not reply.text else read_verdict(reply.text)


def _fault(reply: Reply) -> str:
    if reply.refusal or reply.finish == "content_filter":
        return "The judge refused to answer."
    if not reply.text.strip():
        return "The judge answered nothing."
    return f"The judge gave no readable verdict{', and was cut short; raise judge.max_tokens' if reply.finish == 'length' else ''}."


def read_verdict(text: str) -> bool | None:
    """The verdict in a reply: the one JSON object with a `verdict` of correct or incorrect, in prose or in a fence as well; None otherwise.

    Several that disagree, one inside another value, one behind a brace that never closed, or a `verdict` given twice are no verdict.
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
            found |= {
                _VERDICTS.get(str(verdict).strip().lower())
                for name, verdict in value.pairs
                if name == "verdict"
            }
    return found.pop() if len(found) == 1 else None


_VERDICTS = {"correct": True, "incorrect": False}


class _Pairs:
    """A JSON object as it was written, repeated names and all."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs
