"""Masking strategies: what makes one usable span more worth masking than another.

uniform    any (the paper's random masking)
weighted   in proportion to `category_weights`, say {"PERSON": 3, "DATE": 0}; a category that is not named weighs 1, and one of weight 0 is
           masked only where nothing else is left
ppl        the hardest, by a causal language model `ppl_model` (the paper's masking by perplexity)

The rule of `ppl`: the passage stands behind its title ("Title: text"), unless it begins with it. A span is as hard as the mean loss, in nats a token,
of the tokens that share a character with it, each predicted from all tokens before it, with nothing masked. The k hardest that can stand
together are masked, of equals those farther to the left. The mean, not the sum: the sum over a long figure's digits beats every name.
What stands behind a span is not seen. Where it stands in its passage makes no difference to its chance: with the title in front there is context enough.

A figure is one loss for each digit, many of them easy, so years and figures are masked less often than at random and rare names more often;
what comes out hardest beside them is a member of a list that could have been any other (docs/log.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

from masksearch.errors import UsageError
from masksearch.ramp.masking.draw import ALIKE, Preference
from masksearch.ramp.settings import MaskSettings
from masksearch.types import Passage, Span

if TYPE_CHECKING:
    from masksearch.llm.likelihood import Likelihood


class Strategy(Protocol):
    """Which of the usable spans are masked."""

    @property
    def name(self) -> str:
        """Name on the tasks."""

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """A preference for each passage and its usable spans (offsets in the passage's own text)."""


def make_strategy(settings: MaskSettings) -> Strategy:
    """The strategy the settings name; models are loaded when they are first needed. Raises UsageError where something it needs is not given."""
    if settings.strategy == "weighted":
        return Weighted(check_weights(settings.category_weights))
    if settings.strategy == "ppl":
        if not settings.ppl_model:
            raise UsageError(
                "The strategy 'ppl' needs a model; name a checkpoint folder with --ppl-model (make one with: masksearch model -o DIR)."
            )
        return Hardest(settings.ppl_model, settings.ppl_batch)
    return Uniform()


@dataclass(frozen=True)
class Uniform:
    """All spans alike."""

    name: str = "uniform"

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """No preference."""
        return [ALIKE for _ in items]


@dataclass(frozen=True)
class Weighted:
    """By category, whose case does not matter."""

    weights: dict[str, float] = field(default_factory=dict)
    """Category, case-folded -> weight."""
    name: str = "weighted"

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Each span weighs what its category does."""
        return [
            Preference(tuple(self.weights.get(span.category.casefold(), 1.0) for span in spans))
            for _, spans in items
        ]


def check_weights(weights: dict[str, float]) -> dict[str, float]:
    """Weights by case-folded category. Raises UsageError where there are none, or one is negative or no number."""
    if not weights:
        raise UsageError(
            "The strategy 'weighted' needs weights for categories; give some with 'category_weights', such as {\"PERSON\": 3, \"DATE\": 0.5}."
        )
    for category, weight in weights.items():
        if not (weight >= 0 and math.isfinite(weight)):
            raise UsageError(
                f"The weight of the category '{category}' in 'category_weights' is {weight}; weights are numbers of 0 or more."
            )
    return {category.casefold(): float(weight) for category, weight in weights.items()}


@dataclass(frozen=True)
class Hardest:
    """By the loss of a language model."""

    model: str
    batch: int = 16
    name: str = "ppl"

    @cached_property
    def likelihood(self) -> Likelihood:
        """The model, loaded when it is first asked for. Raises ModelError where it cannot be."""
        return load_likelihood(self.model, self.batch)

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Spans ranked by their mean loss."""
        if not any(spans for _, spans in items):
            return [ALIKE for _ in items]
        texts = [titled(passage.title, passage.text) for passage, _ in items]
        stretches = [
            [(span.start + shift, span.end + shift) for span in spans]
            for (_, shift), (_, spans) in zip(texts, items, strict=True)
        ]
        readings = self.likelihood.read([text for text, _ in texts], stretches)
        return [Preference(tuple(reading.loss for reading in found), ranked=True) for found in readings]


def titled(title: str, text: str) -> tuple[str, int]:
    """A text behind its title, unless it begins with it: what a language model reads; and how far the text is shifted in that."""
    prefix = "" if not title or text.startswith(title) else f"{title}: "
    return prefix + text, len(prefix)


@cache
def load_likelihood(source: str, batch: int) -> Likelihood:
    """A model that reads, in float32 (see `llm.likelihood`), loaded once in a process whoever asks. Raises ModelError, or MissingExtraError without torch."""
    import torch

    from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint
    from masksearch.llm.likelihood import Likelihood

    model, tokenizer = load_checkpoint(source, torch.float32)
    return Likelihood(model, tokenizer, checkpoint_name(source), batch)
