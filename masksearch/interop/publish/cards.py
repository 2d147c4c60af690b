"""The cards (README.md) of published folders: of a model, and of a data set."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch import __version__
from masksearch.agent.protocol import stops
from masksearch.errors import DataError
from masksearch.interop.publish.checkpoint import Published
from masksearch.interop.publish.dataset import Counted
from masksearch.interop.publish.licences import NOT_RECORDED, hub_name, model_licence, text_licence
from masksearch.interop.publish.origin import Origin, Step, public, shown_path
from masksearch.interop.publish.settings import PublishSettings
from masksearch.ramp.run.card import FIELDS, SIZES
from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.conclusion.score_rows import ScoreRow
from masksearch.report.conclusion.suites import Side, label_of, suites_of, unseeded
from masksearch.report.load import Run, load_run

FILES = Path(__file__).parent / "files"
KEYS: dict[str, tuple[str, ...]] = {
    "model": ("source",),
    "sft": ("epochs", "learning_rate", "batch_tokens", "batch_size", "lora", "frozen_layers", "seed"),
    "rl": ("algorithm", "steps", "prompts_per_step", "group_size", "learning_rate", "temperature", "seed"),
    "evolve": ("rounds", "attempts", "learning_rate", "seed"),
    "mask": ("corpus", "split", "masks", "hops", "extractors", "strategy", "verify", "limit", "seed"),
    "synthesize": ("teacher", "method", "tasks", "questions", "limit", "seed"),
}
"""Kind of a stage -> the settings that a card names; those that a stage lacks are left out."""
TRAJECTORY_FIELDS = (
    ("id", "unique"),
    ("question, answers", "the task's text or question, and its gold answers"),
    ("turns", "the segments of the episode: `role` is model or tool, `text` has the tags"),
    ("answer, status", "the final answer, and how the episode ended"),
    ("task, scores", "the whole task and its scores, as JSON in strings"),
    ("model, retriever", "who wrote the turns, and the fingerprint of the search"),
    ("usage", "numbers of searches, opened pages and tokens"),
    ("tools, retrieved, search_errors", "tools, ids of the passages that each search returned, failures"),
    ("prompt_hash, templates_hash", "the prompt that the episode started with, and its version"),
)
QUESTION_FIELDS = (
    ("id", "unique"),
    ("question", "the question"),
    ("answers", "gold answers; any of them counts"),
    ("type", "kind of the question in its source"),
    ("supporting_titles, supporting_passages", "articles and passages that hold the evidence"),
)


@dataclass(frozen=True)
class Figures:
    """What the run measured of a checkpoint."""

    conclusion: Conclusion
    rows: tuple[tuple[ScoreRow, bool], ...]
    """The rows of the table of scores, each with whether it is about this checkpoint."""
    own: tuple[Side, ...]
    """The evaluations of this checkpoint."""


def figures(origin: Origin) -> Figures | None:
    """Returns the run's figures; None without a run, or without a finished evaluation in it."""
    if origin.run is None:
        return None
    try:
        run: Run = load_run(origin.run)
        found, suites = conclude(run), suites_of(run)
    except DataError:
        return None
    if not found.scores:
        return None
    sides = [side for suite in suites for side in (*suite.sides, *suite.degraded)]
    own = tuple(side for side in sides if side.maker and side.maker == unseeded(origin.stage))
    labels = {(side.first.suite, label_of(side)) for side in own}
    rows = tuple((row, (row.suite, row.model) in labels) for row in found.scores)
    return Figures(found, rows, own)


def model_card(
    published: Published, origin: Origin, settings: PublishSettings, gguf: str, folder: str
) -> str:
    """Renders the card of a model; `gguf` is the name of the GGUF file, if there is one."""
    base = _base(origin)
    licence = settings.licence or model_licence(base)
    return _render(
        "model-card.md.j2",
        version=__version__,
        published=published,
        origin=origin,
        run_file=origin.run is not None,
        figures=figures(origin),
        gguf=gguf,
        folder=folder,
        base=shown_path(base),
        hub_name=hub_name(base),
        base_licence=model_licence(base),
        licence="" if licence == NOT_RECORDED else licence,
        licence_given=bool(settings.licence),
        text_licence=settings.text_licence or text_licence(origin.corpora),
        corpora=[shown_path(corpus) for corpus in origin.corpora],
        languages=_languages(origin),
    )


def _base(origin: Origin) -> str:
    """Returns the name of the base model; empty if it is not recorded."""
    first = origin.made_by[0] if origin.made_by else None
    return str(first.settings.get("source") or first.settings.get("model") or "") if first else ""


def _languages(origin: Origin) -> list[str]:
    found = {str(step.settings["language"]) for step in origin.data if step.settings.get("language")}
    return sorted(found) or ["en"]


def dataset_card(counted: Counted, origin: Origin, settings: PublishSettings, name: str) -> str:
    """Renders the card of a data set."""
    licence = settings.licence or settings.text_licence or text_licence(origin.corpora)
    fields = {"tasks": FIELDS, "questions": QUESTION_FIELDS, "trajectories": TRAJECTORY_FIELDS}
    return _render(
        "dataset-card.md.j2",
        version=__version__,
        name=name,
        counted=counted,
        origin=origin,
        size=next((size for most, size in SIZES if counted.rows < most), "n>10M"),
        licence="" if licence == NOT_RECORDED else licence,
        text_licence=settings.text_licence or text_licence(origin.corpora),
        corpora=[shown_path(corpus) for corpus in origin.corpora],
        languages=sorted(counted.languages) or ["en"],
        fields=fields[counted.what],
        example=json.dumps(counted.example, ensure_ascii=False, indent=1),
    )


def key_settings(step: Step) -> str:
    """Returns the settings of a stage that a card names, in one line."""
    shown = []
    for key in KEYS.get(step.kind, ("seed",)):
        value = public(step.settings.get(key))
        if value in (None, "", [], False):
            continue
        shown.append(f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return "; ".join(shown)


def percent(value: float | None) -> str:
    """Returns a share as `74.0`, in percent; a dash if it is unknown."""
    return "–" if value is None else f"{100 * value:.1f}"


def _cell(text: Any) -> str:
    """Returns a text as the content of a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


@functools.cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {
        "percent": percent,
        "cell": _cell,
        "key_settings": key_settings,
        "stops": lambda agent: stops(agent.tools),
        "quoted": lambda text: json.dumps(str(text), ensure_ascii=False),
        "thousands": lambda number: f"{number:,}",
    }
    return environment


def _render(file: str, **values: Mapping[str, Any] | Any) -> str:
    return str(_environment().get_template(file).render(**values))
