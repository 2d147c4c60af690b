"""`masksearch mask` on real text: killed at random moments it ends in the same bytes; every engine and number of workers writes the same."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from masksearch.corpus import read_documents
from masksearch.runtime.files import write_json_lines

pytestmark = pytest.mark.e2e

KILLS, MIDWAY = 20, 3
DOCUMENTS, SHARDS = 6000, 300
COMMON = ("--extractor", "dates,numbers", "--shard-size", "20", "--max-words", "40", "--masks", "1-3")


def command(corpus: Path, output: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "masksearch", "mask", str(corpus), "-o", str(output), *COMMON, *more]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "docs.jsonl"
    write_json_lines(
        path, (document.to_json() for document in read_documents("wiki-summaries:en", DOCUMENTS))
    )
    return path


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an undisturbed run writes."""
    output = tmp_path_factory.mktemp("whole") / "tasks.jsonl"
    subprocess.run(command(corpus, output), check=True, capture_output=True)
    return output.read_bytes()


def test_killed_at_random_moments_it_ends_in_the_same_bytes(
    corpus: Path, whole: bytes, tmp_path: Path
) -> None:
    """At least 20 kills; a run that gets through between two of them is checked, and the next begins anew."""
    rng = random.Random(7)
    output, shards = tmp_path / "tasks.jsonl", tmp_path / "tasks.jsonl.work" / "shards"
    kills, midway, longest = 0, 0, 6.0
    # Where a run is quick, or slow to begin, few kills come in the middle of the writing: then there are more of them.
    while kills < KILLS or (midway < MIDWAY and kills < 3 * KILLS):
        before = {file.name for file in shards.glob("0*.jsonl")}
        share = rng.choice((rng.uniform(0.02, 0.25), rng.uniform(0.25, 1.0)))
        if run_for(share * longest, command(corpus, output, "--workers", "2")):
            assert output.read_bytes() == whole
            output.unlink()
            continue
        kills += 1
        assert not output.exists() or output.read_bytes() == whole
        after = {file.name for file in shards.glob("0*.jsonl")}
        assert before <= after or output.exists()  # no finished shard is lost
        midway += 0 < len(after) < SHARDS
        if share > 0.5 and not after:
            longest *= 2  # a slow machine, which has not come to the first shard
    assert midway >= MIDWAY
    assert run_for(600, command(corpus, output, "--workers", "2"))
    assert output.read_bytes() == whole


def run_for(seconds: float, arguments: list[str]) -> bool:
    """Runs a command and kills it after so many seconds; whether it got to its end before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    assert process.returncode == 0, told
    return True


def test_engines_and_numbers_of_workers_write_the_same(corpus: Path, whole: bytes, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    assert whole.count(b"\n") > 500
    for name, more in {
        "eight.jsonl": ("--workers", "8"),
        "ray.jsonl": ("--engine", "ray", "--workers", "2"),
    }.items():
        done = subprocess.run(command(corpus, tmp_path / name, *more), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert sorted((tmp_path / name).read_bytes().splitlines()) == sorted(whole.splitlines()), name
