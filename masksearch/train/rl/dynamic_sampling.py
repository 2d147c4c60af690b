"""Dynamic sampling of DAPO (arXiv 2503.14476, section 3.2): fills a batch with groups that have a gradient.

A group is the G rollouts of one task. The paper drops the groups whose accuracy is 0 or 1, and samples
further tasks until the batch is full of groups with 0 < number of right rollouts < G. TRL has no dynamic
sampling. Therefore this module samples before the trainer gets a batch. It drops a group, and replaces it
by a group of another task, if

- all of its rollouts are right, or
- all of its rollouts are wrong (in both cases no answer is better than the others, so no advantage), or
- a search or the model's server failed in one of its rollouts (the model would learn from the failure).

A rollout is right if its answer reward is above `reward.solved_at`, or 1. If the judge gave no verdict on a
rollout, the rollout has no reward. It then counts neither as right nor as wrong, and carries no loss.

This departs from the paper in two points. Groups with a failure are dropped as well. And a step samples
further tasks at most `max_refills` times; if the batch is then not full, dropped groups complete it.
Their tokens carry no loss, which has the same effect as a smaller batch.

The tasks of a step depend only on the seed, the step and the curriculum, so a resumed run sees the same
tasks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    group_is_informative,
    reward_trajectory,
)
from masksearch.train.rl.task_stream import TaskStream
from masksearch.train.settings import RlSettings
from masksearch.types import Task, task_from_json


@dataclass(frozen=True)
class Rollout:
    """One episode of the agent loop, with its reward ledger."""

    episode: Episode
    ledger: Ledger


@dataclass(frozen=True)
class Group:
    """The rollouts of one task (`group_size` of them).

    `attempt` is 0 for a group of a step's first sampling, and n for a group of its n-th refill. `trained`
    is False for a group whose tokens carry no loss.
    """

    rollouts: tuple[Rollout, ...]
    attempt: int
    trained: bool = True


def score_episode(episode: Episode, settings: RlSettings, verdict: Verdict | None = None) -> Rollout:
    """Computes the reward of an episode, and writes its evaluation scores into its trajectory.

    `verdict` is the judge's verdict on the answer, if the reward needs one and it is known.
    """
    trajectory = episode.trajectory
    score = score_task(trajectory.answer, task_from_json(trajectory.task), settings.agent.answer_form)
    ledger = reward_trajectory(
        trajectory, settings.reward, settings.agent.answer_form, settings.agent.max_searches > 0, verdict
    )
    scored = trajectory.model_copy(update={"scores": score.to_json()})
    return Rollout(replace(episode, trajectory=scored), ledger)


def add_verdicts(rollouts: Sequence[Rollout], settings: RlSettings, judge: Judge | None) -> list[Rollout]:
    """Returns the rollouts; those whose reward needs the judge's verdict are scored again with it.

    All answers go to the judge together. Raises ModelError if the judge cannot be asked at all,
    TrainingError if it gave no verdict on more than half of the answers, and ValueError without a judge.
    """
    waiting = [place for place, rollout in enumerate(rollouts) if awaits_verdict(rollout.ledger)]
    if not waiting:
        return list(rollouts)
    if judge is None:
        raise ValueError("the reward is a judge's verdict, but no judge was given")
    verdicts = ask_judge(judge, [rollouts[place].episode.trajectory for place in waiting])
    unsettled = [verdict for verdict in verdicts if not verdict.settled]
    if 2 * len(unsettled) > len(verdicts):
        raise TrainingError(
            f"The judge gave no verdict on {len(unsettled)} of {len(verdicts)} answers: {unsettled[0].error} "
            "Repair this and start the same command again."
        )
    by_place = dict(zip(waiting, verdicts, strict=True))
    return [
        score_episode(rollout.episode, settings, by_place[place]) if place in by_place else rollout
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
    """Returns one group of rollouts for each task.

    All rollouts are decoded together, each with its own seed. `judge` is needed if the reward is a judge's
    verdict.
    """
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
    scored = add_verdicts(scored, settings, judge)
    return [Group(tuple(scored[first : first + size]), attempt) for first in range(0, len(scored), size)]


def informative(group: Group, settings: RlSettings) -> bool:
    """Whether a group has right and wrong rollouts; rollouts without a reward are ignored."""
    return group_is_informative(
        [rollout.ledger.answer for rollout in group.rollouts], settings.reward.solved_at
    )


def comparable(group: Group) -> bool:
    """Whether at least two rollouts of a group have a reward. With fewer, there are no advantages."""
    return sum(rollout.ledger.total is not None for rollout in group.rollouts) >= 2


def failure(rollout: Rollout, settings: RlSettings) -> str:
    """Returns the error text if the model's server or a search failed in a rollout, else an empty string.

    Failed searches do not count if the settings make searches fail on purpose (`search.noise.fail`).
    """
    trajectory = rollout.episode.trajectory
    if trajectory.status == "model_failed":
        return trajectory.error
    return trajectory.search_errors[0] if trajectory.search_errors and not settings.search.noise.fail else ""


def undisturbed(group: Group, settings: RlSettings) -> bool:
    """Whether neither a search nor the model's server failed in any rollout of a group."""
    return not any(failure(rollout, settings) for rollout in group.rollouts)


def check_failures(groups: Sequence[Group], settings: RlSettings) -> None:
    """Raises TrainingError if a search or the model's server failed in more than half of the rollouts."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    disturbed = [rollout for rollout in rollouts if failure(rollout, settings)]
    if 2 * len(disturbed) > len(rollouts):
        model_failed = disturbed[0].episode.trajectory.status == "model_failed"
        raise TrainingError(
            f"{'The model' if model_failed else 'Searches'} failed in {len(disturbed)} of {len(rollouts)} "
            f"rollouts: {failure(disturbed[0], settings)} Repair this and start the same command again."
        )


def collect_step(
    stream: TaskStream,
    policy: Policy,
    searcher: Searcher,
    settings: RlSettings,
    step: int,
    judge: Judge | None = None,
) -> tuple[list[Group], list[Group]]:
    """Returns the batch of a step (`prompts_per_step` groups), and the groups that were sampled and dropped.

    The dropped groups that complete the batch without loss are not in the second list. Without dynamic
    sampling every sampled group is in the batch, but groups with a failure or with fewer than two rewards
    carry no loss. `judge` is needed if the reward is a judge's verdict.
    """
    kept: list[Group] = []
    dropped: list[Group] = []
    # Each step has a fixed range of positions in the stream of tasks, even if it does not use its refills.
    place = step * settings.prompts_per_step * (1 + settings.max_refills)
    for attempt in range(1 + settings.max_refills):
        need = settings.prompts_per_step - len(kept)
        tasks = [stream[place + offset] for offset in range(need)]
        groups = sample_groups(tasks, policy, searcher, settings, step, attempt, judge)
        place += need
        check_failures(groups, settings)
        if not settings.dynamic_sampling:
            return [
                replace(group, trained=undisturbed(group, settings) and comparable(group)) for group in groups
            ], []
        for group in groups:
            keep = informative(group, settings) and undisturbed(group, settings)
            (kept if keep else dropped).append(group)
        if len(kept) == settings.prompts_per_step:
            return kept, dropped
    # The batch is not full: the most recently dropped groups complete it, without loss.
    missing = settings.prompts_per_step - len(kept)
    without_loss = [replace(group, trained=False) for group in dropped[-missing:]]
    return kept + without_loss, dropped[:-missing]
