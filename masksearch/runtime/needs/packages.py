"""Needs of optional packages, and of the packages that file formats need."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from masksearch.errors import MissingExtraError
from masksearch.runtime.extras import EXTRAS
from masksearch.runtime.needs import Fault, Need

MOST_FILES = 20_000
"""Number of files of a folder after which the search for further file formats stops."""


@dataclass(frozen=True)
class Package:
    """An importable module of an optional package. The package is not imported."""

    module: str
    purpose: str
    """Subject of the sentence about a missing package, such as "The stage 'sft'"."""
    package: str = ""
    """Name of the package; empty: the name of the module."""
    extra: str = ""
    """Extra of this package that installs it; empty: the extra of the module in `EXTRAS`."""
    stands_for: tuple[str, ...] = ()
    """Other modules, any of which is enough."""

    def faults(self) -> Sequence[Fault]:
        """Returns a fault if none of the modules can be found."""
        if any(installed(module) for module in (self.module, *self.stands_for)):
            return ()
        extra = self.extra or EXTRAS[self.module.partition(".")[0]]
        return (
            Fault(str(MissingExtraError(self.package or self.module, extra, self.purpose)), wrong_use=True),
        )


@dataclass(frozen=True)
class Plain:
    """A package that no extra of this package installs."""

    module: str
    message: str

    def faults(self) -> Sequence[Fault]:
        """Returns a fault with the message if the module cannot be found."""
        return () if installed(self.module) else (Fault(self.message, wrong_use=True),)


def installed(module: str) -> bool:
    """Whether a module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def all_of(modules: Sequence[str], purpose: str) -> Iterator[Need]:
    """Yields the needs of several modules for one purpose."""
    for module in modules:
        yield Package(module, purpose)


def file_needs(source: str) -> Iterator[Need]:
    """Yields the packages that reading a file, or the files of a folder, needs."""
    for suffix in sorted(_suffixes(Path(source))):
        if suffix == ".parquet":
            yield Package("pyarrow", "A .parquet file")
        elif suffix == ".zst" and sys.version_info < (3, 14):
            yield Package("backports.zstd", "A .zst file", extra="readers")


def suffixes(source: str) -> set[str]:
    """Returns the endings of a file, or of the files in a folder: both of `docs.jsonl.gz`."""
    return _suffixes(Path(source))


def _suffixes(path: Path) -> set[str]:
    if not path.is_dir():
        return {suffix.lower() for suffix in path.suffixes[-2:]}
    found: set[str] = set()
    count = 0
    for _, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            found |= {suffix.lower() for suffix in Path(name).suffixes[-2:]}
            count += 1
        if count > MOST_FILES:
            break
    return found
