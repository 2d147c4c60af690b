"""Finds the encoding of a text: UTF-8, a byte order mark, or else what charset-normalizer recognises.

Guessed encodings are those of the languages with rules here and of their neighbours (cp1252, GB18030, Big5,
cp1251, Japanese and Korean). A text that is too short to tell is read as cp1252 if most of its letters are
ASCII, and otherwise not read.
"""

from __future__ import annotations

import codecs
import importlib.util
import io
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

NOT_UTF8: Final = "not UTF-8 text"
"""Reason under which text in an unknown encoding is counted as skipped."""
SAMPLE: Final = 2**16
"""Number of bytes of lines with other characters than ASCII from which an encoding is recognised."""
CLEAR: Final = 60
"""Number of bytes above ASCII from which a reading without any odd character is believed."""
GUESSED = ("cp1252", "gb18030", "big5", "cp1251", "cp932", "euc_jp", "cp949")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ODD = frozenset(b"\0\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19")
"""Control bytes that no text has."""


def marked_encoding(start: bytes) -> str:
    """Returns the encoding that a byte order mark names; empty without a mark."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), "")


def guessed_encoding(lines: Iterable[bytes]) -> str:
    """Returns the encoding of lines that are not UTF-8; empty if it cannot be told, or for other data.

    A text of which some lines with other characters than ASCII are UTF-8 has no other encoding: the rest of
    its lines is damaged.
    """
    sample, size = [], 0
    for line in lines:
        if line.isascii():
            continue
        if is_utf8(line):
            return ""
        sample.append(line)
        size += len(line)
        if size > SAMPLE:
            break
    data = b"".join(sample)[: 2 * SAMPLE]
    if not data or not _ODD.isdisjoint(data):
        return ""
    return _recognised(data)


def _recognised(data: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return ""
    letters = sum(byte > 127 for byte in data)
    found = list(from_bytes(data, cp_isolation=list(GUESSED)))
    if found and (found[0].coherence > 0 or (letters >= CLEAR and found[0].chaos == 0)):
        return str(found[0].encoding)
    plain = sum(chr(byte).isalpha() for byte in data if byte < 128)
    return "cp1252" if plain > 2 * letters and _decodes(data, "cp1252") else ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    return _decodes(data, "utf-8")


def decoded(data: bytes) -> tuple[str, str]:
    """Returns a text and its encoding; two empty strings if it cannot be read as text."""
    marked = marked_encoding(data)
    for encoding in (marked or "utf-8", ""):
        encoding = encoding or guessed_encoding(data.splitlines(keepends=True))
        if not encoding:
            break
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return "", ""


def noted(encoding: str) -> str:
    """Returns what is noted of a text that is not UTF-8."""
    return f"text in the encoding {encoding} (read as it)"


def unknown() -> str:
    """Returns the reason to skip a text whose encoding is not known, with the package that may know it."""
    if importlib.util.find_spec("charset_normalizer") is None:
        return f"{NOT_UTF8} (to recognise its encoding: pip install 'masksearch[documents]')"
    return NOT_UTF8


class Recoded(io.RawIOBase):
    """Bytes of a text in another encoding, as UTF-8. Raises UnicodeDecodeError where the text is damaged."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._ready = stream, b""
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._done:
            data = self._stream.read(io.DEFAULT_BUFFER_SIZE)
            self._done = not data
            self._ready = self._decoder.decode(data, final=self._done).encode("utf-8", "replace")
        part = self._ready[: len(buffer)]
        self._ready = self._ready[len(part) :]
        buffer[: len(part)] = part
        return len(part)
