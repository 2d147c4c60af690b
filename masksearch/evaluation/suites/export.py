"""Exports a suite in our format.

The files are `questions.jsonl` and, if the questions come with paragraphs, `corpus.jsonl`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from masksearch.errors import UsageError
from masksearch.evaluation.suites.loading import Release, read_release
from masksearch.evaluation.suites.rows import Item, Paragraph
from masksearch.runtime.files import atomic_path, write_json_lines
from masksearch.types import Question

QUESTIONS, CORPUS = "questions.jsonl", "corpus.jsonl"


@dataclass(frozen=True, slots=True)
class Exported:
    """The name of an exported suite, and the counts of its export."""

    suite: str
    questions: int
    passages: int
    left_out: dict[str, int]
    """Reason -> number of rows that were left out, because they are not questions to ask."""
    incomplete: int = 0
    """Number of questions with a gold paragraph that the release lacks. These questions have the titles of
    their gold paragraphs, but no ids."""
    empty: int = 0
    """Number of titles of paragraphs without text. Such paragraphs are not in the corpus."""


def write_suite(source: str, suite: str, folder: str | Path) -> Exported:
    """Writes `questions.jsonl` and, if the questions come with paragraphs, `corpus.jsonl` into `folder`.

    The corpus has the id, title and text of each paragraph once. An id is `SUITE-` and a hash of title and
    text, so a paragraph has the same id in every export. The folder is written atomically and replaces an
    earlier export. Raises the errors of `load_questions`, and UsageError for a folder that contains other
    files.
    """
    folder = Path(folder)
    _check_target(folder)
    release = read_release(source, suite)
    corpus = {
        _passage_id(release.suite, paragraph): paragraph
        for item in release.items
        for paragraph in item.paragraphs
        if paragraph.text
    }
    questions = _with_passages(release, corpus)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_json_lines(temporary / QUESTIONS, (question.to_json() for question in questions))
        if corpus:
            write_json_lines(
                temporary / CORPUS,
                (
                    {"id": key, "title": passage.title, "text": passage.text}
                    for key, passage in corpus.items()
                ),
            )
    return Exported(
        suite=release.suite,
        questions=len(questions),
        passages=len(corpus),
        left_out=release.left_out,
        incomplete=sum(not question.supporting_passages for question in questions) if corpus else 0,
        empty=len(
            {paragraph.title for item in release.items for paragraph in item.paragraphs if not paragraph.text}
        ),
    )


def _check_target(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {folder} is a file, but this command writes a folder; choose another name.")
    other = (
        sorted(entry.name for entry in folder.iterdir() if entry.name not in (QUESTIONS, CORPUS))
        if folder.exists()
        else []
    )
    if other:
        raise UsageError(
            f"-o {folder} is a folder that contains other files, such as {other[0]}; choose another name."
        )


def _passage_id(suite: str, paragraph: Paragraph) -> str:
    digest = hashlib.sha256(f"{paragraph.title}\0{paragraph.text}".encode()).hexdigest()
    return f"{suite}-{digest[:16]}"


def _with_passages(release: Release, corpus: dict[str, Paragraph]) -> list[Question]:
    """Returns the questions with `supporting_passages`, the ids of their gold paragraphs in the corpus.

    The ids have the order of `supporting_titles`.
    """
    if not corpus:
        return [item.question for item in release.items]
    by_title: dict[str, list[str]] = {}
    for key, paragraph in corpus.items():
        by_title.setdefault(paragraph.title, []).append(key)
    return [
        item.question.model_copy(update={"supporting_passages": _gold_ids(release.suite, item, by_title)})
        for item in release.items
    ]


def _gold_ids(suite: str, item: Item, by_title: dict[str, list[str]]) -> tuple[str, ...]:
    """Returns the ids of all gold paragraphs of a question; empty if one of them is missing.

    The paragraphs of a question in HotpotQA's full-wiki file lack some gold paragraphs. A missing gold
    paragraph is taken from the other questions' paragraphs, if exactly one of them has its title. If a gold
    paragraph is still missing, the question gets no ids at all: evidence recall would take an incomplete
    list for the whole evidence.
    """
    own: dict[str, list[str]] = {}
    for paragraph in item.paragraphs:
        if paragraph.gold and paragraph.text:
            own.setdefault(paragraph.title, []).append(_passage_id(suite, paragraph))
    found: list[str] = []
    for title in item.question.supporting_titles:
        keys = own.get(title) or by_title.get(title, [])
        if not keys or (title not in own and len(keys) > 1):
            return ()
        found += keys
    return tuple(dict.fromkeys(found))
