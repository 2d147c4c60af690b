"""JSON values packed for the page: deflated (zlib) and written in base64, which no HTML parser can mistake for anything else.

The page's script unpacks them with the browser's DecompressionStream (in all of them since 2023). A run's files become a quarter
of their size on the page, and texts cost nothing until they are looked at.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

BLOCK_BYTES = 160_000
"""Size of a block before it is packed: small enough to be unpacked in a few milliseconds, large enough to be packed well."""


def packed(text: str) -> str:
    """A text as base64 of its deflated UTF-8; lone surrogates become question marks."""
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode("ascii")


def unpacked(text: str) -> Any:
    """The JSON value in a packed text: what the page's script does."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def as_json(value: Any) -> str:
    """JSON without spaces and without infinities."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def blocks(values: Iterable[Any], size: int = BLOCK_BYTES) -> Iterator[list[str]]:
    """JSON texts of the values, in order, in lists of about `size` bytes."""
    block: list[str] = []
    held = 0
    for value in values:
        text = as_json(value)
        if block and held + len(text) > size:
            yield block
            block, held = [], 0
        block.append(text)
        held += len(text)
    if block:
        yield block
