"""Reads and writes files so that a kill never leaves a half-written file that looks whole.

Files and folders are written under a temporary name next to the target and then renamed. Records that arrive
over time are appended, one per line. If a kill has left the last line torn, reading drops that line.
Compressed files (`.gz`, `.bz2`, `.zst`) are opened here and nowhere else.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from masksearch.errors import DataError, FormatError, MissingExtraError
from masksearch.text.nearest import no_path

PACKED = (".gz", ".bz2", ".zst")


def inner_name(path: str | Path) -> str:
    """Removes the ending of a compressed file: `docs.jsonl.gz` -> `docs.jsonl`."""
    path = Path(path)
    return path.stem if path.suffix in PACKED else path.name


@contextlib.contextmanager
def open_binary(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file's bytes for reading and decompresses them; `-` is standard input.

    Raises DataError if the file cannot be read; the original error is its cause. In a truncated or damaged
    file, the error comes after all bytes before the fault were read. Raises MissingExtraError for a `.zst`
    file if its package is not installed.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no file {path}{no_path(path)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder, but a file is needed here.")
    faults: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error)
    if path.suffix == ".zst":
        faults += (_zstd().ZstdError,)
    try:
        with _unpacked(path) as stream:
            yield stream
    except faults as error:
        raise DataError(f"{path} could not be read: {error}.") from error


def _unpacked(path: Path) -> BinaryIO:
    # A buffer around these readers would lose the bytes decompressed just before a fault.
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".bz2":
        return io.BufferedReader(_Bz2Streams(path))
    if path.suffix == ".zst":
        return cast(BinaryIO, _zstd().open(path, "rb"))
    return open(path, "rb")


class _Bz2Streams(io.RawIOBase):
    """Reads a `.bz2` file, which may consist of several compressed streams, one after the other.

    Python's own reader mistakes a damaged second stream for padding, and ends without an error.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115
        self._unpacker = bz2.BZ2Decompressor()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            packed = b""
            if self._unpacker.eof:
                packed = self._unpacker.unused_data or self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not packed:
                    return 0
                self._unpacker = bz2.BZ2Decompressor()
            elif self._unpacker.needs_input:
                packed = self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not packed:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            data = self._unpacker.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _packing(file: Path, suffix: str) -> Iterator[BinaryIO]:
    """Opens a file for writing and compresses what is written.

    The `suffix` selects the compression: `.gz`, `.bz2` or `.zst`; any other suffix selects none. Equal
    content gives equal bytes, because the file's name and the time are not written into it.
    """
    with open(file, "wb") as raw, contextlib.ExitStack() as stack:
        packer: Any = raw
        if suffix == ".gz":
            packer = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0))
        elif suffix == ".bz2":
            packer = stack.enter_context(bz2.open(raw, "wb"))
        elif suffix == ".zst":
            packer = stack.enter_context(_zstd().open(raw, "wb"))
        yield packer


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14 and later
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise MissingExtraError("backports.zstd", "readers", "A .zst file") from error
    return zstd


@contextlib.contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """Opens a UTF-8 text file for reading and decompresses it; `-` is standard input. Raises DataError."""
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        with open_binary(path) as stream, io.TextIOWrapper(stream, encoding="utf-8") as text:
            yield text
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "convert it, for example with iconv."
        ) from error


def read_json_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, object) of a JSON Lines file, without blank lines.

    Raises FormatError that names file and line at a line that is not a JSON object.
    """
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise FormatError(f"{path}, line {number} is not valid JSON ({error}).") from error
            if not isinstance(value, dict):
                raise FormatError(f"{path}, line {number} is not a JSON object but a {type(value).__name__}.")
            yield number, value


@contextlib.contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yields a temporary path next to `target`, to write a file or folder to. Renames it to `target` at the
    end.

    An older `target` is replaced. If the block raises an error, the temporary path is removed and `target`
    stays as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
    remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and target.exists():
            old = target.parent / f".{target.name}.{os.getpid()}.old.tmp"
            remove(old)
            target.rename(old)
            temporary.rename(target)
            remove(old)
        else:
            os.replace(temporary, target)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Removes a file or folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file atomically: a reader sees the old text or the new one."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def write_json(path: str | Path, value: Any) -> None:
    """Writes one JSON value, indented, with its keys in the given order."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_json_lines(path: str | Path, values: Iterable[dict[str, Any]]) -> int:
    """Writes a JSON Lines file atomically and returns the number of lines.

    `.gz`, `.bz2` and `.zst` are compressed; `-` is standard output.
    """
    if str(path) == "-":
        return _dump_lines(sys.stdout, values)
    with (
        atomic_path(path) as temporary,
        _packing(temporary, Path(path).suffix) as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as stream,
    ):
        return _dump_lines(stream, values)


def _dump_lines(stream: IO[str], values: Iterable[dict[str, Any]]) -> int:
    count = 0
    for value in values:
        stream.write(json.dumps(value, ensure_ascii=False) + "\n")
        count += 1
    return count


def append_json_lines(path: str | Path, values: Iterable[dict[str, Any]]) -> None:
    """Appends records in one write and flushes them to disk. If a kill has left the last line torn, first
    ends that line."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    with open(path, "ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                data = b"\n" + data
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def read_appended(path: str | Path) -> list[dict[str, Any]]:
    """Reads a file written by `append_json_lines` without the lines that a kill left torn; empty if the
    file is missing."""
    if not Path(path).exists():
        return []
    records = []
    for line in Path(path).read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                records.append(value)
    return records


def hash_file(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes, as hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, independent of key order, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
