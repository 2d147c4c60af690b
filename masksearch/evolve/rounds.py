"""One round of self-evolution.

The round trains a teacher on D_T (the seed data and the trajectories kept so far), evaluates the teacher,
samples rollouts on fresh tasks, and keeps correct and diverse rollouts. Its work folder has:

    FOLDER/train.jsonl        D_T of the round; seed data is repeated to reach its share
    FOLDER/checkpoint/        the teacher
    FOLDER/sft/               the log of the teacher's training, and the states that it resumes from
    FOLDER/heldout/           the teacher's results on the held-out tasks
    FOLDER/rollouts/          the teacher's trajectories on fresh tasks, saved in chunks; judge's verdicts
    FOLDER/outcomes.jsonl     the outcome of each trajectory: id, task, correct, reason
    FOLDER/accepted.jsonl     the kept trajectories
    FOLDER/manifest.json      written last: a round with a manifest is finished

A resumed run reuses the checkpoint, the results and the chunks of rollouts that already exist.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from masksearch.errors import ModelError
from masksearch.evaluation.provenance import model_hash
from masksearch.evaluation.results import load_results
from masksearch.evaluation.run import EPISODES
from masksearch.evolve.acceptance import Outcome, judge_rollouts
from masksearch.evolve.diversity import diversity
from masksearch.evolve.heldout import RESULTS, gain, heldout_figures, measure, roll_out_round
from masksearch.evolve.inputs import Inputs, mixture
from masksearch.evolve.pass_at_k import pass_table, solve_rates
from masksearch.evolve.selection import select
from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.files import (
    append_json_lines,
    hash_file,
    read_appended,
    read_json_lines,
    remove,
    write_json,
    write_json_lines,
)
from masksearch.runtime.progress import say
from masksearch.train.settings import SftSettings
from masksearch.types import Trajectory

T = TypeVar("T")
FORMAT = "masksearch-evolve-round/1"
MANIFEST, ACCEPTED, OUTCOMES, TRAIN, CHECKPOINT, ROLLOUTS, HELDOUT = (
    "manifest.json",
    "accepted.jsonl",
    "outcomes.jsonl",
    "train.jsonl",
    "checkpoint",
    "rollouts",
    "heldout",
)


def round_folder(work: Path, number: int) -> Path:
    """Returns the work folder of a round (numbered from 1)."""
    return work / f"round-{number:04}"


@dataclass(frozen=True)
class Before:
    """What a round gets from the run and the earlier rounds."""

    seed_data: Sequence[Trajectory]
    evolved: Sequence[Trajectory]
    """Trajectories that the earlier rounds kept, in order."""
    best: int
    """Number of the best earlier round on the held-out tasks; 0 in round 1 or without held-out tasks."""
    inputs: dict[str, Any]
    """Hashes of the run's model and input files, for the manifest."""


def do_round(
    number: int, before: Before, plan: Inputs, settings: EvolveSettings, work: Path
) -> dict[str, Any]:
    """Runs a round, except for steps that an earlier start finished, and returns its manifest."""
    folder = round_folder(work, number)
    folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock(folder / "seconds.jsonl")
    data = [*before.seed_data, *before.evolved]
    checkpoint = clock.time("sft", lambda: _train(number, before, settings, work))
    measured = clock.time("heldout", lambda: _measured(before.best, settings, checkpoint, work, folder))
    tasks = plan.tasks(number, settings)
    say(f"  round {number}: {len(tasks)} fresh tasks, {settings.samples} samples of each")
    trajectories = clock.time(
        "rollouts", lambda: roll_out_round(settings, number, tasks, checkpoint, folder / ROLLOUTS)
    )
    gc.collect()  # The teacher is no longer needed after the rollouts, so its memory is freed.
    judged = clock.time("judge", lambda: judge_rollouts(trajectories, settings, folder / ROLLOUTS))
    outcomes = clock.time("select", lambda: select(judged, data, settings, folder))
    kept = [outcome.trajectory for outcome in outcomes if not outcome.reason]
    write_json_lines(folder / OUTCOMES, (outcome.to_json() for outcome in outcomes))
    write_json_lines(folder / ACCEPTED, (trajectory.to_json() for trajectory in kept))
    manifest = {
        "format": FORMAT,
        "round": number,
        "inputs": {**before.inputs, "train": hash_file(folder / TRAIN)},
        "seeds": {
            "seed": settings.seed,
            "sft": settings.seed,
            "rollouts": f"{settings.seed}:TASK~{number}.SAMPLE",
        },
        "model": (folder / CHECKPOINT).relative_to(work).as_posix(),
        "model_hash": model_hash(str(checkpoint)),
        "counts": {
            "seed_data": len(before.seed_data),
            "evolved_before": len(before.evolved),
            **_counts(outcomes, len(tasks), folder),
        },
        **_figures(outcomes, kept, settings),
        "data_diversity": diversity([*data, *kept]),
        **measured,
        "seconds": clock.seconds,
    }
    write_json(folder / MANIFEST, manifest)
    (folder / ROLLOUTS / EPISODES).unlink(missing_ok=True)
    return manifest


