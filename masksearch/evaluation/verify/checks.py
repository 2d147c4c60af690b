"""The checks of a verification, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from masksearch.evaluation.tables import format_table

Status = Literal["same", "differs", "lacks", "left out", "note"]
RESCORED, REPLAYED = "score of the recorded answers", "score of the replay"
CONDITIONS = ("versions", "machine")
"""Checks of what may explain other answers."""
SHOWN = 3
"""Number of ids that a sentence names."""


@dataclass(frozen=True)
class Check:
    """One check: what was compared, and how it ended.

    `lacks`: the results file does not carry what the check needs; `left out`: something else does not allow
    it, or it was not wanted; `note`: a difference that may explain another one.
    """

    name: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """The end of a verification."""

    text: str
    holds: bool
    """Whether the score was found to be the same."""


def verdict(checks: Sequence[Check]) -> Verdict:
    """Returns `same score`, or what differs, or what is missing to tell."""
    differing = [check for check in checks if check.status == "differs"]
    notes = [check.name for check in checks if check.status == "note" and check.name in CONDITIONS]
    if differing:
        why = f"; other {' and '.join(notes)} may explain it" if notes else ""
        return Verdict(
            "differs: " + "; ".join(f"{one.name} ({one.detail})" for one in differing) + why, False
        )
    by_name = {check.name: check for check in checks}
    replayed, rescored = by_name.get(REPLAYED), by_name.get(RESCORED)
    if replayed and replayed.status == "same":
        return Verdict(f"same score ({replayed.detail})", True)
    if rescored and rescored.status == "same":
        ending = "the model was not asked again" if replayed else "the predictions were scored again"
        why = f": {replayed.detail}" if replayed and replayed.detail else ""
        return Verdict(f"same score from the recorded answers ({rescored.detail}); {ending}{why}", True)
    absent = [f"{one.name} ({one.detail})" for one in checks if one.status in ("lacks", "left out")]
    return Verdict(f"is not verified, because of {'; '.join(absent)}", False)


def table(checks: Sequence[Check]) -> str:
    """Returns the checks as a table in Markdown."""
    rows = [(check.name, check.status, check.detail) for check in checks]
    return format_table(("check", "outcome", "detail"), rows)


def named(ids: Sequence[str]) -> str:
    """Returns the first ids of a list for a sentence: `3, such as 'a', 'b', 'c'`."""
    return f"{len(ids)}, such as {', '.join(repr(one) for one in ids[:SHOWN])}" if ids else "0"
