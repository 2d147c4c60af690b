"""Detects the suite of a question file from the fields of its first row, and selects the reader.

Each suite has a layout: the fields by which its rows are recognised, and the function that reads a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from masksearch.errors import FormatError, UsageError
from masksearch.evaluation.suites.fanoutqa import answer_parts, read_fanoutqa
from masksearch.evaluation.suites.multihop import read_hotpot, read_musique
from masksearch.evaluation.suites.registry import SUITES
from masksearch.evaluation.suites.rows import Item, Row
from masksearch.evaluation.suites.sheets import read_bamboogle, read_frames, read_freshqa
from masksearch.runtime.records import check_answers, check_same, explain
from masksearch.types import Question

Reader = Callable[[Row], Item]
OWN = "own"
"""Name of the layout of our own format. A question file in our format can hold questions of any suite."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a suite's rows, and the function `read` that turns a row into a question."""

    needed: frozenset[str]
    """Fields that every row has."""
    answer: str
    """Field of the answer. Test sets with unpublished answers lack it."""
    read: Reader
    absent: frozenset[str] = frozenset()
    """Fields that no row has. They tell the suite from others with the same required fields."""

    def fits(self, fields: frozenset[str]) -> bool:
        """Whether a row with these fields may have this layout."""
        return self.needed <= fields and not self.absent & fields


_PARAGRAPHS = frozenset({"question", "context"})
LAYOUTS: Mapping[str, Layout] = {
    "hotpotqa": Layout(
        _PARAGRAPHS,
        "answer",
        read_hotpot,
        absent=frozenset({"evidences", "evidences_id", "answer_id", "entity_ids"}),
    ),
    "2wikimultihopqa": Layout(_PARAGRAPHS, "answer", read_hotpot, absent=frozenset({"level"})),
    "musique": Layout(frozenset({"id", "question", "paragraphs"}), "answer", read_musique),
    "bamboogle": Layout(frozenset({"Question", "Answer"}), "Answer", read_bamboogle),
    "fanoutqa": Layout(frozenset({"id", "question", "categories"}), "answer", read_fanoutqa),
    "freshqa": Layout(frozenset({"id", "question", "answer_0", "false_premise"}), "answer_0", read_freshqa),
    "frames": Layout(frozenset({"Prompt", "Answer"}), "Answer", read_frames),
}


def recognise(row: Row, source: str, suite: str = "", trusted: bool = False, unanswered: bool = False) -> str:
    """Returns the layout of a file's first row: the name of a suite, or OWN.

    `trusted` means that the rows are known to be of `suite`, because they come from the suite's own copy on
    the hub. Then the row must have the required fields, but it may also have fields that the layout excludes.
    `unanswered` means that questions in our format may lack gold answers.

    Raises FormatError for an unknown layout, or for the layout of another suite than `suite`. Raises
    UsageError if several layouts fit and `suite` is empty, or if the file holds RAMP tasks.
    """
    fields = frozenset(row.values)
    if {"masks", "original"} <= fields:
        raise UsageError(
            f"{source} holds RAMP tasks, which need no reader; "
            "name the file itself as the questions to evaluate on."
        )
    found = [name for name, layout in LAYOUTS.items() if layout.fits(fields)]
    if {"id", "question", "answers"} <= fields and not any(LAYOUTS[name].answer in fields for name in found):
        return OWN
    if unanswered and not found and not suite and is_unanswered(fields):
        return OWN
    if trusted and suite and LAYOUTS[suite].needed <= fields:
        found = [suite]
    _check_found(found, row, source, suite)
    name = suite or found[0]
    if LAYOUTS[name].answer not in fields:
        raise FormatError(
            f"{source} has no answers ({row.place} lacks the field '{LAYOUTS[name].answer}'): "
            f"it may be the test set of {SUITES[name].title}, whose answers are not published; "
            "use the development set."
        )
    return name


def is_unanswered(fields: frozenset[str]) -> bool:
    """Whether a row is a question in our format without gold answers.

    A field such as `answer` or `gold` is no field of our format, so its row is refused instead of being asked
    without scores.
    """
    golds = [name for name in fields if name.casefold().startswith(("answer", "gold"))]
    return {"id", "question"} <= fields and not golds


def _check_found(found: list[str], row: Row, source: str, suite: str) -> None:
    """Raises an error unless the layouts `found` include the layout of `suite`.

    Without `suite`, raises an error unless exactly one layout was found.
    """
    if not found:
        shown = ", ".join(sorted(row.values)[:12]) or "none"
        wanted = (
            f" of {SUITES[suite].title} ({_described(suite)})"
            if suite
            else " of a suite or in our format (id, question, answers)"
        )
        raise FormatError(
            f"{source} is not a question file{wanted}: {row.place} has the fields {shown}; "
            "check that it is the published file."
        )
    if suite and suite not in found:
        raise FormatError(
            f"{source} is not of {SUITES[suite].title} but of {_either(found)}, "
            f"by the fields of {row.place}; name that suite, or another file."
        )
    if not suite and len(found) > 1:
        raise UsageError(f"{source} may be of {_either(found)}, whose layouts are the same; name the suite.")


def _described(suite: str) -> str:
    return ", ".join(sorted(LAYOUTS[suite].needed | {LAYOUTS[suite].answer}))


def _either(names: list[str]) -> str:
    return " or ".join(SUITES[name].title for name in names)


def own_reader(unanswered: bool) -> Reader:
    """Returns the function that reads the rows of a file in our format. With `unanswered`, all questions may
    lack gold answers; a file with both sorts of questions is refused."""
    before: list[bool] = []

    def read(row: Row) -> Item:
        item = read_own(row, unanswered)
        answered = bool(item.question.answers)
        if unanswered:
            check_same(row.place, answered, before[0] if before else None)
            before[:] = [answered]
        return item

    return read


def read_own(row: Row, unanswered: bool = False) -> Item:
    """Reads a question in our format. Raises FormatError for an invalid question.

    If the question has no `parts`, the parts are made from its field `answer_raw` or `answer_parts`.
    """
    values: dict[str, Any] = {name: value for name, value in row.values.items() if value is not None}
    if "parts" not in values:
        raw = values.get("answer_raw", values.get("answer_parts"))
        values["parts"] = answer_parts(row, raw) if raw is not None else ()
    if unanswered:
        values.setdefault("answers", ())
    try:
        question = Question.model_validate(values)
    except ValidationError as error:
        raise row.fault(explain(error)) from error
    if not unanswered:
        check_answers(row.place, question.answers)
    if not question.question.strip():
        raise row.fault("has an empty field 'question'")
    if not all(answer.strip() for answer in question.answers):
        raise row.fault("has an empty answer")
    row.encodable("".join((question.id, question.question, *question.answers, *question.supporting_titles)))
    return Item(question)
