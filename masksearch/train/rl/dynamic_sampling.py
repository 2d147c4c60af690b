"""Rollouts for DAPO with dynamic sampling: groups that are all right or all wrong are put back and others sampled.

TRL has no dynamic sampling, so it happens here, before the trainer sees a batch. A step's tasks depend on the seed and
the step alone, so that a resumed run sees the same ones. Where too few groups say something after `max_refills`, the
batch is filled up with silent groups whose tokens carry no loss at all, which is as if they were not there. Nor do those of
a rollout whose answer got no verdict from the judge: it has no reward, and the advantages of its group are those of the others.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from masksearch.agent.loop import Episode, roll_out
from masksearch.errors import TrainingError
from masksearch.llm.base import Policy, Sampling
from masksearch.protocols import Searcher
from masksearch.scoring.judge import Judge, Verdict
from masksearch.scoring.metrics import score_task
from masksearch.scoring.rewards import (
    Ledger,
    ask_judge,
    awaits_verdict,
    credit_by_turn,
    group_baseline,
    group_is_informative,
    is_solved,
    reward_trajectory,
    token_credits,
)
from masksearch.train.curriculum import Stream, passing
from masksearch.train.settings import RlSettings
from masksearch.types import Task, task_from_json


@dataclass(frozen=True)
class Rollout:
    """An episode with its reward."""

    episode: Episode
    ledger: Ledger


@dataclass(frozen=True)
class Group:
    """G rollouts of one task; `trained` is False for one that only fills the batch."""

    rollouts: tuple[Rollout, ...]
    attempt: int
    trained: bool = True


class TaskStream:
    """An endless seeded order of tasks: passes over all of them, each pass shuffled anew."""

    def __init__(self, tasks: Sequence[Task], seed: int) -> None:
        self.tasks, self.seed = tasks, seed

    def __getitem__(self, place: int) -> Task:
        return self.tasks[passing(place, len(self.tasks), self.seed)]


def score_episode(episode: Episode, settings: RlSettings, verdict: Verdict | None = None) -> Rollout:
    """Rewards an episode with the evaluation's own metric, and writes the score into its trajectory."""
    trajectory = episode.trajectory
    score = score_task(trajectory.answer, task_from_json(trajectory.task), settings.agent.answer_form)
    ledger = reward_trajectory(
        trajectory, settings.reward, settings.agent.answer_form, settings.agent.max_searches > 0, verdict
    )
    return Rollout(
        replace(episode, trajectory=trajectory.model_copy(update={"scores": score.to_json()})), ledger
    )


def settle_verdicts(rollouts: Sequence[Rollout], settings: RlSettings, judge: Judge | None) -> list[Rollout]:
    """The rollouts with the judge's verdict where their reward waits for one; answers are asked about together.

    Raises ModelError where the judge cannot be asked at all, TrainingError where its endpoint left more than half of the answers open.
    """
    waiting = [place for place, rollout in enumerate(rollouts) if awaits_verdict(rollout.ledger)]
    if not waiting:
        return list(rollouts)
    if judge is None:
        raise ValueError("the reward is a judge's verdict, but no judge was given")
    verdicts = ask_judge(judge, [rollouts[place].episode.trajectory for place in waiting])
    open_ = [verdict for verdict in verdicts if not verdict.settled]
    if 2 * len(open_) > len(verdicts):
        raise TrainingError(
            f"The judge left {len(open_)} of {len(verdicts)} answers open: {open_[0].error} Start the same command again when this is mended."
        )
    settled = dict(zip(waiting, verdicts, strict=True))
    return [
        score_episode(rollout.episode, settings, settled[place]) if place in settled else rollout
        for place, rollout in enumerate(rollouts)
    ]


def sample_groups(
    tasks: Sequence[Task],
    policy: Policy,
    searcher: Searcher,
    settings: RlSettings,
    step: int,
    attempt: int,
    judge: Judge | None = None,
) -> list[Group]:
    """One group of rollouts a task, all decoded together, each with a seed of its own. `judge` is needed where its verdict is the reward."""
    size = settings.group_size
    repeated = [task for task in tasks for _ in range(size)]
    samplings = [
        Sampling(
            settings.temperature,
            random.Random(f"{settings.seed}:{step}:{attempt}:{place}").getrandbits(62),
            settings.agent.max_length,
        )
        for place in range(len(repeated))
    ]
    scored = [
        score_episode(episode, settings)
        for episode in roll_out(repeated, policy, searcher, settings.agent, samplings)
    ]
    scored = settle_verdicts(scored, settings, judge)
    return [Group(tuple(scored[first : first + size]), attempt) for first in range(0, len(scored), size)]


