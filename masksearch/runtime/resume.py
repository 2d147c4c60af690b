"""Cache keys and resume marks, which decide whether earlier work is used again.

A stage's *cache key* is a hash of everything its product depends on: its kind and settings, the cache keys of
the stages it builds on, and the contents of the files it reads. Two files in the stage's folder, the marks,
hold this key:

    stage.json   written first: the key of the work in this folder, what the key was made from, and the
                 seconds spent on the work
    done.json    written last: the key of the finished product, its summary, seconds and memory

If a mark holds the stage's present key, a finished stage is skipped and an interrupted one is resumed. If it
holds another key, the stage starts again. `masksearch run`, single commands and processes that a launcher
starts write the same marks, so a stage that one of them finished is done for all of them.

A stage may end `unfinished`, with an incomplete product (for example, because an endpoint did not answer for
some documents). A later run does the rest. The key stays the same although the product changes. So the stages
that build on such a product add its content to their own keys.

Two functions mark smaller pieces of work: `claim` a cache inside a work folder, `mark_whole` a state that a
trainer saved.
"""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, UsageError
from masksearch.runtime import files
from masksearch.runtime.own import own_key
from masksearch.runtime.settings import Settings, replace_references, without_added

KEY_FORMAT = 3
"""Version of the cache key, increased when products of earlier versions must not be used again."""
MEANS = (
    "workers",
    "engine",
    "concurrency",
    "max_tokens",
    "max_cost",
    "price_in",
    "price_out",
    "allow_failed",
)
"""Settings that affect how the work is done but not which product it has; the cache key leaves them out."""
NESTED_MEANS = {
    "search": ("rate", "concurrency", "retries", "timeout"),
    "judge": ("concurrency", "retries", "timeout", "allow_failed"),
}
"""Settings of a stage's search and judge that the cache key leaves out for the reason given at `MEANS`."""
PATHS = ("corpus", "source")
"""Fields that may name a file or folder although they are not references (`Ref` or `Refs`)."""
NESTED_PATHS = {"search": ("replay", "rerank"), "dense": ("encoder",)}
"""Nested settings -> their fields that may name a file or folder."""
WHOLE = "whole"
"""Name of an empty file that is written last into a trainer's saved state and marks it as complete."""
COMMAND = "command"
"""Value of `made_by` in the marks of a product that a single command wrote into the folder of a run."""


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's files with their names. Raises DataError."""
    try:
        if not path.is_dir():
            return files.hash_file(path)
        found = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return files.hash_json([[entry.relative_to(path).as_posix(), hash_of(entry)] for entry in found])
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror}.") from error


def hash_of(path: Path) -> str:
    """Returns the SHA-256 of a file of a folder, or a word for a file that cannot be read: the readers of a
    corpus skip and count such a file."""
    try:
        return files.hash_file(path)
    except OSError:
        return "unreadable"


@dataclass(frozen=True)
class Basis:
    """A cache key, and what it was made from: two bases of one stage show what differs."""

    key: str
    kind: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the key depends on, as JSON values, with references as they were written."""
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Field -> value that names a stage or an existing path -> key of the stage, or name and content hash of
    the path."""
    more: Sequence[Any] = ()
    """Further values that the key depends on."""
    version: int = KEY_FORMAT

    def to_json(self) -> dict[str, Any]:
        """Returns the basis without its key, as it is recorded in stage.json."""
        return {
            "version": self.version,
            "kind": self.kind,
            "settings": dict(self.settings),
            "inputs": {name: dict(values) for name, values in self.inputs.items()},
            "more": list(self.more),
        }


