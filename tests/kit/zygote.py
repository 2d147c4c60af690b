"""Starts `masksearch COMMAND ...` in a new process within milliseconds, for tests that start it many times.

A process that has imported everything forks itself for each command, so the imports of a start, which take
seconds, are not repeated. The started process is killed like any other. Worker processes of a command are
forked from a second such process.

    with Zygote(folder) as zygote:
        process = zygote.start("mask", "docs.jsonl", "-o", "tasks.jsonl")
        process.send_signal(signal.SIGKILL)
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from kit.places import REPOSITORY
from kit.quick_workers import IMPORTS, start_quickly
from kit.waiting import LONG


class Started:
    """A process that a zygote has started; like a `subprocess.Popen`."""

    def __init__(self, zygote: Zygote, pid: int, messages: Path) -> None:
        self.zygote, self.pid, self.messages = zygote, pid, messages
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.zygote.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = LONG) -> tuple[None, bytes]:
        """Waits for the end and returns what the process wrote to standard error.

        Raises subprocess.TimeoutExpired.
        """
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("masksearch", timeout)
            time.sleep(0.01)
        return None, self.messages.read_bytes()


class Zygote:
    """The process that forks itself; `folder` takes the messages of the started processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, itertools.count()
        ours, theirs = socket.socketpair()
        path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "kit.zygote", str(theirs.fileno())]
        with open(folder / "zygote.log", "wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, pass_fds=[theirs.fileno()]
            )
        theirs.close()
        self.stream = ours.makefile("rw", encoding="utf-8")
        ours.close()

    def start(self, *arguments: object, **environment: str) -> Started:
        messages = self.folder / f"{next(self.numbers)}.stderr"
        wanted = {"arguments": list(map(str, arguments)), "messages": str(messages)}
        variables = {**os.environ, "MASKSEARCH_RESTARTED": "1", **environment}
        return Started(self, self.ask({**wanted, "environment": variables, "place": os.getcwd()}), messages)

    def ask(self, question: dict[str, Any]) -> Any:
        print(json.dumps(question), file=self.stream, flush=True)
        answer = self.stream.readline()
        assert answer, (self.folder / "zygote.log").read_text(errors="replace")
        return json.loads(answer)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()
        self.process.kill()
        self.process.wait()


def serve(connection: socket.socket) -> None:
    """Answers the questions of a `Zygote`, until it closes the connection."""
    for module in IMPORTS:
        importlib.import_module(module)
    start_quickly(pytest.MonkeyPatch())
    forkserver.ensure_running()
    stream = connection.makefile("rw", encoding="utf-8")
    for line in stream:
        question = json.loads(line)
        answer = _status(question["poll"]) if "poll" in question else _fork(question, connection)
        print(json.dumps(answer), file=stream, flush=True)


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(question: dict[str, Any], connection: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(connection.fileno())
        # The server of the workers is no child of this process, which therefore cannot ask for its state.
        forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(question["environment"])
        os.chdir(question["place"])
        for number, path in ((0, os.devnull), (1, os.devnull), (2, question["messages"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["masksearch", *question["arguments"]]
        from masksearch.cli.main import main

        status = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
