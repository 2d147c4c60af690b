"""Stage folders and runs in place of their products: `runs/demo/stages/index` stands for the index in it.

Recipes and commands pass every reference through `product_of`. The path of the product itself, and every path
that is no stage folder, stays as it was written, so cache keys do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from masksearch.errors import UsageError
from masksearch.recipe.stages import STAGES
from masksearch.recipe.validate import Fault
from masksearch.runtime.resume import read_mark
from masksearch.runtime.settings import Settings, replace_references

S = TypeVar("S", bound=Settings)
MODELS = ("model", "sft", "rl", "evolve")
FITTING: dict[str, tuple[str, ...]] = {
    "index": ("index",),
    "model": MODELS,
    "source": MODELS,
    "ppl_model": MODELS,
    "guess_model": MODELS,
    "tasks": ("mask",),
    "questions": ("mask",),
    "exclude": ("mask",),
    "not_trained_on": ("mask",),
    "trained_on": ("mask", "synthesize"),
    "trajectories": ("synthesize", "evolve"),
    "replay": ("synthesize", "evolve"),
    "heldout": ("mask", "synthesize"),
    "solve_rates": ("evolve",),
    "results": ("eval",),
    "baseline": ("eval",),
    "groups": ("eval",),
}
"""Field -> kinds of stages whose product it takes."""
WORDS = {
    "index": "an index",
    "tasks": "tasks",
    "questions": "tasks",
    "exclude": "tasks",
    "not_trained_on": "tasks",
    "trained_on": "tasks or trajectories",
    "trajectories": "trajectories",
    "replay": "trajectories",
    "heldout": "held-out tasks or trajectories",
    "solve_rates": "an evolved model",
    "results": "results",
    "baseline": "results",
    "groups": "results",
}
"""Field -> its product in words; a checkpoint otherwise."""
STAGES_FOLDER, WORK_FOLDER = "stages", ".work"


def product_of(field: str, value: str) -> str:
    """Returns the path of the product for the folder of a stage, the work folder of a single command, or a
    run with one fitting stage; any other value unchanged.

    Raises UsageError for a stage that is not done or makes something else, and for a run with several fitting
    stages or none.
    """
    folder = Path(value)
    if field not in FITTING or not value or not folder.is_dir():
        return value
    if _is_stage(folder):
        return _of_stage(field, value, folder)
    # `compare` reads whole runs itself.
    if field != "results" and (folder / "run.json").is_file() and (folder / STAGES_FOLDER).is_dir():
        return _of_run(field, value, folder)
    return value


def model_beside(index: str) -> str:
    """Returns the model that the run of an index trained last; without a trained one, the run's model.

    Raises UsageError if the index belongs to no run, or to a run without a finished model.
    """
    for run in Path(index).absolute().parents:
        if (run / "run.json").is_file() and (run / STAGES_FOLDER).is_dir():
            found = _last_model(run)
            if not found:
                raise UsageError(f"No stage of the run {run} has made a model yet; name one with --model.")
            return found
    raise UsageError(f"{index} belongs to no run, so name the model that answers with --model.")


def product_to_publish(value: str) -> str:
    """Returns the model, tasks or trajectories of a stage, or the model that a run trained last; any other
    value unchanged.

    Raises UsageError for a stage that is not done or makes something else, and for a run without a model.
    """
    folder = Path(value)
    if folder.is_dir() and _is_stage(folder):
        fields = {"mask": "tasks", "synthesize": "trajectories"}
        return _of_stage(fields.get(_kind(folder), "model"), value, folder)
    if (folder / "run.json").is_file() and (folder / STAGES_FOLDER).is_dir():
        found = _last_model(folder)
        if not found:
            raise UsageError(f"{value} is a run, in which no stage has made a model yet.")
        return found
    return value


def _last_model(run: Path) -> str:
    """Returns the model that a run trained last; without a trained one, its model; empty without any."""
    fitting = _fitting("model", run)
    trained = [folder for folder in fitting if _kind(folder) != "model"]
    chosen = (trained or fitting)[-1:]
    return str(_product(chosen[0], _kind(chosen[0]))) if chosen else ""


def with_products(settings: S) -> S:
    """Returns the settings with `product_of` of every reference and of a model's source.

    Raises Fault, with the field, where `product_of` raises UsageError.
    """

    def replaced(field: str, value: str, many: bool = False) -> list[str]:
        try:
            return [product_of(field, value)]
        except UsageError as error:
            raise Fault((field,), str(error)) from None

    values = replace_references(settings, replaced)
    if isinstance(values.get("source"), str):
        values["source"] = replaced("source", values["source"])[0]
    changed = {name: value for name, value in values.items() if value != _json(settings, name)}
    return settings.model_copy(update={name: _typed(settings, name, changed[name]) for name in changed})


def _json(settings: Settings, name: str) -> Any:
    return settings.model_dump(mode="json", include={name})[name]


def _typed(settings: Settings, name: str, value: Any) -> Any:
    """Returns a changed JSON value with the type that the field has."""
    if isinstance(getattr(settings, name), tuple):
        return tuple(value)
    return {key: tuple(group) for key, group in value.items()} if isinstance(value, dict) else value


def _is_stage(folder: Path) -> bool:
    return (folder / "stage.json").is_file() or (folder / "done.json").is_file()


def _of_stage(field: str, value: str, folder: Path) -> str:
    kind = _kind(folder)
    if kind not in STAGES or (field == "results" and kind == "compare"):
        return value
    if kind not in FITTING[field]:
        raise UsageError(
            f"{value} is the folder of a stage of the kind '{kind}', but {WORDS.get(field, 'a checkpoint')} "
            f"{'are' if WORDS.get(field, 'a').endswith('s') else 'is'} needed here{_others(field, folder)}"
        )
    product = _product(folder, kind)
    if not (folder / "done.json").is_file() or not product.exists():
        raise UsageError(f"{value} is a stage that is not done; finish it first, or name another one.")
    return str(product)


def _product(folder: Path, kind: str) -> Path:
    if folder.name.endswith(WORK_FOLDER) and folder.parent.name != STAGES_FOLDER:
        return folder.with_name(folder.name.removesuffix(WORK_FOLDER))
    return folder / STAGES[kind].product


def _kind(folder: Path) -> str:
    """Returns the kind of the stage that worked in a folder; empty if it is not known."""
    made_from = read_mark(folder / "stage.json").get("made_from")
    known = read_mark(folder / "done.json").get("kind") or (made_from or {}).get("kind")
    if known:
        return str(known)
    stages = read_mark(folder.parent.parent / "recipe.json").get("stages")
    stage = stages.get(folder.name) if isinstance(stages, dict) else None
    return str(stage.get("kind", "")) if isinstance(stage, dict) else ""


def _fitting(field: str, run: Path) -> list[Path]:
    """Returns the folders of a run's finished stages whose products fit, in the order of the run."""
    listed = read_mark(run / "run.json").get("stages")
    order = [str(row.get("name")) for row in listed or [] if isinstance(row, dict)]
    found = [path for path in (run / STAGES_FOLDER).iterdir() if (path / "done.json").is_file()]
    fit = [
        path for path in found if (kind := _kind(path)) in FITTING[field] and _product(path, kind).exists()
    ]
    return sorted(
        fit, key=lambda path: (order.index(path.name) if path.name in order else len(order), path.name)
    )


