"""What a causal language model makes of stretches of a text, given all that stands before each: how hard it finds them, and whether it would write them itself.

Texts go through the model whole, a batch at a time, padded on the right, where causal attention cannot see it. The head is applied only where a
token of a stretch is predicted: over a vocabulary of 49 thousand, logits of everything would take more memory than all the rest.

A text's figures depend on the others of its batch, and on the number of threads, in rounding alone. Load the model in float32: with SmolLM2 the losses
then moved by at most 1e-5 between batches of 4 and 16 and not at all between threads; in bfloat16 they moved by up to 0.15, enough to change the two
hardest spans in one passage of 16, for a gain in speed of half (8-11 instead of 6-7 passages of 60 words a second of one core).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from masksearch.errors import ModelError

WINDOW = 1024
"""Most tokens in one forward pass. A longer text is cut into windows that overlap by half, and a token is read where more stands before it."""
HEAD_ROWS = 512
"""Positions whose logits are in memory at a time."""

Stretch = tuple[int, int]
"""Characters [start, end) of a text."""


@dataclass(frozen=True)
class Reading:
    """One stretch as the model sees it coming: the tokens that share a character with it, each given all before it."""

    loss: float
    """Mean negative log-likelihood of its tokens in nats, at temperature 1."""
    greedy: bool
    """Each of its tokens is the likeliest: a greedy continuation of the text before it begins with the stretch."""
    probability: float
    """That a continuation sampled at the temperature asked for begins with its tokens."""


@dataclass(frozen=True)
class _Token:
    loss: float
    top: bool
    sampled: float
    """Log-probability at the temperature asked for."""


@dataclass(frozen=True)
class Window:
    """Tokens of one text for one row of a batch, and which of them are to be read."""

    text: int
    ids: tuple[int, ...]
    first: int
    """Place of `ids[0]` among the text's tokens."""
    wanted: tuple[int, ...]
    """Places in `ids`, all above 0."""


class Likelihood:
    """Reads stretches of text by a model from `llm.checkpoint.load_checkpoint`."""

    def __init__(self, model: Any, tokenizer: Any, name: str, batch: int = 16, window: int = WINDOW) -> None:
        if not tokenizer.is_fast:
            raise ModelError(
                f"The tokenizer of {name} does not tell which characters a token stands for; use a model with a fast tokenizer."
            )
        self.model, self.tokenizer, self.name, self.batch = model.eval(), tokenizer, name, batch
        self.window = max(
            2, min(window, getattr(model.config.get_text_config(), "max_position_embeddings", None) or window)
        )
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        self.start = () if start is None else (int(start),)

    def read(
        self, texts: Sequence[str], stretches: Sequence[Sequence[Stretch]], temperature: float = 1.0
    ) -> list[list[Reading]]:
        """A reading of each stretch of each text.

        A token is conditioned on the beginning-of-text token and the tokens before it, at least half a window of them where the text has so many.
        A token that nothing at all precedes (a model without a beginning-of-text token) is left out; a stretch with none left has loss 0 and is
        never foreseen. Raises ModelError where a loss is no number.
        """
        encoded = [self._encode(text) for text in texts]
        places = [
            [_overlapping(offsets, stretch) for stretch in wanted]
            for (_, offsets), wanted in zip(encoded, stretches, strict=True)
        ]
        windows = [
            window
            for number, ((ids, _), wanted) in enumerate(zip(encoded, places, strict=True))
            for window in cut(
                number, ids, sorted({place for stretch in wanted for place in stretch}), self.window
            )
        ]
        windows.sort(key=lambda window: len(window.ids))
        found: dict[tuple[int, int], _Token] = {}
        for start in range(0, len(windows), self.batch):
            self._run(windows[start : start + self.batch], temperature, found)
        return [
            [_reading([found[number, place] for place in stretch if place > 0]) for stretch in wanted]
            for number, wanted in enumerate(places)
        ]

    def _encode(self, text: str) -> tuple[list[int], list[Stretch]]:
        """Token ids with the beginning of the text in front, and the characters of each token. Nothing in a text is a special token."""
        coded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        return [*self.start, *coded["input_ids"]], [*((0, 0) for _ in self.start), *coded["offset_mapping"]]

    @torch.inference_mode()
    def _run(
        self, windows: Sequence[Window], temperature: float, found: dict[tuple[int, int], _Token]
    ) -> None:
        """One forward pass; what is wanted of it goes to `found[text, place among the text's tokens]`."""
        device = next(self.model.parameters()).device
        tokens = torch.zeros((len(windows), max(len(window.ids) for window in windows)), dtype=torch.long)
        for row, window in enumerate(windows):
            tokens[row, : len(window.ids)] = torch.tensor(window.ids)
        tokens = tokens.to(device)
        # No attention mask: attention is causal, and the padding stands behind everything that is read.
        hidden = self.model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        asked = [(row, place) for row, window in enumerate(windows) for place in window.wanted]
        for start in range(0, len(asked), HEAD_ROWS):
            part = asked[start : start + HEAD_ROWS]
            rows, columns = torch.tensor(part, device=device).T
            logits = self.model.get_output_embeddings()(hidden[rows, columns - 1]).float()
            gold = tokens[rows, columns]
            losses = torch.nn.functional.cross_entropy(logits, gold, reduction="none")
            sampled = (
                losses
                if temperature == 1.0
                else torch.nn.functional.cross_entropy(logits / temperature, gold, reduction="none")
            )
            tops = logits.argmax(dim=-1) == gold
            for (row, place), loss, top, cost in zip(
                part, losses.tolist(), tops.tolist(), sampled.tolist(), strict=True
            ):
                if not math.isfinite(loss):
                    raise ModelError(
                        f"The model {self.name} gives no probability (its loss is {loss}) for a word of a text; its weights are damaged."
                    )
                found[windows[row].text, windows[row].first + place] = _Token(loss, top, -cost)


def cut(text: int, ids: Sequence[int], wanted: Sequence[int], window: int) -> list[Window]:
    """The windows in which the tokens at the places `wanted` (sorted) are read. The first token of a text follows on nothing and is not read."""
    found: list[Window] = []
    step = max(1, window // 2)
    for first in range(0, max(1, len(ids) - window + step), step):
        low = first + window - step if first else 1  # before that, the window before has read
        inside = tuple(place - first for place in wanted if low <= place < first + window)
        if inside:
            # What follows the last token that is read makes no difference to it.
            found.append(Window(text, tuple(ids[first : first + inside[-1] + 1]), first, inside))
    return found


def _overlapping(offsets: Sequence[Stretch], stretch: Stretch) -> list[int]:
    start, end = stretch
    return [place for place, (first, last) in enumerate(offsets) if first < end and start < last]


def _reading(tokens: Sequence[_Token]) -> Reading:
    if not tokens:
        return Reading(0.0, False, 0.0)
    loss = sum(token.loss for token in tokens) / len(tokens)
    return Reading(loss, all(token.top for token in tokens), math.exp(sum(token.sampled for token in tokens)))
