"""Made-up texts with a known number of dates."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from masksearch.types import Passage


def passage(number: int, spans: int, document: str | None = None) -> Passage:
    """A text with so many years, all different."""
    years = ", then ".join(
        f"something happened near place{number} in {1000 + number * 4 + offset}" for offset in range(spans)
    )
    text = f"In town{number} a great many things came to pass over all that time; {years or 'nothing did'} and that was it."
    return Passage(id=f"p{number}", doc_id=document or f"d{number}", title=f"Town{number}", text=text)


RICH = [passage(number, 4) for number in range(200)]


def write_corpus(path: Path, passages: Iterable[Passage] = RICH) -> str:
    """The texts as a corpus of one document each."""
    path.write_text(
        "".join(
            json.dumps({"id": each.doc_id, "title": each.title, "text": each.text}) + "\n"
            for each in passages
        ),
        encoding="utf-8",
    )
    return str(path)
