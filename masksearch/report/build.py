"""Builds the page: `masksearch report RUN_DIR -o report.html`.

One file without any outside reference (its content security policy forbids them too), so it works offline, from a
disk and as an attachment. The template, style and script lie beside this module.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from masksearch import files
from masksearch.progress import human_time
from masksearch.report.curves import curves, plain_words
from masksearch.report.load import Row, Run, Stage, load_run
from masksearch.report.scores import comparison_tables, interval_plot, score_table
from masksearch.report.viewer import script_json, viewer_items
from masksearch.settings import ReportSettings


def build_report(run_dir: Path, output: Path, settings: ReportSettings) -> dict[str, Any]:
    """Writes the page of a run, finished or not; returns how much stands on it. Raises DataError where there is no stage."""
    run = load_run(run_dir)
    viewer, shown = _viewer(run, settings.trajectories_per_stage)
    page = _render(
        title=settings.title or f"MaskSearch: {run.name or run_dir.resolve().name}",
        total=human_time(sum(stage.seconds or 0.0 for stage in run.stages)),
        notes=run.notes,
        stages=[_stage_row(stage) for stage in run.stages],
        scores=score_table(run),
        intervals=interval_plot(run),
        comparisons=[comparison_tables(stage) for stage in run.stages if stage.comparison],
        charts=[chart for stage in run.stages for chart in curves(stage)],
        viewer=viewer,
        data=Markup(script_json(viewer)),
    )
    page = page.encode("utf-8", "replace").decode()
    files.write_text(output, page)
    evaluations = sum(stage.results is not None for stage in run.stages)
    return {"stages": len(run.stages), "evaluations": evaluations, "trajectories": shown, "bytes": len(page.encode())}


def _render(**values: Any) -> str:
    folder = resources.files("masksearch.report")
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", "page.js")}
    environment = Environment(loader=DictLoader(texts), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.j2").render(css=Markup(texts["page.css"]), js=Markup(texts["page.js"]), **values)


def _viewer(run: Run, limit: int) -> tuple[list[Row], int]:
    stages, shown = [], 0
    for stage in run.stages:
        if not stage.trajectories:
            continue
        items, bad = viewer_items(stage.trajectories, limit)
        if bad:
            run.notes.append(f"{bad} rows of the trajectories of '{stage.name}' are no trajectories and were left out.")
        stages.append({"stage": stage.name, "kind": stage.kind, "total": len(stage.trajectories), "items": items})
        shown += len(items)
    return stages, shown


def _stage_row(stage: Stage) -> Row:
    seconds = human_time(stage.seconds) if stage.seconds is not None else ""
    return {"name": stage.name, "kind": stage.kind, "status": stage.status, "seconds": seconds, "summary": _summary(stage.summary)}


def _summary(value: Any) -> list[tuple[str, str]]:
    """A stage's summary: its own text, or else its short facts; tables and lists have their own places on the page."""
    text = value.get("text") if isinstance(value, dict) else value
    if isinstance(text, str) and text:
        return [("", text)]
    if not isinstance(value, dict):
        return []
    facts = []
    for key, entry in value.items():
        text = ", ".join(f"{plain_words(name)} {_fact(part)}" for name, part in entry.items() if _is_fact(part)) if isinstance(entry, dict) else _fact(entry)
        if (isinstance(entry, dict) or _is_fact(entry)) and text:
            facts.append((plain_words(str(key)), text))
    return facts


def _is_fact(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) <= 80 and "\n" not in value and not value.startswith("/"))


def _fact(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
