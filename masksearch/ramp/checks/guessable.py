"""The check `not-guessable`: a model that may not search fails at every mask, in each of `guess_attempts` attempts.

A mask that a model fills from memory, or from the run of the sentence, rewards guessing instead of searching. The first attempt is greedy, the
others are sampled at temperature 0.7, seeded by task and attempt. How a model attempts depends on what it is:

checkpoint folder   It reads on: given "Title: text" up to a mask, with the masks before it filled in truly, does it write the answer next? Each
                    mask must need a search of its own. All attempts at all masks of a task take one forward pass without decoding: the greedy
                    attempt succeeds if each of the answer's tokens is the likeliest, a sampled one with the probability of just these tokens.
openai:NAME         It is asked: the whole masked text, in the closed-book prompt of evaluation, and the answer is read for fills.

Asking suits models that follow instructions, and shows them the text behind a mask; small ones fail to understand the request and would let
everything pass. SmolLM2-135M, asked for the easiest span of each of 40 passages, named 2 in a few-shot chat; reading on it found 14 of 120
spans of all kinds, asked to complete a copy of the text, with the whole text before it, 8 of them (docs/log.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from masksearch.agent.loop import run_single_turn
from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.llm.base import Policy, Sampling
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.masking.strategies import load_likelihood, titled
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure
from masksearch.scoring.fills import paragraph_fills, parse_fills
from masksearch.scoring.metrics import normalise, score_answer
from masksearch.text.words import has_sequence
from masksearch.types import MASK, MaskedTask

if TYPE_CHECKING:
    from masksearch.llm.endpoint import EndpointPolicy

TEMPERATURE = 0.7
"""Of all attempts but the first."""
GUESSABLE = "guessable"
ENDPOINT = "openai:"


class Guesser(Protocol):
    """Tries tasks without searching."""

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """A verdict for each task: passed if no mask was filled in any attempt. A Failure where an endpoint gave no answer.

        `data`: `attempts`, and `guessed`, in how many of them each mask was filled.
        """


def make_guesser(settings: MaskSettings) -> Guesser:
    """The guesser that the settings name; models are loaded when they are first needed. Raises UsageError where something is not given."""
    model = settings.guess_model
    if not model:
        raise UsageError(
            "The check 'not-guessable' needs a model; name one with --guess-model: a checkpoint folder (make one with: masksearch model -o DIR), "
            f"or {ENDPOINT}NAME at the endpoint --llm."
        )
    if not model.startswith(ENDPOINT):
        return ReadingOn(model, settings.guess_attempts, settings.seed, settings.ppl_batch)
    if model == ENDPOINT or not settings.llm:
        raise UsageError(
            f"The guesser '{model}' is a model behind a URL; write {ENDPOINT}NAME, and the base URL with --llm."
        )
    return Asking(
        model.removeprefix(ENDPOINT),
        settings.llm,
        settings.guess_attempts,
        settings.seed,
        settings.concurrency,
    )


@dataclass(frozen=True)
class ReadingOn:
    """A checkpoint that goes on from the text before each mask."""

    model: str
    attempts: int
    seed: int
    batch: int = 16

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """See `Guesser`. Raises ModelError where the model cannot be loaded."""
        if not tasks:
            return []
        texts = [titled(task.title, task.original) for task in tasks]
        places = [
            [(start + shift, end + shift) for start, end in answer_places(task)]
            for task, (_, shift) in zip(tasks, texts, strict=True)
        ]
        readings = load_likelihood(self.model, self.batch).read(
            [text for text, _ in texts], places, TEMPERATURE
        )
        verdicts: list[Verdict | Failure] = []
        for task, found in zip(tasks, readings, strict=True):
            guessed = [
                int(mask.greedy) + self._sampled(task, number, mask.probability)
                for number, mask in enumerate(found)
            ]
            verdicts.append(_verdict(guessed, self.attempts))
        return verdicts

    def _sampled(self, task: MaskedTask, mask: int, probability: float) -> int:
        """In how many of the sampled attempts the model writes the answer."""
        return sum(
            Random(f"{self.seed}:{task.id}:{mask}:{attempt}").random() < probability
            for attempt in range(1, self.attempts)
        )


@dataclass(frozen=True)
class Asking:
    """A model behind an OpenAI-compatible endpoint that is asked to fill the masks."""

    model: str
    url: str
    attempts: int
    seed: int
    concurrency: int = 16
    """Tasks in flight."""
    retries: int = 4
    """Of each request, with growing pauses."""

    def __post_init__(self) -> None:
        self._policy()  # what is wrong with the URL, or not installed, is told before any work is done

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """See `Guesser`."""
        return asyncio.run(self._check(tasks)) if tasks else []

    def _policy(self) -> EndpointPolicy:
        from masksearch.llm.endpoint import EndpointPolicy

        return EndpointPolicy(self.model, self.url, retries=self.retries)

    async def _check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        # Connections belong to the event loop they were opened in, so each check has its own client.
        policy = self._policy()
        gate = asyncio.Semaphore(self.concurrency)

        async def one(task: MaskedTask) -> Verdict | Failure:
            async with gate:
                return await self.ask(task, policy)

        try:
            return list(await asyncio.gather(*map(one, tasks)))
        finally:
            await policy.client.close()

    async def ask(self, task: MaskedTask, policy: Policy) -> Verdict | Failure:
        """All attempts at one task, one after the other; the first that gets no answer ends them."""
        guessed = [0] * task.masks
        for attempt in range(self.attempts):
            sampling = Sampling(
                TEMPERATURE if attempt else 0.0, Random(f"{self.seed}:{task.id}:{attempt}").getrandbits(31)
            )
            trajectory = (await run_single_turn(task, policy, None, AgentSettings(), sampling)).trajectory
            if trajectory.status == "model_failed":
                return Failure(trajectory.error)
            for mask, hit in enumerate(hits(trajectory.answer, task)):
                guessed[mask] += hit
        return _verdict(guessed, self.attempts)


def _verdict(guessed: Sequence[int], attempts: int) -> Verdict:
    passed = not any(guessed)
    return Verdict(passed, {"attempts": attempts, "guessed": list(guessed)}, "" if passed else GUESSABLE)


def answer_places(task: MaskedTask) -> list[tuple[int, int]]:
    """Characters [start, end) of each answer in `task.original`."""
    found: list[tuple[int, int]] = []
    place = 0
    for piece, answer in zip(
        task.text.split(MASK), task.answers, strict=False
    ):  # the last piece has no answer behind it
        start = place + len(piece)
        place = start + len(answer)
        found.append((start, place))
    return found


def hits(answer: str, task: MaskedTask) -> list[bool]:
    """Whether a model's answer, in whatever form, names what each mask hides.

    The answer is read as a copy of the text with the masks filled, or else as numbered fills, or else as free text in which each mask may be named
    anywhere. A fill names the answer if, both normalised, the answer's words stand in it as a run: "It was Paris." names "Paris". That errs towards
    guessed; to err the other way would let a chatty model pass everything.
    """
    readings: Iterable[list[str]] = (paragraph_fills(answer, task), parse_fills(answer, task.masks))
    fills = next((fills for fills in readings if any(fills)), [answer] * task.masks)
    return [_names(fill, gold, task.language) for fill, gold in zip(fills, task.answers, strict=True)]


def _names(fill: str, gold: str, language: str) -> bool:
    if score_answer(fill, (gold,), language).em == 1.0:
        return True
    return has_sequence(normalise(fill, language).split(), normalise(gold, language).split())
