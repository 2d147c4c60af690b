"""Trajectories as the viewer shows them: cut into coloured segments, judged right, partial, wrong or invalid.

The page holds them as JSON and writes every text by `textContent`, so nothing inside a trajectory is ever read as HTML.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from masksearch.types import Trajectory, Turn

_BLOCK = re.compile(r"<(think|search|answer)>(.*?)(?:</\1>|(?=<(?:think|search|answer)>)|\Z)", re.DOTALL)
_INFORMATION = re.compile(r"\s*<information>(.*?)(?:</information>)?\s*", re.DOTALL)


def segments(turn: Turn) -> list[list[str]]:
    """A turn as [kind, text] pairs; kinds are think, search, answer, information, other (a model's text outside its tags).

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


def verdict(trajectory: Trajectory) -> str:
    """`invalid` (not answered), `right` (EM 1), `partial` (F1 above 0), `wrong`, or `unscored`."""
    if trajectory.status != "answered":
        return "invalid"
    if "em" not in trajectory.scores and "f1" not in trajectory.scores:
        return "unscored"
    if trajectory.scores.get("em", 0.0) >= 1:
        return "right"
    return "partial" if trajectory.scores.get("f1", 0.0) > 0 else "wrong"


def viewer_items(rows: Sequence[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], int]:
    """At most `limit` trajectories, evenly over the file, as the page's script wants them; and how many rows were no trajectories."""
    bad, items = 0, []
    for index in spread(len(rows), limit):
        try:
            items.append(_item(Trajectory.model_validate(rows[index]), rows[index]))
        except ValidationError:
            bad += 1
    return items, bad


def spread(count: int, limit: int) -> list[int]:
    """`limit` indices evenly over range(count), the first always among them; all where there are no more."""
    return list(range(count)) if count <= limit else [place * count // limit for place in range(limit)]


def _item(trajectory: Trajectory, row: dict[str, Any]) -> dict[str, Any]:
    task = trajectory.task
    ramp = task.get("kind") == "ramp" or "masks" in task
    golds = task.get("answers") or []
    return {
        "id": trajectory.id,
        "title": str(task.get("title", "")),
        "task": str(task.get("text" if ramp else "question", "")),
        "ramp": ramp,
        "golds": [str(gold) for gold in golds] if isinstance(golds, list | tuple) else [],
        "answer": trajectory.answer,
        "status": trajectory.status.replace("_", " "),
        "error": trajectory.error,
        "verdict": verdict(trajectory),
        "scores": _numbers(trajectory.scores),
        "reward": _reward(row),
        "step": row.get("step") if isinstance(row.get("step"), int) else None,
        "fate": row["fate"] if isinstance(row.get("fate"), str) else "",
        "usage": _numbers(trajectory.usage.to_json()),
        "segments": [segment for turn in trajectory.turns for segment in segments(turn)],
    }


def _reward(row: dict[str, Any]) -> dict[str, float]:
    """The reward's components: an object beside the trajectory's own fields (`reward`), or a plain number."""
    reward = row.get("reward")
    return _numbers(reward if isinstance(reward, dict) else {"total": reward})


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    plain = {key: value for key, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)}
    return {key: round(value, 4) for key, value in plain.items()}


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no "<", ">" or "&" is left in it, so no text can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return re.sub("[<>&\u2028\u2029]", lambda match: escapes[match[0]], text)
