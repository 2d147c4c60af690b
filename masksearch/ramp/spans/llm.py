"""Lets a language model list salient spans, as in the paper, and checks its answers against the text.

The model is behind an OpenAI-compatible endpoint.

A listed span is dropped and counted in three cases: the text does not contain it verbatim, the text
contains it more than once, or the model has listed it before. Answers are parsed as JSON, never evaluated;
if an answer is not JSON, the model is asked once more. The official client retries temporary errors (429,
5xx, lost connections) with growing waits and follows the server's Retry-After. If all retries fail, the
passage becomes a `Failure`, and a later run retries its document. An endpoint that rejects the key or does
not know the model ends the run, because every other document would fail too.

Requests run in a separate thread, up to `concurrency` at a time, while the caller uses the spans of
earlier passages. The key is read from OPENAI_API_KEY.

    masksearch mask docs.jsonl -o tasks.jsonl --extractor llm --llm http://127.0.0.1:8000/v1 --llm-model NAME
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from typing import Any

from masksearch.errors import ModelError, UsageError
from masksearch.llm.endpoint import EndpointPolicy
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor, Failure, language_of
from masksearch.text.neutralise import neutralise
from masksearch.text.thoughts import without_thoughts
from masksearch.text.words import at_boundaries
from masksearch.types import Passage, Span

CATEGORIES = (
    "PERSON",
    "GPE",
    "LOC",
    "FAC",
    "ORG",
    "PRODUCT",
    "EVENT",
    "WORK_OF_ART",
    "LAW",
    "DATE",
    "NUMBER",
    "TERM",
    "OTHER",
)
MOST_TOKENS = 1024
"""Token limit of an answer; the spans of a paragraph take a few hundred."""
MOST_OPENINGS = 100
"""Maximum number of brackets of an answer that are tried as the start of JSON."""
OUTAGE = 8
"""Number of passages in a row without an answer that count as an outage of the endpoint. A higher
`concurrency` is used instead."""
LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French", "zh": "Chinese"}

_REFUSED = (401, 403, 404)
"""HTTP statuses for a wrong key, URL or model, which every other request would get too."""
_NO_JSON_MODE = (400, 422)
"""HTTP statuses with which a server without JSON mode (`response_format`) refuses a request."""

Listed = tuple[str, str]
"""(text, category) of a span as the model listed it."""


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor.

    Raises UsageError without an endpoint or a model, MissingExtraError without openai.
    """
    return LlmSpans(settings)


class _NoAnswer(Exception):
    """Raised if the endpoint gave no usable answer to a request, although the client retried it."""


@dataclass
class _Outage:
    """Counts the passages in a row to which the endpoint gave no answer, in one call of the extractor."""

    limit: int
    """Number of passages in a row without an answer that count as an outage."""
    count: int = 0
    reason: str = ""
    """Text of the endpoint's latest error."""

    @property
    def is_on(self) -> bool:
        """Whether the endpoint is down, so that the remaining passages fail without a request."""
        return self.count >= self.limit


