"""What a round's teacher does: on held-out tasks, greedily, by the evaluation itself; on fresh tasks, sampled, by the same rollouts."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.agent.loop import run_episode
from masksearch.errors import UsageError
from masksearch.evaluation.results import load_results
from masksearch.evaluation.run import load_policy, load_searcher, roll_out_resumably, run_eval
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.statistics import paired_difference
from masksearch.evolve.settings import EvolveSettings
from masksearch.llm.base import Sampling
from masksearch.types import Results, Task, Trajectory

RESULTS = "results.json"


def _eval_settings(settings: EvolveSettings, model: Path, **more: Any) -> EvalSettings:
    shared = settings.model_dump(
        include={"index", "search", "agent", "dtype", "decode_slots", "allow_failed", "bootstrap", "seed"}
    )
    return EvalSettings(model=str(model), method="agent", **shared, **more)


def check_search(settings: EvolveSettings) -> None:
    """Opens the search once. Raises what opening it raises: before a teacher is trained is the time to tell."""
    load_searcher(_eval_settings(settings, Path(settings.model), questions=""), [])


def measure(settings: EvolveSettings, model: Path, folder: Path) -> Results:
    """The teacher on the held-out tasks; what `folder` holds of an earlier start is not done again."""
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
    """Of the trajectory of one sample of a round."""
    return f"{task.id}~{number}.{sample}"


def roll_out_round(
    settings: EvolveSettings, number: int, tasks: Sequence[Task], model: Path, folder: Path
) -> list[Trajectory]:
    """`samples` trajectories of each task, task by task, with their scores; each has a seed of its own, made of the round, the task and the sample.

    Written down in `folder` chunk by chunk, and so resumed. Raises SearchError where searches failed more than `allow_failed` of them.
    """
    wanted = _eval_settings(
        settings,
        model,
        questions="",
        temperature=settings.temperature,
        chunk=settings.chunk * settings.samples,
    )
    searcher, policy = load_searcher(wanted, tasks), load_policy(wanted)
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

    # The evaluation keeps its records by the id of the task; here each sample is one by itself.
    repeated = [task.model_copy(update={"id": name}) for name, task in by_id.items()]
    return [done.trajectory for done in roll_out_resumably(repeated, job, wanted, folder, policy.name)]


def heldout_figures(results: Results) -> dict[str, Any]:
    """What a manifest says of a measure."""
    names = ("recall", "f1", "em", "valid")
    figures = {
        name: {
            "mean": round(results.metrics[name], 6),
            "interval": [round(value, 6) for value in results.intervals[name]],
        }
        for name in names
    }
    return {"n": results.n, **figures, "searches": round(results.metrics["searches"], 3)}


def gain(results: Results, before: Results, settings: EvolveSettings) -> dict[str, float]:
    """The difference to an earlier round in `metric`, paired by task, with its 95% interval and p."""
    old = {row["id"]: float(row[settings.metric]) for row in before.per_question}
    pairs = [(float(row[settings.metric]), old[row["id"]]) for row in results.per_question]
    found = paired_difference(
        [new for new, _ in pairs], [earlier for _, earlier in pairs], settings.bootstrap, settings.seed
    )
    return {name: round(value, 6) for name, value in found._asdict().items()}


def read_manifest(path: Path) -> Mapping[str, Any] | None:
    """A finished round's record, or None."""
    if not path.exists():
        return None
    value: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
