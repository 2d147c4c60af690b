"""Hash of a corpus's bytes, which shows without parsing that an index covers the same text."""

from __future__ import annotations

import hashlib
from pathlib import Path

from masksearch.runtime.files import hash_file
from masksearch.runtime.resume import hash_of


def source_hash(source: str) -> str:
    """Returns the SHA-256 of a file's bytes, or of the names and bytes of a folder's files, as hex.

    If the source is not a path (for example a data set of the hub), returns the hash of its name. Returns
    an empty string for `-` (standard input).
    """
    if source == "-":
        return ""
    path = Path(source)
    if not path.exists():
        return hashlib.sha256(f"name:{source}".encode()).hexdigest()
    if path.is_file():
        return hash_file(path)
    digest = hashlib.sha256()
    for entry in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        digest.update(f"{entry.relative_to(path).as_posix()}\0{hash_of(entry)}\n".encode())
    return digest.hexdigest()