def key_basis(kind: str, settings: Settings, keys: Mapping[str, str], *more: Any) -> Basis:
    """Returns the cache key of a stage of this kind with what it is made from. The values `more` are hashed
    too; fields of `Settings.added` are left out while they have their default.

    `keys` maps the text of a reference to the key of the stage that it names. A reference without an entry is
    a path.
    """
    inputs: dict[str, dict[str, str]] = {}

    def content(name: str, value: str, known: Mapping[str, str]) -> str:
        path = Path(value)
        if value in known:
            found = known[value]
        elif path.exists():
            # The file's name enters the key too, because tables show the name.
            found = f"{path.name}:{content_hash(path)}"
        else:
            return value
        inputs.setdefault(name, {})[value] = found
        return found

    values = replace_references(settings, lambda name, value, many: [content(name, value, keys)])
    for name in PATHS:
        if values.get(name):
            values[name] = content(name, values[name], {})
    for table, names in NESTED_PATHS.items():
        for name in names if table in values else ():
            value = values[table].get(name)
            values[table][name] = content(f"{table}.{name}", value, {}) if value else ""
    values = own_key(without_added(type(settings), values))
    key = files.hash_json([KEY_FORMAT, kind, without_means(values), *more])
    shown = without_added(type(settings), settings.model_dump(mode="json"))
    return Basis(key, kind, without_means(shown), inputs, more)


def settings_key(kind: str, settings: Settings, keys: Mapping[str, str], *more: Any) -> str:
    """Returns the cache key of a stage of this kind; see `key_basis`."""
    return key_basis(kind, settings, keys, *more).key


