"""The reward of exported tasks in verl: F1 of the final answer, by the metric that evaluates (scoring/metrics.py).

Named to verl as its custom reward function, with `compute_score` as the name. A format reward and a length penalty are verl's to add.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from masksearch.scoring.metrics import score_task
from masksearch.types import task_from_json

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def compute_score(data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None, **more: Any) -> float:
    """F1 in [0, 1] of the last answer in a rollout's text, 0 where there is none; `extra_info` is that of the exported row. Raises ValueError without it."""
    if not extra_info or "task" not in extra_info:
        raise ValueError("extra_info lacks the field 'task', which masksearch export writes")
    data = json.loads(extra_info["task"])
    said = _ANSWER.findall(solution_str)
    return score_task(said[-1].strip(), task_from_json(data), str(data["answer_form"])).f1 if said else 0.0
