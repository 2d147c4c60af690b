"""The reward of a rollout, with a ledger of everything that went into it.

total = answer_weight * answer + format * valid + overlong * soft_overlong(model tokens) - no_answer - no_search

Scores come from `scoring.metrics`, the same code that evaluates. The weights are ours (the paper gives none). Why the default answer reward is exact
match, and counts only in a rollout of valid form that searched: under any measure with partial credit, two candidates in one answer earn more than one
that is wrong (docs/architecture.md, "Rewards"; `masksearch rewards audit` measures it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from masksearch.agent.protocol import is_valid
from masksearch.scoring.judge import Verdict
from masksearch.scoring.metrics import mean_score, score_answer, task_fills
from masksearch.scoring.rewards.components import (
    fill_rewards,
    first_shown,
    is_empty_answer,
    is_more_than_a_copy,
    repeated_fills,
    soft_overlong,
)
from masksearch.scoring.settings import RewardSettings
from masksearch.types import MaskedTask, Question, Record, Task, Trajectory, Turn, task_from_json

Gate = Literal["", "form", "search", "length"]
NO_VERDICT = "The answer has not been judged."


class Ledger(Record):
    """Every component of one rollout's reward, raw and weighted. `total` is the sum of the weighted ones.

    A rollout whose answer got no verdict has no answer reward and no total (None): it is left out of its group.
    """

    f1: float
    em: float = 0.0
    recall: float = 0.0
    judge: float | None = None
    """The verdict, 1 or 0, where a judge was asked and gave one."""
    judge_error: str = ""
    """Why there is no verdict where one was asked for."""
    answer: float | None = 0.0
    """What the answer earned, in [0, 1], before its weight."""
    masks: tuple[float, ...] = ()
    """The same by mask; of a question, and where a judge decides, one value."""
    gate: Gate = ""
    """Why the answer earned nothing whatever it says: the form is not valid; nothing was searched; a filled paragraph holds far more than the text."""
    found: tuple[int, ...] = ()
    """For each mask the number, from 1, of the tool's turn that was the first to show its gold; 0: none did."""
    found_share: float = 0.0
    """Share of the masks that are found."""
    format: float
    """1 for a valid trajectory, otherwise 0."""
    overlong: float
    """In [-1, 0]."""
    no_answer: float = 0.0
    """1 where there is no answer, or an empty one."""
    no_search: float = 0.0
    """1 where the agent might have searched, answered, and had not."""
    weighted_answer: float | None = 0.0
    weighted_format: float = 0.0
    weighted_overlong: float = 0.0
    weighted_no_answer: float = 0.0
    weighted_no_search: float = 0.0
    total: float | None


def reward_trajectory(
    trajectory: Trajectory,
    settings: RewardSettings,
    answer_form: str,
    may_search: bool = True,
    verdict: Verdict | None = None,
) -> Ledger:
    """The reward of one rollout. `may_search`: whether it was allowed a search; `verdict`: what a judge said of its answer (`awaits_verdict`)."""
    return reward_answer(
        trajectory.answer if trajectory.status == "answered" else "",
        task_from_json(trajectory.task),
        answer_form,
        is_valid(trajectory.turns, trajectory.tools),
        trajectory.usage.model_tokens,
        settings,
        searches=trajectory.usage.searches if may_search else None,
        turns=trajectory.turns,
        verdict=verdict,
    )


def gate(valid: bool, searches: int | None, settings: RewardSettings) -> Gate:
    """Why an answer earns nothing whatever it says; `searches` is None where none was allowed."""
    if not settings.gated:
        return ""
    if not valid:
        return "form"
    return "search" if searches == 0 else ""


def reward_answer(
    answer: str,
    task: MaskedTask | Question,
    answer_form: str,
    valid: bool,
    model_tokens: int,
    settings: RewardSettings,
    searches: int | None = 1,
    turns: Sequence[Turn] = (),
    verdict: Verdict | None = None,
) -> Ledger:
    """Scores an answer with the evaluation's metric and rewards it; "" is no answer. `searches` is None where none was allowed.

    Where the judge decides, a `verdict` that says neither, or none at all, leaves the rollout without a reward; an empty answer, and one that a gate
    shuts out, need none.
    """
    fills = task_fills(answer, task, answer_form)
    score = mean_score([score_answer(text, golds, language) for text, golds, language in fills])
    shut, empty = gate(valid, searches, settings), is_empty_answer(answer, task, answer_form)
    if settings.gated and not shut and is_more_than_a_copy(answer, task, answer_form):
        shut = "length"
    masks: tuple[float, ...] | None
    if shut or empty:
        masks = (0.0,) * (1 if settings.answer == "judge" else len(fills))
    elif settings.answer == "judge":
        masks = None if verdict is None or verdict.correct is None else (float(verdict.correct),)
    else:
        masks = _fills(answer, task, answer_form, settings)
    earned = sum(masks) / len(masks) if masks is not None else None
    found = first_shown(turns, [golds for _, golds, _ in fills], fills[0][2])
    raw = {
        "format": float(valid),
        "overlong": soft_overlong(model_tokens, settings.max_tokens, settings.cache_tokens),
        "no_answer": float(empty),
        "no_search": float(searches == 0 and not empty),
    }
    weighted = {
        "weighted_format": settings.format * raw["format"],
        "weighted_overlong": settings.overlong * raw["overlong"],
        "weighted_no_answer": -settings.no_answer * raw["no_answer"],
        "weighted_no_search": -settings.no_search * raw["no_search"],
    }
    weighted_answer = None if earned is None else settings.answer_weight * earned
    asked = settings.answer == "judge" and not shut and not empty
    return Ledger(
        f1=score.f1,
        em=score.em,
        recall=score.recall,
        judge=earned if asked else None,
        judge_error=(verdict.error if verdict is not None else NO_VERDICT)
        if asked and earned is None
        else "",
        answer=earned,
        masks=masks or (),
        gate=shut,
        found=tuple(found),
        found_share=sum(number > 0 for number in found) / len(found),
        **raw,
        weighted_answer=weighted_answer,
        **weighted,
        total=None if weighted_answer is None else weighted_answer + sum(weighted.values()),
    )


def _fills(answer: str, task: Task, answer_form: str, settings: RewardSettings) -> tuple[float, ...]:
    earned = fill_rewards(answer, task, answer_form, settings.answer, settings.length_factor)
    repeated = repeated_fills(answer, task, answer_form) if settings.gated else [False] * len(earned)
    return tuple(0.0 if twice else value for value, twice in zip(earned, repeated, strict=True))


def is_solved(ledger: Ledger, settings: RewardSettings) -> bool:
    """Whether a rollout counts as correct, for dynamic sampling and solve rates; one without a verdict does not."""
    return ledger.answer is not None and ledger.answer >= settings.solved_at


def figures(ledger: Ledger, settings: RewardSettings) -> dict[str, float]:
    """The numbers of a ledger, and `solved` (0 or 1), for a trainer that logs numbers and filters groups by one of them."""
    numbers = {
        name: float(value) for name, value in ledger.to_json().items() if isinstance(value, int | float)
    }
    return {**numbers, "solved": float(is_solved(ledger, settings))}


def awaits_verdict(ledger: Ledger) -> bool:
    """Whether a judge is to be asked for what a ledger lacks."""
    return ledger.total is None and ledger.judge_error == NO_VERDICT
