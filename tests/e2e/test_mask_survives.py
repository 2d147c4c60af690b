"""`masksearch mask` on real text: a run that is killed at random moments and resumed writes the same bytes,
and every engine and number of workers writes the same tasks."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit.waiting import wait_for
from kit.zygote import Zygote

from masksearch.corpus import read_documents
from masksearch.runtime.files import write_json_lines

pytestmark = pytest.mark.e2e

KILLS, MIDWAY = 20, 3
"""Fewest kills, and fewest kills after which some of the shards, but not all, were finished."""
DOCUMENTS, SHARDS = 1200, 200
SIZES = ("--shard-size", str(DOCUMENTS // SHARDS), "--max-words", "40", "--masks", "1-3")
COMMON = ("--extractor", "dates,numbers", *SIZES)


def command(corpus: Path, output: Path, *more: str) -> list[str]:
    return ["mask", str(corpus), "-o", str(output), *COMMON, *more]


def run(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "masksearch", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
    run(command(corpus, output))
    return output.read_bytes()


def test_killed_at_random_moments_it_ends_in_the_same_bytes(
    corpus: Path, whole: bytes, tmp_path: Path, zygote: Zygote
) -> None:
    """Kills the run at least 20 times. A run that ends before its kill is checked, and its output removed."""
    rng = random.Random(7)
    output, shards = tmp_path / "tasks.jsonl", tmp_path / "tasks.jsonl.work" / "shards"
    kills, midway = 0, 0
    while kills < KILLS or midway < MIDWAY:
        before = finished(shards)
        process = zygote.start(*command(corpus, output, "--workers", "2"))
        if rng.random() < 0.3:  # at its start
            time.sleep(rng.uniform(0.02, 1.0))
        else:  # while it writes shards, or after the last one
            wanted = min(len(before) + rng.randrange(1, 25), SHARDS)
            wait_for(lambda: process.poll() is not None or len(finished(shards)) >= wanted, 600)  # noqa: B023
            time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        _, stderr = process.communicate()
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, stderr
            assert output.read_bytes() == whole
            output.unlink()
            continue
        kills += 1
        assert not output.exists() or output.read_bytes() == whole
        after = finished(shards)
        assert before <= after or output.exists()  # no finished shard is lost
        midway += 0 < len(after) < SHARDS
    run_to_its_end(zygote, command(corpus, output, "--workers", "2"))
    assert output.read_bytes() == whole


def finished(shards: Path) -> set[str]:
    """Returns the names of the finished shards."""
    return {file.name for file in shards.glob("0*.jsonl")}


def run_to_its_end(zygote: Zygote, arguments: list[str]) -> None:
    process = zygote.start(*arguments)
    _, stderr = process.communicate(600)
    assert process.returncode == 0, stderr


def test_engines_and_numbers_of_workers_write_the_same(
    corpus: Path, whole: bytes, tmp_path: Path, zygote: Zygote
) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    assert whole.count(b"\n") > 500
    run_to_its_end(zygote, command(corpus, tmp_path / "eight.jsonl", "--workers", "8"))
    run(command(corpus, tmp_path / "ray.jsonl", "--engine", "ray", "--workers", "2"))
    for name in ("eight.jsonl", "ray.jsonl"):
        assert sorted((tmp_path / name).read_bytes().splitlines()) == sorted(whole.splitlines()), name
