"""The teacher `agents` in several processes: the output and limits of one process, and no loss by a kill."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kit.endpoint import Endpoint, fail, say
from kit.quick_workers import start_quickly
from kit.roles import Roles, town_of
from kit.waiting import LONG, wait_for

from masksearch.errors import DataError, MaskSearchError, ModelError, UsageError
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.synthesis.agents.stage import OUTCOMES, REJECTS, run_agents
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Passage, Question

pytestmark = pytest.mark.slow

TASKS = 24


@pytest.fixture
def folder(tmp_path):
    texts = (
        Passage(
            id=f"p{n}",
            doc_id=f"d{n}",
            title=f"Place {n}",
            text=f"Town{n} lies on the river Flow{n}. It is a town.",
        )
        for n in range(TASKS)
    )
    build(texts, tmp_path / "index", IndexSettings())
    questions = [
        Question(id=f"q{n}", question=f"On which river does Town{n} lie?", answers=(f"Flow{n}",))
        for n in range(TASKS)
    ]
    write_json_lines(tmp_path / "tasks.jsonl", [question.to_json() for question in questions])
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    start_quickly(monkeypatch)


def run(folder, endpoint, output, workers=3, **given):
    values = {
        "tasks": str(folder / "tasks.jsonl"),
        "index": str(folder / "index"),
        "teacher": "agents",
        "llm": endpoint.url,
        "model": "m",
    }
    values |= {"agents": {"retries": 0, "timeout": LONG}, "workers": workers, "concurrency": 6, **given}
    return run_agents(
        SynthesizeSettings.model_validate(values), folder / f"{output}.jsonl", folder / f"{output}.work"
    )


def judged(body, number):
    """Judges one answer incorrect, so that the test compares rejects too."""
    if town_of(body["messages"][1]["content"]) == "Town2" and "verdict" in str(body.get("response_format")):
        return say('{"reason": "r", "verdict": "incorrect"}')
    return Roles()(body, number)


@pytest.mark.usefixtures("quick")
def test_as_in_one_process_and_never_more_in_flight(folder):
    with Endpoint(judged, together=5) as endpoint:
        here = run(folder, endpoint, "one", workers=1, concurrency=5)
        assert endpoint.most == 5
        endpoint.most = 0
        there = run(folder, endpoint, "three", concurrency=5)
        assert endpoint.most == 5
        assert len(endpoint.requests) == 2 * 4 * TASKS
    assert (folder / "three.jsonl").read_bytes() == (folder / "one.jsonl").read_bytes()
    assert here == there
    assert here["kept"] == TASKS - 1
    assert [row["id"] for row in read_appended(folder / "three.work" / REJECTS)] == ["q2"]


@pytest.mark.usefixtures("quick")
def test_limits(folder):
    with Endpoint(Roles(), wait=0.02) as endpoint:
        # A task takes 40 tokens. Tasks still finish that run when the limit is reached, or that start
        # before the processes know of it.
        summary = run(folder, endpoint, "tokens", max_tokens=200, concurrency=2, workers=2)
        assert 5 <= summary["kept"] <= 9
        assert summary["tokens"] == 40 * summary["kept"]
        assert summary["unfinished"] == TASKS - summary["kept"]
        assert f"the limit is reached: {summary['tokens']} tokens" in summary["text"]
        assert len(endpoint.requests) == 4 * summary["kept"]
    with Endpoint(Roles()) as endpoint:
        summary = run(folder, endpoint, "limit", limit=5)
        assert (summary["kept"], "unfinished" in summary) == (5, False)
        assert len(endpoint.requests) < 4 * TASKS


@pytest.mark.usefixtures("quick")
def test_more_in_flight_than_pipes_hold(folder):
    """Hundreds of large tasks are dealt and requested at once: full pipes do not deadlock the two sides."""
    words = " ".join(f"word{place}" for place in range(400))
    questions = [
        Question(
            id=f"q{n}",
            question=f"{words} On which river does Town{n % TASKS} lie?",
            answers=(f"Flow{n % TASKS}",),
        )
        for n in range(700)
    ]
    write_json_lines(folder / "tasks.jsonl", [question.to_json() for question in questions])
    with Endpoint([fail(503)]) as endpoint, pytest.raises(DataError, match="answered 503"):
        run(folder, endpoint, "many", workers=2, concurrency=400)


@pytest.mark.usefixtures("quick")
def test_an_outage_stops_all_and_what_was_finished_is_kept(folder):
    def finished():
        path = folder / "out.work" / OUTCOMES
        return len(path.read_text().splitlines()) >= 2 if path.exists() else False

    def some(body, number):
        if town_of(body["messages"][1]["content"]) in ("Town0", "Town1"):
            return Roles()(body, number)
        wait_for(finished)  # the outage comes when two tasks are on record
        return fail(503)

    with Endpoint(some) as endpoint:
        summary = run(folder, endpoint, "out", workers=2, concurrency=2)
        assert (summary["kept"], summary["unfinished"]) == (2, TASKS - 2)
        assert "answered 503" in summary["text"]
        assert len(endpoint.requests) < 8 + TASKS
    with Endpoint(Roles()) as endpoint:
        assert run(folder, endpoint, "out")["kept"] == TASKS
        assert len(endpoint.requests) == 4 * (TASKS - 2)


@pytest.mark.usefixtures("quick")
def test_a_refusal_ends_with_a_sentence(folder):
    with Endpoint([fail(401)]) as endpoint, pytest.raises(ModelError, match="answered 401"):
        run(folder, endpoint, "refused")
    with Endpoint([fail(401)]) as endpoint, pytest.raises(UsageError, match="holds no prompt"):
        run(folder, endpoint, "prompts", agents={"prompts": str(folder)})


def children(process):
    """Returns the worker processes that a process has started, from the kernel's list."""
    path = Path(f"/proc/{process}/task/{process}/children")
    names = path.read_text().split() if path.exists() else []
    return [int(name) for name in names if b"spawn_main" in Path(f"/proc/{name}/cmdline").read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of processes")
def test_a_worker_that_dies_is_told_of_and_nothing_is_lost(folder, monkeypatch):
    roles = Roles()
    roles.towns = TASKS // 2

    def kill_one():
        wait_for(lambda: os.path.getsize(folder / "out.work" / OUTCOMES))
        os.kill(children(os.getpid())[0], signal.SIGKILL)
        roles.admit(TASKS)

    (folder / "out.work").mkdir()
    (folder / "out.work" / OUTCOMES).touch()
    killer = threading.Thread(target=kill_one)
    with Endpoint(roles) as endpoint:
        killer.start()
        with pytest.raises(
            MaskSearchError,
            match=r"One of 3 worker processes died.*Start the same command again to resume",
        ):
            run(folder, endpoint, "out")
        killer.join()
        assert children(os.getpid()) == []
        known = len(list(read_appended(folder / "out.work" / OUTCOMES)))
        assert 0 < known < TASKS
        monkeypatch.setenv("OPENAI_API_KEY", "again")
        assert run(folder, endpoint, "out")["kept"] == TASKS
        assert len(endpoint.asked_with("again")) == 4 * (TASKS - known)


def running(number):
    try:
        return (
            re.search(r"^State:\s+[^Z]", Path(f"/proc/{number}/status").read_text(), re.MULTILINE) is not None
        )
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of processes")
def test_a_killed_command_leaves_no_process_and_is_gone_on_from(folder):
    log = folder / "out.jsonl.work" / OUTCOMES

    def start(url, key):
        flags = [
            "--index",
            folder / "index",
            "--teacher",
            "agents",
            "--llm",
            url,
            "--model",
            "m",
            "--concurrency",
            "4",
            "--workers",
            "2",
        ]
        command = [
            sys.executable,
            "-m",
            "masksearch",
            "synthesize",
            folder / "tasks.jsonl",
            *flags,
            "-o",
            folder / "out.jsonl",
        ]
        return subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "OPENAI_API_KEY": key},
        )

    roles = Roles()
    with Endpoint(roles) as endpoint:
        for kill in range(2):
            before = log.read_bytes().count(b"\n") if log.exists() else 0
            roles.admit(8 * (kill + 1))
            process = start(endpoint.url, f"killed {kill}")
            wait_for(lambda end=before + kill: log.exists() and log.read_bytes().count(b"\n") > end)
            wait_for(lambda pid=process.pid: len(children(pid)) == 2)
            workers = children(process.pid)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            wait_for(lambda gone=workers: not any(map(running, gone)))
        known = len(list(read_appended(log)))
        roles.admit(TASKS)
        process = start(endpoint.url, "again")
        stderr = process.communicate(timeout=LONG)[1].decode()
        assert process.returncode == 0, stderr
        assert len(endpoint.asked_with("again")) == 4 * (TASKS - known)
    assert [row["id"] for row in read_appended(folder / "out.jsonl")] == [
        f"q{place}" for place in range(TASKS)
    ]
    assert sorted(row["id"] for row in read_appended(log)) == sorted(f"q{place}" for place in range(TASKS))
