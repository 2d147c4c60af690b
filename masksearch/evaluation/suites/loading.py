"""Loads the questions of a suite: from the hub, from a published file, or from a file in our format."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from masksearch.corpus.hub import PREFIX
from masksearch.errors import DataError, FormatError, UsageError
from masksearch.evaluation.suites.containers import read_file
from masksearch.evaluation.suites.hub import named_source, read_hub
from masksearch.evaluation.suites.layouts import OWN, Reader, own_reader, reader, recognise
from masksearch.evaluation.suites.multihop import ALIASES, find_aliases, read_aliases, read_hotpot
from masksearch.evaluation.suites.registry import SUITES, find_suite, registered, suite_of
from masksearch.evaluation.suites.rows import Item, LeftOut, Row
from masksearch.evaluation.suites.shared import SPLITS
from masksearch.runtime.files import inner_name
from masksearch.runtime.progress import say
from masksearch.types import Question


@dataclass(frozen=True, slots=True)
class Release:
    """The content of a source of questions: the suite's name, and the questions with their paragraphs."""

    suite: str
    items: tuple[Item, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason -> number of rows that were skipped for this reason."""


def load_questions(source: str, suite: str = "", unanswered: bool = False) -> tuple[str, list[Question]]:
    """Returns the suite's name, and its questions in the order of the source.

    `source` is one of

    - the name of a suite, which is then read from the hub: `hotpotqa`, or `hotpotqa@train` for another split,
    - `hf:OWNER/NAME[:CONFIG][@SPLIT]` for another copy on the hub,
    - a file, as the authors publish it or as JSON Lines in our format, compressed or not.

    A file's layout is detected from its content. If several layouts fit, `suite` selects one of them. For a
    file in our format, `suite` is the name that is returned. Rows that are not questions to ask (MuSiQue's
    unanswerable questions, FreshQA's DEV split) are skipped; their number is printed on standard error. Only
    questions from files in our format have `supporting_passages`, because these are ids in a corpus that
    `write_suite` wrote. With `unanswered`, all questions of a file in our format may lack gold answers.

    Raises UsageError for an unknown suite, or if several layouts fit and `suite` is empty; DataError for a
    source without readable questions; FormatError for a row that is invalid, repeats an id or has no answer
    (the message names the file and the line or record); MissingExtraError without the package that a format
    needs.
    """
    release = read_release(source, suite, unanswered)
    for reason, count in release.left_out.items():
        say(f"{source}: left out {count} {'question' if count == 1 else 'questions'} {reason}.")
    return release.suite, [item.question for item in release.items]


def read_release(source: str, suite: str = "", unanswered: bool = False) -> Release:
    """Reads the questions of a source with their paragraphs (see `load_questions`).

    Does not print the number of skipped rows.
    """
    if suite and find_suite(suite).name == "ramp":
        raise UsageError(
            "RAMP tasks need no reader; name the task file itself as the questions to evaluate on."
        )
    suite = find_suite(suite).name if suite else ""
    name, split = suite_of(source)
    is_suite = bool(name)
    if is_suite:
        if suite and suite != name:
            raise UsageError(f"'{source}' is the suite {name}, but {suite} was asked for; name one of them.")
        suite, source = name, named_source(SUITES[name], split)
    rows = read_hub(source) if source.startswith(PREFIX) else read_file(source)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source} holds no questions.")
    layout = recognise(first, source, suite, trusted=is_suite, unanswered=unanswered)
    items, left_out = _items(itertools.chain([first], rows), _reader(layout, source, first, unanswered))
    if not items:
        reasons = "; ".join(f"{count} are {reason}" for reason, count in left_out.items())
        raise DataError(f"{source} holds no question to ask: {reasons}.")
    return Release(suite or (layout if layout in SUITES else _name_of(source)), tuple(items), left_out)


def _reader(layout: str, source: str, first: Row, unanswered: bool) -> Reader:
    """Returns the function that reads the rows of a layout.

    For 2WikiMultiHopQA, the function also uses the alias file next to `source`, if there is one.
    """
    if layout == OWN:
        return own_reader(unanswered)
    if layout != "2wikimultihopqa" or "answer_id" not in first.values:
        return reader(layout)
    path = find_aliases(source) if not source.startswith(PREFIX) and source != "-" else None
    if path is None:
        say(
            f"{source}: the file {ALIASES} is missing next to it, "
            "so only the answers as written count, not their aliases."
        )
        return reader(layout)
    return functools.partial(read_hotpot, aliases=read_aliases(path))


def _items(rows: Iterator[Row], read: Reader) -> tuple[list[Item], dict[str, int]]:
    items: list[Item] = []
    left_out: dict[str, int] = {}
    places: dict[str, str] = {}  # question id -> place of its row, for the message on a repeated id
    for row in rows:
        try:
            item = read(row)
        except LeftOut as reason:
            left_out[str(reason)] = left_out.get(str(reason), 0) + 1
            continue
        identity = item.question.id
        if identity in places:
            raise FormatError(
                f"{row.place} repeats the id '{identity}' of {places[identity]}; "
                "ids must be unique, so remove one of the two."
            )
        places[identity] = row.place
        items.append(item)
    return items, left_out


def _name_of(source: str) -> str:
    """Returns the suite's name for a file in our format whose suite was not given.

    This is the name of the file, or the name of its folder if only the folder is named after a suite.
    """
    own = inner_name(source).split(".")[0]
    folder = Path(source).absolute().parent.name
    if own in SPLITS:  # FlashRAG's nq/test.jsonl
        return registered(folder) or folder
    return folder if own not in SUITES and folder in SUITES else own
