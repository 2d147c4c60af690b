"""The reward of a rollout, and a ledger with every component of it.

    total = answer_weight * answer + grounding * answer * sound + format * valid
            + overlong * soft_overlong(model tokens) - no_answer - no_search

Scores come from `scoring.metrics`, the code that evaluation uses. The weights are ours (the paper gives
none).

The default answer reward is exact match. Under any metric with partial credit, an answer with two candidates
earns more than a single wrong one (docs/architecture.md, "Rewards"; `masksearch rewards audit` measures it).
The answer reward counts only in a rollout of valid form that searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from masksearch.agent.protocol import is_valid
from masksearch.scoring.fills import Fill, task_fills
from masksearch.scoring.grounding import ground_fills
from masksearch.scoring.judge import Verdict
from masksearch.scoring.metrics import fill_scores, mean_score
from masksearch.scoring.rewards.components import (
    fill_rewards,
    first_shown,
    is_empty_answer,
    is_more_than_a_copy,
    repeated_fills,
    soft_overlong,
)
from masksearch.scoring.rewards.dapo import is_correct
from masksearch.scoring.settings import RewardSettings
from masksearch.types import MaskedTask, Question, Record, Trajectory, Turn, task_from_json

Gate = Literal["", "form", "search", "length"]
NO_VERDICT = "The answer has not been judged."


class Ledger(Record):
    """Every component of one rollout's reward, before and after its weight; `total` is the sum after the
    weights.

    If the judge gave no verdict on the answer, answer reward and total are None, and the rollout is left out
    of its group.
    """

    f1: float
    """F1 of the answer (`metrics.score_task`); like `em` and `recall`, computed under every reward."""
    em: float = 0.0
    recall: float = 0.0
    judge: float | None = None
    """The judge's verdict, 1 or 0; None if no judge was asked or it gave no verdict."""
    judge_error: str = ""
    """Reason why a required verdict is missing."""
    answer: float | None = 0.0
    """Reward of the answer, in [0, 1], before its weight."""
    masks: tuple[float, ...] = ()
    """Reward of the answer by mask; a single value for a question and for a judged answer."""
    gate: Gate = ""
    """Reason why the answer earned 0 regardless of its text: "form" (the rollout's form is not valid),
    "search" (the agent never searched), "length" (a filled paragraph is far longer than the text it
    fills)."""
    found: tuple[int, ...] = ()
    """For each mask, the number (from 1) of the first tool turn that showed its gold; 0 if no turn did."""
    found_share: float = 0.0
    """Share of the masks whose gold a tool turn showed."""
    grounding: float = 0.0
    """1 if every answer is grounded and no quote is false (`grounding.Grounding.sound`), otherwise 0."""
    format: float
    """1 for a trajectory of valid form (`protocol.is_valid`), otherwise 0."""
    overlong: float
    """DAPO's length penalty, in [-1, 0], before its weight."""
    no_answer: float = 0.0
    """1 if the answer is missing or empty."""
    no_search: float = 0.0
    """1 if the agent answered without a search although it was allowed to search."""
    weighted_answer: float | None = 0.0
    weighted_grounding: float | None = 0.0
    """Weight times `grounding` times `answer`; None without an answer reward."""
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
    """Computes the reward of one rollout.

    `may_search`: whether the agent was allowed to search. `verdict`: the judge's verdict on the answer,
    if one has been asked for (see `awaits_verdict`).
    """
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
    """Returns the reason why an answer earns 0 regardless of its text; empty if no reason applies.

    `searches` is None if the agent was not allowed to search.
    """
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
    """Scores an answer with the evaluation's metrics and rewards it; an empty text counts as no answer.

    `searches` is None if the agent was not allowed to search. Under the reward `judge`, a rollout without a
    readable `verdict` gets no reward. Empty answers, and answers that earn 0 regardless of their text, need
    no verdict.
    """
    fills = task_fills(answer, task, answer_form)
    score = mean_score(fill_scores(fills))
    closed, empty = gate(valid, searches, settings), is_empty_answer(fills)
    if settings.gated and not closed and is_more_than_a_copy(answer, task, answer_form):
        closed = "length"
    masks: tuple[float, ...] | None
    if closed or empty:
        masks = (0.0,) * (1 if settings.answer == "judge" else len(fills))
    elif settings.answer == "judge":
        masks = None if verdict is None or verdict.correct is None else (float(verdict.correct),)
    else:
        masks = _mask_rewards(fills, settings)
    earned = sum(masks) / len(masks) if masks is not None else None
    found = first_shown(turns, [fill.golds for fill in fills], fills[0].language)
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
    sound = float(ground_fills([fill.text for fill in fills], task, turns).sound)
    weighted_answer = None if earned is None else settings.answer_weight * earned
    weighted_grounding = None if earned is None else settings.grounding * earned * sound
    total = None
    if weighted_answer is not None and weighted_grounding is not None:
        total = weighted_answer + weighted_grounding + sum(weighted.values())
    is_judged = settings.answer == "judge" and not closed and not empty
    judge_error = ""
    if is_judged and earned is None:
        judge_error = verdict.error if verdict is not None else NO_VERDICT
    return Ledger(
        f1=score.f1,
        em=score.em,
        recall=score.recall,
        judge=earned if is_judged else None,
        judge_error=judge_error,
        answer=earned,
        masks=masks or (),
        gate=closed,
        found=tuple(found),
        found_share=sum(number > 0 for number in found) / len(found),
        grounding=sound,
        **raw,
        weighted_answer=weighted_answer,
        weighted_grounding=weighted_grounding,
        **weighted,
        total=total,
    )


def _mask_rewards(fills: Sequence[Fill], settings: RewardSettings) -> tuple[float, ...]:
    rewards = fill_rewards(fills, settings.answer, settings.length_factor)
    repeated = repeated_fills(fills) if settings.gated else [False] * len(rewards)
    return tuple(0.0 if twice else value for value, twice in zip(rewards, repeated, strict=True))


def is_solved(ledger: Ledger, settings: RewardSettings) -> bool:
    """Whether a rollout counts as correct, for dynamic sampling and solve rates; False without a verdict."""
    return ledger.answer is not None and is_correct(ledger.answer, settings.solved_at)


def figures(ledger: Ledger, settings: RewardSettings) -> dict[str, float]:
    """Returns the numbers of a ledger, and `solved` (0 or 1).

    They serve trainers that log numbers, or that filter groups by one of them.
    """
    numbers = {
        name: float(value) for name, value in ledger.to_json().items() if isinstance(value, int | float)
    }
    return {**numbers, "solved": float(is_solved(ledger, settings))}


def awaits_verdict(ledger: Ledger) -> bool:
    """Whether a ledger lacks only the judge's verdict, and the judge has not been asked yet."""
    return ledger.total is None and ledger.judge_error == NO_VERDICT
