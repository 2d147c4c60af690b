"""Benchmark of `read_dump`, from a MediaWiki dump to documents, against the markup parser alone.

    python benchmarks/dump.py DUMP.xml.bz2 [--rounds 5] [--workers 2] [--growth 1 4 16]

The baseline is `mwparserfromhell.parse` of every wikitext of the dump that becomes a document, in one
process. It is compared with `read_dump` (decompression, XML, cleaning and links included) in one process
and in several; the project's bound is a ratio of 1.25. Rounds alternate, and the table shows medians of
CPU and wall time and their ratios. A second table shows how time and memory grow if the dump's pages are
repeated 1, 4 and 16 times.
"""

from __future__ import annotations

import argparse
import bz2
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import mwparserfromhell

from masksearch.corpus import SkipCount
from masksearch.corpus.mediawiki.dump import read_dump
from masksearch.corpus.mediawiki.stream import cut_pages, read_chunks


def wikitexts(path: str) -> list[str]:
    """Returns the wikitext of each page that becomes a document."""
    wanted = {record["id"] for _, record in read_dump(path, SkipCount())}
    pages = (ElementTree.fromstring(part) for part in cut_pages(read_chunks(path)) if isinstance(part, bytes))
    return [page.findtext("revision/text", "") for page in pages if page.findtext("id") in wanted]


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Returns CPU time (of this process and its ended children) and wall time of one call, in seconds."""
    cpu, wall = cpu_time(), time.perf_counter()
    work()
    return cpu_time() - cpu, time.perf_counter() - wall


def cpu_time() -> float:
    """Returns the user CPU time in seconds."""
    return sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def read_all(path: str, workers: int) -> int:
    """Reads a dump without keeping its documents; returns their number."""
    return sum(1 for _ in read_dump(path, SkipCount(), workers=workers))


def repeat_dump(path: str, times: int, target: Path) -> None:
    """Writes a dump with the same pages repeated `times` times, as one compressed stream."""
    data = bz2.decompress(Path(path).read_bytes())
    start, end = data.index(b"<page>"), data.rindex(b"</page>") + len(b"</page>")
    packer = bz2.BZ2Compressor()
    with open(target, "wb") as file:
        for part in (data[:start], *[data[start:end]] * times, data[end:]):
            file.write(packer.compress(part))
        file.write(packer.flush())


def main() -> None:
    """Prints the ratios, then the growth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dump", help="dump, compressed with bzip2")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement")
    parser.add_argument("--workers", type=int, default=2, help="processes of the parallel measurements")
    parser.add_argument(
        "--growth", type=int, nargs="*", default=[1, 4, 16], help="how often to repeat the pages"
    )
    arguments = parser.parse_args()
    sources = wikitexts(arguments.dump)
    characters = sum(map(len, sources))
    print(f"{len(sources)} documents, {characters / 1e6:.1f} M characters of wikitext")
    works: dict[str, Callable[[], object]] = {
        "library alone": lambda: [mwparserfromhell.parse(source) and None for source in sources],
        "read_dump, 1 process": lambda: read_all(arguments.dump, 1),
        f"read_dump, {arguments.workers} workers": lambda: read_all(arguments.dump, arguments.workers),
    }
    rounds = [{name: measure(work) for name, work in works.items()} for _ in range(arguments.rounds)]
    print(f"{'':24} {'CPU s':>7} {'wall s':>7} {'CPU ratio':>10} {'wall ratio':>11}")
    for name in works:
        cpu, wall = (statistics.median(row[name][kind] for row in rounds) for kind in (0, 1))
        ratios = [
            statistics.median(row[name][kind] / row["library alone"][kind] for row in rounds)
            for kind in (0, 1)
        ]
        print(f"{name:24} {cpu:7.2f} {wall:7.2f} {ratios[0]:10.2f} {ratios[1]:11.2f}")
    print(
        f"\n{'repeated':>10} {'documents':>10} {'CPU s':>7} {'wall s':>7} {'CPU ms/doc':>11} "
        f"{'peak MB so far':>20}   ({arguments.workers} workers)"
    )
    with tempfile.TemporaryDirectory() as folder:
        for times in arguments.growth:
            path = Path(folder) / f"x{times}.xml.bz2"
            repeat_dump(arguments.dump, times, path)
            count: list[int] = []
            cpu, wall = measure(
                lambda path=path, count=count: count.append(read_all(str(path), arguments.workers))
            )  # type: ignore[misc]
            usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            peak = max(usage.ru_maxrss for usage in usages) / 1024
            print(
                f"{times:10} {count[0]:10} {cpu:7.2f} {wall:7.2f} {1000 * cpu / count[0]:11.2f} {peak:20.0f}"
            )


if __name__ == "__main__":
    main()
