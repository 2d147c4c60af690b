"""`masksearch publish`: writes a folder that works by itself, and uploads it on demand.

masksearch publish runs/demo -o smollm2-search --gguf
masksearch publish runs/demo/stages/trajectories -o trajectories --push OWNER/NAME
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.interop.publish.cards import dataset_card, model_card
from masksearch.interop.publish.checkpoint import check_checkpoint, recorded_name, write_checkpoint
from masksearch.interop.publish.dataset import write_dataset
from masksearch.interop.publish.gguf import check_converter, write_gguf
from masksearch.interop.publish.hub import Kind, check_push, push
from masksearch.interop.publish.origin import Origin, find_origin, public
from masksearch.interop.publish.settings import PublishSettings
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.files import atomic_path, write_json, write_text
from masksearch.text.nearest import no_path

CARD, RECIPE = "README.md", "recipe.json"


def publish(source: str, output: str, settings: PublishSettings) -> dict[str, Any]:
    """Writes the folder `output`, and uploads it if the settings name a repository.

    `source` is a checkpoint folder, or a file or folder of tasks or trajectories. Returns the `kind` (model
    or dataset), the number of `rows` of a data set, the `url` of an upload, and `text`. Everything that can
    be checked is checked before the folder is written. Raises UsageError, DataError, ModelError,
    MissingExtraError.
    """
    path, folder = Path(source), Path(output)
    if not path.exists():
        raise UsageError(f"There is no file or folder {source}{no_path(source)}")
    if folder.exists():
        raise UsageError(f"-o {output} exists already; choose another folder, or remove it first.")
    is_model = _is_model(path)
    _check(settings, is_model)
    token = check_push(settings.push) if settings.push else ""
    kind: Kind = "model" if is_model else "dataset"
    with naming_extras("Publishing"):
        made = _model(path, folder, settings) if is_model else _data(path, folder, settings)
    if settings.push:
        made["url"] = push(folder, settings.push, kind, settings.private, token)
        made["text"] += f"\nUploaded to {made['url']}"
    return {"kind": kind, **made}


def _is_model(path: Path) -> bool:
    """Whether a path is a checkpoint. Raises ModelError for a folder that looks like one but lacks parts."""
    if path.is_file():
        return False
    names = {entry.name for entry in path.iterdir()}
    if any(name.endswith((".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".parquet")) for name in names):
        return False
    check_checkpoint(path)
    return True


def _check(settings: PublishSettings, is_model: bool) -> None:
    """Raises UsageError for settings that would be ignored."""
    unused = {
        "--gguf": settings.gguf and not is_model,
        "--gguf-type": settings.gguf_type != "auto" and not settings.gguf,
        "--converter": bool(settings.converter) and not settings.gguf,
        "--num-ctx": settings.num_ctx is not None and not settings.gguf,
    }
    for flag, ignored in unused.items():
        if ignored:
            why = "is for checkpoints, not for data" if flag == "--gguf" else "has no effect without --gguf"
            raise UsageError(f"{flag} {why}; leave it out.")
    if settings.gguf:
        check_converter(settings)


def _model(path: Path, folder: Path, settings: PublishSettings) -> dict[str, Any]:
    origin = find_origin(path)
    name = recorded_name(path, settings.name, folder)
    with atomic_path(folder) as temporary:
        published = write_checkpoint(path, temporary, name, _agent(origin))
        stem = re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"
        gguf = write_gguf(temporary, published, settings, stem) if settings.gguf else ""
        _write_recipe(origin, temporary)
        write_text(temporary / CARD, model_card(published, origin, settings, gguf, folder.name))
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return {"text": f"{folder}: the model {name}, {size:.0f} MB{f', with {gguf}' if gguf else ''}"}


def _agent(origin: Origin) -> AgentSettings:
    """Returns the agent loop of the run: that of the last training stage that names one."""
    recorded = origin.setting("agent") or origin.recipe.get("agent") or {}
    known = {name: value for name, value in recorded.items() if name in AgentSettings.model_fields}
    return AgentSettings.model_validate(known)


def _data(path: Path, folder: Path, settings: PublishSettings) -> dict[str, Any]:
    origin = find_origin(path)
    with atomic_path(folder) as temporary:
        counted = write_dataset(path, temporary)
        name = settings.name or folder.name
        write_text(temporary / CARD, dataset_card(counted, origin, settings, name))
        _write_recipe(origin, temporary)
    return {
        "rows": counted.rows,
        "text": f"{folder}: {counted.rows:,} {counted.what} as Parquet, with a card",
    }


def _write_recipe(origin: Origin, folder: Path) -> None:
    """Writes the run's recipe with every default, without paths of this machine."""
    if origin.recipe:
        write_json(folder / RECIPE, public(dict(origin.recipe)))
