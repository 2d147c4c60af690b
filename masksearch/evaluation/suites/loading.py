"""Questions of a suite, from the hub, from a file as it was published, or from a file of ours."""

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
from masksearch.evaluation.suites.layouts import LAYOUTS, OWN, Reader, read_own, recognise
from masksearch.evaluation.suites.multihop import ALIASES, find_aliases, read_aliases, read_hotpot
from masksearch.evaluation.suites.registry import SUITES, find_suite
from masksearch.evaluation.suites.rows import Item, LeftOut, Row
from masksearch.runtime.files import inner_name
from masksearch.runtime.progress import say
from masksearch.types import Question


@dataclass(frozen=True, slots=True)
class Release:
    """What a source holds: the suite's name, its questions with their paragraphs, and what was left out (reason -> how many)."""

    suite: str
    items: tuple[Item, ...]
    left_out: dict[str, int] = field(default_factory=dict)


def load_questions(source: str, suite: str = "") -> tuple[str, list[Question]]:
    """The suite's name, and its questions in the order of the source.

    `source` is a suite's name (`hotpotqa`, or `hotpotqa@train` for another split: read from the hub), `hf:OWNER/NAME[:CONFIG][@SPLIT]` (another
    copy there), or a file: as the authors publish it, or JSON Lines of ours, packed or not. A file's layout is told from its content; `suite` says
    which is meant where it could be several, and names a file of ours. What a release holds besides questions to ask (MuSiQue's unanswerable
    ones, FreshQA's DEV split) is left out, and said on standard error. `supporting_passages` are empty but in files of ours: only `write_suite`
    makes the corpus that they would be ids of.

    Raises UsageError for an unknown suite, or one that must be said; DataError where nothing can be read; FormatError, naming file and line
    (or record), where a row is not what it should be, repeats an id or has no answer; MissingExtraError.
    """
    release = read_release(source, suite)
    for reason, count in release.left_out.items():
        say(f"{source}: left out {count} {'question' if count == 1 else 'questions'} {reason}.")
    return release.suite, [item.question for item in release.items]


def read_release(source: str, suite: str = "") -> Release:
    """As `load_questions`, with the paragraphs; says nothing of what was left out."""
    if suite and find_suite(suite).name == "ramp":
        raise UsageError(
            "RAMP tasks need no reader; name the task file itself as the questions to evaluate on."
        )
    name, _, split = source.partition("@")
    hub = name in SUITES
    if hub:
        if suite and suite != name:
            raise UsageError(f"'{source}' is the suite {name}, but {suite} was asked for; name one of them.")
        suite, source = name, named_source(SUITES[name], split)
    rows = read_hub(source) if source.startswith(PREFIX) else read_file(source)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source} holds no questions.")
    layout = recognise(first, source, suite, trusted=hub)
    items, left_out = _items(itertools.chain([first], rows), _reader(layout, source, first))
    if not items:
        told = "; ".join(f"{count} are {reason}" for reason, count in left_out.items())
        raise DataError(f"{source} holds no question to ask: {told}.")
    return Release(suite or (_name_of(source) if layout == OWN else layout), tuple(items), left_out)


def _reader(layout: str, source: str, first: Row) -> Reader:
    if layout == OWN:
        return read_own
    if layout != "2wikimultihopqa" or "answer_id" not in first.values:
        return LAYOUTS[layout].read
    path = find_aliases(source) if not source.startswith(PREFIX) and source != "-" else None
    if path is None:
        say(
            f"{source}: there is no {ALIASES} beside it, so only the answers as written count, not their aliases."
        )
        return LAYOUTS[layout].read
    return functools.partial(read_hotpot, aliases=read_aliases(path))


def _items(rows: Iterator[Row], read: Reader) -> tuple[list[Item], dict[str, int]]:
    items: list[Item] = []
    left_out: dict[str, int] = {}
    seen: dict[str, str] = {}
    for row in rows:
        try:
            item = read(row)
        except LeftOut as reason:
            left_out[str(reason)] = left_out.get(str(reason), 0) + 1
            continue
        identity = item.question.id
        if identity in seen:
            raise FormatError(
                f"{row.place} repeats the id '{identity}' of {seen[identity]}; ids must be unique, remove one of the two."
            )
        seen[identity] = row.place
        items.append(item)
    return items, left_out


def _name_of(source: str) -> str:
    """A name for a file of ours: a suite's, where the file or its folder is called so, else the file's own."""
    own = inner_name(source).split(".")[0]
    folder = Path(source).absolute().parent.name
    return folder if own not in SUITES and folder in SUITES else own
