"""Manifest of an index folder: format, kind, settings, and a fingerprint of all inputs of its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, get_args

from masksearch.corpus.source_hash import source_hash
from masksearch.errors import SearchError
from masksearch.runtime.files import write_json
from masksearch.search.settings import IndexSettings
from masksearch.text.nearest import no_path
from masksearch.text.terms import TOKENISER

INDEX_FORMAT: Final = "masksearch-index/3"
MANIFEST = "masksearch.json"
NEEDED = ("kind", "fingerprint", "passages", "settings", "files")
"""Required entries of a manifest."""
_KINDS = "|".join(get_args(IndexSettings.model_fields["kind"].annotation))
_INDEX = re.compile(rf"(?:http-)*((?:{_KINDS})-[0-9a-f]{{12}})(?:-|$)")


def index_folder(spec: str | Path) -> Path:
    """Returns the folder of an index: the given one, or the folder `index` inside it, as in the folder of the
    stage that made the index."""
    folder, inside = Path(spec), Path(spec) / "index"
    return inside if (inside / MANIFEST).is_file() and not (folder / MANIFEST).exists() else folder


class Manifested:
    """Base of searchers with a manifest, which gives their fingerprint and their settings."""

    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The kind of index and 12 hex digits, such as bm25-0123456789ab."""
        return str(self.manifest["fingerprint"])

    @property
    def settings(self) -> IndexSettings:
        """The settings of the index's build."""
        return IndexSettings.model_validate(self.manifest["settings"])


def make_manifest(
    settings: IndexSettings,
    corpus_hash: str,
    documents: int,
    passages: int,
    identity: Mapping[str, Any],
    packages: tuple[str, ...],
) -> dict[str, Any]:
    """Builds the manifest of an index.

    `identity` holds all inputs of the index's results except kind and corpus; `packages` names the
    libraries whose versions are recorded.
    """
    depends = {"kind": settings.kind, "corpus": corpus_hash, **identity}
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
    return {
        "format": INDEX_FORMAT,
        "kind": settings.kind,
        "fingerprint": f"{settings.kind}-{digest[:12]}",
        "depends_on": depends,
        "corpus": settings.corpus,
        "corpus_hash": corpus_hash,
        "source_hash": source_hash(settings.corpus),
        "documents": documents,
        "passages": passages,
        "settings": settings.model_dump(mode="json"),
        "versions": {name: version(name) for name in packages},
    }


def index_part(fingerprint: str) -> str:
    """Returns the part of a searcher's fingerprint that names an index: without the prefix of a server, and
    without the suffixes of rerankers, noise and hidden passages. Empty for a search without an index."""
    found = _INDEX.match(fingerprint)
    return found[1] if found else ""


def write_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Writes the manifest with the sizes of all other files of the folder, and returns it.

    The manifest is written last, so a folder with a manifest is complete.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest["files"] = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(directory: Path) -> dict[str, Any]:
    """Reads the manifest of an index folder.

    Raises SearchError if the folder is not an index, is damaged, or was built by another version.
    """
    path = directory / MANIFEST
    if not directory.exists():
        raise SearchError(
            f"{directory} is not an index folder (there is no folder of this name){no_path(directory)} "
            "Build an index with: masksearch index CORPUS -o DIR."
        )
    if directory.is_file():
        raise SearchError(
            f"{directory} is a file, not an index folder; build an index of it with: masksearch index "
            f"{directory} -o DIR."
        )
    if not path.is_file():
        raise SearchError(
            f"{directory} is not an index folder (it has no {MANIFEST}); build one with: "
            f"masksearch index CORPUS -o {directory}."
        )
    damaged = f"{path} is damaged; build the index again with: masksearch index CORPUS -o {directory}."
    try:
        manifest = json.loads(path.read_bytes())
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SearchError(damaged) from error
    if found != INDEX_FORMAT:
        raise SearchError(
            f"The index {directory} has the format '{found}', but this version reads '{INDEX_FORMAT}'; "
            "build it again."
        )
    depends = manifest.get("depends_on")
    if not isinstance(depends, dict) or any(name not in manifest for name in NEEDED):
        raise SearchError(damaged)
    # With another tokeniser, queries and passages would have different terms, and searches would silently
    # find less. Indexes of vectors have no tokeniser.
    if depends.get("tokeniser", TOKENISER) != TOKENISER:
        raise SearchError(
            f"The index {directory} holds terms of the tokeniser {depends['tokeniser']}, but this version "
            f"makes terms of the tokeniser {TOKENISER}; build it again."
        )
    return dict(manifest)


def check_files(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Raises ValueError if a file's size differs from the manifest, OSError if a file is missing."""
    for name, size in manifest["files"].items():
        if (directory / name).stat().st_size != size:
            raise ValueError(f"{name} does not have the size that the manifest records")
