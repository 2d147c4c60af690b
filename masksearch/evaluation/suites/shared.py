"""Reads layouts that hold the questions of any suite: FlashRAG's, Search-R1's, and plain questions.

FlashRAG    id, question, golden_answers [..], metadata {..}
Search-R1   the Parquet of verl: data_source, prompt [{role, content}], reward_model {ground_truth
            {target}}, extra_info {split, index}; most files also have id, question and golden_answers
plain       question and answer (a text, a number or a list), with or without an id; also Question and
            Answer, Prompt and Answer, and SQuAD's answers {text: [..]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from masksearch.evaluation.suites.rows import Item, LeftOut, Row, answer_texts, spaced
from masksearch.types import Question

FLASHRAG: Final = "flashrag"
SEARCH_R1: Final = "search-r1"
PLAIN: Final = "plain"
SPLITS = ("train", "dev", "test", "validation", "val", "valid")
"""Names of files that say nothing about the suite; the folder does."""
ASKED = ("question", "Question", "Prompt")
"""Names of the field of a plain question."""
GOLDS = ("answer", "answers", "Answer", "Answers")
"""Names of the field of a plain answer."""
IDS = ("id", "_id", "qid", "question_id")
UNANSWERABLE = "without an answer"
_ASKED = re.compile(r"Question:[ \t]*(.+?)[ \t]*(?:\n|<\||\Z)")


def shared_layout(values: Mapping[str, Any]) -> str:
    """Returns the shared layout of a row; empty if it has none of them."""
    if "data_source" in values and isinstance(values.get("reward_model"), dict):
        return SEARCH_R1
    if "question" in values and "golden_answers" in values:
        return FLASHRAG
    if _first(values, ASKED) and _first(values, GOLDS):
        return PLAIN
    return ""


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if values.get(name) is not None), "")


def read_flashrag(row: Row) -> Item:
    """Reads a FlashRAG row. HotpotQA's and 2WikiMultiHopQA's supporting facts are in its metadata."""
    metadata = row.values.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    question = Question(
        id=row.text("id"),
        question=row.text("question"),
        answers=answer_texts(row, "golden_answers"),
        type=str(known.get("type") or ""),
        supporting_titles=_titles(row, known),
    )
    return Item(question)


def _titles(row: Row, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    facts = metadata.get("supporting_facts")
    titles = facts.get("title") if isinstance(facts, dict) else None
    if not isinstance(titles, list):
        return ()
    return tuple(dict.fromkeys(row.encodable(spaced(title)) for title in titles if isinstance(title, str)))


def read_search_r1(row: Row) -> Item:
    """Reads a row of Search-R1's Parquet. Its id begins with its data source, whose ids are its own."""
    golds = row
    field = "golden_answers"
    if row.values.get(field) is None:
        truth = row.values["reward_model"].get("ground_truth")
        golds, field = (
            Row(row.place, row.number, truth if isinstance(truth, dict) else {"target": truth}),
            "target",
        )
    text = row.optional("question") or asked_in(row.values)
    if not text:
        raise row.fault("has neither a field 'question' nor a prompt with 'Question:'")
    question = Question(
        id=search_r1_id(row),
        question=row.encodable(text),
        answers=answer_texts(golds, field),
        type=row.optional("data_source"),
    )
    return Item(question)


def search_r1_id(row: Row) -> str:
    """Returns the id of a row of Search-R1's Parquet, as in `nq-test_17`."""
    extra = row.values.get("extra_info")
    known = extra if isinstance(extra, dict) else {}
    own = row.optional("id") or f"{known.get('split') or 'row'}_{known.get('index', row.number)}"
    source = row.optional("data_source").rpartition("/")[2].removeprefix("searchR1_")
    return f"{source}-{own}" if source else own


def asked_in(values: Mapping[str, Any]) -> str:
    """Returns the question in a prompt: what follows the last "Question:" on its line; empty without one."""
    prompt = values.get("input", values.get("prompt"))
    if isinstance(prompt, list) and prompt and isinstance(prompt[-1], dict):
        prompt = prompt[-1].get("content")
    found = _ASKED.findall(prompt) if isinstance(prompt, str) else []
    return str(found[-1]).strip() if found else ""


def read_plain(row: Row) -> Item:
    """Reads a question with its answer or answers. Without an id, the id is the number of the row."""
    name, field = _first(row.values, ASKED), _first(row.values, GOLDS)
    if not name or not field:
        raise row.fault(f"lacks the field '{'answer' if name else 'question'}'")
    values = row.values[field]
    if isinstance(values, dict) and isinstance(values.get("text"), list):  # SQuAD
        if not values["text"]:
            raise LeftOut(UNANSWERABLE)
        golds = answer_texts(Row(row.place, row.number, values), "text")
    else:
        golds = answer_texts(row, field)
    identity = next((text for one in IDS if (text := row.optional(one))), "") or f"row-{row.number:05d}"
    return Item(Question(id=identity, question=row.text(name), answers=golds, type=row.optional("type")))


READERS = {FLASHRAG: read_flashrag, SEARCH_R1: read_search_r1, PLAIN: read_plain}
"""Shared layout -> its reader."""
