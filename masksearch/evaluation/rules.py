"""The rules by which an answer counts as right. Every column of a table uses one of them.

    judge     the strict judge accepts the answer; without a readable verdict it is neither right nor wrong
    f1        F1 above RIGHT_ABOVE, of a RAMP task in every mask
    f1-mean   mean F1 of at least RIGHT_ABOVE; only for files of earlier versions whose scores of single masks
              are not known (see `earlier`)

A file whose answers were judged uses the rule `judge`, any other file the rule `f1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Results

Rule = Literal["judge", "f1", "f1-mean"]
RIGHT_ABOVE = 0.5
"""F1 of which a right answer has more. Half of a gold answer's words are not enough, nor one of two masks."""
DESCRIPTIONS: Mapping[Rule, str] = {
    "judge": "the strict judge's verdict",
    "f1": f"F1 above {100 * RIGHT_ABOVE:.0f}%, in every mask",
    "f1-mean": f"mean F1 of at least {100 * RIGHT_ABOVE:.0f}%, an earlier version's rule",
}
RULE = "right"
"""Key of the rule in the provenance of a results file, and of the column with its outcome in a row."""

Row = Mapping[str, Any]


def rule_of_judge(settings: JudgeSettings) -> Rule:
    """Returns the rule of an evaluation with these settings of a judge."""
    return "judge" if settings.url and "strict" in settings.modes else "f1"


def rule_of(results: Results) -> Rule:
    """Returns the rule of a results file: the recorded one, or the one that its rows show."""
    recorded = results.provenance.get(RULE)
    for rule in DESCRIPTIONS:
        if recorded == rule:
            return rule
    return "judge" if any(is_judged(row) for row in results.per_question) else "f1"


def is_judged(row: Row) -> bool:
    """Whether a row has a strict verdict, or the record that it was unreadable."""
    return "judge_strict" in row or "strict: " in str(row.get("judge_error", ""))


def knows_masks(row: Row) -> bool:
    """Whether the F1 of every single mask is known."""
    return int(row.get("masks") or 1) < 2 or "mask_f1" in row


def is_right(row: Row, rule: Rule) -> bool | None:
    """Whether a row counts as right by a rule; None if the rule cannot tell.

    A question whose endpoint or search failed was not judged and counts as wrong. Raises ValueError for a
    row with several masks by the rule `f1` if their scores are not known.
    """
    if rule == "f1-mean":
        return float(row["f1"]) >= RIGHT_ABOVE
    if rule == "f1":
        return passes(row)
    verdict = row.get("judge_strict")
    if verdict is not None:
        return bool(verdict)
    return False if row.get("status") in ("model_failed", "search_failed") else None


def passes(row: Row) -> bool:
    """Whether the F1 of a row, of a RAMP task that of every mask, is above RIGHT_ABOVE."""
    if not knows_masks(row):
        raise ValueError(f"row {row.get('id')!r} has several masks without the F1 of each")
    return all(float(score) > RIGHT_ABOVE for score in row.get("mask_f1") or (row["f1"],))


def common_rule(group: Iterable[Results]) -> Rule:
    """Returns the rule by which all results can be counted: their own if they have the same, otherwise F1."""
    members = list(group)
    rules = {rule_of(results) for results in members}
    if len(rules) == 1:
        return rules.pop()
    known = all(knows_masks(row) for results in members for row in results.per_question)
    return "f1" if known and "f1-mean" not in rules else "f1-mean"


def count_right(rows: Sequence[Row], rule: Rule) -> int:
    """Returns the number of rows that are right by a rule; those that it cannot tell do not count."""
    return sum(bool(is_right(row, rule)) for row in rows)
