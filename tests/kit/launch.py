"""Starts a command in two processes on the CPU, with `accelerate launch` as a user does."""

import os
import socket
import subprocess
import sys

from kit.places import REPOSITORY

TWO_PROCESSES = REPOSITORY / "recipes" / "accelerate" / "cpu-2.yaml"
SECONDS = 300


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def launch(*arguments: object, port: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs `masksearch ARGUMENTS` in two processes and returns how it ended."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        "MASKSEARCH_RESTARTED": "1",
    }
    launcher = ["-m", "accelerate.commands.launch", "--config_file", str(TWO_PROCESSES)]
    address = ["--main_process_port", str(port or free_port())]
    command = [sys.executable, *launcher, *address, "-m", "masksearch", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
