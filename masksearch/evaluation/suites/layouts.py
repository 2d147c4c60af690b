"""Detects the suite of a question file from its first row, and selects the reader.

Each suite has a layout: the fields by which its rows are recognised, and the function that reads a row. The
fields of Bamboogle, a question and its answer, are those of many other sheets. So such a sheet is Bamboogle
only if the caller or the file's name says so, or if its first question is one of Bamboogle's; any other sheet
is read as plain questions, and named after its file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from masksearch.errors import FormatError, UsageError
from masksearch.evaluation.suites.browsing import read_browsecomp, read_gaia
from masksearch.evaluation.suites.fanoutqa import answer_parts, read_fanoutqa
from masksearch.evaluation.suites.multihop import read_hotpot, read_musique
from masksearch.evaluation.suites.open_domain import (
    is_triviaqa,
    read_nq,
    read_popqa,
    read_simpleqa,
    read_triviaqa,
)
from masksearch.evaluation.suites.registry import SUITES, registered
from masksearch.evaluation.suites.rows import Item, Row
from masksearch.evaluation.suites.shared import READERS, shared_layout
from masksearch.evaluation.suites.sheets import is_bamboogle, read_bamboogle, read_frames, read_freshqa
from masksearch.runtime.files import inner_name
from masksearch.runtime.records import check_answers, check_same, explain
from masksearch.types import Question

Reader = Callable[[Row], Item]
Check = Callable[[Row], bool]
OWN = "own"
"""Name of the layout of our own format. A question file in our format can hold questions of any suite."""


def _any_row(row: Row) -> bool:
    return True


def _by_name(row: Row) -> bool:
    """The check of a suite whose fields do not tell it from others: its name must."""
    return False


def _has_paragraphs(field: str, *keys: str) -> Check:
    """Returns the check that the entries of a field are paragraphs: lists of title and sentences, or objects
    with one of `keys`."""

    def check(row: Row) -> bool:
        try:
            entries = row.entries(field)
        except FormatError:
            return False
        return all(
            any(key in entry for key in keys) if isinstance(entry, dict) else isinstance(entry, list | tuple)
            for entry in entries
        )

    return check


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
    marks: frozenset[str] = frozenset()
    """Fields of which every row has at least one; empty if the required fields suffice."""
    check: Check = _any_row
    """Whether a row with the required fields has the contents that the suite has in them."""

    def may_be(self, row: Row) -> bool:
        """Whether a row may have this layout, if the caller says so: it has the required fields."""
        fields = frozenset(row.values)
        return self.needed <= fields and not self.absent & fields

    def fits(self, row: Row) -> bool:
        """Whether a row has this layout and no other that is known."""
        marked = not self.marks or bool(self.marks & frozenset(row.values))
        return self.may_be(row) and marked and self.check(row)


_PARAGRAPHS = frozenset({"question", "context"})
_HOP_MARKS = frozenset({"_id", "type", "level", "supporting_facts"})
LAYOUTS: Mapping[str, Layout] = {
    "hotpotqa": Layout(
        _PARAGRAPHS,
        "answer",
        read_hotpot,
        absent=frozenset({"evidences", "evidences_id", "answer_id", "entity_ids"}),
        marks=_HOP_MARKS,
        check=_has_paragraphs("context", "title"),
    ),
    "2wikimultihopqa": Layout(
        _PARAGRAPHS,
        "answer",
        read_hotpot,
        absent=frozenset({"level"}),
        marks=_HOP_MARKS,
        check=_has_paragraphs("context", "title"),
    ),
    "musique": Layout(
        frozenset({"id", "question", "paragraphs"}),
        "answer",
        read_musique,
        check=_has_paragraphs("paragraphs", "paragraph_text"),
    ),
    "bamboogle": Layout(frozenset({"Question", "Answer"}), "Answer", read_bamboogle, check=is_bamboogle),
    "fanoutqa": Layout(
        frozenset({"id", "question", "categories"}),
        "answer",
        read_fanoutqa,
        marks=frozenset({"decomposition", "necessary_evidence"}),
    ),
    "freshqa": Layout(frozenset({"id", "question", "answer_0", "false_premise"}), "answer_0", read_freshqa),
    "frames": Layout(
        frozenset({"Prompt", "Answer"}),
        "Answer",
        read_frames,
        marks=frozenset({"reasoning_types", "wiki_links", "wikipedia_link_1"}),
    ),
    "nq-open": Layout(frozenset({"question", "answer"}), "answer", read_nq, check=_by_name),
    "triviaqa": Layout(
        frozenset(),
        "",
        read_triviaqa,
        marks=frozenset({"question_id", "QuestionId"}),
        check=is_triviaqa,
    ),
    "popqa": Layout(frozenset({"question", "possible_answers"}), "possible_answers", read_popqa),
    "simpleqa": Layout(
        frozenset({"problem", "answer"}),
        "answer",
        read_simpleqa,
        absent=frozenset({"canary"}),
        marks=frozenset({"metadata", "answer_type"}),
    ),
    "browsecomp": Layout(frozenset({"problem", "answer", "canary"}), "answer", read_browsecomp),
    "gaia": Layout(frozenset({"task_id", "Question", "Final answer"}), "Final answer", read_gaia),
}


def reader(layout: str) -> Reader:
    """Returns the function that reads the rows of a layout."""
    return READERS[layout] if layout in READERS else LAYOUTS[layout].read


def recognise(row: Row, source: str, suite: str = "", trusted: bool = False, unanswered: bool = False) -> str:
    """Returns the layout of a file's first row: the name of a suite, OWN, or a shared one.

    `trusted` means that the rows are known to be of `suite`, because they come from the suite's own copy on
    the hub. Then the row must have the required fields, but it may also have fields that the layout excludes.
    A row with the required fields of `suite` is read as one of this suite, whatever else it has.
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
    found = [name for name, layout in LAYOUTS.items() if layout.fits(row)]
    own = {"id", "question", "answers"} <= fields and not isinstance(row.values["answers"], dict)
    if own and not any(LAYOUTS[name].answer in fields for name in found):
        return OWN
    if unanswered and not found and not suite and is_unanswered(fields):
        return OWN
    if suite and (LAYOUTS[suite].may_be(row) or (trusted and LAYOUTS[suite].needed <= fields)):
        found = [suite]
    found = found or ([] if suite else _named_after(row, source))
    if not found and (shared := shared_layout(row.values)):
        return shared
    _check_found(found, row, source, suite)
    name = suite or found[0]
    if LAYOUTS[name].answer and LAYOUTS[name].answer not in fields:
        raise FormatError(
            f"{source} has no answers ({row.place} lacks the field '{LAYOUTS[name].answer}'): "
            f"it may be the test set of {SUITES[name].title}, whose answers are not published; "
            "use the development set."
        )
    return name


def _named_after(row: Row, source: str) -> list[str]:
    """Returns the suite that a file or its folder is named after, if the row may be of it."""
    own, folder = inner_name(source).casefold(), Path(source).absolute().parent.name
    return [
        name
        for name, layout in LAYOUTS.items()
        if layout.needed and layout.may_be(row) and (name in own or registered(folder) == name)
    ][:1]


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