def without_means(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings, given as JSON values, without those that the cache key leaves out."""
    kept = {name: value for name, value in values.items() if name not in MEANS}
    for table, names in NESTED_MEANS.items():
        if isinstance(kept.get(table), dict):
            kept[table] = {name: value for name, value in kept[table].items() if name not in names}
    return kept


class WorkFolder:
    """The folder a stage works in, with its marks.

    `product` is the path of the stage's product, inside the folder or next to it.
    """

    def __init__(self, folder: Path, product: Path, basis: Basis | str, made_by: str = "") -> None:
        """`basis` is the work's cache key, best with what it is made from. `made_by` is COMMAND for a single
        command that works inside a run."""
        self.folder, self.product, self.made_by = folder, product, made_by
        self.basis = basis if isinstance(basis, Basis) else Basis(basis)
        self.key = self.basis.key
        self.done_file, self.mark_file = folder / "done.json", folder / "stage.json"

    def done(self) -> dict[str, Any] | None:
        """Returns the record in done.json; None if the product is missing or was made with another key."""
        record = read_mark(self.done_file)
        return record if record.get("key") == self.key and self.product.exists() else None

    def complete(self) -> dict[str, Any] | None:
        """Returns the record in done.json of a complete product; None if the stage must run."""
        record = self.done()
        return record if record and not record.get("unfinished") else None

    def incomplete(self) -> bool:
        """Whether the product is incomplete, or was incomplete until a later attempt completed it."""
        record = self.done() or {}
        return bool(record.get("unfinished") or record.get("retried"))

    def key_for_dependents(self) -> str:
        """Returns what the stages that build on this stage add to their own cache keys."""
        return dependents_key(self.done() or {}, self.key, self.product)

    def mark(self) -> dict[str, Any]:
        """Returns the mark stage.json of the work in the folder; empty if there is none."""
        return read_mark(self.mark_file)

    def holds_this_work(self) -> bool:
        """Whether the folder holds work that was started with this key."""
        return bool(self.mark().get("key") == self.key)

    def check_free(self, remedy: str) -> None:
        """Raises UsageError if `start` would delete files that it must not delete.

        These are files in a folder without the mark stage.json, and work with another key in two cases: a run
        never replaces the work of a single command, and a single command never replaces work inside a run.
        `remedy` is the advice in the error message.
        """
        if not self.folder.exists() or self.holds_this_work():
            return
        mark = self.mark()
        if not mark and self._holds_files():
            raise UsageError(f"{self.folder}, the folder of this stage, holds other files; {remedy}.")
        if mark and COMMAND in (self.made_by, mark.get("made_by")):
            maker = "a single command" if mark.get("made_by") == COMMAND else "a run"
            raise UsageError(
                f"{self.folder} holds the work of {maker} with other settings or inputs than this stage has; "
                f"{remedy}, or give the stage the same settings."
            )

    def _holds_files(self) -> bool:
        """Whether the folder holds more than done.json and temporary files, which a kill can leave."""
        names = [entry.name for entry in self.folder.iterdir() if entry.name != self.done_file.name]
        return any(not (name.startswith(".") and name.endswith(".tmp")) for name in names)

    def clear(self) -> None:
        """Removes the folder. Renames it first, so that a kill never leaves files without their mark."""
        for leftover in self.folder.absolute().parent.glob(f".{glob.escape(self.folder.name)}.*.tmp"):
            files.remove(leftover)
        if self.folder.exists():
            doomed = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.tmp")
            self.folder.rename(doomed)
            files.remove(doomed)

    def start(self) -> float:
        """Makes the folder ready to work in. Returns the seconds that an interrupted attempt with the same
        key has spent.

        Removes all work with another key. Of work with the same key, removes only the files that a kill left
        half-written.
        """
        mark = self.mark()
        resumed = mark.get("key") == self.key
        if not resumed:
            self.clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.done_file.unlink(missing_ok=True)
        for leftover in self.folder.glob(".*.tmp"):
            files.remove(leftover)
        spent = float(mark.get("seconds", 0.0)) if resumed else 0.0
        self.pause(spent)
        return spent

    def pause(self, seconds: float) -> None:
        """Marks the work as not finished, and records the seconds spent on it."""
        mark: dict[str, Any] = {"key": self.key, "seconds": round(seconds, 2), **self._maker()}
        if self.basis.kind:
            mark["made_from"] = self.basis.to_json()
        files.write_json(self.mark_file, mark)

    def complete_mark(self) -> None:
        """Adds to the mark of work with this key what the key was made from, if an earlier version wrote the
        mark without it."""
        mark = self.mark()
        if self.basis.kind and mark.get("key") == self.key and "made_from" not in mark:
            files.write_json(self.mark_file, {**mark, "made_from": self.basis.to_json()})

    def finish(self, record: Mapping[str, Any]) -> None:
        """Writes done.json with the values of `record`. `unfinished` in it marks an incomplete product."""
        finished = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        files.write_json(self.done_file, {"key": self.key, **record, "finished": finished, **self._maker()})

    def _maker(self) -> dict[str, str]:
        return {"made_by": self.made_by} if self.made_by else {}


def dependents_key(record: Mapping[str, Any], key: str, product: Path) -> str:
    """Returns what a stage adds to the cache keys of its dependents, the stages that build on it.

    `record` is the stage's done.json. For a product that is or was incomplete, the result also depends on its
    content.
    """
    if record.get("unfinished") or record.get("retried"):
        return files.hash_json([key, content_hash(product)])
    return key


def read_mark(path: Path) -> dict[str, Any]:
    """Reads a mark, a small JSON object. Returns an empty object if the file is missing or unreadable."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def reported_summary(report: Path, settings: Settings) -> dict[str, Any]:
    """Returns the summary in the file `report`, which a stage wrote into its work folder.

    A stage may be killed after it has written its product and before done.json is written. With this summary
    the stage need not run again. The result is empty if the report was made with settings other than
    `settings`, or if its summary has `unfinished`.
    """
    record = read_mark(report)
    summary = dict(record.get("summary", {}))
    kind, recorded = type(settings), record.get("settings")
    written = without_added(kind, settings.model_dump(mode="json"))
    same = isinstance(recorded, Mapping) and without_added(kind, recorded) == written
    return summary if same and not summary.get("unfinished") else {}


def claim(mark: Path, content: str, clear: Callable[[], None]) -> None:
    """Keeps a cache that was made for `content`, and calls `clear` if it was made for other content.

    `mark` is a file inside the cache's folder. It holds the content for which the cache was made, as text.
    """
    if mark.exists() and mark.read_text(encoding="utf-8").strip() == content.strip():
        return
    clear()
    mark.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(mark, content + "\n")


def mark_whole(state: Path) -> None:
    """Marks a folder that a trainer saved as completely written."""
    (state / WHOLE).touch()


def is_whole(state: Path) -> bool:
    """Whether a saved state was completely written."""
    return (state / WHOLE).exists()
