"""Reads MediaWiki XML dumps: the articles as plain text, with their links.

Supports export schemas 0.9 to 0.11, with or without `siteinfo`.

    for place, record in read_dump("enwiki-pages-articles-multistream.xml.bz2", skipped, workers=8):
        record["text"], record["links"]

One process cuts the file into pages (`stream.py`); `workers` processes parse and clean them (`page.py`,
`wikitext.py`). If the dump is multistream and its index is in the same folder, the workers also decompress
the dump. The records and their order do not depend on the number of workers. At most a few batches are in
flight, so memory does not grow with the dump.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import re
from array import array
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksearch.corpus.mediawiki.page import Article, Skipped, read_pages, read_pages_of_block
from masksearch.corpus.mediawiki.stream import (
    Fault,
    Outside,
    Part,
    check_head,
    cut_pages,
    read_block,
    read_chunks,
)
from masksearch.errors import DataError
from masksearch.runtime.files import open_binary
from masksearch.runtime.workers import worker_pool
from masksearch.text.nearest import no_path

if TYPE_CHECKING:
    from masksearch.corpus.skipped import SkipCount

BATCH = 2**20
"""Number of bytes of XML at which a batch for a worker is complete."""
AHEAD = 3
"""Maximum number of batches per worker that are being parsed or wait for their turn in the output."""
MAX_BLOCK = 64 * 2**20
"""Largest size of a block in compressed bytes. A block normally holds 100 pages. An index with longer
blocks is therefore considered wrong and not used."""

_NAME = re.compile(r"\.xml(?:-p[0-9]+p[0-9]+)?(?:\.(?:bz2|gz|zst))?$", re.IGNORECASE)
_LANGUAGE = re.compile(rb"<mediawiki\b[^>]*?\sxml:lang\s*=\s*[\"']([A-Za-z]{2,8})[\"'-]")
_MAX_HEAD = 2**20
"""Number of bytes before the first page that are searched for the <mediawiki> element."""

Work = Callable[[], list[Article | Skipped]]


def is_dump(path: str) -> bool:
    """Whether a file is a MediaWiki dump, by its name and, if it can be read, its first bytes.

    Names end in `.xml` or `.xml-p1p41242`, without compression or followed by .bz2, .gz or .zst.
    """
    if not _NAME.search(Path(path).name):
        return False
    if not Path(path).is_file():
        return True
    try:
        first = next(iter(read_chunks(path)), b"")
    except DataError:
        return True
    return isinstance(first, Fault) or re.search(rb"<mediawiki\b|<!DOCTYPE\s+mediawiki", first) is not None


def read_dump(
    path: str, skipped: SkipCount, language: str = "", workers: int = 1, index: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields articles as records (id, title, text, links, language if known) with their places.

    The articles are in the order of the dump. Pages that are not articles or cannot be read are counted in
    `skipped`. The language is the dump's `xml:lang`, or `language` if the dump has no `xml:lang`. `index`
    is a multistream dump's index (`...-multistream-index.txt.bz2`), by default the one in the dump's
    folder. Raises DataError if the file is missing, is not a dump, or declares entities.
    """
    if not Path(path).is_file():
        raise DataError(f"There is no file {path}{no_path(path)}")
    last = "at the beginning"
    with contextlib.closing(_outcomes(path, skipped, workers, index)) as outcomes:
        dump_language = next(outcomes)
        assert isinstance(dump_language, str)
        for outcome in outcomes:
            assert not isinstance(outcome, str)
            if isinstance(outcome, Skipped):
                skipped.add(outcome.reason, f"{path}, {outcome.place or last}")
            last = f"after {outcome.place}" if outcome.place else last
            if isinstance(outcome, Skipped):
                continue
            if dump_language or language:
                outcome.record["language"] = dump_language or language
            yield f"{path}, {outcome.place}", outcome.record


