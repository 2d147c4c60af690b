"""The components of a reward, each a pure function with a fixed range: what answers earn, the length penalty, what searches brought."""

from __future__ import annotations

import re
from collections.abc import Sequence

from masksearch.scoring.metrics import CLOSED_ANSWERS, covers, normalise, score_answer, task_fills
from masksearch.scoring.settings import AnswerReward
from masksearch.text.excerpts import WORD
from masksearch.types import Question, Score, Task, Turn

_FRAME = re.compile(r"</?information>|^\[\d+\] ", re.MULTILINE)
"""What the tool writes round the results: their numbers are no evidence of a number."""
COPY_FACTOR, FILL_WORDS = 1.25, 10
"""A filled paragraph may have so many times the words of the text, and so many more a mask."""
Fill = tuple[str, tuple[str, ...], str]
"""What is scored: text, its golds, language (`metrics.task_fills`)."""


def soft_overlong(model_tokens: int, max_tokens: int, cache_tokens: int) -> float:
    """DAPO's length penalty (equation 13), in [-1, 0]: 0 up to max - cache, falling linearly to -1 at max, -1 beyond.

    Lengths count tokens the model wrote; retrieved text costs nothing. Raises ValueError unless cache_tokens > 0.
    """
    if cache_tokens <= 0:
        raise ValueError("cache_tokens must be greater than 0")
    if model_tokens > max_tokens:
        return -1.0
    return min(0.0, max(-1.0, (max_tokens - cache_tokens - model_tokens) / cache_tokens))


def recall_with_length(recall: float, said: int, wanted: int, factor: float) -> float:
    """recall * min(1, factor * wanted / said), in [0, recall]: lengths in tokens of the answer and of the gold. Ours; the paper gives no formula."""
    allowed = factor * wanted
    return recall if said <= allowed else recall * allowed / said


def fill_rewards(
    prediction: str, task: Task, answer_form: str, kind: AnswerReward, length_factor: float
) -> list[float]:
    """What each mask's fill earns by a measure, in [0, 1], in text order; a question's answer is its one fill. Not for the judge, who sees the whole answer."""
    return [_fill_reward(fill, kind, length_factor) for fill in task_fills(prediction, task, answer_form)]


def _fill_reward(fill: Fill, kind: AnswerReward, length_factor: float) -> float:
    text, golds, language = fill
    if kind == "recall-length":
        return max(
            _shortened(score_answer(text, (gold,), language), text, gold, language, length_factor)
            for gold in golds
        )
    score = score_answer(text, golds, language)
    if kind == "f1":
        return score.f1
    return score.recall if kind == "recall" else score.em


def _shortened(score: Score, text: str, gold: str, language: str, factor: float) -> float:
    said, wanted = (len(normalise(one, language).split()) for one in (text, gold))
    return recall_with_length(score.recall, said, max(wanted, 1), factor)


def repeated_fills(prediction: str, task: Task, answer_form: str) -> list[bool]:
    """Which fills say the same words as the fill of another mask that has another gold: a guess that is put everywhere."""
    fills = [
        (normalise(text, language), {normalise(gold, language) for gold in golds})
        for text, golds, language in task_fills(prediction, task, answer_form)
    ]
    return [
        said != ""
        and any(
            said == other and golds != others for place, (other, others) in enumerate(fills) if place != own
        )
        for own, (said, golds) in enumerate(fills)
    ]


def is_empty_answer(prediction: str, task: Task, answer_form: str) -> bool:
    """Whether nothing stands in the answer that could be scored, such as numbers without fills."""
    return not any(text.strip() for text, _, _ in task_fills(prediction, task, answer_form))


def is_more_than_a_copy(prediction: str, task: Task, answer_form: str) -> bool:
    """Whether a filled paragraph is far longer than the text it fills: results pasted whole, in which the fills stand somewhere. Never so in other forms."""
    if isinstance(task, Question) or answer_form != "paragraph":
        return False
    return len(words_of(prediction)) > COPY_FACTOR * len(words_of(task.text)) + FILL_WORDS * task.masks


def words_of(text: str) -> list[str]:
    """Words; in scripts without spaces characters."""
    return WORD.findall(text)


def first_shown(turns: Sequence[Turn], golds: Sequence[Sequence[str]], language: str = "") -> list[int]:
    """For each mask the number, from 1, of the tool's first turn that holds one of its golds; 0 where none does.

    `golds` has one entry a mask, its equally acceptable answers. Yes and no are never found: they stand in any text. What the model wrote itself is
    not looked at, a forged information block no more than a thought.
    """
    shown = [_FRAME.sub(" ", turn.text) for turn in turns if turn.role == "tool"]
    return [
        _first(
            shown, [gold for gold in accepted if normalise(gold, language) not in CLOSED_ANSWERS], language
        )
        for accepted in golds
    ]


def _first(shown: Sequence[str], golds: Sequence[str], language: str) -> int:
    return next((number for number, text in enumerate(shown, 1) if covers(text, golds, language)), 0)
