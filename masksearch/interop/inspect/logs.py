"""Writes trajectories of training and evaluation as a log of Inspect, for its viewer.

    masksearch export runs/demo/stages/sft-hotpot/trajectories.jsonl --to inspect -o hotpot.eval
    inspect view --log-dir .

A sample is a task; its messages are the prompt, the model's turns and the tool's. Several rollouts of one
task are epochs. Scores are the recorded ones; what else a line records, such as a rollout's step and reward,
is in the sample's metadata, and the whole trajectory in its store. So a log made here can be scored again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspect_ai.dataset import Sample
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ModelOutput,
)
from inspect_ai.scorer import Score

from masksearch.agent.prompts import messages as prompt_messages
from masksearch.agent.prompts import method_prompt
from masksearch.errors import DataError
from masksearch.interop.inspect.tasks import STORED, as_sample
from masksearch.runtime.files import atomic_path
from masksearch.types import Task, Trajectory

SCORER = "measures"


def write_log(rows: Iterable[tuple[Trajectory, Task, dict[str, Any]]], output: str, name: str) -> int:
    """Writes a log, `.eval` or `.json` by the name of `output`; returns the number of its samples.

    A row is a trajectory, its task, and the line it was read from. Raises DataError without rows.
    """
    seen: Counter[str] = Counter()
    samples: list[EvalSample] = []
    models: Counter[str] = Counter()
    for trajectory, task, raw in rows:
        seen[trajectory.id] += 1
        models[trajectory.model] += 1
        samples.append(_sample(trajectory, task, raw, seen[trajectory.id]))
    if not samples:
        raise DataError("There is no trajectory to write as a log.")
    model = models.most_common(1)[0][0] or "unknown"
    spec = EvalSpec(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        task=name,
        dataset=EvalDataset(name=name, samples=len(seen), sample_ids=list(seen)),
        model=model,
        config=EvalConfig(epochs=max(seen.values())),
    )
    log = EvalLog(status="success", eval=spec, samples=samples)
    with atomic_path(Path(output)) as temporary:
        form: Any = "eval" if output.endswith(".eval") else "json"
        write_eval_log(log, str(temporary), format=form)
    return len(samples)


def _sample(trajectory: Trajectory, task: Task, raw: dict[str, Any], epoch: int) -> EvalSample:
    form = str(trajectory.task.get("answer_form", "spans"))
    shown: Sample = as_sample(task, form)
    known = {*Trajectory.model_fields, "seconds"}
    values: Any = {name: float(value) for name, value in trajectory.scores.items()}
    score = Score(value=values, answer=trajectory.answer, explanation=trajectory.status)
    return EvalSample(
        id=trajectory.id,
        epoch=epoch,
        input=shown.input,
        target=shown.target,
        messages=[*_prompt(trajectory, task, form), *map(_message, trajectory.turns)],
        output=ModelOutput.from_content(trajectory.model or "unknown", trajectory.answer),
        scores={SCORER: score} if values else None,
        store={STORED: trajectory.to_json()},
        total_time=raw.get("seconds"),
        metadata={
            **(shown.metadata or {}),
            "status": trajectory.status,
            "searches": trajectory.usage.searches,
            "retriever": trajectory.retriever,
            **{name: value for name, value in raw.items() if name not in known},
        },
    )


def _prompt(trajectory: Trajectory, task: Task, form: str) -> list[ChatMessage]:
    """Returns the prompt of an agent; of another method, the task alone, since the line has no prompt."""
    if not trajectory.tools:
        return [ChatMessageUser(content=as_sample(task, form).input)]
    system, user = prompt_messages(task, method_prompt(trajectory.tools), form)[:2]
    return [ChatMessageSystem(content=system["content"]), ChatMessageUser(content=user["content"])]


def _message(turn: Any) -> ChatMessage:
    if turn.role == "model":
        return ChatMessageAssistant(content=turn.text)
    return ChatMessageUser(content=turn.text)
