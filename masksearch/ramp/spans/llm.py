"""Salient spans listed by a language model behind any OpenAI-compatible endpoint, as the paper has them; what it says is checked against the text.

A span that does not stand in the text as it was written, or stands there more than once, or was listed before, is dropped and counted. Answers are read
as JSON, never evaluated; one that is not JSON is asked for once more. The official client retries what may pass (429, 5xx, lost connections), with
growing waits and as the server's Retry-After says; after that the passage is a `Failure`, and its document is to be tried again by a later run. An
endpoint that refuses the key or does not know the model ends the run instead: no document would fare better.

Requests run on a thread of their own, `concurrency` at a time, while the spans of earlier passages are used. The key is read from OPENAI_API_KEY.

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
"""Tokens of an answer; a paragraph's spans take some hundred."""
MOST_OPENINGS = 100
"""Brackets of an answer that are tried as the beginning of JSON."""
OUTAGE = 8
"""So many passages in a row without an answer (or as many as are asked at a time, if that is more) are an outage."""
LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French", "zh": "Chinese"}

_REFUSED = (401, 403, 404)
_NO_JSON_MODE = (400, 422)

Listed = tuple[str, str]
"""A span's text and category as a model gave them."""


def make(settings: MaskSettings) -> Extractor:
    """The extractor. Raises UsageError where the endpoint or the model is not named, MissingExtraError without `openai`."""
    return LlmSpans(settings)


class _OutOfReach(Exception):
    """The endpoint gave no answer at all, however often it was asked."""


@dataclass
class _Outage:
    """Passages in a row that the endpoint has not answered, in one call of the extractor."""

    most: int
    count: int = 0
    reason: str = ""

    @property
    def lasts(self) -> bool:
        """So many have failed that the rest need not wait for the same."""
        return self.count >= self.most


class LlmSpans:
    """An extractor with a client, and an event loop for it, that live as long as it does."""

    def __init__(self, settings: MaskSettings, timeout: float = 120.0, retries: int = 4) -> None:
        if not settings.llm_model:
            raise UsageError(
                "The extractor 'llm' needs the name of a model at the endpoint; give it with --llm-model."
            )
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        """Reason -> spans the model listed that were left out."""
        self._policy = EndpointPolicy(settings.llm_model, settings.llm, timeout, retries)
        self._json_mode = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: asyncio.Semaphore | None = None

    def __call__(self, passages: Sequence[Passage]) -> Iterator[list[Span] | Failure]:
        """The spans of each passage, in order. All are asked for at once; leaving the iterator early takes back what is still under way."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._places = asyncio.Semaphore(self.settings.concurrency)
            threading.Thread(target=self._loop.run_forever, name="spans", daemon=True).start()
        outage = _Outage(max(OUTAGE, self.settings.concurrency))
        asked: list[Future[list[Span] | Failure]] = [
            asyncio.run_coroutine_threadsafe(self._find(passage, outage), self._loop) for passage in passages
        ]
        try:
            for future in asked:
                yield future.result()
        finally:
            for future in asked:
                future.cancel()

    async def _find(self, passage: Passage, outage: _Outage) -> list[Span] | Failure:
        assert self._places is not None
        async with self._places:
            if outage.lasts:
                return Failure(outage.reason)
            try:
                listed = await self._ask(passage)
            except _OutOfReach as error:
                outage.count += 1
                outage.reason = str(error)
                return Failure(outage.reason)
        outage.count = 0
        if listed is None:
            return Failure(f"The endpoint {self.settings.llm} answered with no JSON list of spans.")
        return locate(passage.text, listed, self.dropped, language_of(passage, self.settings))

    async def _ask(self, passage: Passage) -> list[Listed] | None:
        """What the model lists; None where it is no JSON, twice."""
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
        """One answer. Raises _OutOfReach, and ModelError where no passage would be answered."""
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
                answer = await self._send(messages)  # a server that does not know the JSON mode
                self._json_mode = False
                return answer
        except openai.APIStatusError as error:
            if error.status_code in _REFUSED:
                raise ModelError(
                    f"The endpoint {url} answered {error.status_code} for model '{model}'; check the URL, the name and the key."
                ) from error
            raise _OutOfReach(f"The endpoint {url} answered {error.status_code}.") from error
        except openai.APIConnectionError as error:
            raise _OutOfReach(f"The endpoint {url} cannot be reached.") from error
        except (openai.OpenAIError, ValueError) as error:
            raise _OutOfReach(
                f"The endpoint {url} gave no usable answer ({type(error).__name__})."
            ) from error

    async def _send(self, messages: list[dict[str, str]], **extra: Any) -> str:
        """The text of one answer; empty where the reply is no chat completion."""
        settings = self.settings
        body = {
            "model": settings.llm_model,
            "messages": messages,
            "max_tokens": MOST_TOKENS,
            "temperature": 0.0,
            "seed": settings.seed,
            **extra,
        }
        # Posted as it is and read as plain JSON: the client's typed call costs a third more of a core, and at 64 in flight that is felt.
        reply: Any = await self._policy.client.post("/chat/completions", cast_to=object, body=body)
        try:
            return str(reply["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError):
            return ""


def read_answer(answer: str) -> list[Listed] | None:
    """The spans in a model's answer, whatever stands around the JSON; None where there is no JSON with a list."""
    answer = without_thoughts(answer)
    for match in itertools.islice(re.finditer(r"[{\[]", answer), MOST_OPENINGS):
        try:
            value, _ = json.JSONDecoder().raw_decode(answer, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            value = value.get(
                "spans", next((item for item in value.values() if isinstance(item, list)), None)
            )
        if isinstance(value, list):
            listed = [span for item in value if (span := _listed(item))]
            if listed or not value:
                return listed
    return None


def _listed(item: object) -> Listed | None:
    if isinstance(item, str):
        return item, ""
    if not isinstance(item, dict):
        return None
    text = item.get("text", item.get("span"))
    category = item.get("category", item.get("type", item.get("label", "")))
    return (text, str(category)) if isinstance(text, str) else None


def locate(text: str, listed: Sequence[Listed], dropped: Counter[str], language: str = "en") -> list[Span]:
    """The listed spans that stand in the text exactly once, each once; `dropped` counts the others by reason."""
    spans: dict[str, Span] = {}
    for piece, category in listed:
        piece = piece.strip()
        reason = ""
        places = [match.start() for match in re.finditer(re.escape(piece), text)] if piece else []
        whole = [start for start in places if at_boundaries(text, start, start + len(piece), language)]
        if piece in spans:
            reason = "listed twice"
        elif not places:
            reason = "not in the text"
        elif not whole:
            reason = "inside a word"
        elif len(whole) > 1:
            reason = "stands more than once"
        if reason:
            dropped[reason] += 1
            continue
        named = category.strip().upper().replace(" ", "_")
        spans[piece] = Span(
            start=whole[0], end=whole[0] + len(piece), category=named if named in CATEGORIES else "OTHER"
        )
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
