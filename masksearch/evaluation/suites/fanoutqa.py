"""FanOutQA: questions whose answers are lists or tables, on English Wikipedia as of November 2023.

Layout read, after the authors' description (zhudotexe/fanoutqa, fanoutqa/models.py): id, question, answer (text, number, true or false, a
list or an object of these), categories, decomposition (sub-questions with `evidence` {pageid, revid, title, url}, nested), or
necessary_evidence (a list of these) in the test set, whose answers are not published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from masksearch.evaluation.suites.rows import Item, Row, plain, spaced
from masksearch.types import Question

Parts = tuple[tuple[str, ...], ...]


def read_fanoutqa(row: Row) -> Item:
    """A FanOutQA row: `answers` holds one text with all of the answer, `parts` what the official scorer looks for one by one. Raises FormatError."""
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
    """An answer as the parts that the official scorer looks for (`answer_in_text`): of an object its keys and values, of a list its entries; a
    single text or number is one part, so that every question is scored alike. Numbers are written out, true and false are yes and no.

    Lists within an object are taken apart as well; the scorer is declared for none, and the published answers have none. Raises FormatError.
    """
    parts = tuple((row.encodable(text),) for text in _leaves(row, answer))
    if not parts:
        raise row.fault("has an empty field 'answer'")
    return parts


def _leaves(row: Row, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield _leaf(row, key)
            yield from _leaves(row, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(row, inner)
    else:
        yield _leaf(row, value)


def _leaf(row: Row, value: Any) -> str:
    text = plain(value)
    if text is None:
        raise row.fault(f"has an answer with a part that is no text or number but a {type(value).__name__}")
    if not text:
        raise row.fault("has an answer with an empty part")
    return text


def joined(row: Row, answer: Any) -> str:
    """The whole answer as one text: "Agatha Christie: 1890; J. K. Rowling: 1965", "Patty Murray, Maria Cantwell". Raises FormatError."""
    if isinstance(answer, dict):
        return "; ".join(f"{_leaf(row, key)}: {joined(row, value)}" for key, value in answer.items())
    if isinstance(answer, list):
        return ", ".join(joined(row, value) for value in answer)
    return _leaf(row, answer)


def _titles(row: Row) -> Iterator[str]:
    """Titles of the evidence, in the order in which the sub-questions need it."""
    if row.values.get("necessary_evidence") is not None:
        steps: Any = [{"evidence": evidence} for evidence in row.entries("necessary_evidence")]
    else:
        steps = row.entries("decomposition") if row.values.get("decomposition") is not None else []
    yield from _walk(row, steps)


def _walk(row: Row, steps: Any) -> Iterator[str]:
    for step in steps:
        if not isinstance(step, dict):
            raise row.fault("has a field 'decomposition' with an entry that is no object")
        evidence = step.get("evidence")
        if isinstance(evidence, dict) and isinstance(evidence.get("title"), str):
            yield row.encodable(spaced(evidence["title"]))
        yield from _walk(row, step.get("decomposition") or [])
