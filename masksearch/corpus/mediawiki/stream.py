"""Cuts a dump's bytes into pages without parsing them.

A damaged page or block therefore does not affect the others.

In a dump, `<page>` and `</page>` occur only as tags, because text writes `<` as an entity. The reader
therefore searches for these tags as bytes, and each page is parsed separately (`page.py`). MAX_PAGE bounds
the memory for any file.
"""

from __future__ import annotations

import bz2
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from masksearch.errors import DataError
from masksearch.runtime.files import open_binary

MAX_PAGE = 8 * 2**20
"""Largest size of a page's XML, in bytes. MediaWiki itself accepts texts of at most 2 MiB."""

TOO_LONG = f"a page of more than {MAX_PAGE // 2**20} MiB"
NOT_CLOSED = "a page without an end"
NOT_OPENED = "a page without a beginning"
STREAM_DAMAGED = "a damaged part of the compressed file"
STREAM_CUT = "a truncated compressed file"

_CHUNK = 2**18
_OPEN, _CLOSE = b"<page>", b"</page>"
_TAIL = 16
"""Number of bytes at the end of a chunk that are searched again with the next chunk, because a chunk may end
inside a tag."""
_BZ2_BEGINNING = re.compile(rb"BZh[1-9]1AY&SY")


class Fault(NamedTuple):
    """An unreadable part of a dump. If the part is inside a page, `head` holds the first bytes of this
    page."""

    reason: str
    head: bytes = b""


class Outside(NamedTuple):
    """Bytes outside of pages: the head of the file and the line ends between pages."""

    data: bytes


Part = bytes | Fault | Outside
"""A whole page, a fault, or bytes between pages."""


def read_chunks(path: str) -> Iterator[bytes | Fault]:
    """Yields a file's decompressed bytes, and a Fault for a truncated or damaged part.

    Reading a `.bz2` file continues after a damaged part. Raises DataError if the file does not exist.
    """
    if path.endswith(".bz2"):
        with open(path, "rb") as packed:
            yield from unpack_bz2(packed)
        return
    with open_binary(path) as stream:
        # A BufferedReader's `read` loses the bytes directly before a fault; `read1` does not.
        read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
        try:
            while chunk := read(_CHUNK):
                yield chunk
        except (OSError, EOFError, ValueError):
            yield Fault(STREAM_CUT)


def read_block(path: str, start: int, end: int) -> Iterator[bytes | Fault]:
    """Yields the decompressed bytes [start, end) of a multistream `.bz2` file, and Faults."""
    with open(path, "rb") as packed:
        packed.seek(start)
        yield from unpack_bz2(packed, end - start)


def unpack_bz2(packed: BinaryIO, length: int | None = None) -> Iterator[bytes | Fault]:
    """Decompresses the streams of a `.bz2` file in turn; `length` limits the compressed bytes read.

    After a damaged stream, continues with the next stream, which is found by its first ten bytes.
    """
    unpacker = bz2.BZ2Decompressor()
    begun = False
    data = b""
    while True:
        if unpacker.eof:
            data, unpacker, begun = unpacker.unused_data, bz2.BZ2Decompressor(), False
        if not data and (unpacker.needs_input or not begun):
            data = packed.read(_CHUNK if length is None else min(_CHUNK, length))
            length = None if length is None else length - len(data)
            if not data:
                break
        try:
            unpacked = unpacker.decompress(data, _CHUNK)
        except (OSError, EOFError):
            yield Fault(STREAM_DAMAGED)
            data, length = _next_stream(packed, data[1:], length)
            unpacker, begun = bz2.BZ2Decompressor(), False
            continue
        data, begun = b"", True
        if unpacked:
            yield unpacked
    if begun:
        yield Fault(STREAM_CUT)


