"""Reads the rows of earlier versions' results files as if this version had scored them.

Earlier versions counted an answer as right from a mean F1 of 50%, so one of two masks was enough, and by F1
where a judge's verdict was unreadable. Their cover-EM of a RAMP task was that of all masks. The scores of
single masks are computed again from the recorded answer. Where that does not give the recorded mean, as for
filled paragraphs, the file keeps its rule (`f1-mean`), and tables say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from masksearch.evaluation.rules import RULE, Rule, is_judged, is_right
from masksearch.scoring.fills import parse_fills
from masksearch.scoring.metrics import covers, mean_score, score_answer
from masksearch.types import Results

LANGUAGES = ("", "es", "fr", "zh")
"""Languages whose normaliser the masks may have been scored with; a row does not record it."""

Row = dict[str, Any]


def is_earlier(results: Results) -> bool:
    """Whether a version without the column `right` scored these results."""
    return (
        results.scored
        and RULE not in results.provenance
        and not any(RULE in row for row in results.per_question)
    )


def current_rows(results: Results) -> tuple[Rule, list[Row]]:
    """Returns the rule of an earlier version's results, and their rows with the columns of this version."""
    agent = results.settings.get("agent")
    form = agent.get("answer_form", "spans") if isinstance(agent, Mapping) else "spans"
    rows = [_with_masks(row, form) for row in results.per_question]
    rule: Rule = "f1"
    if any(map(is_judged, results.per_question)):
        rule = "judge"
    elif None in rows:
        rule = "f1-mean"
    if None in rows:
        rows = [_with_all_masks(row) for row in results.per_question]
    return rule, [_with_right(row, rule, results.method == "closed-book") for row in rows if row is not None]


def _with_masks(row: Mapping[str, Any], form: str) -> Row | None:
    """Returns a row with the scores of its masks; None if they cannot be computed."""
    masks = int(row.get("masks") or 0)
    if masks < 2:
        return _with_all_masks(row) | ({"cover_em": row["cover_em"]} if "cover_em" in row else {})
    golds = row.get("answers")
    if form != "spans" or not isinstance(golds, list) or len(golds) != masks:
        return None
    fills = parse_fills(str(row.get("prediction", "")), masks)
    for language in LANGUAGES:
        scores = [score_answer(fill, (gold,), language) for fill, gold in zip(fills, golds, strict=True)]
        mean = mean_score(scores)
        if all(abs(getattr(mean, name) - row[name]) < 1e-6 for name in ("recall", "f1", "em")):
            break
    else:
        return None
    found = {**row, "em_all": int(mean.em == 1), "mask_f1": [score.f1 for score in scores]}
    if "cover_em" in row:
        covered = [covers(fill, (gold,), language) for fill, gold in zip(fills, golds, strict=True)]
        found |= {"cover_em": sum(covered) / masks, "cover_em_all": int(all(covered))}
    return found


def _with_all_masks(row: Mapping[str, Any]) -> Row:
    """Returns a row of a RAMP task with what it shows of all masks: a mean EM of 1, and its cover-EM, which
    was that of all masks."""
    found = dict(row)
    if row.get("masks"):
        found["em_all"] = int(row["em"] == 1)
        if "cover_em" in found:
            found["cover_em_all"] = found.pop("cover_em")
    return found


def _with_right(row: Row, rule: Rule, closed_book: bool) -> Row:
    right = is_right(row, rule)
    found = row | ({} if right is None else {"right": int(right)})
    kind = row.get("failure")
    if kind is None:
        return found
    if right:
        kind = ""
    elif right is None and kind != "failed":
        kind = "unjudged"
    elif not kind:
        kind = "not_recorded"
    elif closed_book and kind == "never_searched":
        kind = "not_known"
    return found | {"failure": kind}
