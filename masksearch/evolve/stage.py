"""Stage `evolve`: rounds until they are done, nothing new comes, or nothing is gained; one resumable whole.

WORK/round-0001/            see rounds.py; a finished round is never done again
PRODUCT/                    a checkpoint folder (the model taken), and the data beside it, so that a recipe can name the stage both as a
                            model and as trajectories
    trajectories.jsonl      D_T at the end: seed data, and what every round has kept
    evolve.json             rounds, the best one, why it ended
    table.md                the tables
    rounds/round-0001.json  the manifests
    rounds/solve-rates.jsonl  {"task", "round", "solved", "sampled"}: for a curriculum
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.evaluation.provenance import model_hash
from masksearch.evolve.diversity import diversity
from masksearch.evolve.heldout import check_search, read_manifest
from masksearch.evolve.inputs import Plan, make_plan
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
    """Writes the product folder. Raises what make_plan and check_search raise before any work, and whatever ends a training, a rollout or a judge."""
    plan = make_plan(settings)
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
            say(f"  round {number}: {told(manifest)}")
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
    text = f"{stopped} {len(evolved)} trajectories kept beside {len(seed_data)} of the seed data; model of round {taken}"
    return {
        **record,
        "text": text,
        "table": table,
        "note": f"{stopped} The model taken is that of round {taken}.",
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
    """Of a file; of a folder of shards, those of its files together. Empty for what is neither."""
    if path.is_file():
        return hash_file(path)
    files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
    return " ".join(hash_file(entry) for entry in files)


def best_round(manifests: Sequence[Manifest], settings: EvolveSettings) -> int:
    """The last round (from 1) that gained over the best one before it; 0 where there is none."""
    best = 1 if manifests else 0
    for manifest in manifests:
        found = manifest.get("gain")
        if found and found["difference"] > settings.min_gain:
            best = manifest["round"]
    return best


def taken_round(manifests: Sequence[Manifest], settings: EvolveSettings) -> int:
    """Whose model is the product."""
    return best_round(manifests, settings) if settings.heldout and settings.take == "best" else len(manifests)


def why_stop(manifests: Sequence[Manifest], settings: EvolveSettings) -> str:
    """Why no further round is begun, as a sentence; empty where one is."""
    last, number = manifests[-1], len(manifests)
    if not last["counts"]["correct"]:
        return f"Stopped: in round {number} not one of {last['counts']['rollouts']} rollouts was accepted; what there was before is kept."
    if not last["counts"]["kept"]:
        return f"Stopped: of {last['counts']['correct']} correct rollouts in round {number} not one was new enough to be kept."
    if (
        settings.heldout
        and settings.patience
        and number - best_round(manifests, settings) >= settings.patience
    ):
        return f"Stopped: no gain in {settings.metric} on the held-out tasks for {settings.patience} rounds."
    return (
        f"All {number} {'round is' if number == 1 else 'rounds are'} done."
        if number == settings.rounds
        else ""
    )


def told(manifest: Manifest) -> str:
    """A finished round in a line."""
    counts = manifest["counts"]
    line = f"{manifest['accepted_share']:.0%} of {counts['judged']} rollouts correct, {counts['kept']} kept"
    found = manifest.get("heldout")
    return (
        f"{line}; held out: F1 {found['f1']['mean']:.3f}, recall {found['recall']['mean']:.3f}"
        if found
        else line
    )


def _prune(manifests: Sequence[Manifest], settings: EvolveSettings, work: Path) -> None:
    """Removes models that nobody will ask for again."""
    needed = {len(manifests), taken_round(manifests, settings)}
    for manifest in manifests:
        if manifest["round"] not in needed and not settings.keep_models:
            remove(round_folder(work, manifest["round"]) / CHECKPOINT)


def _record(
    manifests: Sequence[Manifest],
    settings: EvolveSettings,
    plan: Plan,
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
        # The weights are large, and files of a checkpoint are replaced, never changed in place.
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
    """A second name for a file, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
