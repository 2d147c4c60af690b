"""Runs a round's teacher: evaluates it on the held-out tasks, and samples its rollouts on fresh tasks.

The evaluation decodes greedily. Both use the agent loop of the stage `eval`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.agent.loop import run_episode
from masksearch.errors import UsageError
from masksearch.evaluation.results import load_results
from masksearch.evaluation.run import (
    load_policy,
    load_searcher,
    roll_out_resumably,
    run_eval,
    with_number_format,
)
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.statistics.resampling import paired_difference
from masksearch.evolve.settings import EvolveSettings
from masksearch.llm.base import Sampling
from masksearch.runtime.resume import read_mark
from masksearch.types import Results, Task, Trajectory

RESULTS = "results.json"


def _eval_settings(settings: EvolveSettings, model: Path, **more: Any) -> EvalSettings:
    shared = settings.model_dump(
        include={"index", "search", "agent", "dtype", "decode_slots", "allow_failed", "bootstrap", "seed"}
    )
    return EvalSettings(model=str(model), method="agent", **shared, **more)


def check_search(settings: EvolveSettings) -> None:
    """Opens the search once, so that a wrong index raises an error before a teacher is trained.

    Raises the errors of `load_searcher`.
    """
    load_searcher(_eval_settings(settings, Path(settings.model), questions=""), [])


def measure(settings: EvolveSettings, model: Path, folder: Path) -> Results:
    """Evaluates a round's teacher (the checkpoint `model`) on the held-out tasks.

    If the run was started before, the results that it left in `folder` are reused.
    """
    if not (folder / RESULTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = _eval_settings(
            settings,
            model,
            questions=settings.heldout,
            limit=settings.heldout_limit,
            chunk=settings.chunk * settings.samples,
        )
        run_eval(wanted, folder / RESULTS, folder)
    return load_results(folder / RESULTS)


def sample_id(task: Task, number: int, sample: int) -> str:
    """Returns the trajectory id of one sample of a task in round `number`."""
    return f"{task.id}~{number}.{sample}"


def roll_out_round(
    settings: EvolveSettings, number: int, tasks: Sequence[Task], model: Path, folder: Path
) -> list[Trajectory]:
    """Rolls out `samples` trajectories of each task and returns them with scores, in the order of the tasks.

    Each rollout has its own seed, derived from the run's seed, the round, the task and the sample. The
    rollouts are saved in `folder` chunk by chunk, and a later call resumes from there. Raises SearchError
    if searches failed in more than `allow_failed` of the rollouts.
    """
    wanted = _eval_settings(
        settings,
        model,
        questions="",
        temperature=settings.temperature,
        chunk=settings.chunk * settings.samples,
    )
    searcher = load_searcher(wanted, tasks)
    wanted, _ = with_number_format(wanted, folder)
    policy = load_policy(wanted)
    if searcher is None:
        raise UsageError("The agent needs an index.")
    by_id = {
        sample_id(task, number, sample): task for task in tasks for sample in range(1, settings.samples + 1)
    }

    async def job(named: Task) -> Any:
        sampling = Sampling(
            settings.temperature, random.Random(f"{settings.seed}:{named.id}").getrandbits(31)
        )
        return await run_episode(by_id[named.id], policy, searcher, settings.agent, sampling, named.id)

    # The evaluation saves rollouts by task id, so each sample gets a copy of the task with its own id.
    repeated = [task.model_copy(update={"id": name}) for name, task in by_id.items()]
    return [done.trajectory for done in roll_out_resumably(repeated, job, wanted, folder, policy.name)]


def heldout_figures(results: Results) -> dict[str, Any]:
    """Returns the held-out metrics for a round's manifest, as means with 95% intervals."""
    figures = {}
    for name in ("recall", "f1", "em", "valid"):
        interval = [round(value, 6) for value in results.intervals[name]]
        figures[name] = {"mean": round(results.metrics[name], 6), "interval": interval}
    return {"n": results.n, **figures, "searches": round(results.metrics["searches"], 3)}


def gain(results: Results, before: Results, settings: EvolveSettings) -> dict[str, float]:
    """Returns the gain over an earlier round (`before`): the mean difference in the setting `metric`.

    The results are paired by task. The gain comes with a 95% interval and a p-value.
    """
    old = {row["id"]: float(row[settings.metric]) for row in before.per_question}
    pairs = [(float(row[settings.metric]), old[row["id"]]) for row in results.per_question]
    found = paired_difference(
        [new for new, _ in pairs], [earlier for _, earlier in pairs], settings.bootstrap, settings.seed
    )
    return {name: round(value, 6) for name, value in found._asdict().items()}


def read_manifest(path: Path) -> Mapping[str, Any] | None:
    """Reads the manifest of a round, which is written when the round is finished; None if it is missing."""
    return read_mark(path) or None
