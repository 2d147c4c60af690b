"""Says of a trajectory whether its answers and its quotes stand in what the model had seen before.

Only text that a tool showed counts, and only text before the answer or the quote. Text that the model wrote
itself, such as an invented information block, is no evidence. Without evidence nothing is grounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from masksearch.scoring.fills import task_fills
from masksearch.scoring.grounding.inferred import (
    NOT_FOUND,
    is_about,
    is_compared,
    is_worked_out,
    is_yes_no,
)
from masksearch.scoring.grounding.quotes import Quote, quotes_in, thoughts_of
from masksearch.scoring.grounding.shown import Result, holds, results_of, words_of
from masksearch.text.words import stop_words
from masksearch.types import MaskedTask, Question, Record, Task, Trajectory, Turn, task_from_json

How = Literal["", "shown", "inferred", "declined"]
"""How an answer is grounded: it stands in a result; it is inferred from results; it says that it was not
found; or (empty) not at all."""
UNGROUNDED, FALSE_QUOTE = "answer not grounded", "quote not in its result"
"""Reasons for dropping a trajectory."""
_ARTICLES = frozenset("a an the el la los las un una unos unas le les l une des".split())  # noqa: SIM905
_ITEMS = re.compile(r"[,;:\n、，；]|\band\b|\s[-–—]\s|^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)


class CheckedQuote(Record):
    """A quote in a thought, with its verdict."""

    turn: int
    """Number of the model's turn, from 1."""
    number: int
    """Number of the result that the quote names."""
    text: str
    stands: bool
    """Whether every piece stands in this result."""
    elsewhere: bool = False
    """For a false quote: whether another result that was shown before holds every piece."""


class Grounding(Record):
    """The grounding of one trajectory."""

    grounded: bool
    """Whether every answer is shown or inferred; False without an answer."""
    answers: tuple[bool, ...]
    """For each mask, or for a question's single answer, whether it is shown or inferred."""
    quotes: int
    """Number of quotes in the model's thoughts."""
    false_quotes: int
    """Number of quotes that do not stand in the result that they name."""
    how: tuple[How, ...] = ()
    """For each answer, how it is grounded."""
    details: tuple[CheckedQuote, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether every answer is grounded and no quote is false."""
        return self.grounded and not self.false_quotes

    @property
    def declined(self) -> bool:
        """Whether an answer says that it was not found, and no other answer lacks grounds."""
        return "declined" in self.how and "" not in self.how

    @property
    def fault(self) -> str:
        """The reason for dropping the trajectory; empty if it has none. An honest "not found" is no fault."""
        if not self.grounded and not self.declined:
            return UNGROUNDED
        return FALSE_QUOTE if self.false_quotes else ""


def ground(trajectory: Trajectory, answer_form: str = "") -> Grounding:
    """Checks the answers and the quotes of a trajectory.

    `answer_form` is the form of a RAMP answer; empty: the one that the trajectory records, or else `spans`.
    """
    form = answer_form or str(trajectory.task.get("answer_form") or "spans")
    return ground_answer(trajectory.answer, task_from_json(trajectory.task), trajectory.turns, form)


def ground_answer(answer: str, task: Task, turns: Sequence[Turn], answer_form: str) -> Grounding:
    """Checks an answer to a task, and the quotes in the turns that led to it.

    Raises ValueError for an unknown answer form.
    """
    return ground_fills([fill.text for fill in task_fills(answer, task, answer_form)], task, turns)


def ground_fills(fills: Sequence[str], task: Task, turns: Sequence[Turn]) -> Grounding:
    """Checks the parsed fills of an answer (for a question, the answer itself), and the quotes."""
    last = max((place for place, turn in enumerate(turns) if turn.role == "model"), default=0)
    quotes = checked_quotes(turns)
    seen = [result for turn in turns[:last] for result in results_of(turn) or ()]
    thought = "\n".join(thoughts_of(turns[last].text)) if turns else ""
    honest = bool(quotes) and all(quote.stands for quote in quotes)
    how = tuple(_how(text, task, seen, thought if honest else "") for text in fills)
    answers = tuple(one in ("shown", "inferred") for one in how)
    return Grounding(
        grounded=bool(answers) and all(answers),
        answers=answers,
        quotes=len(quotes),
        false_quotes=sum(not quote.stands for quote in quotes),
        how=how,
        details=tuple(quotes),
    )


# -- answers ----------------------------------------------------------------------------------------


def _how(text: str, task: Task, seen: Sequence[Result], thought: str) -> How:
    """Returns how an answer is grounded. `thought` is the last thought; empty if its quotes prove nothing."""
    words = words_of(text)
    if not words:
        return ""
    if " ".join(words) in NOT_FOUND:
        return "declined"
    if is_yes_no(task, words):
        return "inferred" if is_about(task, seen) else ""
    if holds(seen, words) or holds(seen, _without_article(words, task)) or _each_item(text, task, seen):
        return "shown"
    if is_compared(task, words) and is_about(task, seen):
        return "inferred"
    return "inferred" if thought and is_worked_out(task, words, thought, seen) else ""


def _without_article(words: Sequence[str], task: Task) -> Sequence[str]:
    """Returns the words after a leading article; none if only common words follow ("The Who")."""
    language = task.language if isinstance(task, MaskedTask) else ""
    common = all(word in stop_words(language) for word in words[1:])
    return words[1:] if words[0] in _ARTICLES and not common else ()


def _each_item(text: str, task: Task, seen: Sequence[Result]) -> bool:
    """Whether every item of a list answer was shown. Only a question with `parts` has list answers."""
    if not isinstance(task, Question) or not task.parts:
        return False
    items = [words for item in _ITEMS.split(text) if (words := words_of(item))]
    return bool(items) and all(holds(seen, words) for words in items)


# -- quotes -----------------------------------------------------------------------------------------


def checked_quotes(turns: Sequence[Turn]) -> list[CheckedQuote]:
    """Returns the quotes of all thoughts with their verdicts.

    A number names a result of the latest search, or the page that was opened after it.
    """
    latest: tuple[Result, ...] = ()
    seen: list[Result] = []
    found: list[CheckedQuote] = []
    turn_number, opened = 0, False
    for turn in turns:
        if turn.role == "model":
            turn_number += 1
            opened = "</open>" in turn.text
            for thought in thoughts_of(turn.text):
                found += [_verdict(quote, turn_number, latest, seen) for quote in quotes_in(thought)]
            continue
        results = results_of(turn)
        if results is not None:
            latest = (*latest, *results) if opened else results
            seen += results
    return found


def _verdict(quote: Quote, turn: int, latest: Sequence[Result], seen: Sequence[Result]) -> CheckedQuote:
    named = [result for result in latest if result.number == quote.number]
    stands = _stands(quote, named)
    return CheckedQuote(
        turn=turn,
        number=quote.number,
        text=quote.readings[-1],
        stands=stands,
        elsewhere=not stands and _stands(quote, seen),
    )


def _stands(quote: Quote, results: Sequence[Result]) -> bool:
    """Whether one of the results holds every piece of one reading of a quote."""
    return any(
        bool(pieces) and all(holds([result], words_of(piece)) for piece in pieces)
        for pieces in quote.pieces()
        for result in results
    )
