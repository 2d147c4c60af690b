"""The server as a process: signals, addresses, printed lines."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import pytest
from kit.places import REPOSITORY
from kit.serving_fakes import Server, index
from kit.waiting import LONG, wait_for
from pydantic import ValidationError

from masksearch.errors import MissingExtraError, UsageError
from masksearch.serving.app import create_app
from masksearch.serving.run import listen, make_server, url
from masksearch.serving.settings import ServeSettings

SCRIPT = """
import sys, threading, time
from pathlib import Path
sys.path.insert(0, {helpers!r})
from kit.serving_fakes import Broken
from masksearch.serving.run import serve
from masksearch.serving.settings import ServeSettings

class Waiting(Broken):
    def search(self, queries, k):
        if queries != ["fast"]:
            print("searching", file=sys.stderr, flush=True)
            while not Path({gate!r}).exists():
                time.sleep(0.01)
        return super().search(queries, k)

serve(Waiting(), ServeSettings(port=0, drain={drain}, host={host!r}))
print("returned")
"""


@dataclass
class Process:
    process: subprocess.Popen[str]
    stderr: IO[str]
    printed: str
    server: Server
    gate: Path


@contextlib.contextmanager
def served(folder: Path, drain: int = 30, host: str = "127.0.0.1") -> Iterator[Process]:
    gate = folder / "gate"
    code = SCRIPT.format(helpers=str(REPOSITORY / "tests"), gate=str(gate), drain=drain, host=host)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stderr is not None
    try:
        printed = ""
        while "Serving" not in printed:
            line = process.stderr.readline()
            assert line, printed
            printed += line
        port = int(printed.partition("http://")[2].partition(":")[2].partition(";")[0])
        yield Process(process, process.stderr, printed, Server(port), gate)
    finally:
        process.kill()
        process.communicate()


def in_background(server: Server, *queries: str) -> tuple[threading.Thread, list[httpx.Response | Exception]]:
    answers: list[httpx.Response | Exception] = []

    def ask() -> None:
        try:
            answers.append(server.retrieve(*queries))
        except httpx.HTTPError as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_server_that_is_told_to_stop_takes_nothing_new_finishes_what_it_has_and_returns(
    tmp_path: Path, number: signal.Signals
) -> None:
    with served(tmp_path) as run:
        assert "Serving broken at http://127.0.0.1:" in run.printed
        assert run.server.retrieve("fast").status_code == 200
        idle = run.server.connect()
        thread, answers = in_background(run.server, "slow", "slower")
        assert run.stderr.readline() == "searching\n"
        run.process.send_signal(number)

        def refuses() -> bool:
            try:
                run.server.connect().close()
            except ConnectionError:
                return True
            return False

        wait_for(refuses)
        assert run.process.poll() is None
        run.gate.touch()
        thread.join(LONG)
        answer = answers[0]
        assert isinstance(answer, httpx.Response)
        assert (answer.status_code, len(answer.json()["result"])) == (200, 2)
        stdout, stderr = run.process.communicate(timeout=LONG)
        assert (run.process.returncode, stdout) == (0, "returned\n")
        assert stderr == ""
        assert idle.recv(1) == b""
        idle.close()


def test_a_search_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    with served(tmp_path, drain=0) as run:
        thread, answers = in_background(run.server, "slow")
        assert run.stderr.readline() == "searching\n"
        run.process.send_signal(signal.SIGTERM)
        _, stderr = run.process.communicate(timeout=LONG)
        thread.join(LONG)
        assert run.process.returncode == 1
        assert stderr == "The server ended after 0 seconds; unanswered requests: 1.\n"
        assert len(answers) == 1


def test_listening_to_others_is_warned_of(tmp_path: Path) -> None:
    with served(tmp_path, host="0.0.0.0") as run:
        assert run.printed.startswith(
            "Warning: every program that can reach 0.0.0.0 can search here; there is no authentication.\n"
        )
        assert httpx.get(f"{run.server.url}/health", timeout=LONG).status_code == 200
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(LONG) == 0


def test_a_port_in_use_is_named_with_another_to_try() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"Port {port} of 127\.0\.0\.1 is in use.*--port \d+") as caught:
            listen("127.0.0.1", port)
    offered = int(str(caught.value).partition("--port ")[2].partition(",")[0])
    assert offered != port
    listen("127.0.0.1", offered).close()


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7"])
def test_an_address_that_is_not_ours_is_wrong_use(host: str) -> None:
    with pytest.raises(UsageError, match="Cannot listen on"):
        listen(host, 0)


@pytest.mark.skipif(not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_an_address_may_be_ipv6() -> None:
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6
    assert url("::1", 80) == "http://[::1]:80"


@pytest.mark.parametrize("module", ["uvicorn", "httptools"])
def test_a_missing_package_is_named_with_its_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(index(), ServeSettings())
    for name in [name for name in sys.modules if name.partition(".")[0] in (module, "uvicorn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"'{module}'.*masksearch\[serve\]"):
        make_server(app, ServeSettings())


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least default_k, which is 3"):
        ServeSettings(max_k=2)
