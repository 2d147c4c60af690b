"""Suggestions for mistyped names and paths: the nearest name that exists."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

MOST_NAMES = 20
"""Maximum number of valid names that a message lists."""


def close_name(name: str, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns the valid name that is nearest to `name`; empty if none is near. Case does not count."""
    by_lower = {other.lower(): other for other in valid}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else ""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns the end of an error sentence about an unknown name: either `; did you mean 'x'?` or the list
    of valid names."""
    names = list(valid)
    close = close_name(name, names)
    if close:
        return f"; did you mean '{close}'?"
    if not names:
        return "."
    rest = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"; valid here: {', '.join(names[:MOST_NAMES])}{rest}."


def guess(name: str, valid: Iterable[str]) -> str:
    """Returns ` (did you mean 'x'?)` for a message that lists the valid names; empty if none is near."""
    close = close_name(name, valid)
    return f" (did you mean '{close}'?)" if close else ""


def close_path(path: str | Path) -> str:
    """Returns the existing path that is nearest to a path that does not exist; empty if none is near.

    Replaces the first part that does not exist by the nearest name in its folder, then each later part.
    """
    wanted = Path(path)
    found = Path(wanted.anchor)
    for part in wanted.parts[1 if wanted.anchor else 0 :]:
        if part == ".." or (found / part).exists():
            found /= part
            continue
        close = _close_entry(part, found)
        if not close:
            return ""
        found /= close
    return "" if found == wanted else _spelled(found, str(path))


def no_path(path: str | Path) -> str:
    """Returns the end of an error sentence about a path that does not exist: `; did you mean 'x'?`, or the
    advice to check the path, with the first folder of it that does not exist."""
    close = close_path(path)
    if close:
        return f"; did you mean '{close}'?"
    wanted = Path(path)
    missing = [parent for parent in wanted.parents if not parent.exists()]
    if missing:
        return f"; check the path: there is no folder {missing[-1]}."
    return "; check the path."


def _close_entry(name: str, folder: Path) -> str:
    """Returns the nearest name in a folder: also one that differs in its ending only (`docs` for
    `docs.jsonl`)."""
    try:
        entries = sorted(entry for entry in os.listdir(folder) if not entry.startswith("."))
    except OSError:
        return ""
    stem = name.partition(".")[0]
    # Names must also be near without their endings, because `a.jsonl` and `b.jsonl` share most letters.
    stems = {entry: entry.partition(".")[0] for entry in entries}
    near = [entry for entry in entries if stem and close_name(stem, [stems[entry]], cutoff=0.5)]
    same = [entry for entry in near if stems[entry].lower() == stem.lower()]
    return close_name(name, near) or (same[0] if same else "")


def _spelled(path: Path, given: str) -> str:
    """Returns a path as the user would write it: with `./` in front if the user wrote that."""
    text = str(path)
    return f".{os.sep}{text}" if given.startswith(("./", ".\\")) else text
