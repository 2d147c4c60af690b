"""Invented texts with a known number of dates, and helpers for tests of masking."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from masksearch.protocols import Searcher
from masksearch.ramp.checks.retrievable import verify_retrievable
from masksearch.types import MaskedTask, Passage


def passage(number: int, spans: int, document: str | None = None) -> Passage:
    """Returns a passage whose text has `spans` different years."""
    years = ", then ".join(
        f"something happened near place{number} in {1000 + number * 4 + offset}" for offset in range(spans)
    )
    text = (
        f"In town{number} a great many things came to pass over all that time; "
        f"{years or 'nothing did'} and that was it."
    )
    return Passage(id=f"p{number}", doc_id=document or f"d{number}", title=f"Town{number}", text=text)


RICH = [passage(number, 4) for number in range(200)]


def write_corpus(path: Path, passages: Iterable[Passage] = RICH) -> str:
    """Writes a corpus with one document per passage and returns its path."""
    path.write_text(
        "".join(
            json.dumps({"id": each.doc_id, "title": each.title, "text": each.text}) + "\n"
            for each in passages
        ),
        encoding="utf-8",
    )
    return str(path)


def evidence_ranks(task: MaskedTask, searcher: Searcher, k: int) -> tuple[int, ...] | None:
    """Returns the rank of each mask's evidence, or None if `verify_retrievable` rejects the task."""
    verdict = verify_retrievable([task], searcher, k)[0]
    return tuple(verdict.data["ranks"]) if verdict.passed else None
