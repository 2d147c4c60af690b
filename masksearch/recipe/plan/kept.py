"""Keeps the work that a run replaces, and puts it back when the settings are changed back.

    RUN/replaced/NAME/1/, 2/, ...    earlier work folders of the stage NAME, each with its marks

A work folder moves there and back by one rename, so a kill leaves it in one of the two places. Work is found
by its cache key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from masksearch.runtime import files
from masksearch.runtime.resume import WorkFolder

REPLACED = "replaced"
"""Name of the folder inside a run that has the replaced work."""
MARKS = {"stage.json", "done.json"}


def root_of(folder: WorkFolder) -> Path:
    """Returns the folder with all replaced work of the run to which a stage's work folder belongs."""
    stages = folder.folder.parent
    # A rename works only within one disk, and `stages` may be a link to another disk.
    return (stages.resolve() if stages.is_symlink() else stages).parent / REPLACED


def kept_folders(folder: WorkFolder) -> list[WorkFolder]:
    """Returns the kept work folders of a stage, by number."""
    parent = root_of(folder) / folder.folder.name
    if not parent.is_dir():
        return []
    found = sorted((entry for entry in parent.iterdir() if entry.name.isdigit()), key=lambda e: int(e.name))
    return [WorkFolder(entry, entry / folder.product.name, folder.basis, folder.made_by) for entry in found]


def find_kept(folder: WorkFolder) -> WorkFolder | None:
    """Returns kept work with the stage's present key, complete work first; None if there is none, or if the
    stage's own folder has work with this key."""
    if folder.holds_this_work():
        return None
    found = [kept for kept in kept_folders(folder) if kept.holds_this_work()]
    return next((kept for kept in found if kept.complete()), found[0] if found else None)


def set_aside(folder: WorkFolder, prune: bool = False) -> Path | None:
    """Moves work with another key out of a stage's folder; returns where it is kept now.

    Deletes it with `prune`, or if it is empty except for its marks; then returns None. Leaves work with the
    stage's key where it is.
    """
    if not folder.folder.exists() or folder.holds_this_work():
        return None
    if prune or not folder.mark() or not _holds_work(folder.folder):
        folder.clear()
        return None
    numbers = [int(kept.folder.name) for kept in kept_folders(folder)]
    target = root_of(folder) / folder.folder.name / str(max(numbers, default=0) + 1)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.folder.rename(target)
    return target


def put_back(folder: WorkFolder, prune: bool = False) -> tuple[Path, Path | None] | None:
    """Moves kept work with the stage's key into the stage's folder, and work with another key out of it.

    Returns where the work was, and where the other work is kept now; None if no work has the key.
    """
    kept = find_kept(folder)
    if kept is None:
        return None
    aside = set_aside(folder, prune)
    folder.folder.parent.mkdir(parents=True, exist_ok=True)
    kept.folder.rename(folder.folder)
    _remove_if_empty(kept.folder.parent)
    return kept.folder, aside


def delete_kept(folder: WorkFolder) -> None:
    """Deletes all kept work of a stage."""
    for kept in kept_folders(folder):
        kept.clear()
    for leftover in (root_of(folder) / folder.folder.name).glob(".*.tmp"):
        files.remove(leftover)
    _remove_if_empty(root_of(folder) / folder.folder.name)


def kept_text(folders: Iterable[WorkFolder]) -> str:
    """Returns a line about the kept work of these stages and how to delete it; empty if there is none."""
    found = [kept for folder in folders for kept in kept_folders(folder)]
    if not found:
        return ""
    total = human_size(sum(size(kept.folder) for kept in found))
    place = found[0].folder.parent.parent
    return f"Replaced work of earlier runs is kept in {place} ({total}); remove that folder, or use --prune."


def size(path: Path) -> int:
    """Returns the bytes of the files in a folder."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(path))


def human_size(size_in_bytes: int) -> str:
    """Formats bytes with a unit: `1.2 GB`."""
    amount = float(size_in_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _holds_work(folder: Path) -> bool:
    names = [entry.name for entry in folder.iterdir()]
    return any(name not in MARKS and not (name.startswith(".") and name.endswith(".tmp")) for name in names)


def _files(path: Path) -> Iterator[os.DirEntry[str]]:
    if not path.is_dir():
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry


def _remove_if_empty(folder: Path) -> None:
    """Removes a stage's folder below RUN/replaced if no work is left in it, and RUN/replaced likewise."""
    for path in (folder, folder.parent):
        if path.is_dir() and not any(path.iterdir()):
            files.remove(path)
