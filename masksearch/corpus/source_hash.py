"""What a corpus is known by: a hash of its bytes, so that an index can be told to be of the same text without parsing it again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from masksearch.runtime.files import hash_file


def source_hash(source: str) -> str:
    """SHA-256 over a file's bytes, or over names and bytes of a folder's files; of the name itself where it is no path. Empty for `-`."""
    if source == "-":
        return ""
    path = Path(source)
    if not path.exists():
        return hashlib.sha256(f"name:{source}".encode()).hexdigest()
    if path.is_file():
        return hash_file(path)
    digest = hashlib.sha256()
    for entry in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        digest.update(f"{entry.relative_to(path)}\0{hash_file(entry)}\n".encode())
    return digest.hexdigest()
