"""The components of a reward, each a pure function with a fixed range: answer rewards, the length
penalty, and the tool turns whose results first showed each gold answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from masksearch.errors import UsageError
from masksearch.runtime.own import is_own, load_own
from masksearch.scoring.fills import Fill
from masksearch.scoring.metrics import CLOSED_ANSWERS, covers, normalise, score_answer
from masksearch.scoring.settings import AnswerReward
from masksearch.text.excerpts import WORD
from masksearch.types import Question, Task, Turn

_FRAME = re.compile(r"</?information>|^\[\d+\] ", re.MULTILINE)
"""The frame that the tool adds around search results. A number in it, such as "[1]", must not count as the
gold answer "1"."""
COPY_FACTOR, FILL_WORDS = 1.25, 10
"""A filled paragraph may have COPY_FACTOR times the words of the text, plus FILL_WORDS words per mask."""


def soft_overlong(model_tokens: int, max_tokens: int, cache_tokens: int) -> float:
    """Returns DAPO's length penalty (equation 13), in [-1, 0].

    0 up to max - cache, then falling linearly to -1 at max, and -1 beyond. Lengths count only tokens that
    the model wrote, not retrieved text. Raises ValueError unless cache_tokens > 0.
    """
    if cache_tokens <= 0:
        raise ValueError("cache_tokens must be greater than 0")
    if model_tokens > max_tokens:
        return -1.0
    return min(0.0, max(-1.0, (max_tokens - cache_tokens - model_tokens) / cache_tokens))


def recall_with_length(recall: float, answer_length: int, gold_length: int, factor: float) -> float:
    """Returns recall * min(1, factor * gold length / answer length), in [0, recall].

    Lengths are in tokens. The formula is ours; the paper gives none.
    """
    allowed = factor * gold_length
    return recall if answer_length <= allowed else recall * allowed / answer_length


def fill_rewards(fills: Sequence[Fill], kind: AnswerReward, length_factor: float) -> list[float]:
    """Returns the reward of each fill under a metric, in [0, 1], in order.

    Not for the reward "judge": the judge reads the whole answer.
    """
    return [_fill_reward(fill, kind, length_factor) for fill in fills]


def _fill_reward(fill: Fill, kind: AnswerReward, length_factor: float) -> float:
    if is_own(kind):
        return own_reward(kind, fill)
    if kind == "recall-length":
        return max(_recall_length(fill, gold, length_factor) for gold in fill.golds)
    score = score_answer(fill.text, fill.golds, fill.language)
    by_metric: dict[str, float] = {"em": score.em, "f1": score.f1, "recall": score.recall}
    return by_metric[kind]  # an unknown `kind` raises KeyError


def own_reward(name: str, fill: Fill) -> float:
    """Returns the reward of a fill by the user's own function. Raises UsageError for a value that is not in
    [0, 1]."""
    value = load_own(name)(fill.text, fill.golds)
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"The reward {name} returned {value!r}; it should be a number from 0 to 1.")
    return float(value)


def _recall_length(fill: Fill, gold: str, factor: float) -> float:
    score = score_answer(fill.text, (gold,), fill.language)
    answer_length = len(normalise(fill.text, fill.language).split())
    gold_length = len(normalise(gold, fill.language).split())
    return recall_with_length(score.recall, answer_length, max(gold_length, 1), factor)


def repeated_fills(fills: Sequence[Fill]) -> list[bool]:
    """Returns for each fill whether another mask, with another gold, was filled with the same words.

    Detects a single guess that is entered for every mask.
    """
    words = [normalise(fill.text, fill.language) for fill in fills]
    golds = [{normalise(gold, fill.language) for gold in fill.golds} for fill in fills]

    def is_repeated(own: int) -> bool:
        return words[own] != "" and any(
            words[own] == words[other] and golds[own] != golds[other]
            for other in range(len(fills))
            if other != own
        )

    return [is_repeated(place) for place in range(len(fills))]


def is_empty_answer(fills: Sequence[Fill]) -> bool:
    """Whether an answer contains no text to score: an empty answer, or numbers without fills."""
    return not any(fill.text.strip() for fill in fills)


def is_more_than_a_copy(prediction: str, task: Task, answer_form: str) -> bool:
    """Whether a filled paragraph is far longer than the text it fills, as with pasted search results.

    Always False for questions and for the answer form "spans".
    """
    if isinstance(task, Question) or answer_form != "paragraph":
        return False
    return len(words_of(prediction)) > COPY_FACTOR * len(words_of(task.text)) + FILL_WORDS * task.masks


def words_of(text: str) -> list[str]:
    """Splits a text into words (characters in scripts without spaces)."""
    return WORD.findall(text)


def first_shown(turns: Sequence[Turn], golds: Sequence[Sequence[str]], language: str = "") -> list[int]:
    """Returns for each mask the number (from 1) of the first tool turn that shows one of its golds; 0 if no
    turn does.

    `golds` has one entry per mask: its equally acceptable answers. The golds yes and no are never found,
    because any text contains them. Text that the model wrote is ignored, even if it imitates an information
    block.
    """
    shown = [_FRAME.sub(" ", turn.text) for turn in turns if turn.role == "tool"]
    return [_first_turn(shown, accepted, language) for accepted in golds]


def _first_turn(shown: Sequence[str], accepted: Sequence[str], language: str) -> int:
    golds = [gold for gold in accepted if normalise(gold, language) not in CLOSED_ANSWERS]
    return next((number for number, text in enumerate(shown, 1) if covers(text, golds, language)), 0)
