"""The table of an audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from masksearch.evaluation.tables import format_table, percent

Row = Mapping[str, Any]


def counts(rows: Sequence[Row], k: int, model: str) -> dict[str, dict[str, Any]]:
    """Returns for each check the number of questions that it finds, and of those that it can tell.

    The keys are the checks' names in the table.
    """
    checks: dict[str, Callable[[Row], bool | None]] = {
        "gold answer in the corpus": lambda row: row["present"],
        "all gold articles in the corpus": lambda row: _all(row["evidence_present"]),
        f"answer within {k} by the question's words": lambda row: row["retrievable"],
        f"answer within {k} with the bridge": lambda row: row["bridged"],
        f"all gold articles within {k}": lambda row: _all(row["evidence_retrieved"]),
        "answer is yes, no or in the question": lambda row: row["guessable"],
        f"answered closed-book by {model}": lambda row: row["known"],
        "duplicated in training files": lambda row: _named(row["duplicate"]),
        "gold article in training files": lambda row: _named(row["article"]),
        "repeats a question of the file": lambda row: bool(row["repeats"]),
        "kept": lambda row: row["keep"],
    }
    found = {}
    for name, check in checks.items():
        values = [value for row in rows if (value := check(row)) is not None]
        if values:
            found[name] = {"found": sum(map(bool, values)), "of": len(values)}
    return found


def _named(text: str | None) -> bool | None:
    return None if text is None else bool(text)


def _all(share: float | None) -> bool | None:
    return None if share is None else share >= 1


def table(found: Mapping[str, Mapping[str, Any]], memory: Mapping[str, Any]) -> str:
    """Returns the table as Markdown: check, count, share in percent."""
    rows = [
        (name, f"{value['found']} of {value['of']}", percent(value["found"] / value["of"]))
        for name, value in found.items()
    ]
    if memory:
        share = "-" if memory["share"] is None else percent(memory["share"])
        amount = f"{memory['memory']:g} of {memory['reward']:g}"
        rows.insert(-1, ("training reward paid for memory", amount, share))
    return format_table(("check", "questions", "%"), rows, "lrr")
