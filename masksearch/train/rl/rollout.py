"""The rollout function of RL: brings the weights to the decoder, rolls a step's tasks out with live search, writes every rollout down.

Where several processes train, each rolls out whole groups of its own; figures, solve rates and the record are of all of them. Which tasks a step
has: train/curriculum.py. How groups are sampled: train/rollout.py. What decodes: train/decoders.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from masksearch.agent.loop import roll_out
from masksearch.errors import TrainingError
from masksearch.llm.base import Sampling
from masksearch.protocols import Searcher
from masksearch.runtime.files import append_json_lines
from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count, is_first, rank
from masksearch.runtime.records import read_tasks
from masksearch.scoring.metrics import score_task
from masksearch.scoring.rewards import VERDICTS, is_solved, open_judge
from masksearch.train.curriculum import Curriculum, CurriculumStream, item_of, read_rates
from masksearch.train.distributed import everything, share
from masksearch.train.rl.decoders import Decoder
from masksearch.train.rl.dynamic_sampling import (
    Group,
    collect_step,
    credit_columns,
    fate,
    step_figures,
    to_batch,
    undisturbed,
)
from masksearch.train.rl.estimators import cut_short, without_cut
from masksearch.train.settings import RlSettings
from masksearch.types import Task


class RolloutWorker:
    """The rollout function: brings the weights to the decoder, rolls a step out, writes every rollout down."""

    def __init__(self, settings: RlSettings, decoder: Decoder, searcher: Searcher, work: Path) -> None:
        self.settings, self.decoder, self.searcher, self.work = settings, decoder, searcher, work
        self.tasks, self.heldout = read_tasks(settings.tasks), read_heldout(settings)
        items, rates = [item_of(task) for task in self.tasks], read_rates(settings.solve_rates)
        self.curriculum = Curriculum(
            items, settings.curriculum, settings.steps, settings.seed, rates, measured=bool(self.heldout)
        )
        # A step's places in the order of tasks are those of all processes; each draws from a part of its own (`_mine`).
        self.stream = CurriculumStream(
            self.tasks, self.curriculum, self._mine().prompts_per_step, settings.max_refills, count()
        )
        self.judge = (
            open_judge(settings.reward.judge, work / VERDICTS) if settings.reward.answer == "judge" else None
        )
        self.figures: dict[str, float] = {}
        self.phase = "rollout"

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        self.phase, started = "rollout", time.monotonic()
        self.decoder.load(trainer)
        step = int(trainer.state.global_step)
        figures = self._begin(step)
        batch, put_back = collect_step(
            self.stream, self.decoder.policy, self.searcher, self._mine(), step * count() + rank(), self.judge
        )
        self._note(step, figures, everything([(batch, put_back)]), started)
        self.phase = "training"
        columns = to_batch(batch, trainer._tokenizer.pad_token_id)
        if self.settings.overlong_filter:
            columns["env_mask"] = without_cut(columns["env_mask"], batch)
        return columns | credit_columns(batch, columns["env_mask"], self.settings.reward.search_credit)

    def _mine(self) -> RlSettings:
        """The settings of this process's share of a step. Shares are to the stream of tasks like steps of their own, so none has another's tasks or seeds."""
        return self.settings.model_copy(
            update={"prompts_per_step": share(self.settings.prompts_per_step, "prompts_per_step")}
        )

    def _begin(self, step: int) -> dict[str, float]:
        """Where a step stands in the curriculum, and what the held-out tasks say of the weights it begins with, where they are due."""
        figures: dict[str, float] = {}
        self.curriculum.begin(step)
        if self.heldout and self.curriculum.due(step):
            figures["heldout_f1"] = self.measure()
            if self.curriculum.measured(step, figures["heldout_f1"]):
                say(
                    f"  no gain on the held-out tasks; stage {self.curriculum.state.stage + 1} of the curriculum begins with step {step + 1}"
                )
                figures["heldout_f1"] = self.measure()  # of the new stage: what it starts from
                self.curriculum.measured(step, figures["heldout_f1"])
        return figures | (
            {"stage": self.curriculum.state.stage + 1} if len(self.curriculum.pools) > 1 else {}
        )

    def measure(self) -> float:
        """Mean F1 of greedy rollouts by the weights that the decoder has, on the held-out tasks of this stage; each process rolls a part of them out."""
        limit, agent = self.settings.curriculum.heldout_limit, self.settings.agent
        tasks = [
            self.heldout[index]
            for index in self.curriculum.of_stage([item_of(task) for task in self.heldout])[:limit]
        ][rank() :: count()]
        episodes = (
            roll_out(
                tasks,
                self.decoder.policy,
                self.searcher,
                agent,
                [Sampling(0.0, 0, agent.max_length)] * len(tasks),
            )
            if tasks
            else []
        )
        failed = next(
            (episode.trajectory.error for episode in episodes if episode.trajectory.status == "model_failed"),
            None,
        )
        if failed is not None:
            raise TrainingError(
                f"The held-out tasks cannot be measured: {failed} Start the same command again when this is mended."
            )
        scores = [
            score_task(episode.trajectory.answer, task, agent.answer_form).f1
            for task, episode in zip(tasks, episodes, strict=True)
        ]
        return round(fmean(everything(scores)), 4)

    def _note(
        self,
        step: int,
        figures: dict[str, float],
        parts: Sequence[tuple[list[Group], list[Group]]],
        started: float,
    ) -> None:
        """Takes in what all processes rolled out for a step (from 0): solve rates and figures in each of them, the record by the first."""
        batch, put_back = ([group for part in parts for group in part[place]] for place in (0, 1))
        groups = [*batch, *put_back]
        figures = {
            **figures,
            **step_figures(batch, put_back, self.settings),
            **group_figures(groups, self.settings),
        }
        self.figures = {**figures, "rollout_seconds": round(time.monotonic() - started, 1)}
        if self.settings.curriculum.solve_rate:
            self.curriculum.record(step, solve_counts(groups, self.settings))
        if is_first():
            self._write(step + 1, batch, put_back)

    def _write(self, step: int, batch: Sequence[Group], put_back: Sequence[Group]) -> None:
        rows = []
        for number, group in enumerate([*batch, *put_back]):
            for place, rollout in enumerate(group.rollouts):
                trajectory = rollout.episode.trajectory
                name = f"step{step}.{number}.{place}:{trajectory.id}"
                end = fate(group, rollout, number < len(batch))
                rows.append(
                    {
                        **trajectory.to_json(),
                        "id": name,
                        "step": step,
                        "group": number,
                        "fate": end,
                        "reward": rollout.ledger.to_json(),
                    }
                )
        append_json_lines(self.work / "rollouts.jsonl", rows)

    def logged(self) -> dict[str, float]:
        """Figures of the step, for the log."""
        return self.figures


def tally(group: Group, settings: RlSettings) -> tuple[int, int]:
    """How many rollouts of a group are correct, as in dynamic sampling, of how many that have a reward."""
    ledgers = [rollout.ledger for rollout in group.rollouts if rollout.ledger.answer is not None]
    return sum(is_solved(ledger, settings.reward) for ledger in ledgers), len(ledgers)


def group_figures(groups: Sequence[Group], settings: RlSettings) -> dict[str, float]:
    """How many groups were all right, all wrong and touched by a search that failed, and the share of the rollouts that were cut off."""
    tallies = [tally(group, settings) for group in groups]
    cut = [one for group in groups for one in cut_short(group)]
    return {
        "groups_solved": sum(right == known > 0 for right, known in tallies),
        "groups_hopeless": sum(not right and known > 0 for right, known in tallies),
        "groups_disturbed": sum(not undisturbed(group, settings) for group in groups),
        "cut_short": round(sum(cut) / len(cut), 4),
    }


def solve_counts(groups: Sequence[Group], settings: RlSettings) -> dict[str, tuple[int, int]]:
    """Task -> (right, with a reward) of a step's groups, but for those that a failed search touched."""
    counts: dict[str, tuple[int, int]] = {}
    for group in groups:
        if undisturbed(group, settings):
            key = str(group.rollouts[0].episode.trajectory.task["id"])
            (right, known), before = tally(group, settings), counts.get(key, (0, 0))
            counts[key] = (before[0] + right, before[1] + known)
    return counts


def read_heldout(settings: RlSettings) -> list[Task]:
    """The held-out tasks; none without a path. Raises TrainingError where a task is trained on as well."""
    if not settings.heldout:
        return []
    heldout, trained = read_tasks(settings.heldout), {task.id for task in read_tasks(settings.tasks)}
    both = next((task.id for task in heldout if task.id in trained), None)
    if both is not None:
        raise TrainingError(
            f"The task '{both}' of {settings.heldout} is also in {settings.tasks}; what is trained on says nothing about a plateau."
        )
    return heldout
