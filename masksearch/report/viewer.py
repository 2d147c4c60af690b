"""One trajectory as the explorer shows it: cut into coloured segments, judged right, partial, wrong or invalid.

The page writes every text by `textContent`, so nothing inside a trajectory is ever read as HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

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
    "seconds",
)
_ELSEWHERE = ("masks", "guessable", "false_premise")
"""Figures of a row that say something of the question, not of how it went."""


def segments(turn: Turn) -> list[list[str]]:
    """A turn as [kind, text] pairs; kinds are think, search, open, answer, information, other (a model's text outside its tags).

    What the tool wrote is information whatever it contains; what the model wrote never is, even in forged tags.
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


def verdict(status: str, scores: Mapping[str, Any], failure: str | None = None) -> Verdict:
    """How a question came out.

    Where the evaluation says (`failure`, empty if right), it decides what is right; otherwise EM 1 does. What is not right is
    `invalid` (not answered), `partial` (F1 above 0) or `wrong`; `unscored` without a score.
    """
    if failure == "":
        return "right"
    if status != "answered":
        return "invalid"
    if "em" not in scores and "f1" not in scores:
        return "unscored"
    if failure is None and scores.get("em", 0.0) >= 1:
        return "right"
    return "partial" if scores.get("f1", 0.0) > 0 else "wrong"


def detail(trajectory: Trajectory | None, row: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of one trajectory once it is opened; `row` is the evaluation's (empty: none), `raw` the trajectory's own line."""
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
        "segments": [segment for turn in trajectory.turns for segment in segments(turn)]
        if trajectory
        else [],
    }
    return {key: value for key, value in found.items() if value or key in ("answer", "segments")}


def _reward(raw: Mapping[str, Any]) -> dict[str, float]:
    """The reward's components: an object beside the trajectory's own fields (`reward`), or a plain number."""
    reward = raw.get("reward")
    return numbers(reward if isinstance(reward, dict) else {"total": reward})


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among the values, to four places."""
    plain = {
        key: value
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    return {key: round(value, 4) for key, value in plain.items()}
