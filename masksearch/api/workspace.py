"""The folder of the products, and the stage in it that a call runs or has run before.

The folder is laid out as that of a run: `FOLDER/stages/NAME/PRODUCT`, with the same marks and cache keys. The
same call finds its product again and returns at once; an interrupted one resumes. A call with other settings
gets a stage of its own (`sft-2`), so that it replaces nothing.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from masksearch.api.products import Product, Source, temporary_folder
from masksearch.api.records import is_rows, written
from masksearch.errors import UsageError
from masksearch.recipe import references
from masksearch.recipe.load import NAME
from masksearch.recipe.products import with_products
from masksearch.recipe.single_stage import Place, checked_output, run_into
from masksearch.recipe.stage_folders import STAGES as FOLDER_OF_STAGES
from masksearch.recipe.stage_folders import folder_in_run
from masksearch.recipe.stages import STAGES, StageKind
from masksearch.recipe.validate import Fault, dotted, validate
from masksearch.runtime.own import own_name
from masksearch.runtime.resume import COMMAND, WorkFolder
from masksearch.runtime.settings import Settings
from masksearch.text.nearest import no_path

S = TypeVar("S", bound=Settings)
ROWS = {
    "corpus": "document",
    "questions": "question",
    "tasks": "record",
    "trajectories": "record",
    "heldout": "record",
    "exclude": "record",
    "not_trained_on": "record",
    "replay": "record",
}
"""Field -> kind of the records that it takes as a list instead of a file."""


@dataclass(frozen=True)
class Made:
    """The product of a call."""

    path: Path
    summary: Mapping[str, Any]
    folder: Path


def folder_of(folder: Source | None, *inputs: Any) -> Path:
    """Returns the folder of a call: the named one, else that of the first input that has one."""
    if folder is not None:
        return Path(folder)
    return next(
        (value.folder for value in inputs if isinstance(value, Product) and value.folder is not None),
        None,
    ) or (temporary_folder())


def run(kind: str, call: str, values: Mapping[str, Any], folder: Path, name: str | None = None) -> Made:
    """Runs a stage, or finds it done. `call` is the function's name in messages, `name` the stage's name.

    Raises UsageError for a wrong setting, and the errors of the stage.
    """
    spec = STAGES[kind]
    settings = settings_of(spec.settings, call, values, folder)
    work = _work(spec, settings, folder, name)
    done = work.complete()
    if done:
        return Made(work.product, done["summary"], folder)
    place = Place(work, folder / ".lock", str(folder), folder)
    summary = run_into(spec, settings, checked_output(spec, work.product), None, place)
    return Made(work.product, summary, folder)


def settings_of(kind: type[S], call: str, values: Mapping[str, Any], folder: Path) -> S:
    """Returns the settings of a call. Lists of records become files in `folder`.

    Raises UsageError that names the function and the wrong setting.
    """
    given = {name: _given(name, value, folder) for name, value in values.items() if value is not None}
    try:
        settings = with_products(validate(kind, given))
    except Fault as fault:
        keys = "' and '".join(dotted(key) for key in (fault.key, *fault.others))
        joint = "" if str(fault).startswith(("is ", "are ", "has ")) else ":"
        raise UsageError(f"{call}: '{keys}'{joint} {fault}") from None
    for field, value in references.inputs(settings):
        if not references.exists(field, value):
            raise UsageError(f"{call}: '{field}': there is no file or folder {value}{no_path(value)}")
    return settings


def _given(name: str, value: Any, folder: Path) -> Any:
    """Returns the JSON value of an argument."""
    if name in ROWS and is_rows(value) and not isinstance(value, Product) and _has_records(value):
        return str(written(value, folder, name, ROWS[name]))
    return plain(value)


def _has_records(value: Any) -> bool:
    """Whether a list holds records, not paths."""
    if not isinstance(value, list | tuple):
        return True
    return not all(isinstance(item, str | os.PathLike) for item in value)


def plain(value: Any) -> Any:
    """Returns a value of Python as a JSON value: products and paths as text, settings as tables."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()  # numbers and arrays of numpy
    return own_name(value) if callable(value) else value


def _work(spec: StageKind, settings: Settings, folder: Path, name: str | None) -> WorkFolder:
    """Returns the work folder of a call: that with the same cache key, else the first free one."""
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' is no name of a stage: it names a folder, so use letters, digits, '-', '_' and '.'."
        )
    first = folder / FOLDER_OF_STAGES / (name or spec.kind) / spec.product
    basis = folder_in_run(spec, settings, first).basis
    for number in itertools.count(1):
        stage = first.parent if number == 1 else first.parent.with_name(f"{first.parent.name}-{number}")
        work = WorkFolder(stage, stage / spec.product, replace(basis), COMMAND)
        if name is not None or work.holds_this_work() or not stage.exists():
            return work
    raise AssertionError("the numbers do not end")
