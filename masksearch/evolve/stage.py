"""Stage `evolve`: runs the rounds of self-evolution.

The rounds end when all are done, when a round keeps no rollout, or when `patience` rounds brought no gain.
The stage is resumable. It writes:

WORK/round-0001/              see rounds.py; a finished round is never repeated
PRODUCT/                      the chosen round's checkpoint together with the data, so that a recipe
                              can use the stage's output both as a model and as trajectories
    trajectories.jsonl        the final D_T: seed data, and the trajectories that the rounds kept
    evolve.json               rounds, chosen round, reason of the stop
    table.md                  the tables
    rounds/round-0001.json    the manifests
    rounds/solve-rates.jsonl  {"task", "round", "solved", "sampled"}: initial rates for a curriculum
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.evaluation.provenance import model_hash
from masksearch.evaluation.tables import percent
from masksearch.evolve.diversity import diversity
from masksearch.evolve.heldout import check_search, read_manifest
from masksearch.evolve.inputs import Inputs, read_inputs
from masksearch.evolve.round_tables import Manifest, render_tables
from masksearch.evolve.rounds import ACCEPTED, CHECKPOINT, MANIFEST, Before, do_round, round_folder
from masksearch.evolve.selection import without_copies
from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.files import (
    atomic_path,
    hash_file,
    read_appended,
    remove,
    write_json,
    write_json_lines,
    write_text,
)
from masksearch.runtime.progress import say
from masksearch.types import Trajectory

FORMAT = "masksearch-evolve/1"
DATA, RECORD = "trajectories.jsonl", "evolve.json"


def run_evolve(settings: EvolveSettings, output: Path, work: Path) -> dict[str, Any]:
    """Runs the rounds and writes the output folder; returns evolve.json plus a summary, tables and a note.

    Raises the errors of `read_inputs` and `check_search` before the first round. Later it raises the errors
    of training, rollouts and judge.
    """
    plan = read_inputs(settings)
    check_search(settings)
    work.mkdir(parents=True, exist_ok=True)
    stays = without_copies(plan.seed_data, settings.near_copies, work)
    seed_data = [trajectory for trajectory, stay in zip(plan.seed_data, stays, strict=True) if stay]
    inputs = _inputs(settings)
    manifests: list[Manifest] = []
    evolved: list[Trajectory] = []
    stopped = ""
    while not stopped:
        number = len(manifests) + 1
        manifest = read_manifest(round_folder(work, number) / MANIFEST)
        if manifest is None:
            before = Before(
                seed_data, evolved, best_round(manifests, settings) if settings.heldout else 0, inputs
            )
            manifest = do_round(number, before, plan, settings, work)
            say(f"  round {number}: {round_summary(manifest)}")
        manifests.append(manifest)
        evolved += [
            Trajectory.model_validate(row) for row in read_appended(round_folder(work, number) / ACCEPTED)
        ]
        stopped = why_stop(manifests, settings)
        _prune(manifests, settings, work)
    say(f"  {stopped}")
    taken = taken_round(manifests, settings)
    table = render_tables(manifests, diversity(seed_data), len(seed_data))
    record = _record(manifests, settings, plan, seed_data, evolved, taken, stopped)
    _write_product(
        output, record, table, manifests, [*seed_data, *evolved], round_folder(work, taken) / CHECKPOINT
    )
    kept = f"{len(evolved)} trajectories kept in addition to {len(seed_data)} of the seed data"
    return {
        **record,
        "text": f"{stopped} {kept}; model of round {taken}",
        "table": table,
        "note": f"{stopped} The product's model is that of round {taken}.",
    }


def _inputs(settings: EvolveSettings) -> dict[str, Any]:
    def hashes(paths: Sequence[str]) -> dict[str, str]:
        return {path: hash_of(Path(path)) for path in paths if path}

    return {
        "model": model_hash(settings.model),
        "trajectories": hashes(settings.trajectories),
        "tasks": hashes(settings.tasks),
        "heldout": hashes([settings.heldout]),
    }


def hash_of(path: Path) -> str:
    """Returns the hash of a file, or the hashes of a folder's files, joined by spaces; empty for a missing
    path."""
    if path.is_file():
        return hash_file(path)
    files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    return " ".join(hash_file(entry) for entry in files)


def best_round(manifests: Sequence[Manifest], settings: EvolveSettings) -> int:
    """Returns the best round (numbered from 1): the last round with a gain over the best round before it.

    Returns 1 if no round had a gain, and 0 if `manifests` is empty.
    """
    best = 1 if manifests else 0
    for manifest in manifests:
        found = manifest.get("gain")
        if found and found["difference"] > settings.min_gain:
            best = manifest["round"]
    return best


def taken_round(manifests: Sequence[Manifest], settings: EvolveSettings) -> int:
    """Returns the number of the round whose model the stage writes."""
    return best_round(manifests, settings) if settings.heldout and settings.take == "best" else len(manifests)


def why_stop(manifests: Sequence[Manifest], settings: EvolveSettings) -> str:
    """Returns the reason to stop after the last round, as a sentence; empty if another round should start."""
    counts, number = manifests[-1]["counts"], len(manifests)
    if not counts["correct"]:
        return (
            f"Stopped: none of the {counts['rollouts']} rollouts in round {number} was accepted; "
            "the earlier data is kept."
        )
    if not counts["kept"]:
        return (
            f"Stopped: none of the {counts['correct']} correct rollouts in round {number} passed the "
            "selection; its manifest counts the reasons."
        )
    idle = number - best_round(manifests, settings)
    if settings.heldout and settings.patience and idle >= settings.patience:
        return f"Stopped: no gain in {settings.metric} on the held-out tasks for {settings.patience} rounds."
    if number == settings.rounds:
        return f"All {number} {'round is' if number == 1 else 'rounds are'} done."
    return ""


def round_summary(manifest: Manifest) -> str:
    """Summarises a finished round in one line."""
    counts = manifest["counts"]
    line = f"{manifest['accepted_share']:.0%} of {counts['judged']} rollouts correct, {counts['kept']} kept"
    found = manifest.get("heldout")
    if not found:
        return line
    f1, recall = (percent(found[name]["mean"]) for name in ("f1", "recall"))
    return f"{line}; held out: F1 {f1}%, recall {recall}%"


def _prune(manifests: Sequence[Manifest], settings: EvolveSettings, work: Path) -> None:
    """Deletes the models of all rounds except the last round and the chosen round, to save disk space."""
    needed = {len(manifests), taken_round(manifests, settings)}
    for manifest in manifests:
        if manifest["round"] not in needed and not settings.keep_models:
            remove(round_folder(work, manifest["round"]) / CHECKPOINT)


def _record(
    manifests: Sequence[Manifest],
    settings: EvolveSettings,
    plan: Inputs,
    seed_data: Sequence[Trajectory],
    evolved: Sequence[Trajectory],
    taken: int,
    stopped: str,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "rounds": len(manifests),
        "model_round": taken,
        "stopped": stopped,
        "trajectories": len(seed_data) + len(evolved),
        "kept": len(evolved),
        "seed_data": len(seed_data),
        "seed_copies": len(plan.seed_data) - len(seed_data),
        "accepted_shares": [manifest["accepted_share"] for manifest in manifests],
        "pass_at": [manifest["pass_at"] for manifest in manifests],
        "heldout": [manifest["heldout"]["f1"]["mean"] for manifest in manifests if "heldout" in manifest],
        "seed": settings.seed,
    }


def _write_product(
    output: Path,
    record: dict[str, Any],
    table: str,
    manifests: Sequence[Manifest],
    data: Sequence[Trajectory],
    checkpoint: Path,
) -> None:
    with atomic_path(output) as folder:
        # Hard links avoid copying large weights. They are safe because checkpoint files are only replaced,
        # never changed in place.
        shutil.copytree(checkpoint, folder, copy_function=_link)
        write_json_lines(folder / DATA, (trajectory.to_json() for trajectory in data))
        write_text(folder / "table.md", table + "\n")
        for manifest in manifests:
            write_json(folder / "rounds" / f"round-{manifest['round']:04}.json", manifest)
        rates = (
            {"task": rate["task"], "round": manifest["round"], **rate}
            for manifest in manifests
            for rate in manifest["solve_rates"]
        )
        write_json_lines(folder / "rounds" / "solve-rates.jsonl", rates)
        write_json(folder / RECORD, record)


def _link(source: str, target: str) -> None:
    """Hard-links a file, or copies it if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
