"""Reads sheets with one question in each row and no paragraphs: Bamboogle, FreshQA, FRAMES.

The columns, from the authors' files, are
    Bamboogle   Question, Answer
    FreshQA     id, split, question, effective_year, next_review, false_premise, num_hops, fact_type,
                source, answer_0 .. answer_9, note
    FRAMES      (number), Prompt, Answer, wikipedia_link_1 .. wikipedia_link_10, wikipedia_link_11+,
                reasoning_types, wiki_links
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from masksearch.evaluation.suites.rows import Item, LeftOut, Row, plain
from masksearch.evaluation.suites.wikilinks import find_addresses, wikipedia_titles
from masksearch.types import Question

HEADERS: Mapping[str, frozenset[str]] = {
    "bamboogle": frozenset({"Question", "Answer"}),
    "frames": frozenset({"Prompt", "Answer"}),
    "freshqa": frozenset({"question", "answer_0"}),
    "popqa": frozenset({"question", "possible_answers"}),
    "browsecomp": frozenset({"problem", "answer", "canary"}),
    "simpleqa": frozenset({"problem", "answer"}),
    "gaia": frozenset({"task_id", "Question", "Final answer"}),
    "plain questions": frozenset({"question", "answer"}),
}
"""What a sheet holds, mostly a suite -> column names that identify its header."""
INDEX = "Unnamed: 0"
"""Name that pandas and the hub give to a first column without a name; it has the number of the row."""
DEVELOPMENT = "of FreshQA's DEV split, whose questions are examples for prompts"
ANSWERS = tuple(f"answer_{number}" for number in range(10))
LINKS = (*(f"wikipedia_link_{number}" for number in range(1, 11)), "wikipedia_link_11+")


def read_bamboogle(row: Row) -> Item:
    """Reads a Bamboogle row. The id is the number of the row in the file.

    Raises FormatError for an invalid row.
    """
    return Item(
        Question(
            id=f"bamboogle-{row.number:03d}",
            question=row.text("Question"),
            answers=(row.text("Answer"),),
            type="2hop",
        )
    )


@cache
def _bamboogle() -> frozenset[str]:
    """Returns the hashes of questions of Bamboogle."""
    text = Path(__file__).with_name("bamboogle.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def question_mark(text: str) -> str:
    """Returns a short hash of a question, of its letters and digits alone."""
    bare = "".join(character for character in text.casefold() if character.isalnum())
    return hashlib.sha256(bare.encode(errors="replace")).hexdigest()[:12]


def is_bamboogle(row: Row) -> bool:
    """Whether a row's question is one of Bamboogle's."""
    return question_mark(row.optional("Question")) in _bamboogle()


def read_freshqa(row: Row) -> Item:
    """Reads a FreshQA row.

    Raises LeftOut for a row of the DEV split, because published scores are on the TEST split. Raises
    FormatError for an invalid row.
    """
    split = row.optional("split").upper() or "TEST"
    if split not in ("TEST", "DEV"):
        raise row.fault(f"has the split '{split[:40]}', which is neither TEST nor DEV")
    if split == "DEV":
        raise LeftOut(DEVELOPMENT)
    row.text("answer_0")  # raises the error that names the missing answer
    answers = tuple(dict.fromkeys(filter(None, map(row.optional, ANSWERS))))
    question = Question(
        id=f"freshqa-q{row.text('id').zfill(3)}",
        question=row.text("question"),
        answers=answers,
        type=row.optional("fact_type"),
        supporting_titles=wikipedia_titles(find_addresses(row.optional("source"))),
        false_premise=row.flag("false_premise"),
    )
    return Item(question)


def read_frames(row: Row) -> Item:
    """Reads a FRAMES row. Raises FormatError for an invalid row.

    The id is the number in the first column. Without this column, the id is the number of the row in the
    file.
    """
    number = row.optional(INDEX) or row.optional("id") or str(row.number)
    question = Question(
        id=f"frames-{number.zfill(3)}",
        question=row.text("Prompt"),
        answers=(row.text("Answer"),),
        type=row.optional("reasoning_types"),
        supporting_titles=wikipedia_titles(_links(row)),
    )
    return Item(question)


def _links(row: Row) -> list[str]:
    """Returns the addresses in the column `wiki_links`; without it, those in the columns `wikipedia_link_*`.

    `wiki_links` is a list (on the hub), or the text of a list in Python syntax (in a sheet's cell).
    """
    links = row.values.get("wiki_links")
    if isinstance(links, str):
        try:
            links = ast.literal_eval(links)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            links = find_addresses(links)
    if not isinstance(links, list | tuple) or not links:
        links = [plain(row.values.get(name)) or "" for name in LINKS]
    return [
        row.encodable(address) for link in links if isinstance(link, str) for address in find_addresses(link)
    ]
