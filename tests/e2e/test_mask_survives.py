"""`masksearch mask` on real text: a run that is killed at random moments and resumed writes the same bytes,
and every engine and number of workers writes the same tasks."""

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
"""Fewest kills, and fewest kills after which some of the shards, but not all, were finished."""
DOCUMENTS, SHARDS = 6000, 300
COMMON = ("--extractor", "dates,numbers", "--shard-size", "20", "--max-words", "40", "--masks", "1-3")


def command(corpus: Path, output: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "masksearch", "mask", str(corpus), "-o", str(output), *COMMON, *more]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "docs.jsonl"
    documents = read_documents("wiki-summaries:en", DOCUMENTS)
    write_json_lines(path, (document.to_json() for document in documents))
    return path


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tasks file of an uninterrupted run."""
    output = tmp_path_factory.mktemp("whole") / "tasks.jsonl"
    subprocess.run(command(corpus, output), check=True, capture_output=True)
    return output.read_bytes()


def test_killed_at_random_moments_it_ends_in_the_same_bytes(
    corpus: Path, whole: bytes, tmp_path: Path
) -> None:
    """Kills the run at least 20 times. A run that ends before its kill is checked, and its output removed."""
    rng = random.Random(7)
    output, shards = tmp_path / "tasks.jsonl", tmp_path / "tasks.jsonl.work" / "shards"
    kills, midway, longest = 0, 0, 6.0
    # If masking is quick or the start is slow, few kills hit the writing of shards, so more are needed.
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
            longest *= 2  # a slow machine, which did not reach the first shard
    assert midway >= MIDWAY
    assert run_for(600, command(corpus, output, "--workers", "2"))
    assert output.read_bytes() == whole


def run_for(seconds: float, arguments: list[str]) -> bool:
    """Runs a command and kills it after this time. Returns whether it ended before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    assert process.returncode == 0, stderr
    return True


def test_engines_and_numbers_of_workers_write_the_same(corpus: Path, whole: bytes, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    assert whole.count(b"\n") > 500
    runs = {
        "eight.jsonl": ("--workers", "8"),
        "ray.jsonl": ("--engine", "ray", "--workers", "2"),
    }
    for name, more in runs.items():
        done = subprocess.run(command(corpus, tmp_path / name, *more), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert sorted((tmp_path / name).read_bytes().splitlines()) == sorted(whole.splitlines()), name
