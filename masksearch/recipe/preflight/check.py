"""Checks the needs of stages, and reports all that are not met before anything is computed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from masksearch.errors import MaskSearchError, PreflightError, UsageError
from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.preflight.collect import collect, stage_needs
from masksearch.recipe.stages import StageKind
from masksearch.runtime import ranks
from masksearch.runtime.needs import Fault, Need
from masksearch.runtime.needs.sizes import DiskSpace, gigabytes
from masksearch.runtime.progress import say
from masksearch.runtime.resume import WorkFolder
from masksearch.runtime.settings import Settings

TOGETHER = 8
"""Number of needs that are checked at the same time; most of them wait for a server."""


@dataclass(frozen=True)
class Finding:
    """A fault, and the stages that it concerns; no stages for a single command."""

    stages: tuple[str, ...]
    fault: Fault

    def __str__(self) -> str:
        """The fault as sentences, with the stages in front."""
        if not self.stages:
            return self.fault.message
        names = ", ".join(f"'{name}'" for name in self.stages)
        return f"{'Stage' if len(self.stages) == 1 else 'Stages'} {names}: {self.fault.message}"


def preflight(recipe: Recipe, waiting: Iterable[Stage], folders: Mapping[str, WorkFolder]) -> list[Finding]:
    """Returns everything that the stages in `waiting` need and that is missing, errors before warnings.

    `folders` are the work folders of all stages of the run. Computes and changes nothing.
    """
    products = {name: folder.product for name, folder in folders.items()}
    names = {stage.name for stage in waiting}
    stages = [stage for stage in recipe.stages if stage.name in names]
    needs = collect(stages, products)
    return _findings(needs, {stage.name: folders[stage.name] for stage in stages})


def check_command(spec: StageKind, settings: Settings, folder: Path) -> None:
    """Checks the needs of a single command whose product goes into `folder`; prints warnings.

    Raises UsageError, MaskSearchError or PreflightError if a need is not met. Does nothing on other ranks
    than the first.
    """
    if ranks.is_first():
        needs: dict[Need, list[str]] = {need: [] for need in stage_needs(spec, settings, {})}
        report(_findings(needs, {"": WorkFolder(folder, folder / spec.product, "")}))


def report(findings: Sequence[Finding]) -> None:
    """Prints the warnings, and raises an error with all other findings.

    The error is a UsageError (exit status 2) if every finding is about wrong use, otherwise a
    MaskSearchError; with several findings it is a PreflightError, which has a line for each.
    """
    for finding in findings:
        if finding.fault.warning:
            say(f"Warning: {finding}")
    errors = [finding for finding in findings if not finding.fault.warning]
    if not errors:
        return
    wrong_use = all(finding.fault.wrong_use for finding in errors)
    if len(errors) == 1:
        raise (UsageError if wrong_use else MaskSearchError)(str(errors[0]))
    lines = "".join(f"\n  - {finding}" for finding in errors)
    error = PreflightError(f"{len(errors)} faults were found before anything was computed:{lines}")
    error.exit_status = UsageError.exit_status if wrong_use else error.exit_status
    raise error


def faults_of(needs: Mapping[Need, Sequence[str]]) -> list[Finding]:
    """Checks all needs, several at a time. Returns the faults, each with the stages that it concerns."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        checked = list(pool.map(lambda need: need.faults(), needs))
    found: dict[Fault, list[str]] = {}
    for faults, stages in zip(checked, needs.values(), strict=True):
        for fault in faults:
            users = found.setdefault(fault, [])
            users += [stage for stage in stages if stage not in users]
    return [Finding(tuple(stages), fault) for fault, stages in found.items()]


def _findings(needs: Mapping[Need, Sequence[str]], folders: Mapping[str, WorkFolder]) -> list[Finding]:
    findings = [*faults_of(needs), *_disk(needs, folders)]
    return sorted(findings, key=lambda finding: finding.fault.warning)


def _disk(needs: Mapping[Need, Sequence[str]], folders: Mapping[str, WorkFolder]) -> list[Finding]:
    """Compares the space that the stages need with the free space of the disk.

    The products stay, and the passing files of one stage at a time come on top. Files that an interrupted
    attempt has written already count as free.
    """
    spaces = [
        (space, stage)
        for space, stages in needs.items()
        if isinstance(space, DiskSpace)
        for stage in (stages or [""])
    ]
    if not spaces or not folders:
        return []
    total = _total([space for space, _ in spaces])
    sure = _total([space for space, _ in spaces if not space.rough])
    place = next(iter(folders.values())).folder.absolute()
    free = _free(place) + sum(_size(folder.folder) for folder in folders.values() if _resumes(folder))
    if total <= free:
        return []
    users = tuple(dict.fromkeys(stage for space, stage in spaces if stage and space.kept + space.passing))
    message = (
        f"the products and saved states need about {gigabytes(total)}, but the disk of {place.parent} has "
        f"{gigabytes(free)} free; free some space, or choose a folder on another disk."
    )
    return [Finding(users, Fault(message if users else message[0].upper() + message[1:], sure <= free))]


def _total(spaces: Sequence[DiskSpace]) -> int:
    return sum(space.kept for space in spaces) + max((space.passing for space in spaces), default=0)


def _free(place: Path) -> int:
    return shutil.disk_usage(next(path for path in (place, *place.parents) if path.exists())).free


def _resumes(folder: WorkFolder) -> bool:
    return bool(folder.key) and folder.holds_this_work()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
