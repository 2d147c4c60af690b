"""Masking strategies: they choose which usable spans of a passage are masked.

uniform    Draws every set of spans with equal chance (the paper's random masking).
weighted   Draws in proportion to `category_weights`, for example {"PERSON": 3, "DATE": 0}. A category
           without an entry weighs 1; a category of weight 0 is masked only if no other span is left.
ppl        Takes the hardest spans for the causal language model `ppl_model` (the paper's masking by
           perplexity).

Details of `ppl`: the model reads "Title: text", or the text alone if it starts with the title. The
difficulty of a span is the mean loss (nats per token) of the tokens that share a character with it. Each
token is predicted from all tokens before it, without masks; the model does not see the text after a span.
The k hardest spans with a word between any two are masked (ties: the earlier span). The mean is used instead
of the sum, because the sum over the digits of a long figure exceeds the sum of every name.

Which spans are masked (docs/log.md): rare names more often than at random, years and figures less often,
because many of their digits have a low loss. Items of a list are also among the hardest spans, because
other items could take their place. Spans at the start of a passage are not masked more often than others:
the title gives enough context.
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
    """Decides which usable spans of a passage are preferred for masking."""

    @property
    def name(self) -> str:
        """Name of the strategy, recorded on tasks."""

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Returns a preference for each passage and its usable spans (offsets in the passage's own text)."""


def make_strategy(settings: MaskSettings) -> Strategy:
    """Returns the strategy in `settings.strategy`; its model is loaded only at the first use.

    Raises UsageError if the settings lack a model or weights that the strategy needs.
    """
    if settings.strategy == "weighted":
        return Weighted(check_weights(settings.category_weights))
    if settings.strategy == "ppl":
        if not settings.ppl_model:
            raise UsageError(
                "The strategy 'ppl' needs a model; name a checkpoint folder with --ppl-model "
                "(make one with: masksearch model -o DIR)."
            )
        return Hardest(settings.ppl_model, settings.ppl_batch)
    return Uniform()


@dataclass(frozen=True)
class Uniform:
    """Strategy `uniform`: every set of spans has the same chance."""

    name: str = "uniform"

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Returns `ALIKE` (no preference) for each passage."""
        return [ALIKE for _ in items]


@dataclass(frozen=True)
class Weighted:
    """Strategy `weighted`: a span has the weight of its category; upper and lower case do not matter."""

    weights: dict[str, float] = field(default_factory=dict)
    """Category in case-folded form -> weight of its spans."""
    name: str = "weighted"

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Returns, for each passage, the weight of each span: that of its category, or 1."""
        return [
            Preference(tuple(self.weights.get(span.category.casefold(), 1.0) for span in spans))
            for _, spans in items
        ]


def check_weights(weights: dict[str, float]) -> dict[str, float]:
    """Returns the weights by case-folded category.

    Raises UsageError without any weight, or for a weight that is negative, infinite or not a number.
    """
    if not weights:
        raise UsageError(
            "The strategy 'weighted' needs weights for categories; set 'category_weights', for example to "
            '{"PERSON": 3, "DATE": 0.5}.'
        )
    for category, weight in weights.items():
        if not (weight >= 0 and math.isfinite(weight)):
            raise UsageError(
                f"The weight of the category '{category}' in 'category_weights' is {weight}; "
                "weights must be finite numbers of 0 or more."
            )
    return {category.casefold(): float(weight) for category, weight in weights.items()}


@dataclass(frozen=True)
class Hardest:
    """Strategy `ppl`: takes the spans with the highest loss of a language model."""

    model: str
    batch: int = 16
    name: str = "ppl"

    @cached_property
    def likelihood(self) -> Likelihood:
        """The language model, loaded at its first use. Raises ModelError if the model cannot be loaded."""
        return load_likelihood(self.model, self.batch)

    def prefer(self, items: Sequence[tuple[Passage, Sequence[Span]]]) -> list[Preference]:
        """Returns the mean loss of each span (nats per token) as its weight, for a choice by rank."""
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
    """Puts the title before a text that does not start with it; returns the text and the prefix length."""
    prefix = "" if not title or text.startswith(title) else f"{title}: "
    return prefix + text, len(prefix)


@cache
def load_likelihood(source: str, batch: int) -> Likelihood:
    """Loads a model in float32 to compute likelihoods (see `llm.likelihood`), once per process.

    Raises ModelError if the model cannot be loaded, and MissingExtraError without torch.
    """
    import torch

    from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint
    from masksearch.llm.likelihood import Likelihood

    model, tokenizer = load_checkpoint(source, torch.float32)
    return Likelihood(model, tokenizer, checkpoint_name(source), batch)
