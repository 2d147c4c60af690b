"""Rollouts for DAPO with dynamic sampling: groups that are all right or all wrong are put back and others sampled.

TRL has no dynamic sampling, so it happens here, before the trainer sees a batch. A step's tasks depend on the seed and
the step alone, so that a resumed run sees the same ones. Where too few groups say something after `max_refills`, the
batch is filled up with silent groups whose tokens carry no loss at all, which is as if they were not there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from masksearch.agent.loop import Episode, roll_out
from masksearch.agent.protocol import is_valid
from masksearch.errors import TrainingError
from masksearch.llm.base import Policy, Sampling
from masksearch.protocols import Searcher
from masksearch.scoring.metrics import score_task
from masksearch.scoring.rewards import Ledger, group_is_informative, reward
from masksearch.settings import RlSettings
from masksearch.train.curriculum import Stream, passing
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


def score_episode(episode: Episode, settings: RlSettings) -> Rollout:
    """Rewards an episode with the evaluation's own metric, and writes the score into its trajectory."""
    trajectory = episode.trajectory
    score = score_task(trajectory.answer, task_from_json(trajectory.task), settings.agent.answer_form)
    ledger = reward(score, is_valid(trajectory.turns, trajectory.tools), trajectory.usage.model_tokens, settings.reward)
    return Rollout(Episode(trajectory.model_copy(update={"scores": score.to_json()}), episode.record), ledger)


def sample_groups(tasks: Sequence[Task], policy: Policy, searcher: Searcher, settings: RlSettings, step: int, attempt: int) -> list[Group]:
    """One group of rollouts a task, all decoded together, each with a seed of its own."""
    size = settings.group_size
    repeated = [task for task in tasks for _ in range(size)]
    samplings = [
        Sampling(settings.temperature, random.Random(f"{settings.seed}:{step}:{attempt}:{place}").getrandbits(62), settings.agent.max_length)
        for place in range(len(repeated))
    ]
    scored = [score_episode(episode, settings) for episode in roll_out(repeated, policy, searcher, settings.agent, samplings)]
    return [Group(tuple(scored[first : first + size]), attempt) for first in range(0, len(scored), size)]


def informative(group: Group, settings: RlSettings) -> bool:
    """Whether a group has both right and wrong rollouts."""
    return group_is_informative([rollout.ledger.f1 for rollout in group.rollouts], settings.reward.solved_at)


def undisturbed(group: Group, settings: RlSettings) -> bool:
    """Whether no search of a group failed, other than on purpose: what a back end did is not to be learnt from."""
    return settings.search.noise.fail > 0 or not any(rollout.episode.trajectory.search_errors for rollout in group.rollouts)


def check_searches(groups: Sequence[Group], settings: RlSettings) -> None:
    """Raises TrainingError where more than half of the rollouts met a search that failed."""
    disturbed = [rollout for group in groups if not undisturbed(group, settings) for rollout in group.rollouts if rollout.episode.trajectory.search_errors]
    total = sum(len(group.rollouts) for group in groups)
    if 2 * len(disturbed) > total:
        told = disturbed[0].episode.trajectory.search_errors[0]
        raise TrainingError(f"Searches failed in {len(disturbed)} of {total} rollouts: {told} Start the same command again when this is mended.")


def collect_step(stream: Stream, policy: Policy, searcher: Searcher, settings: RlSettings, step: int) -> tuple[list[Group], list[Group]]:
    """The batch of a step (`prompts_per_step` groups), and the groups that were sampled and put back."""
    kept: list[Group] = []
    spare: list[Group] = []
    place = step * settings.prompts_per_step * (1 + settings.max_refills)
    for attempt in range(1 + settings.max_refills):
        need = settings.prompts_per_step - len(kept)
        groups = sample_groups([stream[place + offset] for offset in range(need)], policy, searcher, settings, step, attempt)
        place += need
        check_searches(groups, settings)
        if not settings.dynamic_sampling:
            return [replace(group, trained=undisturbed(group, settings)) for group in groups], []
        for group in groups:
            (kept if informative(group, settings) and undisturbed(group, settings) else spare).append(group)
        if len(kept) == settings.prompts_per_step:
            return kept, spare
    missing = settings.prompts_per_step - len(kept)
    silent = [Group(group.rollouts, group.attempt, trained=False) for group in spare[-missing:]]
    return kept + silent, spare[:-missing]


def to_batch(groups: Sequence[Group], pad_id: int) -> dict[str, Any]:
    """What TRL's trainer asks of a rollout function: token ids, masks and log-probs exactly as rolled out, and the rewards."""
    columns: dict[str, list[Any]] = {"prompt_ids": [], "completion_ids": [], "logprobs": [], "env_mask": [], "carried_reward": []}
    for group in groups:
        for rollout in group.rollouts:
            record = rollout.episode.record
            if record is None or not record.ids:
                # Nothing was written (the prompt fills the session): one masked token keeps the batch in shape.
                prompt, ids, mask, logprobs = (record.prompt_ids if record else [pad_id]), [pad_id], [0], [0.0]
            else:
                prompt, ids, mask, logprobs = record.prompt_ids, record.ids, record.mask, record.logprobs
            columns["prompt_ids"].append(prompt)
            columns["completion_ids"].append(ids)
            columns["logprobs"].append(logprobs)
            columns["env_mask"].append(mask if group.trained else [0] * len(mask))
            columns["carried_reward"].append(rollout.ledger.total)
    return columns


def step_figures(batch: Sequence[Group], put_back: Sequence[Group]) -> dict[str, float]:
    """Figures of a step over all rollouts that were sampled for it, kept or not."""
    groups = [*batch, *put_back]
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    count = len(rollouts)
    right = [rollout.episode.record for rollout in rollouts if rollout.ledger.f1 == 1.0 and rollout.episode.record]
    tokens = sum(sum(record.mask) for record in right)
    figures = {
        "reward": sum(rollout.ledger.total for rollout in rollouts) / count,
        "f1": sum(rollout.ledger.f1 for rollout in rollouts) / count,
        "valid": sum(rollout.ledger.format for rollout in rollouts) / count,
        "overlong": sum(rollout.ledger.overlong for rollout in rollouts) / count,
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
