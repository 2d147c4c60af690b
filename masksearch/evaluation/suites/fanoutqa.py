"""Reads FanOutQA: questions whose answers are lists or tables, on English Wikipedia as of November 2023.

The fields, from the authors' description (zhudotexe/fanoutqa, fanoutqa/models.py), are

    id, question, categories
    answer               text, number, true or false, or a list or an object of these
    decomposition        nested sub-questions with `evidence` {pageid, revid, title, url}
    necessary_evidence   list of such evidence; only in the test set, which has no decomposition and whose
                         answers are not published
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from masksearch.evaluation.suites.rows import Item, Row, plain, spaced
from masksearch.types import Question

Parts = tuple[tuple[str, ...], ...]


def read_fanoutqa(row: Row) -> Item:
    """Reads a FanOutQA row. Raises FormatError for an invalid row.

    The question's `answers` has the whole answer as one text. Its `parts` are the strings that the official
    scorer searches for one by one.
    """
    answer = row.need("answer")
    question = Question(
        id=row.text("id"),
        question=row.text("question"),
        answers=(row.encodable(joined(row, answer)),),
        type=type(answer).__name__,
        supporting_titles=tuple(dict.fromkeys(_titles(row))),
        parts=answer_parts(row, answer),
    )
    return Item(question)


def answer_parts(row: Row, answer: Any) -> Parts:
    """Returns the parts of an answer that the official scorer (`answer_in_text`) searches for.

    The parts of an object are its keys and values. The parts of a list are its entries. A single text or
    number is one part, so that every question is scored in the same way. Numbers become text; true and false
    become yes and no. Nested lists are split as well: the official scorer does not define them, and the
    published answers have none. Raises FormatError for an empty answer or part.
    """
    parts = tuple((row.encodable(text),) for text in _leaves(row, answer))
    if not parts:
        raise row.fault("has an empty field 'answer'")
    return parts


def _leaves(row: Row, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield _leaf(row, key)
            # The first release has one value without text. The official scorer finds it in every answer.
            yield from ([""] if inner == "" else _leaves(row, inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(row, inner)
    else:
        yield _leaf(row, value)


def _leaf(row: Row, value: Any) -> str:
    text = plain(value)
    if text is None:
        raise row.fault(
            f"has an answer with a part that is not text or a number but a {type(value).__name__}"
        )
    if not text:
        raise row.fault("has an answer with an empty part")
    return text


def joined(row: Row, answer: Any) -> str:
    """Returns the whole answer as one text. Raises FormatError for an empty part.

    Examples: "Agatha Christie: 1890; J. K. Rowling: 1965", "Patty Murray, Maria Cantwell".
    """
    if isinstance(answer, dict):
        return "; ".join(
            f"{_leaf(row, key)}: {joined(row, value)}" if value != "" else _leaf(row, key)
            for key, value in answer.items()
        )
    if isinstance(answer, list):
        return ", ".join(joined(row, value) for value in answer)
    return _leaf(row, answer)


def _titles(row: Row) -> Iterator[str]:
    """Yields the titles of the Wikipedia articles in the evidence, in the order of the sub-questions."""
    if row.values.get("necessary_evidence") is not None:
        steps: Any = [{"evidence": evidence} for evidence in row.entries("necessary_evidence")]
    else:
        steps = row.entries("decomposition") if row.values.get("decomposition") is not None else []
    yield from _walk(row, steps)


def _walk(row: Row, steps: Any) -> Iterator[str]:
    for step in steps:
        if not isinstance(step, dict):
            raise row.fault("has a field 'decomposition' with an entry that is not an object")
        evidence = step.get("evidence")
        if isinstance(evidence, dict) and isinstance(evidence.get("title"), str):
            yield row.encodable(spaced(evidence["title"]))
        yield from _walk(row, step.get("decomposition") or [])