def _others(field: str, folder: Path) -> str:
    """Returns the end of a sentence: the stages of the same run that fit."""
    run = folder.parent.parent
    fitting = _fitting(field, run) if folder.parent.name == STAGES_FOLDER else []
    return f"; take {_choice(fitting)}." if fitting else "."


def _of_run(field: str, value: str, run: Path) -> str:
    fitting = _fitting(field, run)
    wanted = WORDS.get(field, "a checkpoint")
    if not fitting:
        raise UsageError(f"{value} is a run, in which no finished stage makes {wanted}.")
    if field == "index" and len(fitting) > 1:
        ours = [folder for folder in fitting if folder.name in _indexes_of_tasks(run)]
        # A run may make tasks from several corpora; a stage that is called `index` is then the main one.
        main = [folder for folder in ours if folder.name == "index"]
        fitting = main or ours or fitting
    if len(fitting) > 1:
        raise UsageError(f"{value} is a run with several stages that make {wanted}; take {_choice(fitting)}.")
    return str(_product(fitting[0], _kind(fitting[0])))


def _indexes_of_tasks(run: Path) -> set[str]:
    """Returns the names of the index stages from which a run made its tasks; the others serve evaluations."""
    stages = read_mark(run / "recipe.json").get("stages")
    rows = stages.values() if isinstance(stages, dict) else ()
    made = [row for row in rows if isinstance(row, dict) and row.get("kind") == "mask"]
    return {str(row["settings"].get("index")) for row in made if isinstance(row.get("settings"), dict)}


def _choice(folders: Sequence[Path]) -> str:
    names = [str(folder) for folder in folders]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
