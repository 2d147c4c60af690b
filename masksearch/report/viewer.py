"""Prepares one trajectory for the explorer.

Splits the trajectory into segments (thought, search, answer, ...), which the page colours, and classifies
its outcome as right, partial, wrong, invalid or unscored. The page's script inserts every text through
`textContent`, so the browser never parses a trajectory's text as HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from masksearch.report.marks import marks_of, wanted
from masksearch.types import Trajectory, Turn

Verdict = Literal["right", "partial", "wrong", "invalid", "unscored"]
_BLOCK = re.compile(
    r"<(think|search|answer|open)>(.*?)(?:</\1>|(?=<(?:think|search|answer|open)>)|\Z)", re.DOTALL
)
_INFORMATION = re.compile(r"\s*<information>(.*?)(?:</information>)?\s*", re.DOTALL)
_COSTS = (
    "searches",
    "opens",
    "failed_searches",
    "corrections",
    "prompt_tokens",
    "model_tokens",
    "tool_tokens",
    "answer_tokens",
    "quotes",
    "seconds",
)
_ELSEWHERE = ("masks", "guessable", "false_premise")
"""Fields of a results row with numbers that describe the question, not the answer; they are not shown among
the scores."""


def segments(turn: Turn) -> list[list[str]]:
    """Splits a turn into [kind, text] pairs.

    The kinds are think, search, open, answer, information, and other (a model's text outside its tags).
    The text of a tool turn is always information. The text of a model turn is never information, even if
    the model itself wrote information tags.
    """
    if turn.role == "tool":
        match = _INFORMATION.fullmatch(turn.text)
        return [["information", (match[1] if match else turn.text).strip()]]
    pieces, end = [], 0
    for match in _BLOCK.finditer(turn.text):
        pieces += [["other", turn.text[end : match.start()].strip()], [match[1], match[2].strip()]]
        end = match.end()
    pieces.append(["other", turn.text[end:].strip()])
    return [piece for piece in pieces if piece[1] or piece[0] != "other"]


def verdict(
    status: str, scores: Mapping[str, Any], failure: str | None = None, right: bool | None = None
) -> Verdict:
    """Classifies the outcome of a question.

    `failure` is the kind of failure in the evaluation's row; it is empty for a right answer and None if the
    row has none. An answer is right if `failure` is empty; for None, if `right`, the verdict of the
    evaluation's rule, is true; outside evaluations, where both are None, if its EM is 1. The other outcomes
    are `invalid` (not answered), `unscored` (no score or verdict), `partial` (F1 above 0) and `wrong`.
    """
    if failure == "" or (failure is None and right):
        return "right"
    if status != "answered":
        return "invalid"
    if failure == "unjudged" or ("em" not in scores and "f1" not in scores):
        return "unscored"
    if failure is None and right is None and scores.get("em", 0.0) >= 1:
        return "right"
    return "partial" if scores.get("f1", 0.0) > 0 else "wrong"


def detail(trajectory: Trajectory | None, row: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that the page shows for an opened trajectory; empty values are left out.

    `row` is the question's row in the results file (empty outside evaluations). `raw` is the trajectory as
    a JSON object, with fields that `Trajectory` does not have, such as `reward`.
    """
    figures = numbers(row)
    scores = {key: value for key, value in figures.items() if key not in _COSTS and key not in _ELSEWHERE}
    cost = {key: value for key, value in figures.items() if key in _COSTS}
    if trajectory is not None:
        scores = numbers(trajectory.scores) | scores
        cost = numbers(trajectory.usage.to_json()) | cost
    found = {
        "answer": trajectory.answer if trajectory else str(row.get("prediction", "")),
        "scores": scores,
        "cost": {key: value for key, value in cost.items() if value or key == "searches"},
        "reward": _reward(raw),
        "error": trajectory.error if trajectory else "",
        "search_errors": list(trajectory.search_errors) if trajectory else [],
        "judge_error": str(row.get("judge_error") or ""),
        "wanted": wanted(trajectory) if trajectory else [],
        "segments": _marked(trajectory) if trajectory else [],
    }
    return {key: value for key, value in found.items() if value or key in ("answer", "segments")}


def _marked(trajectory: Trajectory) -> list[list[Any]]:
    """Returns the segments of all turns as [kind, text], or [kind, text, marks] (see `marks.marks_of`)."""
    turns = [segments(turn) for turn in trajectory.turns]
    found = marks_of(trajectory, turns)
    pairs = (pair for turn, marks in zip(turns, found, strict=True) for pair in zip(turn, marks, strict=True))
    return [[*segment, marks] if marks else segment for segment, marks in pairs]


def _reward(raw: Mapping[str, Any]) -> dict[str, float]:
    """Returns the reward of a trajectory as a dict of its components.

    The field `reward` is an object with the components, or a number, which is returned as `total`.
    """
    reward = raw.get("reward")
    return numbers(reward if isinstance(reward, dict) else {"total": reward})


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Returns the finite numbers among the values, rounded to four decimal places."""
    found = {}
    for key, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[key] = round(value, 4)
    return found
