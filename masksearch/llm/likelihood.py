"""Measures how well a causal language model predicts stretches (character ranges) of a text: loss, greedy
match, sampling probability.

The model reads whole texts in batches, padded on the right, where causal attention cannot see the padding.
The output head runs only on the positions that predict a token of a stretch: with a vocabulary of 49 thousand
tokens, the logits of all positions would take more memory than everything else.

The other texts of a batch and the number of threads change a text's values only by rounding. Load the model
in float32 to keep this rounding small. With SmolLM2 in float32, the losses moved by at most 1e-5 between
batches of 4 and 16 and not at all between thread counts. In bfloat16 they moved by up to 0.15, which was
enough to change the two hardest spans in one passage of 16. The speed in bfloat16 was only half as high again
(8-11 instead of 6-7 passages of 60 words a second on one core).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from masksearch.errors import ModelError

WINDOW = 1024
"""Maximum number of tokens in one forward pass.

A longer text is cut into windows that overlap by half. A token in two windows is read in the window that
holds more of the text before the token.
"""
HEAD_ROWS = 512
"""Maximum number of token positions whose logits are in memory at a time."""

Stretch = tuple[int, int]
"""A range of characters of a text: (start, end), the end exclusive."""


@dataclass(frozen=True)
class Reading:
    """The model's prediction of one stretch.

    Covers all tokens that share a character with the stretch. Each token is conditioned on all tokens
    before it.
    """

    loss: float
    """Mean negative log-likelihood of the stretch's tokens in nats, at temperature 1."""
    greedy: bool
    """Whether every token of the stretch is the likeliest one. Greedy decoding after the preceding text
    would then start with the stretch."""
    probability: float
    """Probability that text sampled after the preceding text, at the requested temperature, starts with
    the tokens of the stretch."""


@dataclass(frozen=True)
class _Token:
    """The model's prediction of one token."""

    loss: float
    top: bool
    sampled: float
    """Log-probability of the token at the requested temperature; `loss` is at temperature 1."""


@dataclass(frozen=True)
class Window:
    """A run of consecutive tokens of one text that forms one row of a batch, and the positions whose
    predictions are read."""

    text: int
    """Index of the text in the list of texts."""
    ids: tuple[int, ...]
    first: int
    """Position of `ids[0]` among the text's tokens."""
    wanted: tuple[int, ...]
    """Positions in `ids` of the tokens to read; all above 0, because position 0 has no context."""


