"""A dump's bytes, cut into its pages without parsing them: whatever is wrong with one page, or one part of the file, is wrong with it alone.

Page by page is how a dump is written: `<page>` and `</page>` stand in it as tags only, for in text `<` is written as an entity. So they are
searched for as bytes; what lies between is parsed by itself (`mediawiki_page`). Memory is bounded by MAX_PAGE, whatever the file holds.
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
"""Bytes of a page's XML. MediaWiki itself takes no text of more than 2 MiB."""

TOO_LONG = f"a page of more than {MAX_PAGE // 2**20} MiB"
NOT_CLOSED = "a page that breaks off before its end"
NOT_OPENED = "a page without a beginning"
STREAM_DAMAGED = "a damaged part of the compressed file"
STREAM_CUT = "a compressed file that breaks off"

_CHUNK = 2**18
_OPEN, _CLOSE = b"<page>", b"</page>"
_TAIL = 16
"""Bytes kept back where a tag may be cut in two."""
_BZ2_BEGINNING = re.compile(rb"BZh[1-9]1AY&SY")


class Fault(NamedTuple):
    """Something that cannot be read; `head` is the beginning of the page, where there is one."""

    reason: str
    head: bytes = b""


class Outside(NamedTuple):
    """Bytes that belong to no page: the head of the file, the line ends between pages."""

    data: bytes


Part = bytes | Fault | Outside
"""A whole page, or what stands in its place."""


def read_chunks(path: str) -> Iterator[bytes | Fault]:
    """A file's unpacked bytes; where it breaks off or is damaged there is a Fault, and reading goes on if it can. Raises DataError if there is no file."""
    if path.endswith(".bz2"):
        with open(path, "rb") as packed:
            yield from unpack_bz2(packed)
        return
    with open_binary(path) as stream:
        try:
            while (
                chunk := stream.read1(_CHUNK)
                if isinstance(stream, io.BufferedReader)
                else stream.read(_CHUNK)
            ):
                yield chunk
        except (OSError, EOFError, ValueError):
            yield Fault(STREAM_CUT)


def read_block(path: str, start: int, end: int) -> Iterator[bytes | Fault]:
    """The same for the bytes [start, end) of a multistream `.bz2` file."""
    with open(path, "rb") as packed:
        packed.seek(start)
        yield from unpack_bz2(packed, end - start)


def unpack_bz2(packed: BinaryIO, length: int | None = None) -> Iterator[bytes | Fault]:
    """Unpacks streams one after the other. After a damaged one it goes on with the next, which its first ten bytes give away."""
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
    """What was read from the beginning of the next stream on; nothing at the end of the file."""
    while not (found := _BZ2_BEGINNING.search(data)):
        more = packed.read(_CHUNK if length is None else min(_CHUNK, length))
        if not more:
            return b"", length
        length = None if length is None else length - len(more)
        data = data[-9:] + more
    return data[found.start() :], length


def cut_pages(chunks: Iterable[bytes | Fault]) -> Iterator[Part]:
    """The pages of a stream, in order, with what lies outside of them and what is wrong. A page cut off by a Fault goes with it."""
    cutter = _Cutter()
    for chunk in chunks:
        if isinstance(chunk, Fault):
            cutter = _Cutter()
            yield chunk
        else:
            yield from cutter.feed(chunk)
    yield from cutter.close()


class _Cutter:
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._inside = False
        self._dropping = False
        """Inside a page that is too long: what comes is not kept."""

    def feed(self, chunk: bytes) -> Iterator[Part]:
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
        if self._inside and not self._dropping:
            yield Fault(NOT_CLOSED, bytes(self._buffer[:2000]))
        elif not self._inside and self._buffer:
            yield Outside(bytes(self._buffer))

    def _next(self, position: int) -> tuple[list[Part], int]:
        """The parts up to the next page's beginning or end, and where to go on; no parts where more has to be read."""
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
    """Raises DataError where a file does not begin as a MediaWiki export does, or declares entities, which no such export needs."""
    if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", head, re.IGNORECASE):
        raise DataError(
            f"{path} declares a document type or entities, which a MediaWiki dump never does and which can exhaust the memory; it is not read."
        )
    if b"<mediawiki" not in head:
        raise DataError(
            f"{path} is no MediaWiki dump: there is no <mediawiki> element before the first page; convert it to JSON Lines to use it."
        )
