"""Packs JSON values for the page: compresses them with zlib and encodes them in base64.

Base64 contains no HTML syntax, so the packed text needs no escaping. The page's script unpacks it with the
browser's DecompressionStream (in all browsers since 2023). Packing reduces a run's files to a quarter of
their size. The browser unpacks a block only when one of its trajectories is opened.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

BLOCK_BYTES = 160_000
"""Maximum number of characters of a block before packing; a single longer value is a block by itself.

The browser unpacks a block of this size in milliseconds; smaller blocks would compress worse.
"""


def packed(text: str) -> str:
    """Returns a text as base64 of its zlib-compressed UTF-8. Lone surrogates become question marks."""
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode("ascii")


def unpacked(text: str) -> Any:
    """Returns the JSON value of a packed text, as the page's script unpacks it."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def as_json(value: Any) -> str:
    """Serialises a value as JSON without spaces; raises ValueError for infinities and NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def blocks(values: Iterable[Any], size: int = BLOCK_BYTES) -> Iterator[list[str]]:
    """Groups the JSON texts of the values, in order, into lists of at most `size` characters.

    A single longer text is a list by itself.
    """
    block: list[str] = []
    length = 0
    for value in values:
        text = as_json(value)
        if block and length + len(text) > size:
            yield block
            block, length = [], 0
        block.append(text)
        length += len(text)
    if block:
        yield block
