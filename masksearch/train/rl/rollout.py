"""The rollout function of RL, which TRL's trainer calls to get the batch of a step.

If several processes train, each process rolls out whole groups. Metrics, solve rates and rollouts.jsonl
cover the rollouts of all processes. train/curriculum.py orders the tasks, rl/dynamic_sampling.py samples
the groups, and rl/decoders.py has the backends that decode.
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
from masksearch.scoring.rewards import VERDICTS, open_judge
from masksearch.train.curriculum import Curriculum, item_of, read_rates
from masksearch.train.distributed import gather_lists, share
from masksearch.train.rl.batch import credit_columns, fate, mask_cut_short, to_batch
from masksearch.train.rl.decoders import Decoder
from masksearch.train.rl.dynamic_sampling import Group, collect_step
from masksearch.train.rl.metrics import group_figures, solve_counts, step_figures
from masksearch.train.rl.task_stream import CurriculumStream
from masksearch.train.settings import RlSettings
from masksearch.types import Task


class RolloutWorker:
    """Rolls out a step: loads the weights into the decoder, samples groups, records every rollout.

    An instance is the `rollout_func` of TRL's trainer.
    """

    def __init__(self, settings: RlSettings, decoder: Decoder, searcher: Searcher, work: Path) -> None:
        self.settings, self.decoder, self.searcher, self.work = settings, decoder, searcher, work
        self.tasks, self.heldout = read_tasks(settings.tasks), read_heldout(settings)
        items, rates = [item_of(task) for task in self.tasks], read_rates(settings.solve_rates)
        self.curriculum = Curriculum(
            items, settings.curriculum, settings.steps, settings.seed, rates, measured=bool(self.heldout)
        )
        # The ranks divide the tasks of a step among them, so a rank's block of the stream has only the
        # rank's share of `prompts_per_step`.
        self.stream = CurriculumStream(
            self.tasks,
            self.curriculum,
            self._rank_settings().prompts_per_step,
            settings.max_refills,
            count(),
        )
        self.judge = (
            open_judge(settings.reward.judge, work / VERDICTS) if settings.reward.answer == "judge" else None
        )
        self.figures: dict[str, float] = {}
        # The current phase, "rollout" or "training". An out-of-memory error names the settings of this
        # phase.
        self.phase = "rollout"

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """Returns this rank's batch of the trainer's step (see `to_batch`); `prompts` are not used."""
        self.phase, started = "rollout", time.monotonic()
        self.decoder.load(trainer)
        step = int(trainer.state.global_step)
        figures = self._begin(step)
        # Each rank numbers its share of a step differently, so that no two ranks draw the same tasks or
        # use the same seeds.
        rank_step = step * count() + rank()
        batch, dropped = collect_step(
            self.stream, self.decoder.policy, self.searcher, self._rank_settings(), rank_step, self.judge
        )
        self._record(step, figures, gather_lists([(batch, dropped)]), started)
        self.phase = "training"
        columns = to_batch(batch, trainer._tokenizer.pad_token_id)
        if self.settings.overlong_filter:
            columns["env_mask"] = mask_cut_short(columns["env_mask"], batch)
        return columns | credit_columns(batch, columns["env_mask"], self.settings.reward.search_credit)

    def _rank_settings(self) -> RlSettings:
        """Returns the settings with `prompts_per_step` replaced by this rank's share of it."""
        return self.settings.model_copy(
            update={"prompts_per_step": share(self.settings.prompts_per_step, "prompts_per_step")}
        )

    def _begin(self, step: int) -> dict[str, float]:
        """Moves the curriculum to a step, and measures the held-out tasks if a measurement is due.

        Returns the metrics `heldout_f1` (if measured) and `stage` (if the curriculum has several stages).
        """
        figures: dict[str, float] = {}
        self.curriculum.begin(step)
        if self.heldout and self.curriculum.due(step):
            figures["heldout_f1"] = self.measure()
            if self.curriculum.measured(step, figures["heldout_f1"]):
                stage = self.curriculum.state.stage + 1
                say(
                    f"  no gain on the held-out tasks; stage {stage} of the curriculum starts with "
                    f"step {step + 1}"
                )
                # The new stage has other held-out tasks. Their first measurement is its starting value.
                figures["heldout_f1"] = self.measure()
                self.curriculum.measured(step, figures["heldout_f1"])
        if len(self.curriculum.pools) > 1:
            figures["stage"] = self.curriculum.state.stage + 1
        return figures

    def measure(self) -> float:
        """Returns the mean F1 of greedy rollouts on the current stage's held-out tasks.

        The rollouts use the weights that the decoder has loaded. Each rank measures a part of the tasks.
        Raises TrainingError if the model's server failed.
        """
        limit, agent = self.settings.curriculum.heldout_limit, self.settings.agent
        indices = self.curriculum.of_stage([item_of(task) for task in self.heldout])[:limit]
        tasks = [self.heldout[index] for index in indices][rank() :: count()]
        greedy = [Sampling(0.0, 0, agent.max_length)] * len(tasks)
        episodes = roll_out(tasks, self.decoder.policy, self.searcher, agent, greedy) if tasks else []
        for episode in episodes:
            if episode.trajectory.status == "model_failed":
                raise TrainingError(
                    f"The held-out tasks cannot be measured: {episode.trajectory.error} "
                    "Repair this and start the same command again."
                )
        scores = [
            score_task(episode.trajectory.answer, task, agent.answer_form).f1
            for task, episode in zip(tasks, episodes, strict=True)
        ]
        return round(fmean(gather_lists(scores)), 4)

    def _record(
        self,
        step: int,
        figures: dict[str, float],
        parts: Sequence[tuple[list[Group], list[Group]]],
        started: float,
    ) -> None:
        """Records the rollouts of a step (counted from 0).

        `parts` has one pair per rank: its batch and its dropped groups. Every rank computes the metrics and
        the solve rates of all ranks' rollouts; only the first rank writes rollouts.jsonl.
        """
        batch = [group for kept, _ in parts for group in kept]
        dropped = [group for _, others in parts for group in others]
        groups = [*batch, *dropped]
        figures = {
            **figures,
            **step_figures(batch, dropped, self.settings),
            **group_figures(groups, self.settings),
        }
        self.figures = {**figures, "rollout_seconds": round(time.monotonic() - started, 1)}
        if self.settings.curriculum.solve_rate:
            self.curriculum.record(step, solve_counts(groups, self.settings))
        if is_first():
            self._write(step + 1, batch, dropped)

    def _write(self, step: int, batch: Sequence[Group], dropped: Sequence[Group]) -> None:
        """Appends the rollouts of a step (counted from 1) to rollouts.jsonl."""
        rows = []
        for number, group in enumerate([*batch, *dropped]):
            for place, rollout in enumerate(group.rollouts):
                trajectory = rollout.episode.trajectory
                rows.append(
                    {
                        **trajectory.to_json(),
                        "id": f"step{step}.{number}.{place}:{trajectory.id}",
                        "step": step,
                        "group": number,
                        "fate": fate(group, rollout, in_batch=number < len(batch)),
                        "reward": rollout.ledger.to_json(),
                    }
                )
        append_json_lines(self.work / "rollouts.jsonl", rows)

    def logged(self) -> dict[str, float]:
        """Returns the metrics of the latest step, for the log."""
        return self.figures


def read_heldout(settings: RlSettings) -> list[Task]:
    """Returns the held-out tasks; an empty list if `heldout` is empty.

    Raises TrainingError if a held-out task is also trained on.
    """
    if not settings.heldout:
        return []
    heldout, trained = read_tasks(settings.heldout), {task.id for task in read_tasks(settings.tasks)}
    both = next((task.id for task in heldout if task.id in trained), None)
    if both is not None:
        raise TrainingError(
            f"The task '{both}' of {settings.heldout} is also in {settings.tasks}. A task that is trained on "
            "cannot show a plateau; remove it from one of the files."
        )
    return heldout
