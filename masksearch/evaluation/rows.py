"""The row of one question in a results file, computed from its trajectory.

A row has the scores, the cost, the evidence recall and the kind of failure.
"""

from __future__ import annotations

from typing import Any

from masksearch.agent.protocol import CONTROL, is_valid
from masksearch.evaluation.evidence import evidence_recall
from masksearch.evaluation.failures import failure
from masksearch.evaluation.settings import EvalSettings
from masksearch.scoring.list_answers import list_scores
from masksearch.scoring.metrics import CLOSED_ANSWERS, answer_tokens, covers_task, free_recall, normalise
from masksearch.types import MaskedTask, Question, Trajectory, task_from_json

AGENTS = ("agent", "agent-prompted")
"""Methods that run the agent loop."""


def answer_kind(question: Question) -> str:
    """Returns the kind of a question's gold answers: `yes_no`, `in_question` or `open`.

    `in_question`: the question contains all normalised tokens of a gold answer. The first two kinds can
    be guessed without any search.
    """
    asked = set(normalise(question.question).split())
    golds = [normalise(gold) for gold in question.answers]
    if any(gold in CLOSED_ANSWERS for gold in golds):
        return "yes_no"
    return "in_question" if any(gold != "" and set(gold.split()) <= asked for gold in golds) else "open"


def row(
    trajectory: Trajectory,
    settings: EvalSettings,
    seconds: float | None = None,
    judged: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the row of a trajectory.

    `seconds` is the episode's wall time, `judged` its columns from `judgements.judge_all`. `free_recall`
    is the recall of the gold answer in all text of the model, inside and outside tags; with a score of
    zero it shows whether the model failed at the answer's form or at the task.
    """
    task = task_from_json(trajectory.task)
    form = settings.agent.answer_form
    # The metric drops punctuation, which would join a tag to the word next to it.
    written = CONTROL.sub(" ", " ".join(turn.text for turn in trajectory.turns if turn.role == "model"))
    found: dict[str, Any] = {
        "id": trajectory.id,
        "prediction": trajectory.answer,
        "answers": list(task.answers),
        **trajectory.scores,
        "cover_em": int(covers_task(trajectory.answer, task, form)),
        "valid": int(_is_valid(trajectory, settings)),
        "free_recall": free_recall(written, task),
        "answer_tokens": answer_tokens(trajectory.answer, task, form),
        "status": trajectory.status,
        "failed_searches": len(trajectory.search_errors),
        **trajectory.usage.model_dump(),
        **({"seconds": round(seconds, 3)} if seconds is not None else {}),
        **_evidence(trajectory, task, settings),
        **(_of_masks(task) if isinstance(task, MaskedTask) else _of_question(task, trajectory.answer)),
        **(judged or {}),
    }
    return {**found, "failure": failure(found, trajectory, task, settings.search.noise.fail > 0)}


def _is_valid(trajectory: Trajectory, settings: EvalSettings) -> bool:
    """Whether the trajectory answered and, if it is an agent's, follows the protocol."""
    if trajectory.status != "answered":
        return False
    return settings.method not in AGENTS or follows_protocol(trajectory)


def follows_protocol(trajectory: Trajectory) -> bool:
    """Whether an agent followed the protocol.

    MaskSearch translates native tool calls into the protocol, so these trajectories follow it if no call
    needed a correction.
    """
    if trajectory.model.startswith("openai-tools:"):
        return trajectory.usage.corrections == 0
    return is_valid(trajectory.turns, trajectory.tools)


def _evidence(trajectory: Trajectory, task: MaskedTask | Question, settings: EvalSettings) -> dict[str, Any]:
    share = evidence_recall(trajectory, task) if settings.method != "closed-book" else None
    return {} if share is None else {"evidence_recall": round(share, 6), "evidence": int(share >= 1)}


def _of_masks(task: MaskedTask) -> dict[str, Any]:
    return {"masks": task.masks}


def _of_question(task: Question, prediction: str) -> dict[str, Any]:
    kind = answer_kind(task)
    values: dict[str, Any] = {"type": task.type, "answer_kind": kind, "guessable": int(kind != "open")}
    values["said_yes_no"] = int(normalise(prediction) in CLOSED_ANSWERS)
    if task.parts:
        recall, every = list_scores(prediction, task.parts)
        values |= {"parts_recall": recall, "parts_all": int(every)}
    if task.false_premise:
        values["false_premise"] = 1
    return values
