"""Computes the row of one question in a results file from its trajectory.

A row has the question's scores, cost (searches, tokens, seconds), evidence recall and kind of failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch.agent.protocol import CONTROL, is_valid
from masksearch.evaluation.evidence import evidence_recall
from masksearch.evaluation.failures import failure
from masksearch.evaluation.rules import is_judged, is_right, rule_of_judge
from masksearch.evaluation.settings import EvalSettings
from masksearch.scoring import fanoutqa
from masksearch.scoring.fills import task_fills
from masksearch.scoring.grounding import ground
from masksearch.scoring.list_answers import list_scores
from masksearch.scoring.metrics import (
    CLOSED_ANSWERS,
    answer_tokens,
    contains,
    covers,
    fill_scores,
    free_recall,
    normalise,
)
from masksearch.types import MaskedTask, Question, Trajectory, task_from_json

AGENTS = ("agent", "agent-prompted")
"""Methods that run the agent loop."""


def answer_kind(question: Question) -> str:
    """Returns the kind of a question's gold answers: `yes_no`, `in_question` or `open`.

    `in_question` means that the question contains all normalised tokens of a gold answer. A model can guess
    answers of the kinds `yes_no` and `in_question` without any search.
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

    `seconds` is the episode's wall time; `judged` has the judge's columns from `judgements.judge_all`. The
    column `free_recall` is the recall of the gold answer in everything that the model wrote, inside and
    outside tags. If the other scores are 0, a high `free_recall` shows that the model knew the answer but
    did not write it in the required form. The row of a question without gold answers has no scores and no
    column that is computed from a gold answer.
    """
    task = task_from_json(trajectory.task)
    form = settings.agent.answer_form
    # Tags become spaces, because normalising drops only their brackets ("<answer>Paris" -> "answerparis").
    written = CONTROL.sub(" ", " ".join(turn.text for turn in trajectory.turns if turn.role == "model"))
    gold: dict[str, Any] = {}
    if task.answers:
        gold = {
            "answers": list(task.answers),
            **trajectory.scores,
            **_of_fills(task, trajectory.answer, form),
            "free_recall": free_recall(written, task),
        }
    found: dict[str, Any] = {
        "id": trajectory.id,
        "prediction": trajectory.answer,
        **gold,
        "valid": int(_is_valid(trajectory, settings)),
        "answer_tokens": answer_tokens(trajectory.answer, task, form),
        "status": trajectory.status,
        "failed_searches": len(trajectory.search_errors),
        **trajectory.usage.model_dump(),
        **({"seconds": round(seconds, 3)} if seconds is not None else {}),
        **_evidence(trajectory, task, settings),
        **_grounding(trajectory, settings),
        **(_of_masks(task) if isinstance(task, MaskedTask) else _of_question(task, trajectory.answer)),
        **(judged or {}),
    }
    if not task.answers:
        return found
    right = is_right(found, "judge" if is_judged(found) else rule_of_judge(settings.judge))
    found |= {} if right is None else {"right": int(right)}
    on_purpose = settings.search.noise.fail > 0
    return {**found, "failure": failure(found, trajectory, task, on_purpose, can_search(settings))}


def can_search(settings: EvalSettings) -> bool:
    """Whether the method has a search to use."""
    allowed = settings.agent.max_searches or settings.agent.max_opens
    return settings.method != "closed-book" and (settings.method not in AGENTS or bool(allowed))


def _is_valid(trajectory: Trajectory, settings: EvalSettings) -> bool:
    """Whether the trajectory has an answer and, for the agent methods, follows the protocol."""
    if trajectory.status != "answered":
        return False
    return settings.method not in AGENTS or follows_protocol(trajectory)


def follows_protocol(trajectory: Trajectory) -> bool:
    """Whether an agent's trajectory follows the protocol of tags.

    MaskSearch translates native tool calls into these tags, so the text of such a trajectory always follows
    the protocol. It counts as following the protocol if the model needed no correction message.
    """
    if trajectory.model.startswith("openai-tools:"):
        return trajectory.usage.corrections == 0
    return is_valid(trajectory.turns, trajectory.tools)


def _evidence(trajectory: Trajectory, task: MaskedTask | Question, settings: EvalSettings) -> dict[str, Any]:
    share = evidence_recall(trajectory, task) if settings.method != "closed-book" else None
    return {} if share is None else {"evidence_recall": round(share, 6), "evidence": int(share >= 1)}


def _grounding(trajectory: Trajectory, settings: EvalSettings) -> dict[str, Any]:
    """Returns whether an answer is grounded, the number of quotes, and the share of them that are false.

    There are no columns without an answer, for an honest "not found", and for a method that sees no results.
    `false_quotes` needs a quote.
    """
    if not can_search(settings) or not trajectory.answer.strip():
        return {}
    found = ground(trajectory, settings.agent.answer_form)
    share = {"false_quotes": round(found.false_quotes / found.quotes, 6)} if found.quotes else {}
    verdict = {} if found.declined else {"grounded": int(found.grounded)}
    return {**verdict, "quotes": found.quotes, **share}


def _of_fills(task: MaskedTask | Question, prediction: str, form: str) -> dict[str, Any]:
    """Returns the scores that are computed from the single fills of an answer.

    `cover_em` and `sub_em` are means over the masks, as all scores of a RAMP task; `em_all` and
    `cover_em_all` are 1 if every mask has the score 1. `mask_f1` has the F1 of every mask of several.
    """
    fills = task_fills(prediction, task, form)
    covered = [covers(fill.text, fill.golds, fill.language) for fill in fills]
    sub = [contains(fill.text, fill.golds, fill.language) for fill in fills]
    found: dict[str, Any] = {"cover_em": _mean(covered), "sub_em": _mean(sub)}
    if isinstance(task, MaskedTask):
        scores = fill_scores(fills)
        found |= {"em_all": int(all(score.em == 1 for score in scores)), "cover_em_all": int(all(covered))}
        found |= {"mask_f1": [score.f1 for score in scores]} if task.masks > 1 else {}
    return found


def _mean(values: Sequence[bool]) -> float:
    return int(values[0]) if len(values) == 1 else sum(values) / len(values)


def _of_masks(task: MaskedTask) -> dict[str, Any]:
    return {"masks": task.masks}


def _of_question(task: Question, prediction: str) -> dict[str, Any]:
    if not task.answers:
        return {"type": task.type, "answered": int(prediction.strip() != "")}
    kind = answer_kind(task)
    values: dict[str, Any] = {"type": task.type, "answer_kind": kind, "guessable": int(kind != "open")}
    values["said_yes_no"] = int(normalise(prediction) in CLOSED_ANSWERS)
    if task.parts:
        recall, every = list_scores(prediction, task.parts)
        values |= {"parts_recall": recall, "parts_all": int(every)}
        if fanoutqa.is_installed():
            loose, strict = fanoutqa.official_scores(prediction, task.parts)
            values |= {"fanoutqa_loose": loose, "fanoutqa_strict": int(strict)}
    if task.false_premise:
        values["false_premise"] = 1
    return values