def find_index(path: str) -> str | None:
    """Returns the path of a multistream dump's index in the same folder, if there is one.

    `X-multistream1.xml-p1p9.bz2` has the index `X-multistream-index1.txt-p1p9.bz2`, which may be
    decompressed.
    """
    dump = Path(path)
    name, found = re.subn(
        r"-multistream(\d*)\.xml(-p\d+p\d+)?\.bz2$", r"-multistream-index\1.txt\2", dump.name
    )
    if not found:
        return None
    for index in (dump.with_name(f"{name}.bz2"), dump.with_name(name)):
        if index.is_file():
            return str(index)
    return None


def read_index(index: str, dump: str) -> array[int]:
    """Returns the byte offsets of a multistream dump's blocks, followed by the size of the dump.

    Returns an empty array if the index does not match the dump.
    """
    size = Path(dump).stat().st_size
    starts = array("Q")
    try:
        with open_binary(index) as lines:
            for line in lines:
                start = int(line.partition(b":")[0])
                if not starts or start > starts[-1]:
                    starts.append(start)
                elif start < starts[-1]:
                    return array("Q")
        starts.append(size)
    except (DataError, ValueError, OverflowError):
        return array("Q")
    if any(end - start > MAX_BLOCK or end <= start for start, end in itertools.pairwise(starts)):
        return array("Q")
    # Checks about a hundred blocks: each must start with the first bytes of every bzip2 file.
    with open(dump, "rb") as packed:
        for start in starts[: -1 : max(1, len(starts) // 100)]:
            packed.seek(start)
            if packed.read(3) != b"BZh":
                return array("Q")
    return starts if len(starts) > 1 else array("Q")


def _outcomes(
    path: str, skipped: SkipCount, workers: int, index: str | None
) -> Generator[str | Article | Skipped, None, None]:
    """Yields the dump's language (may be empty), then the article of each page, or the reason to skip the
    page, in order."""
    starts = array("Q")
    index = index or find_index(path)
    if index is not None and not (starts := read_index(index, path)):
        skipped.add("an index that does not fit its dump (the dump was read without it)", index)
    parts = cut_pages(read_block(path, 0, starts[0] or starts[1]) if starts else read_chunks(path))
    head, faults, first = _read_head(path, parts)
    found = _LANGUAGE.search(head)
    yield found[1].decode().lower() if found else ""
    yield from read_pages(faults)
    if starts:
        works: Iterator[Work] = (
            functools.partial(read_pages_of_block, path, start, end)
            for start, end in itertools.pairwise(starts)
        )
    else:
        works = (functools.partial(read_pages, batch) for batch in _batches(itertools.chain(first, parts)))
    for outcomes in _in_order(works, workers):
        yield from outcomes


def _read_head(path: str, parts: Iterator[Part]) -> tuple[bytes, list[Part], list[Part]]:
    """Returns the bytes before the first page, the faults among them, and the first page.

    Raises DataError if the file is not a dump.
    """
    head = bytearray()
    faults: list[Part] = []
    first: list[Part] = []
    for part in parts:
        if isinstance(part, Outside):
            head += part.data
            if len(head) > _MAX_HEAD:
                break
        elif isinstance(part, Fault):
            faults.append(part)
        else:
            first.append(part)
            break
    if head or not faults:
        check_head(path, bytes(head))
    return bytes(head), faults, first


def _batches(parts: Iterator[Part]) -> Iterator[list[Part]]:
    """Yields pages and faults in batches of about BATCH bytes; leaves out the bytes outside of pages."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        if isinstance(part, Outside):
            continue
        batch.append(part)
        size += len(part) if isinstance(part, bytes) else 0
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _in_order(works: Iterator[Work], workers: int) -> Iterator[list[Article | Skipped]]:
    """Runs the works in `workers` processes and yields their results in the order of the works. With a single
    worker, this process does the work."""
    if workers <= 1:
        for work in works:
            yield work()
        return
    waiting: collections.deque[Future[list[Article | Skipped]]] = collections.deque()
    with worker_pool(workers) as pool:
        for work in works:
            waiting.append(pool.submit(work))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
