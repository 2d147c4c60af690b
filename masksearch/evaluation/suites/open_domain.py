"""Reads questions without paragraphs: NQ-open, TriviaQA, PopQA, SimpleQA.

The fields, from the authors' files, are
    NQ-open    question, answer [..]
    TriviaQA   Question, QuestionId, Answer {Value, Aliases, HumanAnswers} (the authors' JSON, in "Data");
               question, question_id, answer {value, aliases} (hub)
    PopQA      id, subj, prop, obj, ..., s_wiki_title, s_pop, question, possible_answers (JSON in a text)
    SimpleQA   metadata (a Python dictionary in a text), problem, answer; SimpleQA Verified has the columns
               topic, answer_type and urls in place of metadata
"""

from __future__ import annotations

import ast
from typing import Any

from masksearch.evaluation.suites.rows import Item, Row, answer_texts, spaced
from masksearch.evaluation.suites.wikilinks import find_addresses, wikipedia_titles
from masksearch.types import Question


def read_nq(row: Row) -> Item:
    """Reads an NQ-open row; its id is the number of the row. Any of its answers counts."""
    return Item(
        Question(
            id=row.optional("id") or f"nq-{row.number:05d}",
            question=row.text("question"),
            answers=answer_texts(row, "answer"),
        )
    )


def read_triviaqa(row: Row) -> Item:
    """Reads a TriviaQA row. The answers are the value, its aliases, and those that people gave."""
    official = "Question" in row.values
    answer = row.need("Answer" if official else "answer")
    if not isinstance(answer, dict):
        raise row.fault("has an answer that is not an object with value and aliases")
    golds = Row(row.place, row.number, answer)
    value = golds.text("Value" if official else "value")
    further = [
        alias
        for name in ("Aliases" if official else "aliases", "HumanAnswers")
        if answer.get(name)
        for alias in answer_texts(golds, name)
    ]
    pages = row.values.get("EntityPages" if official else "entity_pages")
    question = Question(
        id=row.text("QuestionId" if official else "question_id"),
        question=row.text("Question" if official else "question"),
        answers=tuple(dict.fromkeys((value, *further))),
        type=str(answer.get("Type" if official else "type") or ""),
        supporting_titles=_page_titles(row, pages),
    )
    return Item(question)


def _page_titles(row: Row, pages: Any) -> tuple[str, ...]:
    """Returns the titles of a TriviaQA row's Wikipedia pages: a list of objects, or an object of lists."""
    if isinstance(pages, dict):
        titles = pages.get("title") or []
    else:
        titles = [page.get("Title") for page in pages or () if isinstance(page, dict)]
    return tuple(dict.fromkeys(row.encodable(spaced(title)) for title in titles if isinstance(title, str)))


def is_triviaqa(row: Row) -> bool:
    """Whether the answer of a row has TriviaQA's form."""
    return isinstance(row.values.get("Answer", row.values.get("answer")), dict)


def read_popqa(row: Row) -> Item:
    """Reads a PopQA row. The gold article is that of the subject."""
    title = row.optional("s_wiki_title")
    question = Question(
        id=row.text("id"),
        question=row.text("question"),
        answers=answer_texts(row, "possible_answers"),
        type=row.optional("prop"),
        supporting_titles=(spaced(title),) if title else (),
    )
    return Item(question)


def read_simpleqa(row: Row) -> Item:
    """Reads a SimpleQA row. The id is the number of the row, or SimpleQA Verified's `original_index`."""
    known = _metadata(row)
    urls = known.get("urls")
    texts = urls if isinstance(urls, list) else [str(urls or "")]
    number = row.optional("original_index") or str(row.number)
    question = Question(
        id=f"simpleqa-{number.zfill(4)}",
        question=row.text("problem"),
        answers=answer_texts(row, "answer"),
        type=str(known.get("answer_type") or ""),
        supporting_titles=wikipedia_titles(
            address for text in texts if isinstance(text, str) for address in find_addresses(text)
        ),
    )
    return Item(question)


def _metadata(row: Row) -> dict[str, Any]:
    """Returns topic, type and addresses of a SimpleQA row; of its own columns where it has no `metadata`."""
    value = row.values.get("metadata")
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
    return value if isinstance(value, dict) else row.values
