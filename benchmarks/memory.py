"""Benchmark of memory: peaks of `index`, `search` and `mask` as the corpus grows.

    python benchmarks/memory.py [--sizes 10000,100000,1000000] [--tasks 20000]

Each command runs in a new process, with one worker. `peak MB` is its largest resident set, including
pages of mapped files, which the system can reclaim; `own MB` is the largest anonymous part of it, sampled
ten times a second. The texts are recombined sentences of the shipped sets, one passage for each document.
Each document has a unique word, so the vocabulary grows as fast as the corpus, which is faster than in
any real text.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ramp import recombined, write_corpus

from masksearch.types import Document


def growing(number: int) -> Iterator[Document]:
    """Yields documents that each have a unique word."""
    for place, document in enumerate(recombined(number)):
        yield document.model_copy(update={"text": f"{document.text} Zq{place:x}v."})


def measure(*arguments: str) -> tuple[float, float, float]:
    """Returns (peak MB, own MB, CPU seconds) of one command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "masksearch", *arguments, "--quiet"], stdout=subprocess.DEVNULL
    )
    own, status = 0, 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            own = max(own, next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
        time.sleep(0.1)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"masksearch {' '.join(arguments)} failed.")
    return usage.ru_maxrss / 1024, own / 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", default="10000,100000,1000000", help="numbers of documents, separated by commas"
    )
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks to generate from each corpus")
    arguments = parser.parse_args()
    print(
        f"{'documents':>10}  {'corpus MB':>10}  {'command':<34}  {'peak MB':>8}  {'own MB':>8}  "
        f"{'CPU s':>8}  {'wall s':>8}"
    )
    for size in map(int, arguments.sizes.split(",")):
        with tempfile.TemporaryDirectory() as name:
            corpus = write_corpus(Path(name) / "corpus.jsonl", growing(size))
            index, tasks = f"{name}/index", f"{name}/tasks.jsonl"
            verified = [
                "mask",
                corpus,
                "-o",
                tasks,
                "--index",
                index,
                "--extractor",
                "dates,numbers",
                "--limit",
                str(arguments.tasks),
            ]
            works = {
                "index": ["index", corpus, "-o", index, "--max-words", "0"],
                "search": ["search", index, "first world war"],
                "mask, verified by searching": verified,
            }
            for work, command in works.items():
                started = time.monotonic()
                peak, own, seconds = measure(*command)
                wall = time.monotonic() - started
                megabytes = Path(corpus).stat().st_size / 1e6
                print(
                    f"{size:>10,}  {megabytes:>10,.0f}  {work:<34}  {peak:>8,.0f}  {own:>8,.0f}  "
                    f"{seconds:>8,.1f}  {wall:>8,.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
