"""Peak memory of `index` and `mask` as the corpus grows. Prints a table. Not a test.

    python benchmarks/memory.py [--sizes 10000,100000,1000000] [--tasks 20000]

Each command runs as a process of its own, with one worker. `peak MB` is its greatest resident set, pages of mapped files included, which the system
takes back when it needs them; `own MB` is the greatest part of it that belongs to the process alone, looked at ten times a second. The texts are
sentences of the shipped sets put together anew, one passage a document, each with a word that stands nowhere else: the vocabulary grows as fast as
the corpus, faster than that of any real text.
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
    """Documents with a word of their own each."""
    for place, document in enumerate(recombined(number)):
        yield document.model_copy(update={"text": f"{document.text} Zq{place:x}v."})


def measure(*arguments: str) -> tuple[float, float, float]:
    """(peak MB, own MB, CPU seconds) of one command."""
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
        sys.exit(f"masksearch {' '.join(arguments)} failed")
    return usage.ru_maxrss / 1024, own / 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints a line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks to make of each corpus")
    arguments = parser.parse_args()
    print(
        f"{'documents':>10}  {'corpus MB':>10}  {'work':<34}  {'peak MB':>8}  {'own MB':>8}  {'CPU s':>8}  {'s':>8}"
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
                told = f"{size:>10,}  {Path(corpus).stat().st_size / 1e6:>10,.0f}  {work:<34}  {peak:>8,.0f}  {own:>8,.0f}  {seconds:>8,.1f}"
                print(f"{told}  {time.monotonic() - started:>8,.1f}", flush=True)


if __name__ == "__main__":
    main()
