"""Starts a command in two processes on the CPU, with `accelerate launch` as a user does."""

import os
import subprocess
import sys

from kit.places import REPOSITORY
from kit.waiting import free_port

TWO_PROCESSES = REPOSITORY / "recipes" / "accelerate" / "cpu-2.yaml"
SECONDS = 600


def launch(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs `masksearch ARGUMENTS` in two processes and returns how it ended."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        "MASKSEARCH_RESTARTED": "1",
    }
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(TWO_PROCESSES)]
    address = ["--main_process_port", str(free_port())]
    command = [sys.executable, *launcher, *address, "-m", "masksearch", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
