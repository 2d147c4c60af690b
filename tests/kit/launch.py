"""Starts commands in two processes on the CPU.

`launch` starts two processes for one command, with `accelerate launch` as a user does. A `Pair` is two
processes that run one command after the other, for tests that are not about the start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kit.places import REPOSITORY
from kit.waiting import free_port, wait_for
from kit.zygote import Started, Zygote

TWO_PROCESSES = REPOSITORY / "recipes" / "accelerate" / "cpu-2.yaml"
SECONDS = 600
Done = subprocess.CompletedProcess[str]


def launched(*program: object) -> list[str]:
    """Returns the command that runs a program in two processes."""
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(TWO_PROCESSES)]
    return [sys.executable, *launcher, "--main_process_port", str(free_port()), *map(str, program)]


def environment() -> dict[str, str]:
    path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASKSEARCH_RESTARTED": "1"}


def launch(*arguments: object) -> Done:
    """Runs `masksearch ARGUMENTS` in two processes and returns how it ended."""
    command = launched("-m", "masksearch", *arguments)
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=SECONDS)


class Pair:
    """Two processes that wait for commands in a folder, until `close`."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder, self.count = folder, 0
        common = {
            "ACCELERATE_MIXED_PRECISION": "no",
            "ACCELERATE_USE_CPU": "true",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "WORLD_SIZE": "2",
        }
        self.processes = [
            zygote.start(folder, call="kit.launch:work", **common, RANK=rank, LOCAL_RANK=rank)
            for rank in "01"
        ]

    def run(self, *arguments: object) -> Done:
        """Runs `masksearch ARGUMENTS` in both processes and returns how it ended."""
        place, self.count = self.folder / str(self.count), self.count + 1
        _write(place.with_suffix(".json"), json.dumps(list(map(str, arguments))))
        ends = [place.with_suffix(f".{rank}.status") for rank in range(2)]
        wait_for(lambda: all(end.exists() for end in ends) or self._ended(), SECONDS)
        assert not self._ended(), [process.communicate() for process in self._ended()]
        told = "".join(place.with_suffix(f".{rank}.stderr").read_text() for rank in range(2))
        return Done(arguments, max(int(end.read_text()) for end in ends), "", told)

    def close(self) -> None:
        _write(self.folder / f"{self.count}.json", "null")
        try:
            for process in self.processes:
                process.wait(SECONDS)
        finally:
            for process in self.processes:
                process.kill()

    def _ended(self) -> list[Started]:
        return [process for process in self.processes if process.poll() is not None]


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.rename(path)


def work(arguments: Sequence[str]) -> int:
    """Runs the commands of a folder; a rank's messages of each command go to a file of their own."""
    from masksearch.cli.main import main

    folder, rank, number = Path(arguments[0]), int(os.environ["RANK"]), 0
    while True:
        place = folder / str(number)
        while not place.with_suffix(".json").exists():
            time.sleep(0.02)
        command = json.loads(place.with_suffix(".json").read_text())
        if command is None:
            return 0
        with open(place.with_suffix(f".{rank}.stderr"), "wb") as messages:
            os.dup2(messages.fileno(), 2)
        status = main(command)
        sys.stderr.flush()
        _write(place.with_suffix(f".{rank}.status"), str(status))
        number += 1