class Likelihood:
    """Reads stretches of text with a model from `llm.checkpoint.load_checkpoint`.

    Raises ModelError for a tokenizer without character offsets.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, batch: int = 16, window: int = WINDOW) -> None:
        if not tokenizer.is_fast:
            raise ModelError(
                f"The tokenizer of {name} does not give the characters of each token; "
                "use a model with a fast tokenizer."
            )
        self.model, self.tokenizer, self.name, self.batch = model.eval(), tokenizer, name, batch
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None) or window
        self.window = max(2, min(window, longest))
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        self.start = () if start is None else (int(start),)

    def read(
        self, texts: Sequence[str], stretches: Sequence[Sequence[Stretch]], temperature: float = 1.0
    ) -> list[list[Reading]]:
        """Returns a reading of each stretch of each text.

        A token is conditioned on the beginning-of-text token and on all tokens before it. In a text longer
        than a window, it is conditioned on at least half a window.

        If the tokenizer has no beginning-of-text token, the first token of a text has no context and is left
        out. A stretch without any other token has loss 0, `greedy` False and probability 0. Raises ModelError
        if a loss is not a finite number.
        """
        encoded = [self._encode(text) for text in texts]
        # For each text and each of its stretches, the positions of the stretch's tokens.
        places = [
            [_overlapping(offsets, stretch) for stretch in wanted]
            for (_, offsets), wanted in zip(encoded, stretches, strict=True)
        ]
        windows: list[Window] = []
        for number, ((ids, _), wanted) in enumerate(zip(encoded, places, strict=True)):
            needed = sorted({place for stretch in wanted for place in stretch})
            windows += cut(number, ids, needed, self.window)
        # Windows of similar length share a batch, which keeps the padding small.
        windows.sort(key=lambda window: len(window.ids))
        found: dict[tuple[int, int], _Token] = {}
        for start in range(0, len(windows), self.batch):
            self._run(windows[start : start + self.batch], temperature, found)
        return [
            [_reading([found[number, place] for place in stretch if place > 0]) for stretch in wanted]
            for number, wanted in enumerate(places)
        ]

    def _encode(self, text: str) -> tuple[list[int], list[Stretch]]:
        """Returns the token ids of a text, the beginning-of-text token first, and the character range of each
        token.

        The text itself is encoded without special tokens.
        """
        coded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        return [*self.start, *coded["input_ids"]], [*((0, 0) for _ in self.start), *coded["offset_mapping"]]

    @torch.inference_mode()
    def _run(
        self, windows: Sequence[Window], temperature: float, found: dict[tuple[int, int], _Token]
    ) -> None:
        """Runs one forward pass over a batch of windows. Writes the prediction of each wanted token to
        `found`, under the key (index of the text, position among the text's tokens)."""
        device = next(self.model.parameters()).device
        tokens = torch.zeros((len(windows), max(len(window.ids) for window in windows)), dtype=torch.long)
        for row, window in enumerate(windows):
            tokens[row, : len(window.ids)] = torch.tensor(window.ids)
        tokens = tokens.to(device)  # (batch, length)
        # No attention mask: attention is causal, and the padding comes after every position that is read.
        hidden = self.model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        # hidden: (batch, length, size)
        asked = [(row, place) for row, window in enumerate(windows) for place in window.wanted]
        for start in range(0, len(asked), HEAD_ROWS):
            part = asked[start : start + HEAD_ROWS]
            rows, columns = torch.tensor(part, device=device).T  # each (positions,)
            # The hidden state at a position predicts the next token, hence `columns - 1`.
            logits = self.model.get_output_embeddings()(hidden[rows, columns - 1]).float()
            # logits: (positions, vocabulary)
            gold = tokens[rows, columns]  # (positions,)
            losses = torch.nn.functional.cross_entropy(logits, gold, reduction="none")  # (positions,)
            sampled = losses
            if temperature != 1.0:
                sampled = torch.nn.functional.cross_entropy(logits / temperature, gold, reduction="none")
            tops = logits.argmax(dim=-1) == gold
            for (row, place), loss, top, cost in zip(
                part, losses.tolist(), tops.tolist(), sampled.tolist(), strict=True
            ):
                if not math.isfinite(loss):
                    raise ModelError(
                        f"The model {self.name} gives no probability (its loss is {loss}) "
                        "for a word of a text; its weights are damaged."
                    )
                found[windows[row].text, windows[row].first + place] = _Token(loss, top, -cost)


def cut(text: int, ids: Sequence[int], wanted: Sequence[int], window: int) -> list[Window]:
    """Returns the windows in which the tokens at the positions `wanted` (sorted) are read.

    The first token of a text has no context and is not read.
    """
    found: list[Window] = []
    step = max(1, window // 2)
    for first in range(0, max(1, len(ids) - window + step), step):
        low = first + window - step if first else 1  # the previous window reads the tokens before `low`
        inside = tuple(place - first for place in wanted if low <= place < first + window)
        if inside:
            # Later tokens cannot change an earlier prediction, so the row ends with the last token that is
            # read.
            found.append(Window(text, tuple(ids[first : first + inside[-1] + 1]), first, inside))
    return found


def _overlapping(offsets: Sequence[Stretch], stretch: Stretch) -> list[int]:
    """Returns the positions of the tokens that share a character with the stretch."""
    start, end = stretch
    return [place for place, (first, last) in enumerate(offsets) if first < end and start < last]


def _reading(tokens: Sequence[_Token]) -> Reading:
    """Combines the predictions of a stretch's tokens into one reading."""
    if not tokens:
        return Reading(0.0, False, 0.0)
    loss = sum(token.loss for token in tokens) / len(tokens)
    return Reading(loss, all(token.top for token in tokens), math.exp(sum(token.sampled for token in tokens)))
