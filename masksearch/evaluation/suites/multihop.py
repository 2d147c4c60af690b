"""Reads HotpotQA, 2WikiMultiHopQA and MuSiQue.

Each question comes with paragraphs: its gold paragraphs, and distractors, which it does not need. The fields,
from the authors' descriptions, are
    HotpotQA (hotpotqa.github.io)   _id, question, answer, type, level, supporting_facts [[title, sentence]],
                                    context [[title, [sentences]]]
    2WikiMultiHopQA (Alab-NII)      the same with evidences and answer_id; id_aliases.json has its aliases
    both on the hub                 id; supporting_facts {title: [], sent_id: []},
                                    context {title: [], sentences: [[]]}
    MuSiQue (StonyBrookNLP)         id, question, answer, answer_aliases, answerable, question_decomposition,
                                    paragraphs [{idx, title, paragraph_text, is_supporting}]
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from masksearch.evaluation.suites.containers import read_file
from masksearch.evaluation.suites.rows import Item, LeftOut, Paragraph, Row, spaced
from masksearch.runtime.files import PACKED
from masksearch.types import Question

ALIASES = "id_aliases.json"
UNANSWERABLE = "not answerable from its paragraphs"
Aliases = Mapping[str, tuple[str, ...]]


def read_hotpot(row: Row, aliases: Aliases | None = None) -> Item:
    """Reads a HotpotQA or 2WikiMultiHopQA row. Raises FormatError for an invalid row.

    `aliases` maps an `answer_id` (a Wikidata id) of 2WikiMultiHopQA to the aliases and demonyms of the
    answer. They become gold answers too, as in the official script (v1.1).
    """
    answer = row.text("answer")
    further = (aliases or {}).get(row.optional("answer_id"), ())
    titles = tuple(dict.fromkeys(_title(fact) for fact in _names(row, "supporting_facts", "title")))
    paragraphs = tuple(Paragraph(title, text, title in titles) for title, text in _context(row))
    question = Question(
        id=row.text("_id" if row.values.get("_id") is not None else "id"),
        question=row.text("question"),
        answers=tuple(dict.fromkeys((answer, *further))),
        type=row.optional("type"),
        supporting_titles=titles,
    )
    return Item(question, paragraphs)


def _title(text: str) -> str:
    """Decodes the HTML entities ("&amp;") in HotpotQA's titles."""
    return spaced(html.unescape(text))


def _names(row: Row, field: str, key: str) -> Iterator[str]:
    """Yields the titles in a field of the form `[[title, ...]]`, `[{title: ...}]` or `{title: []}`.

    `key` is the key of the title in an object. Raises FormatError for an entry without a title.
    """
    for entry in row.entries(field):
        name = _part(entry, 0, key)
        if not isinstance(name, str):
            raise row.fault(f"has a field '{field}' without a title in one of its entries")
        yield row.encodable(name)


def _part(entry: Any, index: int, *keys: str) -> Any:
    """Returns one part of an entry: of a list by `index`, of an object by the first of `keys` that it has.

    Returns None if the part is missing.
    """
    if isinstance(entry, dict):
        return next((entry[key] for key in keys if key in entry), None)
    return entry[index] if isinstance(entry, list | tuple) and len(entry) > index else None


def _context(row: Row) -> Iterator[tuple[str, str]]:
    """Yields the title and the text of each paragraph of a question.

    The row has a paragraph as a list of sentences, which are joined by spaces.
    """
    for entry in row.entries("context"):
        title, texts = _part(entry, 0, "title"), _part(entry, 1, "sentences", "content")
        if (
            not isinstance(title, str)
            or not isinstance(texts, list | tuple)
            or not all(isinstance(text, str) for text in texts)
        ):
            raise row.fault("has a field 'context' in which a paragraph is not a title with its sentences")
        yield row.encodable(_title(title)), row.encodable(spaced(" ".join(texts)))


def read_musique(row: Row) -> Item:
    """Reads a MuSiQue row.

    Raises LeftOut for an unanswerable question; MuSiQue-Full has an unanswerable copy of each question, with
    the same id. Raises FormatError for an invalid row.
    """
    if not row.flag("answerable", True):
        raise LeftOut(UNANSWERABLE)
    identity, text, answer = row.text("id"), row.text("question"), row.text("answer")
    paragraphs = [_paragraph(row, entry) for entry in row.entries("paragraphs")]
    order = _hop_order(row)
    gold = sorted(
        (index for index, paragraph in paragraphs if paragraph.gold),
        key=lambda index: order.get(index, len(order)),
    )
    by_index = dict(paragraphs)
    question = Question(
        id=identity,
        question=text,
        answers=tuple(dict.fromkeys((answer, *_aliases(row)))),
        type=identity.partition("__")[0] if "__" in identity else "",
        supporting_titles=tuple(dict.fromkeys(by_index[index].title for index in gold)),
    )
    others = [paragraph for _, paragraph in paragraphs if not paragraph.gold]
    return Item(question, (*(by_index[index] for index in gold), *others))


def _paragraph(row: Row, entry: Any) -> tuple[int, Paragraph]:
    if not isinstance(entry, dict):
        raise row.fault("has a field 'paragraphs' with an entry that is not an object")
    index, title, text = entry.get("idx"), entry.get("title"), entry.get("paragraph_text")
    if not isinstance(index, int) or not isinstance(title, str) or not isinstance(text, str):
        raise row.fault(
            "has a paragraph without a number in 'idx', or without text in 'title' or 'paragraph_text'"
        )
    gold = Row(row.place, row.number, entry).flag("is_supporting")
    return index, Paragraph(row.encodable(spaced(title)), row.encodable(spaced(text)), gold)


def _aliases(row: Row) -> tuple[str, ...]:
    aliases = row.entries("answer_aliases") if row.values.get("answer_aliases") is not None else []
    if not all(isinstance(alias, str) for alias in aliases):
        raise row.fault("has a field 'answer_aliases' with an entry that is not text")
    return tuple(row.encodable(alias.strip()) for alias in aliases if alias.strip())


def _hop_order(row: Row) -> dict[int, int]:
    """Returns paragraph index -> number of the hop (sub-question) that the paragraph answers."""
    order: dict[int, int] = {}
    if row.values.get("question_decomposition") is None:
        return order
    for hop, step in enumerate(row.entries("question_decomposition")):
        index = step.get("paragraph_support_idx") if isinstance(step, dict) else None
        if isinstance(index, int):
            order.setdefault(index, hop)
    return order


def find_aliases(source: str) -> Path | None:
    """Returns the path of the alias file next to a 2WikiMultiHopQA file; None if there is no alias file.

    The alias file is `id_aliases.json`, compressed or not.
    """
    for suffix in ("", *PACKED):
        path = Path(source).parent / f"{ALIASES}{suffix}"
        if path.is_file():
            return path
    return None


def read_aliases(path: Path) -> Aliases:
    """Reads the alias file of 2WikiMultiHopQA, which has an object {Q_id, aliases, demonyms} on each line.

    Returns Wikidata id -> aliases and demonyms. Raises DataError for an unreadable file, FormatError for an
    invalid line.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row in read_file(str(path)):
        names: list[str] = []
        for field in ("aliases", "demonyms"):
            names += row.entries(field) if row.values.get(field) is not None else []
        if not all(isinstance(name, str) for name in names):
            raise row.fault("has an alias that is not text")
        found[row.text("Q_id")] = tuple(
            dict.fromkeys(row.encodable(name.strip()) for name in names if name.strip())
        )
    return found
