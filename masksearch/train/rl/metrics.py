"""Metrics of a step's rollouts for the log, and counts of right rollouts for the curriculum."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.scoring.rewards import Ledger, is_solved
from masksearch.train.rl.batch import cut_short
from masksearch.train.rl.dynamic_sampling import Group, undisturbed
from masksearch.train.settings import RlSettings


def step_figures(batch: Sequence[Group], dropped: Sequence[Group], settings: RlSettings) -> dict[str, float]:
    """Returns metrics over all rollouts that were sampled for a step, including those of dropped groups.

    Most metrics are means over rollouts. `groups_sampled` and `groups_kept` are numbers of groups, and
    `right_logprob` is the mean log-probability per model token of right rollouts.
    """
    groups = [*batch, *dropped]
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
        # Logged for the alarms: a falling likelihood of right rollouts is the first sign of a collapse.
        figures["right_logprob"] = sum(sum(record.logprobs) for record in right) / tokens
    return {name: round(value, 4) for name, value in figures.items()}


def ledger_figures(ledgers: Sequence[Ledger]) -> dict[str, float]:
    """Returns the mean of each component of the rewards; leaves out components that no rollout has.

    `reward` and its weighted parts (`reward_answer` to `reward_no_search`) are means over the rollouts with
    a reward, so the parts add up to `reward`. `left_out` is the number of rollouts without a reward. The
    other components, such as `f1`, are not weighted; each is a mean over all rollouts that have it.
    """
    rewarded = [ledger for ledger in ledgers if ledger.total is not None]
    parts = ("answer", "grounding", "format", "overlong", "no_answer", "no_search")
    columns: dict[str, list[float | None]] = {
        "reward": [ledger.total for ledger in rewarded],
        **{f"reward_{part}": [getattr(ledger, f"weighted_{part}") for ledger in rewarded] for part in parts},
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
        "grounding": [ledger.grounding for ledger in ledgers],
    }
    known = {name: [value for value in values if value is not None] for name, values in columns.items()}
    figures = {name: sum(values) / len(values) for name, values in known.items() if values}
    return figures | {"left_out": float(len(ledgers) - len(rewarded))}


def tally(group: Group, settings: RlSettings) -> tuple[int, int]:
    """Returns two numbers of a group: right rollouts (as in dynamic sampling), and rollouts with a reward."""
    ledgers = [rollout.ledger for rollout in group.rollouts if rollout.ledger.answer is not None]
    return sum(is_solved(ledger, settings.reward) for ledger in ledgers), len(ledgers)


def group_figures(groups: Sequence[Group], settings: RlSettings) -> dict[str, float]:
    """Returns the numbers of groups that cannot be trained on, and the share of cut-off rollouts.

    `groups_solved` counts groups whose rollouts are all right, and `groups_hopeless` groups whose rollouts
    are all wrong. `groups_disturbed` counts groups in which a search or the model's server failed.
    `cut_short` is the share of rollouts that a token limit cut off.
    """
    tallies = [tally(group, settings) for group in groups]
    cut = [is_cut for group in groups for is_cut in cut_short(group)]
    return {
        "groups_solved": sum(right == known > 0 for right, known in tallies),
        "groups_hopeless": sum(not right and known > 0 for right, known in tallies),
        "groups_disturbed": sum(not undisturbed(group, settings) for group in groups),
        "cut_short": round(sum(cut) / len(cut), 4),
    }


def solve_counts(groups: Sequence[Group], settings: RlSettings) -> dict[str, tuple[int, int]]:
    """Returns for each task id the numbers of right rollouts and of rollouts with a reward.

    Skips groups in which a search or the model's server failed.
    """
    counts: dict[str, tuple[int, int]] = {}
    for group in groups:
        if undisturbed(group, settings):
            key = str(group.rollouts[0].episode.trajectory.task["id"])
            (right, known), before = tally(group, settings), counts.get(key, (0, 0))
            counts[key] = (before[0] + right, before[1] + known)
    return counts
