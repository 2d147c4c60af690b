"""What a stage leaves behind, and how one knows that it is still good: keys.

A stage's key is a hash of everything its product depends on: its kind and settings, the keys of the stages it builds on, and
the contents of the files it reads. `done.json`, written last, holds the key of the finished product; `stage.json`, written
first, that of work under way. The same key means: skip, or go on where the work stopped. Another key means: start afresh.

A stage may end `unfinished`, with a product that lacks what could not be done (documents an endpoint did not answer for). A later run takes
up the rest; as its key does not tell one product from the next, stages that build on it go by the product's content as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.recipe import references
from masksearch.recipe.load import Recipe
from masksearch.recipe.stages import StageKind
from masksearch.runtime import files
from masksearch.runtime.settings import Settings

HOW = ("workers", "engine", "concurrency", "max_tokens", "max_cost", "price_in", "price_out", "allow_failed")
"""Settings that say only how the work is done: with others the same work goes on."""
HOW_ASKED = {
    "search": ("rate", "concurrency", "retries", "timeout"),
    "judge": ("concurrency", "retries", "timeout", "allow_failed"),
}
"""The same of the settings of a search, and of a judge."""
NAMED = {"search": ("replay", "rerank"), "dense": ("encoder",)}
"""Fields of nested settings that may name a file or folder."""
PRODUCT_FORMAT = 3
"""Raised when products made before must not be used again."""


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    try:
        if not path.is_dir():
            return files.hash_file(path)
        found = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return files.hash_json([[str(entry.relative_to(path)), files.hash_file(entry)] for entry in found])
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror}.") from error


def settings_key(spec: StageKind, settings: Settings, keys: Mapping[str, str], *more: Any) -> str:
    """The key of a stage, given the `keys` of the stages it may name; `more` enters the hash as it stands."""

    def content(value: str) -> str:
        path = Path(value)
        # The name counts beside the content: tables show it.
        return f"{path.name}:{content_hash(path)}" if path.exists() else value

    values = references.change(
        spec.settings, settings, lambda field, value, many: [keys[value] if value in keys else content(value)]
    )
    for field in ("corpus", "source"):
        if values.get(field):
            values[field] = content(values[field])
    for table, names in NAMED.items():
        for field in names if table in values else ():
            values[table][field] = content(values[table][field]) if values[table][field] else ""
    for field in HOW:
        values.pop(field, None)
    for table, names in HOW_ASKED.items():
        for field in names if isinstance(values.get(table), dict) else ():
            values[table].pop(field, None)
    return files.hash_json([PRODUCT_FORMAT, spec.kind, values, *more])


class StageFolder:
    """The folder a stage works in, marked with the key of what lies there."""

    def __init__(self, folder: Path, product: Path, key: str) -> None:
        self.folder, self.product, self.key = folder, product, key
        self.done_file, self.mark_file = folder / "done.json", folder / "stage.json"

    def done(self) -> dict[str, Any] | None:
        """What was recorded when the product was finished, if it is there and was made with the same key."""
        record = _read(self.done_file)
        return record if record.get("key") == self.key and self.product.exists() else None

    def unfinished(self) -> bool:
        """Whether the product was finished without some of what it should hold, now or at an earlier time."""
        record = self.done() or {}
        return bool(record.get("unfinished") or record.get("retried"))

    def seen(self) -> str:
        """The key as stages see it that build on this one."""
        return files.hash_json([self.key, content_hash(self.product)]) if self.unfinished() else self.key

    def is_mine(self) -> bool:
        """Whether what lies there is work of the same key."""
        return _read(self.mark_file).get("key") == self.key

    def prepare(self) -> float:
        """Makes the folder ready to work in; returns the seconds an earlier, broken-off attempt has already spent.

        Work of another key is cleared away; work of the same key stays, without what a kill left half-written.
        """
        mark = _read(self.mark_file)
        if mark.get("key") != self.key:
            files.remove(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.done_file.unlink(missing_ok=True)
        for leftover in self.folder.glob(".*.tmp"):
            files.remove(leftover)
        spent = float(mark.get("seconds", 0.0)) if mark.get("key") == self.key else 0.0
        self.pause(spent)
        return spent

    def pause(self, seconds: float) -> None:
        """Notes that the work is not finished, and what it has cost so far."""
        files.write_json(self.mark_file, {"key": self.key, "seconds": round(seconds, 2)})

    def finish(self, record: Mapping[str, Any]) -> None:
        """Notes that the product is whole, as far as could be done."""
        files.write_json(
            self.done_file, {"key": self.key, **record, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        )


def stage_folders(recipe: Recipe, out: Path) -> dict[str, StageFolder]:
    """The folder of every stage of a run, in order, each with its key."""
    folders: dict[str, StageFolder] = {}
    seen: dict[str, str] = {}
    for stage in recipe.stages:
        more = (
            [recipe.name, recipe.description, {need: seen[need] for need in stage.needs}]
            if stage.spec.takes_run
            else []
        )
        folder = out / "stages" / stage.name
        folders[stage.name] = StageFolder(
            folder, folder / stage.spec.product, settings_key(stage.spec, stage.settings, seen, *more)
        )
        seen[stage.name] = folders[stage.name].seen()
    return folders


def _read(path: Path) -> dict[str, Any]:
    """A small JSON object; empty where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
