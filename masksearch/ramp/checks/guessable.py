"""The check `not-guessable`: drops a task if a model without search fills one of its masks correctly.

A mask that a model fills from memory, or from the sentence around it, rewards guessing instead of
searching. The model makes `guess_attempts` attempts. The first attempt is greedy, the others are sampled at
temperature 0.7, seeded by task and attempt. The kind of model decides how it attempts a task:

checkpoint folder   Continuation: the model reads "Title: text" up to a mask, with the earlier masks
                    filled correctly, so that each mask is judged by itself. One forward pass over the
                    text gives all attempts at all masks, without decoding. The greedy attempt succeeds if
                    each token of the answer is the likeliest one. A sampled attempt succeeds with the
                    probability that the model gives to the tokens of the answer.
openai:NAME         Question: the model gets the whole masked text in the closed-book prompt of
                    evaluation, and the fills are parsed from its reply.

Questions suit models that follow instructions, and show the model the text after a mask too. Small models
do not understand the request, so that every task would pass. We measured this with SmolLM2-135M
(docs/log.md): asked in a few-shot chat for the easiest span of each of 40 passages, it named 2 of the 40
spans. By continuation it named 14 of 120 spans of all kinds. When it read the whole masked text first and
then continued a copy of the text, it named 8 of these 120.
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
from masksearch.runtime.coroutines import run_coroutine
from masksearch.scoring.fills import paragraph_fills, parse_fills
from masksearch.scoring.metrics import normalise, score_answer
from masksearch.text.words import has_sequence
from masksearch.types import MASK, MaskedTask

if TYPE_CHECKING:
    from masksearch.llm.endpoint import EndpointPolicy

TEMPERATURE = 0.7
"""Sampling temperature of all attempts but the first."""
GUESSABLE = "guessable"
ENDPOINT = "openai:"


class Guesser(Protocol):
    """A model that attempts tasks without searching."""

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """Returns one result per task: a verdict, or a Failure if the endpoint failed.

        A task passes if no attempt filled any of its masks. The verdict's `data` has `attempts` (the number
        of attempts) and `guessed`: for each mask, the number of attempts that filled it.
        """


def make_guesser(settings: MaskSettings) -> Guesser:
    """Returns the guesser for `settings.guess_model`; a checkpoint is loaded only at the first check.

    Raises UsageError if the settings lack a model or an endpoint.
    """
    model = settings.guess_model
    if not model:
        raise UsageError(
            "The check 'not-guessable' needs a model; set --guess-model to a checkpoint folder "
            f"(make one with: masksearch model -o DIR), or to {ENDPOINT}NAME for a model at the URL --llm."
        )
    if not model.startswith(ENDPOINT):
        return CheckpointGuesser(model, settings.guess_attempts, settings.seed, settings.ppl_batch)
    if model == ENDPOINT or not settings.llm:
        raise UsageError(
            f"The guesser '{model}' needs a model name and an endpoint; write --guess-model {ENDPOINT}NAME "
            "and give the base URL with --llm."
        )
    return EndpointGuesser(
        model.removeprefix(ENDPOINT),
        settings.llm,
        settings.guess_attempts,
        settings.seed,
        settings.concurrency,
    )


@dataclass(frozen=True)
class CheckpointGuesser:
    """A guesser whose model is a checkpoint that continues the text before each mask."""

    model: str
    attempts: int
    seed: int
    batch: int = 16

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """Checks tasks (see `Guesser.check`). Raises ModelError if the model cannot be loaded."""
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
        """Returns the number of sampled attempts that fill a mask; each does so with this `probability`."""
        return sum(
            Random(f"{self.seed}:{task.id}:{mask}:{attempt}").random() < probability
            for attempt in range(1, self.attempts)
        )


@dataclass(frozen=True)
class EndpointGuesser:
    """A guesser whose model is behind an OpenAI-compatible endpoint and fills the masks on request."""

    model: str
    url: str
    attempts: int
    seed: int
    concurrency: int = 16
    """Maximum number of tasks whose requests are in flight."""
    retries: int = 4
    """Maximum number of retries of a request; the pause before each retry grows."""

    def __post_init__(self) -> None:
        self._policy()  # raises an error for a wrong URL or a missing package before any work starts

    def check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        """Checks tasks (see `Guesser.check`)."""
        return run_coroutine(self._check(tasks)) if tasks else []

    def _policy(self) -> EndpointPolicy:
        from masksearch.llm.endpoint import EndpointPolicy

        return EndpointPolicy(self.model, self.url, retries=self.retries)

    async def _check(self, tasks: Sequence[MaskedTask]) -> list[Verdict | Failure]:
        # Connections belong to the event loop that opened them, so each check has its own client.
        policy = self._policy()
        gate = asyncio.Semaphore(self.concurrency)

        async def check_one(task: MaskedTask) -> Verdict | Failure:
            async with gate:
                return await self.ask(task, policy)

        try:
            return list(await asyncio.gather(*map(check_one, tasks)))
        finally:
            await policy.client.close()

    async def ask(self, task: MaskedTask, policy: Policy) -> Verdict | Failure:
        """Makes all attempts at one task in sequence; returns a Failure as soon as a request fails."""
        guessed = [0] * task.masks
        for attempt in range(self.attempts):
            seed = Random(f"{self.seed}:{task.id}:{attempt}").getrandbits(31)
            sampling = Sampling(TEMPERATURE if attempt else 0.0, seed)
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
    """Returns the character offsets [start, end) of each answer in `task.original`."""
    found: list[tuple[int, int]] = []
    place = 0
    pieces = task.text.split(MASK)[:-1]  # a mask follows each piece of the text except the last
    for piece, answer in zip(pieces, task.answers, strict=False):
        start = place + len(piece)
        place = start + len(answer)
        found.append((start, place))
    return found


def hits(answer: str, task: MaskedTask) -> list[bool]:
    """Returns for each mask whether a model's answer names the hidden span.

    The answer is parsed as a copy of the text with filled masks. If it is no copy, it is parsed as numbered
    fills; if it has no numbers, as free text that may name every span anywhere. A fill names a span if the
    normalised words of the span occur in a row in the normalised fill: "It was Paris." names "Paris". This
    rule may count a wrong fill as guessed. Under a stricter rule, a model that answers in whole sentences
    would never fill a mask, and every task would pass.
    """
    readings: Iterable[list[str]] = (paragraph_fills(answer, task), parse_fills(answer, task.masks))
    free_text = [answer] * task.masks
    fills = next((fills for fills in readings if any(fills)), free_text)
    return [_names(fill, gold, task.language) for fill, gold in zip(fills, task.answers, strict=True)]


def _names(fill: str, gold: str, language: str) -> bool:
    if score_answer(fill, (gold,), language).em == 1.0:
        return True
    return has_sequence(normalise(fill, language).split(), normalise(gold, language).split())
