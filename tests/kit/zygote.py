"""Starts `masksearch COMMAND ...` in a new process within milliseconds, for tests that start processes.

A process that has imported everything, torch and spaCy included, forks itself for each command, so the
imports of a start, which take up to 15 seconds, are not repeated. One such process serves all workers of a
test run. The started process is killed like any other. Worker processes of a command are forked from a second
such process.

    def test_it(zygote):
        process = zygote.start("mask", "docs.jsonl", "-o", "tasks.jsonl")
        process.send_signal(signal.SIGKILL)
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from kit.places import REPOSITORY
from kit.quick_workers import IMPORTS, start_quickly
from kit.tiny import made_once
from kit.waiting import LONG

MAIN = "kit.zygote:command"
NAMES = {
    "masksearch.evolve.stage": (),
    "masksearch.recipe.run": (),
    "masksearch.train.rl.stage": (),
    "masksearch.train.sft.stage": (),
    "spacy": (),
    "transformers": ("AutoModelForCausalLM", "AutoTokenizer", "LlamaForCausalLM", "PreTrainedTokenizerFast"),
    "trl": ("GRPOTrainer",),
}
"""Modules to import besides IMPORTS -> names that they load when they are asked for. All may be missing."""


class Started:
    """A process that the zygote has started; like a `subprocess.Popen`."""

    def __init__(self, zygote: Zygote, pid: int, place: Path) -> None:
        self.zygote, self.pid, self.place = zygote, pid, place
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.zygote.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = LONG) -> int:
        """Waits for the end and returns the status. Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("masksearch", timeout)
            time.sleep(0.02)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = LONG) -> tuple[str, str]:
        """Waits for the end and returns what the process wrote to standard output and standard error.

        Raises subprocess.TimeoutExpired.
        """
        self.wait(timeout)
        output, error = (self.place.with_suffix(end).read_text(errors="replace") for end in (".out", ".err"))
        return output, error


class Zygote:
    """The process that forks itself; `folder` takes the messages of the started processes."""

    def __init__(self, address: str, log: Path, folder: Path) -> None:
        self.address, self.log, self.folder, self.numbers = address, log, folder, itertools.count()

    def start(self, *arguments: object, call: str = MAIN, **environment: str) -> Started:
        """Starts `masksearch ARGUMENTS`. `environment` is added to this process's.

        `call` is another function `MODULE:NAME` of the list of arguments; it returns the status.
        """
        place = self.folder / str(next(self.numbers))
        variables = {**os.environ, "MASKSEARCH_RESTARTED": "1", "OMP_NUM_THREADS": "1", **environment}
        question = {
            "call": call,
            "arguments": list(map(str, arguments)),
            "messages": str(place),
            "environment": variables,
            "place": os.getcwd(),
        }
        return Started(self, self.ask(question), place)

    def ask(self, question: dict[str, Any]) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            stream = connection.makefile("rw", encoding="utf-8")
            print(json.dumps(question), file=stream, flush=True)
            answer = stream.readline()
        assert answer, self.log.read_text(errors="replace")
        return json.loads(answer)


def shared_zygote(base: Path, folder: Path) -> Zygote:
    """Returns the zygote of a test run; the first worker that needs it starts it. `base` is the worker's
    temporary folder."""
    made = made_once(base, "zygote", _begin)
    return Zygote((made / "address").read_text(), made / "log", folder)


def _begin(folder: Path) -> None:
    folder.mkdir()
    path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    # The run ends with the first process of pytest, which is the parent of a worker.
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    command = [sys.executable, "-m", "kit.zygote", str(run)]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, (folder / "log").read_text(errors="replace")
    (folder / "address").write_text(address)


def serve(run: int) -> None:
    """Answers the workers' questions at a socket, whose path it prints, until the process `run` ends."""
    for module in IMPORTS:
        importlib.import_module(module)
    for module, names in NAMES.items():
        with contextlib.suppress(ImportError):
            loaded = importlib.import_module(module)
            for name in names:
                getattr(loaded, name)
    start_quickly(pytest.MonkeyPatch())
    forkserver.ensure_running()
    gc.collect()
    gc.freeze()
    folder = Path(tempfile.mkdtemp())
    try:
        with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as waiting:
            server.bind(str(folder / "socket"))
            server.listen(64)
            print(folder / "socket", flush=True)
            waiting.register(server, selectors.EVENT_READ)
            while _runs(run):
                if waiting.select(1.0):
                    _answer(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runs(run: int) -> bool:
    try:
        os.kill(run, 0)
    except OSError:
        return False
    return True


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        question = json.loads(stream.readline())
        answer = _status(question["poll"]) if "poll" in question else _fork(question, server, connection)
        print(json.dumps(answer), file=stream, flush=True)


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(question: dict[str, Any], server: socket.socket, connection: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(server.fileno())
        os.close(connection.fileno())
        _prepare(question)
        module, _, name = question["call"].partition(":")
        status = getattr(importlib.import_module(module), name)(question["arguments"]) or 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _prepare(question: dict[str, Any]) -> None:
    """Gives the process the environment, folder and streams of a started one."""
    # The server of the workers is no child of this process, which therefore cannot ask for its state.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(question["environment"])
    os.chdir(question["place"])
    messages = question["messages"]
    for number, path in ((0, os.devnull), (1, f"{messages}.out"), (2, f"{messages}.err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)


def command(arguments: list[str]) -> int:
    """Runs `masksearch ARGUMENTS` as the program does."""
    from masksearch.cli.main import main

    sys.argv = ["masksearch", *arguments]
    return main()


def script(arguments: list[str]) -> int:
    """Runs a script, as `python SCRIPT ARGUMENTS` does."""
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).parent)
    runpy.run_path(arguments[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    serve(int(sys.argv[1]))