def informative(group: Group, settings: RlSettings) -> bool:
    """Whether a group has both right and wrong rollouts, among those that have a reward."""
    return group_is_informative(
        [rollout.ledger.answer for rollout in group.rollouts], settings.reward.solved_at
    )


def comparable(group: Group) -> bool:
    """Whether at least two rollouts of a group have a reward: one alone has nothing to be compared with."""
    return sum(rollout.ledger.total is not None for rollout in group.rollouts) >= 2


def failure(rollout: Rollout, settings: RlSettings) -> str:
    """What a back end did to a rollout: its model did not answer, or a search failed other than on purpose; "" where nothing went wrong."""
    trajectory = rollout.episode.trajectory
    if trajectory.status == "model_failed":
        return trajectory.error
    return trajectory.search_errors[0] if trajectory.search_errors and not settings.search.noise.fail else ""


def undisturbed(group: Group, settings: RlSettings) -> bool:
    """Whether no back end failed in a group: what it did is not to be learnt from."""
    return not any(failure(rollout, settings) for rollout in group.rollouts)


def check_back_ends(groups: Sequence[Group], settings: RlSettings) -> None:
    """Raises TrainingError where more than half of the rollouts met a search that failed, or a model that did not answer."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    disturbed = [rollout for rollout in rollouts if failure(rollout, settings)]
    if 2 * len(disturbed) > len(rollouts):
        searches = disturbed[0].episode.trajectory.status != "model_failed"
        what = "Searches" if searches else "The model"
        told = failure(disturbed[0], settings)
        raise TrainingError(
            f"{what} failed in {len(disturbed)} of {len(rollouts)} rollouts: {told} Start the same command again when this is mended."
        )


def collect_step(
    stream: Stream,
    policy: Policy,
    searcher: Searcher,
    settings: RlSettings,
    step: int,
    judge: Judge | None = None,
) -> tuple[list[Group], list[Group]]:
    """The batch of a step (`prompts_per_step` groups), and the groups that were sampled and put back. `judge` is needed where its verdict is the reward."""
    kept: list[Group] = []
    spare: list[Group] = []
    place = step * settings.prompts_per_step * (1 + settings.max_refills)
    for attempt in range(1 + settings.max_refills):
        need = settings.prompts_per_step - len(kept)
        groups = sample_groups(
            [stream[place + offset] for offset in range(need)],
            policy,
            searcher,
            settings,
            step,
            attempt,
            judge,
        )
        place += need
        check_back_ends(groups, settings)
        if not settings.dynamic_sampling:
            return [
                replace(group, trained=undisturbed(group, settings) and comparable(group)) for group in groups
            ], []
        for group in groups:
            (kept if informative(group, settings) and undisturbed(group, settings) else spare).append(group)
        if len(kept) == settings.prompts_per_step:
            return kept, spare
    missing = settings.prompts_per_step - len(kept)
    silent = [Group(group.rollouts, group.attempt, trained=False) for group in spare[-missing:]]
    return kept + silent, spare[:-missing]


def to_batch(groups: Sequence[Group], pad_id: int) -> dict[str, Any]:
    """What TRL's trainer asks of a rollout function: token ids, masks and log-probs exactly as rolled out, and the rewards.

    A reward of None is that of a rollout that was left out; its tokens carry no loss.
    """
    columns: dict[str, list[Any]] = {
        "prompt_ids": [],
        "completion_ids": [],
        "logprobs": [],
        "env_mask": [],
        "carried_reward": [],
    }
    for group in groups:
        for rollout in group.rollouts:
            record = rollout.episode.record
            if record is None or not record.ids:
                # Nothing was written (the prompt fills the session): one masked token keeps the batch in shape.
                prompt, ids, mask, logprobs = (
                    (record.prompt_ids if record else [pad_id]),
                    [pad_id],
                    [0],
                    [0.0],
                )
            else:
                prompt, ids, mask, logprobs = record.prompt_ids, record.ids, record.mask, record.logprobs
            columns["prompt_ids"].append(prompt)
            columns["completion_ids"].append(ids)
            columns["logprobs"].append(logprobs)
            columns["env_mask"].append(mask if is_trained(group, rollout) else [0] * len(mask))
            columns["carried_reward"].append(rollout.ledger.total)
    return columns


def credit_columns(
    groups: Sequence[Group], masks: Sequence[Sequence[int]], weight: float
) -> dict[str, list[Any]]:
    """Per-mask credit as a column `token_credit` of a batch: what is added to each token's advantage; none where `weight` is 0.

    `masks` is the batch's `env_mask`.
    """
    if not weight:
        return {}
    rest = iter(masks)
    return {
        "token_credit": [
            column
            for group in groups
            for column in _group_credits(group, [next(rest) for _ in group.rollouts], weight)
        ]
    }


def is_trained(group: Group, rollout: Rollout) -> bool:
    """Whether the tokens of a rollout carry loss."""
    return group.trained and rollout.ledger.total is not None


def fate(group: Group, rollout: Rollout, in_batch: bool) -> str:
    """What became of a rollout, in a word or two, for the record."""
    if not in_batch:
        return "put back"
    if not group.trained:
        return "silent"
    return "trained" if rollout.ledger.total is not None else "left out"


def _group_credits(group: Group, masks: Sequence[Sequence[int]], weight: float) -> list[list[float]]:
    credits = [
        credit_by_turn(rollout.episode.trajectory.turns, rollout.ledger.found)
        if is_trained(group, rollout)
        else []
        for rollout in group.rollouts
    ]
    baseline = group_baseline(credits)
    return [
        token_credits(mask, credit, baseline, weight) for mask, credit in zip(masks, credits, strict=True)
    ]


def step_figures(batch: Sequence[Group], put_back: Sequence[Group], settings: RlSettings) -> dict[str, float]:
    """Figures of a step over all rollouts that were sampled for it, kept or not; the rewards over those that have one."""
    groups = [*batch, *put_back]
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    count = len(rollouts)
    right = [
        rollout.episode.record
        for rollout in rollouts
        if is_solved(rollout.ledger, settings.reward) and rollout.episode.record
    ]
    tokens = sum(sum(record.mask) for record in right)
    figures = {
        **ledger_figures([rollout.ledger for rollout in rollouts]),
        "model_tokens": sum(rollout.episode.trajectory.usage.model_tokens for rollout in rollouts) / count,
        "searches": sum(rollout.episode.trajectory.usage.searches for rollout in rollouts) / count,
        "failed_searches": sum(len(rollout.episode.trajectory.search_errors) for rollout in rollouts) / count,
        "groups_sampled": len(groups),
        "groups_kept": sum(group.trained for group in batch),
    }
    if tokens:
        # Falling likelihood of right rollouts is the first sign of a collapse.
        figures["right_logprob"] = sum(sum(record.logprobs) for record in right) / tokens
    return {name: round(value, 4) for name, value in figures.items()}


def ledger_figures(ledgers: Sequence[Ledger]) -> dict[str, float]:
    """The mean of every component of the rewards; a figure that no rollout has is left out.

    What the total is made of (`reward`, and `reward_answer` to `reward_no_search`, weighted) is a mean over the rollouts that have a reward, and
    adds up; `left_out` counts the others. The raw components are means over all that have them.
    """
    kept = [ledger for ledger in ledgers if ledger.total is not None]
    parts = ("answer", "format", "overlong", "no_answer", "no_search")
    columns: dict[str, list[float | None]] = {
        "reward": [ledger.total for ledger in kept],
        **{f"reward_{part}": [getattr(ledger, f"weighted_{part}") for ledger in kept] for part in parts},
        "answer": [ledger.answer for ledger in ledgers],
        "f1": [ledger.f1 for ledger in ledgers],
        "em": [ledger.em for ledger in ledgers],
        "recall": [ledger.recall for ledger in ledgers],
        "judge": [ledger.judge for ledger in ledgers],
        "valid": [ledger.format for ledger in ledgers],
        "overlong": [ledger.overlong for ledger in ledgers],
        "no_answer": [ledger.no_answer for ledger in ledgers],
        "no_search": [ledger.no_search for ledger in ledgers],
        "found": [ledger.found_share for ledger in ledgers],
    }
    known = {name: [value for value in values if value is not None] for name, values in columns.items()}
    return {name: sum(values) / len(values) for name, values in known.items() if values} | {
        "left_out": float(len(ledgers) - len(kept))
    }
