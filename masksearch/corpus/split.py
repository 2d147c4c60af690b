"""Assigns articles to the train or held-out side by a hash of their title alone.

The split needs no file: every stage on every machine computes the same side, and an article keeps its
side when the corpus grows. The split's seed is not the run's seed, so that runs with different seeds are
measured on the same articles. Documents without a title, or with one that many documents have (titles.py),
are assigned by their id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from typing import Literal

from masksearch.corpus.titles import UNTITLED, normal_title
from masksearch.types import MaskedTask, Task

Side = Literal["train", "heldout"]


def side_of(title: str, heldout_share: float, seed: int = 0) -> Side:
    """Returns the side of an article. A higher `heldout_share` only moves articles from train to held-out."""
    digest = hashlib.sha256(f"{seed}:{normal_title(title)}".encode()).digest()
    return "heldout" if int.from_bytes(digest[:8], "big") / 2**64 < heldout_share else "train"


def document_side(doc_id: str, title: str, heldout_share: float, common: Container[str] = ()) -> Side:
    """Returns the side of a document: that of its title, or that of its id if the title names no article.

    `common` holds the titles that many documents have, as `normal_title` returns them.
    """
    named = names_article(title, common)
    return side_of(title if named else f"id:{doc_id}", heldout_share)


def names_article(title: str, common: Container[str] = ()) -> bool:
    """Whether documents with this title are about the same article."""
    key = normal_title(title)
    return key not in UNTITLED and key not in common


def source_articles(task: Task, common: Container[str] = ()) -> frozenset[str]:
    """Returns what names the articles that a task was made from: their titles, or the ids of documents whose
    title names no article. Empty for a question by people.
    """
    steps = {
        _article(step.title, step.passage_id.rpartition("#")[0] or step.passage_id, common)
        for step in task.steps
    }
    own = {_article(task.title, task.doc_id, common)} if isinstance(task, MaskedTask) else set[str]()
    return frozenset(steps | own)


def _article(title: str, doc_id: str, common: Container[str]) -> str:
    return title if names_article(title, common) else f"{title} (id {doc_id})"
