"""Writes Parquet for verl.

Trajectories are written for its MultiTurnSFTDataset, tasks and questions for its RLHFDataset. The fields
follow verl's documentation and code (docs/preparation/prepare_data.rst, verl/utils/dataset).

Trajectories become `messages`; assistant messages carry loss. verl renders each message separately. It
refuses chat templates that render a whole chat differently (Qwen3's, Llama 3's; not Qwen2.5's or SmolLM2's),
unless its option `ignore_input_ids_mismatch` is set.

Tasks become `data_source`, `prompt`, `ability`, `reward_model` {`style`, `ground_truth`} and `extra_info`
{`index`, ...}. `ground_truth.target` is the list of answers, as in Search-R1's data. `extra_info.task` is
the whole task as JSON; `verl_reward.py` needs it to compute the reward of `masksearch rl`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from masksearch.agent.prompts import messages, method_prompt
from masksearch.errors import FormatError
from masksearch.interop.export.exportable import Rows, as_task
from masksearch.interop.export.writer import Columns
from masksearch.types import SEARCH_ONLY, MaskedTask, Task, task_json

SFT_COLUMNS: Columns = {"id": "text", "messages": "messages"}
RL_COLUMNS: Columns = {
    "data_source": "text",
    "prompt": "messages",
    "ability": "text",
    "reward_model": "reward",
    "extra_info": "extra",
}


def task_rows(rows: Rows, answer_form: str, source: str) -> Iterator[dict[str, Any]]:
    """Yields RAMP tasks and questions as rows of RLHFDataset.

    Raises FormatError for a record that is not a task, or that repeats the id of an earlier one.
    """
    seen: set[str] = set()
    for index, (place, value) in enumerate(rows):
        task = as_task(place, value)
        if task.id in seen:
            raise FormatError(f"{place} repeats the id '{task.id}'; ids must be unique.")
        seen.add(task.id)
        yield task_row(task, index, answer_form, source)


def task_row(task: Task, index: int, answer_form: str, source: str = "") -> dict[str, Any]:
    """Returns the row of one task, with the agent's prompt."""
    kind = "ramp" if isinstance(task, MaskedTask) else "question"
    whole = json.dumps({**task_json(task), "answer_form": answer_form}, ensure_ascii=False)
    return {
        "data_source": source or f"masksearch/{kind}",
        "prompt": messages(task, method_prompt(SEARCH_ONLY), answer_form),
        "ability": "search",
        "reward_model": {"style": "rule", "ground_truth": {"target": list(task.answers)}},
        "extra_info": {"index": index, "id": task.id, "task": whole},
    }
