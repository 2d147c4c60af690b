"""Comparisons of a run from its folder: `masksearch compare runs/demo` prints all tables of a run.

A run folder among the results stands for the run's own comparisons: the results and settings of its stages of
the kind `compare`, as its recipe.json has them. A run without these stages stands for all its results. The
folder of one such stage, `RUN/stages/NAME`, stands for this comparison alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.curves.values import with_known_arms
from masksearch.evaluation.settings import CompareSettings

STAGES, RESULTS, COMPARISON = "stages", "results.json", "comparison.json"


def comparisons(settings: CompareSettings) -> dict[str, CompareSettings]:
    """Returns the comparisons that the settings ask for, by name; the only name is empty without a run.

    A single run folder stands for its comparisons, each with the settings of its stage, except for those
    that are set in `settings`. With further results, every run folder stands for all results of the run.
    Raises UsageError for a run without results.
    """
    runs = [source for source in settings.results if _is_run(Path(source))]
    if settings.results == tuple(runs) and len(runs) == 1:
        return _of_run(Path(runs[0]), settings)
    stage = _stage_of(settings)
    if stage is not None:
        return _of_run(stage.parent.parent, settings, stage.name)
    if not runs:
        return {"": settings}
    results = [path for source in settings.results for path in _expanded(source, runs)]
    return {"": settings.model_copy(update={"results": tuple(results)})}


def _is_run(path: Path) -> bool:
    return (path / STAGES).is_dir() and not (path / RESULTS).exists()


def _stage_of(settings: CompareSettings) -> Path | None:
    """Returns the only result if it is the folder of a stage `compare`."""
    path = Path(settings.results[0]) if len(settings.results) == 1 else Path()
    made = (path / COMPARISON).is_file() and not (path / RESULTS).exists()
    return path if made and path.absolute().parent.name == STAGES else None


def _expanded(source: str, runs: list[str]) -> list[str]:
    return _all_results(Path(source), _stages(Path(source))) if source in runs else [source]


def _of_run(run: Path, settings: CompareSettings, only: str = "") -> dict[str, CompareSettings]:
    stages = _stages(run)
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set - {"results"}}
    found = {}
    for name, stage in stages.items():
        if stage.get("kind") != "compare" or name != (only or name):
            continue
        values = _known(stage.get("settings"))
        one = CompareSettings.model_validate({**values, **_present(run, values)})
        if one.results or one.groups:
            found[name] = one.model_copy(update=chosen)
    if found:
        return found
    results = _all_results(run, stages)
    if not results:
        raise UsageError(
            f"{run} has no finished evaluation to compare; go on with the run, or name results files."
        )
    return {"": settings.model_copy(update={"results": tuple(results)})}


def _stages(run: Path) -> dict[str, dict[str, Any]]:
    """Returns the stages of a run's recipe in order; none if recipe.json is missing or cannot be read."""
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        stages = recipe["stages"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: stage for name, stage in stages.items() if isinstance(stage, dict)}


def _known(values: Any) -> dict[str, Any]:
    """Returns the settings that this version knows; a run of another version may have others."""
    known = values if isinstance(values, Mapping) else {}
    return {name: value for name, value in known.items() if name in CompareSettings.model_fields}


def _present(run: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the results, the baseline and the groups with paths instead of names of stages, and the curves.

    Results that the run does not have yet are left out, and so are the arms and points that have no others.
    """

    def paths(names: Any) -> list[str]:
        found = [run / STAGES / name / RESULTS for name in names or ()]
        named = [str(path) if path.parent.is_dir() else name for path, name in zip(found, names, strict=True)]
        return [path for path in named if Path(path).exists()]

    groups = {name: paths(group) for name, group in (values.get("groups") or {}).items()}
    groups = {name: group for name, group in groups.items() if group}
    return {
        "results": paths(values.get("results") or ()),
        "baseline": next(iter(paths([values["baseline"]] if values.get("baseline") else [])), ""),
        "groups": groups,
        "curves": with_known_arms(values.get("curves") or {}, groups),
    }


def _all_results(run: Path, stages: Mapping[str, Any]) -> list[str]:
    """Returns the paths of all results of a run, in the order of its recipe."""
    order = list(stages)
    found = sorted((run / STAGES).glob(f"*/{RESULTS}"))
    listed = [path for path in found if path.parent.name in order] if order else found
    return [
        str(path)
        for path in sorted(
            listed, key=lambda path: order.index(path.parent.name) if path.parent.name in order else 0
        )
    ]