class _Clock:
    """Measures the seconds of each step of a round, summed over all starts (first start and resumes) of the
    run.

    If the run is killed during a step, the time spent on that step is not counted.
    """

    def __init__(self, log: Path) -> None:
        self.log = log

    def time(self, name: str, work: Callable[[], T]) -> T:
        started = time.monotonic()
        result = work()
        append_json_lines(self.log, [{"step": name, "seconds": time.monotonic() - started}])
        return result

    @property
    def seconds(self) -> dict[str, float]:
        total: dict[str, float] = {}
        for row in read_appended(self.log):
            total[row["step"]] = total.get(row["step"], 0.0) + row["seconds"]
        return {name: round(value, 1) for name, value in total.items()}


def _train(number: int, before: Before, settings: EvolveSettings, work: Path) -> Path:
    """Trains the round's teacher, unless its checkpoint exists, and returns the checkpoint folder."""
    from masksearch.llm.checkpoint import MARK, checkpoint_name, checkpoint_retrievers, make_mark
    from masksearch.train.sft.stage import run_sft

    folder = round_folder(work, number)
    checkpoint = folder / CHECKPOINT
    previous = settings.start == "previous" and number > 1
    start = str(round_folder(work, number - 1) / CHECKPOINT) if previous else settings.model
    if not checkpoint.exists():
        rows = mixture(before.seed_data, before.evolved, settings.mix, settings.seed)
        write_json_lines(folder / TRAIN, (trajectory.to_json() for trajectory in rows))
        say(
            f"  round {number}: training on {len(rows)} trajectories, "
            f"{len(before.evolved)} of them from earlier rounds"
        )
        (folder / "sft").mkdir(exist_ok=True)
        wanted = SftSettings(
            model=start,
            trajectories=(str(folder / TRAIN),),
            dtype=settings.dtype,
            seed=settings.seed,
            **settings.sft.model_dump(),
        )
        run_sft(wanted, checkpoint, folder / "sft")
        gc.collect()
    remove(folder / "sft" / "states")  # A killed start of the run may have left this folder.
    # SFT appends "+sft" to the model's name in every round. The name is therefore written again: the
    # initial model's name, "+evolve" and the round's number.
    name = f"{checkpoint_name(settings.model)}+evolve{number}"
    write_json(checkpoint / MARK, make_mark(name, start, "evolve", checkpoint_retrievers(checkpoint)))
    return checkpoint


def _measured(
    best: int, settings: EvolveSettings, checkpoint: Path, work: Path, folder: Path
) -> dict[str, Any]:
    """Evaluates the teacher on the held-out tasks; returns its metrics and its gain over the best earlier
    round.

    Returns an empty dict without held-out tasks.
    """
    if not settings.heldout:
        return {}
    results = measure(settings, checkpoint, folder / HELDOUT)
    gc.collect()
    found: dict[str, Any] = {"heldout": heldout_figures(results)}
    if best:
        earlier = load_results(round_folder(work, best) / HELDOUT / RESULTS)
        found["gain"] = {"metric": settings.metric, "against": best, **gain(results, earlier, settings)}
    return found


def _counts(outcomes: Sequence[Outcome], tasks: int, folder: Path) -> dict[str, Any]:
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason)
    return {
        "trained_on": sum(1 for _ in read_json_lines(folder / TRAIN)),
        "tasks": tasks,
        "rollouts": len(outcomes),
        "judged": sum(outcome.correct is not None for outcome in outcomes),
        "correct": sum(bool(outcome.correct) for outcome in outcomes),
        "kept": sum(not outcome.reason for outcome in outcomes),
        "dropped": dict(reasons.most_common()),
    }


def _figures(
    outcomes: Sequence[Outcome], kept: Sequence[Trajectory], settings: EvolveSettings
) -> dict[str, Any]:
    """Returns the shares of correct and of kept rollouts, pass@k, solve rates and diversity of a round.

    Raises ModelError if no rollout was judged.
    """
    judged = [outcome for outcome in outcomes if outcome.correct is not None]
    if not judged:
        raise ModelError(
            f"None of the {len(outcomes)} rollouts could be judged ({outcomes[0].reason}); "
            "start the same command again when the cause is fixed."
        )
    rates = solve_rates([outcome.to_json() for outcome in outcomes])
    correct = sum(bool(outcome.correct) for outcome in judged)
    return {
        "accepted_share": round(correct / len(judged), 6),
        "kept_share": round(len(kept) / len(judged), 6),
        "pass_at": {k: round(value, 6) for k, value in pass_table(rates, settings.samples).items()},
        "solve_rates": [asdict(rate) for rate in rates],
        "diversity": diversity(kept),
    }
