"""Builds the page: `masksearch report RUN_DIR -o report.html`.

The page is one file without external references (its content security policy also forbids them), so it
works offline, from disk and as an attachment. The folder `page` holds the template, the style and the
parts of the script.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from masksearch.evaluation.compare.formatting import is_score
from masksearch.evaluation.tables import percent
from masksearch.report.conclusion.build import conclude
from masksearch.report.conclusion.glossary import GLOSSARY
from masksearch.report.curves import all_curves, plain_words
from masksearch.report.explorer import Explorer, make_explorer
from masksearch.report.failure_table import failure_table
from masksearch.report.flips import flip_matrices
from masksearch.report.load import Row, Run, Stage, load_other_runs, load_run
from masksearch.report.plots import forest_plots, interval_plots, metric_choices
from masksearch.report.scores import (
    background_tables,
    comparison_tables,
    provenance,
    score_table,
)
from masksearch.report.settings import ReportSettings
from masksearch.runtime import files
from masksearch.runtime.progress import human_time
from masksearch.text.display import visible_controls

HEAD_SCRIPTS = ("theme.js", "metric.js")
"""Files of the script in the page's head, which every page has."""
SCRIPTS = (
    "start.js",
    "text.js",
    "store.js",
    "find.js",
    "address.js",
    "list.js",
    "detail.js",
    "controls.js",
    "main.js",
)
"""Files of the explorer's script. `_render` joins them in this order into one script with a common scope."""

PARTS = {
    "think": "think",
    "search": "search",
    "open": "open",
    "information": "results",
    "answer": "answer",
    "other": "outside the tags",
}
"""Kind of an example's part -> its heading."""


def build_report(run_dir: Path, output: Path, settings: ReportSettings) -> dict[str, Any]:
    """Writes the page of a run, finished or not, and returns counts of its contents and its size in bytes.

    Raises DataError if the folder holds no stage.
    """
    run, others = load_run(run_dir), load_other_runs(settings.against)
    both = Run(run.name, [*run.stages, *others.stages], [*run.notes, *others.notes])
    explorer = make_explorer(both.stages, settings.trajectories, settings.trajectories_per_stage)
    compared = [stage for stage in run.stages if stage.comparison]
    scores, forests = interval_plots(both), [forest_plots(stage.comparison or {}) for stage in compared]
    turned, more_turned = flip_matrices(both)
    drawn, flat = all_curves(run.stages)
    page = _render(
        conclusion=conclude(run),
        glossary=GLOSSARY,
        parts=PARTS,
        title=settings.title or f"MaskSearch: {run.name or run_dir.resolve().name}",
        total=human_time(sum(stage.seconds or 0.0 for stage in run.stages)),
        notes=[*both.notes, *explorer.notes],
        stages=[_stage_row(stage) for stage in run.stages],
        scores=score_table(both),
        intervals=scores,
        seeds=any('class="seed"' in plot.drawing for plot in scores),
        metrics=metric_choices([scores, *forests]),
        background=background_tables(both),
        provenance=provenance(both),
        failures=failure_table(both.stages),
        flips=turned,
        more_flips=more_turned,
        comparisons=[
            {**comparison_tables(stage), "forest": forest}
            for stage, forest in zip(compared, forests, strict=True)
        ],
        charts=drawn,
        flat=flat,
        explorer=_explorer_values(explorer),
    )
    # Lone surrogates in a run's texts cannot be written as UTF-8; they become question marks.
    page = page.encode("utf-8", "replace").decode()
    files.write_text(output, page)
    evaluations = sum(stage.results is not None for stage in both.stages)
    return {
        "stages": len(run.stages),
        "evaluations": evaluations,
        "trajectories": explorer.shown,
        "bytes": len(page.encode()),
    }


def _render(**values: Any) -> str:
    folder = resources.files("masksearch.report") / "page"
    texts = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in ("page.html.j2", "page.css", *HEAD_SCRIPTS, *SCRIPTS)
    }
    head = "\n" + "\n".join(texts[name] for name in HEAD_SCRIPTS)
    script = "\n(() => {\n" + "\n".join(texts[name] for name in SCRIPTS) + "})();\n"
    environment = Environment(
        loader=DictLoader(texts),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    return environment.get_template("page.html.j2").render(
        css=Markup(texts["page.css"]),
        head=Markup(head),
        script=Markup(script),
        hashes=Markup(" ".join(f"'sha256-{_hash(text)}'" for text in (head, script))),
        **values,
    )


def _plain(value: Any) -> Any:
    """Replaces hidden and direction-changing characters of a template's value by visible code points.

    The texts come from the run and are not trusted. The page's script does the same with its texts.
    """
    return visible_controls(value) if type(value) is str else value


def _hash(script: str) -> str:
    """Returns the SHA-256 hash of a script, in base64. The page's content security policy lists the hashes
    of the scripts that may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _explorer_values(explorer: Explorer) -> Row:
    blocks = [{"number": number, "text": Markup(text)} for number, text in enumerate(explorer.blocks)]
    return {
        "index": Markup(explorer.index),
        "blocks": sorted(blocks, key=lambda block: block["number"] != explorer.first),
        "shown": explorer.shown,
        "cut": _cut(explorer.shown, explorer.total),
    }


def _cut(shown: int, total: int) -> str:
    """Returns a sentence that `shown` of `total` trajectories are on the page; empty if the page holds all
    of them."""
    if shown >= total:
        return ""
    return (
        f"The page holds {shown:,} of {total:,} trajectories, taken evenly from each stage; "
        f"'masksearch report --trajectories {total}' includes them all."
    )


def _stage_row(stage: Stage) -> Row:
    seconds = human_time(stage.seconds) if stage.seconds is not None else ""
    return {
        "name": stage.name,
        "kind": stage.kind,
        "status": stage.status,
        "seconds": seconds,
        "summary": _summary(stage.summary),
    }


def _summary(value: Any) -> list[tuple[str, str]]:
    """Returns a stage's summary as (name, text) pairs.

    A summary with a text becomes one pair with an empty name. Without a text, every number and every short
    line becomes a pair. Tables and lists are left out, because the page shows them elsewhere.
    """
    text = value.get("text") if isinstance(value, dict) else value
    if isinstance(text, str) and text:
        return [("", text)]
    if not isinstance(value, dict):
        return []
    facts = []
    for key, entry in value.items():
        if isinstance(entry, dict):
            shares = key == "metrics"
            parts = [
                f"{plain_words(name)} {percent(part) if shares and is_score(name) else _fact(part)}"
                for name, part in entry.items()
                if _is_fact(part)
            ]
            text = ", ".join(parts)
        else:
            text = _fact(entry) if _is_fact(entry) else ""
        if text:
            facts.append((plain_words(str(key)), text))
    return facts


def _is_fact(value: Any) -> bool:
    """Whether a value of a summary is shown: numbers, and short lines that are not absolute paths."""
    if not isinstance(value, str):
        return isinstance(value, int | float)
    return 0 < len(value) <= 80 and "\n" not in value and not value.startswith("/")


def _fact(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
