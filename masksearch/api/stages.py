"""The stages as functions. Each one takes the settings of its stage as keyword arguments.

`folder` is the folder of the product; without it, that of the inputs. `name` is the stage's name in it. The
same call again returns at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.api.index import Index, as_index
from masksearch.api.products import (
    Checkpoint,
    Comparison,
    Corpus,
    Evaluation,
    Product,
    Source,
    Tasks,
    Trajectories,
    as_corpus,
)
from masksearch.api.signature import with_settings
from masksearch.api.workspace import folder_of, run, settings_of
from masksearch.errors import UsageError
from masksearch.evaluation.settings import CompareSettings, EvalSettings
from masksearch.evolve.settings import EvolveSettings
from masksearch.llm.settings import ModelSettings
from masksearch.ramp.settings import MaskSettings
from masksearch.recipe.stages import STAGES, run_stage
from masksearch.report.settings import ReportSettings
from masksearch.search.settings import IndexSettings
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.train.settings import RlSettings, SftSettings


@with_settings(IndexSettings)
def build_index(
    corpus: Corpus | Any, *, folder: Source | None = None, name: str | None = None, **settings: Any
) -> Index:
    """Cuts a corpus into passages and indexes them (`masksearch index`); the same as `Index.build`.

    `corpus` is a Corpus, or a list of dicts, a list of texts, a data frame, a path, `wiki-summaries:en`.
    """
    return build_index(corpus, folder=folder, name=name, **settings)


@with_settings(MaskSettings)
def mask(
    corpus: Corpus | Any,
    *,
    index: Index | Source | None = None,
    limit: int | None = None,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Tasks:
    """Masks salient spans of a corpus and checks that they can be found (`masksearch mask`).

    The product is a sequence of `masksearch.types.MaskedTask`.
    """
    given = as_corpus(corpus, folder)
    if given.language:
        settings.setdefault("language", given.language)
    values = {"corpus": given, "index": index, "limit": limit, **settings}
    made = run("mask", "mask", values, folder_of(folder, given, index), name)
    return Tasks(made.path, made.summary, made.folder)


@with_settings(SynthesizeSettings)
def synthesize(
    tasks: Tasks | Any,
    index: Index | Source,
    *,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Trajectories:
    """Rolls out a teacher on tasks, with real searches (`masksearch synthesize`).

    `tasks` are the product of `mask`, a file, or a list of tasks or questions with answers. The product is a
    sequence of `masksearch.types.Trajectory`.
    """
    values = {"tasks": tasks, "index": as_index(index), **settings}
    made = run("synthesize", "synthesize", values, folder_of(folder, tasks, index), name)
    return Trajectories(made.path, made.summary, made.folder)


@with_settings(ModelSettings)
def base_model(
    source: Source | None = None, *, folder: Source | None = None, name: str | None = None, **settings: Any
) -> Checkpoint:
    """Makes a plain checkpoint of a model (`masksearch model`): a folder, a GGUF file, a name on the hub."""
    made = run("model", "base_model", {"source": source, **settings}, folder_of(folder, source), name)
    return Checkpoint(made.path, made.summary, made.folder)


@with_settings(SftSettings)
def sft(
    model: Checkpoint | Source,
    trajectories: Trajectories | Sequence[Any] | Source,
    *,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Checkpoint:
    """Fine-tunes a model on trajectories (`masksearch sft`)."""
    values = {"model": model, "trajectories": trajectories, **settings}
    values["trajectories"] = _files(trajectories, "trajectories", folder_of(folder, trajectories, model))
    made = run("sft", "sft", values, folder_of(folder, trajectories, model), name)
    return Checkpoint(made.path, made.summary, made.folder)


@with_settings(RlSettings)
def rl(
    model: Checkpoint | Source,
    tasks: Tasks | Any,
    index: Index | Source,
    *,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Checkpoint:
    """Trains a model by reinforcement learning with live search (`masksearch rl`)."""
    values = {"model": model, "tasks": tasks, "index": as_index(index), **settings}
    made = run("rl", "rl", values, folder_of(folder, model, tasks, index), name)
    return Checkpoint(made.path, made.summary, made.folder)


@with_settings(EvolveSettings)
def self_evolve(
    model: Checkpoint | Source,
    trajectories: Trajectories | Sequence[Any] | Source,
    tasks: Tasks | Sequence[Any] | Source,
    index: Index | Source,
    *,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Checkpoint:
    """Trains a model on its own correct trajectories, round by round (`masksearch evolve`)."""
    place = folder_of(folder, model, trajectories, tasks, index)
    values = {
        "model": model,
        "trajectories": _files(trajectories, "trajectories", place),
        "tasks": _files(tasks, "tasks", place),
        "index": as_index(index),
        **settings,
    }
    made = run("evolve", "self_evolve", values, place, name)
    return Checkpoint(made.path, made.summary, made.folder)


@with_settings(EvalSettings)
def evaluate(
    questions: Tasks | Any,
    model: Checkpoint | str | Source,
    index: Index | Source | None = None,
    *,
    folder: Source | None = None,
    name: str | None = None,
    **settings: Any,
) -> Evaluation:
    """Measures a model on tasks or questions (`masksearch eval`).

    `questions` are the product of `mask`, a file, the name of a suite, or a list of dicts (`question`,
    `answers`; optional `id`). Without `answers` there are trajectories and costs, no scores. `model` is a
    checkpoint, or `openai:NAME` at the endpoint `llm`.
    """
    values: dict[str, Any] = {"questions": questions, "model": model, **settings}
    if index is not None:
        values["index"] = as_index(index)
    made = run("eval", "evaluate", values, folder_of(folder, model, questions, index), name)
    return Evaluation(made.path, made.summary, made.folder)


@with_settings(CompareSettings, skip=("results",))
def compare(
    *results: Evaluation | Source, folder: Source | None = None, name: str | None = None, **settings: Any
) -> Comparison:
    """Compares evaluations in tables, with paired tests by question (`masksearch compare`).

    `results` are evaluations, results files, or stages of a run.
    """
    from masksearch.evaluation.compare.run_folder import comparisons

    place = folder_of(folder, *results)
    values = {"results": list(results), **settings}
    found = comparisons(settings_of(CompareSettings, "compare", values, place))
    if len(found) > 1:
        raise UsageError(
            f"compare: {results[0]} has several comparisons ({', '.join(found)}); name one of its stages, "
            f"such as {Path(str(results[0])) / 'stages' / next(iter(found))}."
        )
    chosen = next(iter(found.values())).model_dump(mode="json", exclude_unset=True)
    made = run("compare", "compare", chosen, place, name)
    return Comparison(made.path, made.summary, made.folder)


@with_settings(ReportSettings)
def write_report(folder: Product | Source, output: Source | None = None, **settings: Any) -> Path:
    """Writes the page of a folder of products, or of a run, and returns its path (`masksearch report`).

    `folder` is a folder, or a product of it. Without `output`, the page is `FOLDER/report.html`.
    """
    place = folder.folder if isinstance(folder, Product) and folder.folder else Path(folder)
    page = Path(output) if output is not None else place / "report.html"
    chosen = settings_of(ReportSettings, "write_report", settings, place)
    page.absolute().parent.mkdir(parents=True, exist_ok=True)
    run_stage(STAGES["report"], chosen, page, place, place)
    return page


def _files(value: Any, name: str, folder: Path) -> list[Any]:
    """Returns the values of a setting that takes several files: products, paths, or one list of records."""
    if isinstance(value, Product | str | Path):
        return [value]
    values = list(value)
    if values and all(isinstance(one, Product | str | Path) for one in values):
        return values
    from masksearch.api.records import written

    return [written(values, folder, name, "record")]