def _next_stream(packed: BinaryIO, data: bytes, length: int | None) -> tuple[bytes, int | None]:
    """Finds the next bzip2 stream, in `data` or further on in the file.

    Returns the bytes from the start of this stream that have been read so far, and the number of compressed
    bytes that may still be read (None without a limit).

    The bytes are empty if the file has no further stream.
    """
    while not (found := _BZ2_BEGINNING.search(data)):
        more = packed.read(_CHUNK if length is None else min(_CHUNK, length))
        if not more:
            return b"", length
        length = None if length is None else length - len(more)
        data = data[-9:] + more
    return data[found.start() :], length


def cut_pages(chunks: Iterable[bytes | Fault]) -> Iterator[Part]:
    """Yields pages, bytes outside of pages, and faults, in order.

    A page that is interrupted by a Fault is dropped.
    """
    cutter = _Cutter()
    for chunk in chunks:
        if isinstance(chunk, Fault):
            cutter = _Cutter()
            yield chunk
        else:
            yield from cutter.feed(chunk)
    yield from cutter.close()


class _Cutter:
    """Cuts a dump, fed in chunks of bytes, into parts (see `Part`). A page may span several chunks."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """Offset in the buffer. The bytes before it have already been searched for the end of the page."""
        self._inside = False
        """Whether the buffer starts inside a page."""
        self._dropping = False
        """Whether the current page is longer than MAX_PAGE. All bytes of such a page are dropped."""

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Yields the parts that the chunk completes."""
        self._buffer += chunk
        position = 0
        while True:
            found, position = self._next(position)
            yield from found
            if not found:
                break
        del self._buffer[:position]
        self._searched = max(0, self._searched - position)

    def close(self) -> Iterator[Part]:
        """Yields the bytes after the last page, or a Fault if the file ends inside a page."""
        if self._inside and not self._dropping:
            yield Fault(NOT_CLOSED, bytes(self._buffer[:2000]))
        elif not self._inside and self._buffer:
            yield Outside(bytes(self._buffer))

    def _next(self, position: int) -> tuple[list[Part], int]:
        """Returns the parts up to the next start or end of a page in the buffer, and the buffer offset to
        continue at.

        Returns no parts if the buffer needs more bytes first.
        """
        buffer = self._buffer
        if not self._inside:
            start = buffer.find(_OPEN, position)
            end = start if start >= 0 else max(position, len(buffer) - _TAIL)
            outside = bytes(buffer[position:end])
            self._inside = start >= 0
            self._searched = end + len(_OPEN)
            parts: list[Part] = [Outside(outside)] if outside or start >= 0 else []
            return parts + [Fault(NOT_OPENED)] * (_CLOSE in outside), end
        close = buffer.find(_CLOSE, self._searched)
        another = buffer.find(_OPEN, self._searched, close if close >= 0 else len(buffer))
        if another >= 0:
            fault = [] if self._dropping else [Fault(NOT_CLOSED, bytes(buffer[position : position + 2000]))]
            self._dropping = False
            self._searched = another + len(_OPEN)
            return [*fault, Outside(b"")], another
        if close >= 0:
            end = close + len(_CLOSE)
            page: Part = Outside(b"") if self._dropping else bytes(buffer[position:end])
            if not self._dropping and end - position > MAX_PAGE:
                page = Fault(TOO_LONG, bytes(buffer[position : position + 2000]))
            self._inside = self._dropping = False
            return [page], end
        self._searched = max(self._searched, len(buffer) - _TAIL)
        if self._dropping:
            return [], self._searched
        if len(buffer) - position > MAX_PAGE:
            self._dropping = True
            return [Fault(TOO_LONG, bytes(buffer[position : position + 2000]))], self._searched
        return [], position


def check_head(path: str, head: bytes) -> None:
    """Raises DataError if a file does not start like a MediaWiki export, or declares entities.

    No MediaWiki export declares entities.
    """
    if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", head, re.IGNORECASE):
        raise DataError(
            f"{path} declares a document type or entities, which a MediaWiki dump never does and which can "
            "exhaust the memory; it is not read."
        )
    if b"<mediawiki" not in head:
        raise DataError(
            f"{path} is not a MediaWiki dump: there is no <mediawiki> element before the first page; "
            "convert it to JSON Lines to use it."
        )
