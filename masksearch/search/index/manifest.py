"""What an index folder says of itself: format, kind, settings, and the fingerprint of everything its results depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from masksearch.corpus.source_hash import source_hash
from masksearch.errors import SearchError
from masksearch.runtime.files import write_json
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import TOKENISER

INDEX_FORMAT: Final = "masksearch-index/3"
MANIFEST = "masksearch.json"
NEEDED = ("kind", "fingerprint", "passages", "settings", "files")
"""What no manifest of this format lacks."""


class Manifested:
    """What has a manifest is known by it."""

    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The kind and 12 hex digits."""
        return str(self.manifest["fingerprint"])

    @property
    def settings(self) -> IndexSettings:
        """What the index was built with."""
        return IndexSettings.model_validate(self.manifest["settings"])


def make_manifest(
    settings: IndexSettings,
    corpus_hash: str,
    documents: int,
    passages: int,
    identity: Mapping[str, Any],
    packages: tuple[str, ...],
) -> dict[str, Any]:
    """The manifest of an index. `identity` holds what its results depend on beside the corpus; `packages` name the libraries at work."""
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


def write_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Writes the manifest, last of all files, with the sizes of the others; returns it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest["files"] = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of an index folder. Raises SearchError: no index, another version's, or damaged."""
    path = directory / MANIFEST
    if not path.is_file():
        raise SearchError(
            f"{directory} is no index folder (it has no {MANIFEST}); build one with: masksearch index CORPUS -o {directory}."
        )
    damaged = f"{path} is damaged; build the index again with: masksearch index CORPUS -o {directory}."
    try:
        manifest = json.loads(path.read_bytes())
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SearchError(damaged) from error
    if found != INDEX_FORMAT:
        raise SearchError(
            f"The index {directory} has the format '{found}', and this version reads '{INDEX_FORMAT}'; build it again."
        )
    depends = manifest.get("depends_on")
    if not isinstance(depends, dict) or any(name not in manifest for name in NEEDED):
        raise SearchError(damaged)
    # Queries would be cut into other terms than the passages were, and find less without a sign of it. Vectors have no terms.
    if depends.get("tokeniser", TOKENISER) != TOKENISER:
        told = f"holds terms of the tokeniser {depends['tokeniser']}, and this version asks for those of {TOKENISER}"
        raise SearchError(f"The index {directory} {told}; build it again.")
    return dict(manifest)


def check_files(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Raises ValueError or OSError where a file of the index is not as it was written."""
    for name, size in manifest["files"].items():
        if (directory / name).stat().st_size != size:
            raise ValueError(f"{name} has not the size it was written with")