class LlmSpans:
    """The extractor `llm`. All its calls use the same client and the same event loop."""

    def __init__(self, settings: MaskSettings, timeout: float = 120.0, retries: int = 4) -> None:
        if not settings.llm_model:
            raise UsageError(
                "The extractor 'llm' needs the name of a model at the endpoint; give it with --llm-model."
            )
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        """Reason -> number of listed spans that were rejected."""
        self._policy = EndpointPolicy(settings.llm_model, settings.llm, timeout, retries)
        self._json_mode = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots: asyncio.Semaphore | None = None

    def __call__(self, passages: Sequence[Passage]) -> Iterator[list[Span] | Failure]:
        """Yields the spans of each passage in order.

        All requests are queued at once. If the iterator is closed early, the open requests are cancelled.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._slots = asyncio.Semaphore(self.settings.concurrency)
            threading.Thread(target=self._loop.run_forever, name="spans", daemon=True).start()
        outage = _Outage(max(OUTAGE, self.settings.concurrency))
        futures: list[Future[list[Span] | Failure]] = [
            asyncio.run_coroutine_threadsafe(self._find(passage, outage), self._loop) for passage in passages
        ]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    async def _find(self, passage: Passage, outage: _Outage) -> list[Span] | Failure:
        assert self._slots is not None
        async with self._slots:
            if outage.is_on:
                return Failure(outage.reason)
            try:
                listed = await self._ask(passage)
            except _NoAnswer as error:
                outage.count += 1
                outage.reason = str(error)
                return Failure(outage.reason)
        outage.count = 0
        if listed is None:
            return Failure(f"The endpoint {self.settings.llm} answered with no JSON list of spans.")
        return locate(passage.text, listed, self.dropped, language_of(passage, self.settings))

    async def _ask(self, passage: Passage) -> list[Listed] | None:
        """Returns the spans that the model lists; None if its first two answers have no JSON list."""
        language = language_of(passage, self.settings)
        messages = [
            {
                "role": "system",
                "content": _render(
                    "spans", language=LANGUAGES.get(language, language), categories=CATEGORIES
                ),
            },
            {"role": "user", "content": neutralise(passage.text)},
        ]
        answer = await self._complete(messages)
        listed = read_answer(answer)
        if listed is not None:
            return listed
        messages += [
            {"role": "assistant", "content": answer or "(empty)"},
            {"role": "user", "content": _render("spans-repair")},
        ]
        return read_answer(await self._complete(messages))

    async def _complete(self, messages: list[dict[str, str]]) -> str:
        """Requests one answer. Raises _NoAnswer, or ModelError for an error that every passage would get."""
        import openai

        url, model = self.settings.llm, self.settings.llm_model
        try:
            if not self._json_mode:
                return await self._send(messages)
            try:
                return await self._send(messages, response_format={"type": "json_object"})
            except openai.APIStatusError as error:
                if error.status_code not in _NO_JSON_MODE:
                    raise
                answer = await self._send(messages)
                # The same request succeeds without JSON mode, so the server does not support this mode.
                self._json_mode = False
                return answer
        except openai.APIStatusError as error:
            if error.status_code in _REFUSED:
                raise ModelError(
                    f"The endpoint {url} answered {error.status_code} for model '{model}'; "
                    "check the URL, the model name and the key."
                ) from error
            raise _NoAnswer(f"The endpoint {url} answered {error.status_code}.") from error
        except openai.APIConnectionError as error:
            raise _NoAnswer(f"The endpoint {url} cannot be reached.") from error
        except (openai.OpenAIError, ValueError) as error:
            raise _NoAnswer(f"The endpoint {url} gave no usable answer ({type(error).__name__}).") from error

    async def _send(self, messages: list[dict[str, str]], **extra: Any) -> str:
        """Sends one request and returns the text of the answer; empty if it is not a chat completion."""
        settings = self.settings
        body = {
            "model": settings.llm_model,
            "messages": messages,
            "max_tokens": MOST_TOKENS,
            "temperature": 0.0,
            "seed": settings.seed,
            **extra,
        }
        # Uses the client's plain post: its typed call costs a third more CPU time, which is noticeable
        # with 64 requests in flight.
        reply: Any = await self._policy.client.post("/chat/completions", cast_to=object, body=body)
        try:
            return str(reply["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError):
            return ""


def read_answer(answer: str) -> list[Listed] | None:
    """Parses the spans in a model's answer, ignoring text around the JSON; returns None without a list."""
    answer = without_thoughts(answer)
    for match in itertools.islice(re.finditer(r"[{\[]", answer), MOST_OPENINGS):
        try:
            value, _ = json.JSONDecoder().raw_decode(answer, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):  # the list may be the value of the key "spans" or of another key
            first_list = next((item for item in value.values() if isinstance(item, list)), None)
            value = value.get("spans", first_list)
        if isinstance(value, list):
            listed = [span for item in value if (span := _listed_span(item))]
            if listed or not value:
                return listed
    return None


def _listed_span(item: object) -> Listed | None:
    """Reads one item of the list: a string, or an object with usual field names. Returns None for others."""
    if isinstance(item, str):
        return item, ""
    if not isinstance(item, dict):
        return None
    text = item.get("text", item.get("span"))
    category = item.get("category", item.get("type", item.get("label", "")))
    return (text, str(category)) if isinstance(text, str) else None


def locate(text: str, listed: Sequence[Listed], dropped: Counter[str], language: str = "en") -> list[Span]:
    """Returns the listed spans that occur once in the text; counts the others in `dropped`, by reason."""
    spans: dict[str, Span] = {}
    for piece, category in listed:
        piece = piece.strip()
        reason = ""
        places = [match.start() for match in re.finditer(re.escape(piece), text)] if piece else []
        starts = [start for start in places if at_boundaries(text, start, start + len(piece), language)]
        if piece in spans:
            reason = "listed twice"
        elif not places:
            reason = "not in the text"
        elif not starts:
            reason = "inside a word"
        elif len(starts) > 1:
            reason = "stands more than once"
        if reason:
            dropped[reason] += 1
            continue
        category = category.strip().upper().replace(" ", "_")
        if category not in CATEGORIES:
            category = "OTHER"
        spans[piece] = Span(start=starts[0], end=starts[0] + len(piece), category=category)
    return sorted(spans.values(), key=lambda span: span.start)


@cache
def _prompts() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("masksearch.ramp", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )


@cache
def _render(name: str, **values: Any) -> str:
    return str(_prompts().get_template(f"{name}.j2").render(**values))
