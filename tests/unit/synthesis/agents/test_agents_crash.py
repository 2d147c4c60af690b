"""The teacher `agents` killed at random: the command resumes, repeats no task, and writes the same output."""

import contextlib
import io
import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from kit.endpoint import Endpoint, say
from kit.roles import Roles, town_of
from kit.waiting import wait_for

from masksearch.cli.main import main
from masksearch.errors import UsageError
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.synthesis.agents.outcome_log import Log
from masksearch.synthesis.agents.scheduler import at_a_time
from masksearch.synthesis.agents.stage import OUTCOMES, REJECTS, run_agents
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Passage, Question

TASKS, KILLS = 40, 3


def passages(number):
    for place in range(number):
        yield Passage(
            id=f"p{place}",
            doc_id=f"d{place}",
            title=f"Place {place}",
            text=f"Town{place} lies on the river Flow{place}. It is a town.",
        )


def tasks(number):
    return [
        Question(id=f"q{place}", question=f"On which river does Town{place} lie?", answers=(f"Flow{place}",))
        for place in range(number)
    ]


def settings_of(folder, url, **given):
    values = {
        "tasks": str(folder / "tasks.jsonl"),
        "index": str(folder / "index"),
        "teacher": "agents",
        "llm": url,
        "model": "m",
        "concurrency": 4,
    }
    return SynthesizeSettings.model_validate({**values, **given})


class Some(Roles):
    """Judges every fifth town's answer incorrect, so that the run has rejects too."""

    def __call__(self, body, number):
        reply = super().__call__(body, number)
        town = int(town_of(body["messages"][1]["content"])[4:])
        return (
            say('{"reason": "r", "verdict": "incorrect"}')
            if "verdict" in json.dumps(reply) and town % 5 == 0
            else reply
        )


def command(folder, url, output):
    flags = [
        "--index",
        str(folder / "index"),
        "--teacher",
        "agents",
        "--llm",
        url,
        "--model",
        "m",
        "--concurrency",
        "4",
        "-o",
        str(folder / output),
    ]
    return ["synthesize", str(folder / "tasks.jsonl"), *flags]


def finish(folder, url, output):
    """Runs the command in this process and returns its messages."""
    with contextlib.redirect_stderr(io.StringIO()) as messages:
        assert main(command(folder, url, output)) == 0, messages.getvalue()
    return messages.getvalue()


def finished(folder):
    return {row["id"] for row in read_appended(folder / "out.jsonl.work" / OUTCOMES)}


@pytest.fixture
def folder(tmp_path):
    build(passages(TASKS), tmp_path / "index", IndexSettings())
    write_json_lines(tmp_path / "tasks.jsonl", [task.to_json() for task in tasks(TASKS)])
    return tmp_path


@pytest.mark.slow
def test_random_kills(folder, zygote):
    rng = random.Random(7)
    with Endpoint(Some()) as calm:
        run_agents(settings_of(folder, calm.url), folder / "calm.jsonl", folder / "calm.work")
        assert len(calm.requests) == 4 * TASKS
    roles, log = Some(), folder / "out.jsonl.work" / OUTCOMES
    with Endpoint(roles) as endpoint:

        def asked_since(place):
            return {f"q{town_of(body['messages'][1]['content'])[4:]}" for body in endpoint.bodies[place:]}

        for kill in range(KILLS):
            roles.admit(12 * (kill + 1))
            known, place = finished(folder), len(endpoint.requests)
            process = zygote.start(*command(folder, endpoint.url, "out.jsonl"))
            wanted = len(known) + rng.randrange(1, 8)
            wait_for(lambda end=wanted: log.exists() and log.read_bytes().count(b"\n") >= end)
            time.sleep(rng.random() * 0.05)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert not asked_since(place) & known
            assert known < finished(folder)
        roles.admit(TASKS)
        known, place = finished(folder), len(endpoint.requests)
        finish(folder, endpoint.url, "out.jsonl")
        assert not asked_since(place) & known
        # Only the tasks that ran during a kill are asked again.
        assert len(endpoint.requests) <= 4 * TASKS + KILLS * 4 * at_a_time(4)
    rows = [row["id"] for row in read_appended(folder / "out.jsonl")]
    assert rows == [f"q{place}" for place in range(TASKS) if place % 5]
    assert (folder / "out.jsonl").read_bytes() == (folder / "calm.jsonl").read_bytes()
    rejects = [row["id"] for row in read_appended(folder / "out.jsonl.work" / REJECTS)]
    assert rejects == [f"q{place}" for place in range(0, TASKS, 5)]
    log = [row["id"] for row in read_appended(folder / "out.jsonl.work" / OUTCOMES)]
    assert len(log) == len(set(log)) == TASKS
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.slow
def test_a_finished_command_given_again_asks_nothing(folder):
    """A kill after the output is written costs nothing. Other settings or no work folder start from zero."""
    with Endpoint(Some()) as endpoint:
        assert "is sent again" not in finish(folder, endpoint.url, "out.jsonl")
        whole, asked = (folder / "out.jsonl").read_bytes(), len(endpoint.requests)
        (folder / "out.jsonl").unlink()
        assert "no answered request is sent again; remove that folder" in finish(
            folder, endpoint.url, "out.jsonl"
        )
        assert (folder / "out.jsonl").read_bytes() == whole
        assert len(endpoint.requests) == asked
        shutil.rmtree(folder / "out.jsonl.work")
        finish(folder, endpoint.url, "out.jsonl")
        assert len(endpoint.requests) == 2 * asked
        with (folder / "tasks.jsonl").open("a") as stream:
            stream.write(
                json.dumps(
                    Question(
                        id="more", question="On which river does Town1 lie?", answers=("Flow1",)
                    ).to_json()
                )
                + "\n"
            )
        assert "is sent again" not in finish(folder, endpoint.url, "out.jsonl")
        assert len(endpoint.requests) == 3 * asked + 4


def test_every_cut_of_the_log_is_gone_on_from(tmp_path):
    """A kill may cut the log anywhere: complete lines count, and a torn task is done again."""
    path = tmp_path / "outcomes.jsonl"
    rows = [
        {
            "id": f"ü{place}",
            "reason": "" if place else "judged incorrect",
            "spent": {"judge": {"requests": 1}},
        }
        for place in range(3)
    ]
    with Log(path) as log:
        for row in rows:
            log.add(row)
        assert list(log.rows(["ü2", "nowhere", "ü0"])) == [rows[2], rows[0]]
    whole = path.read_bytes()
    for cut in range(0, len(whole), 3):
        path.write_bytes(whole[:cut])
        lines = whole[:cut].count(b"\n")
        with Log(path) as log:
            assert list(log.places) == [row["id"] for row in rows[:lines]]
            for row in rows[lines:]:
                log.add(row)
            assert (log.kept, log.reasons, log.spent["judge"].requests) == (2, {"judged incorrect": 1}, 3)
            with pytest.raises(ValueError, match="has an outcome already"):
                log.add(rows[0])
        assert path.read_bytes() == whole


def test_a_full_disk_is_an_error_and_leaves_a_log_to_go_on_from(tmp_path):
    class Full:
        def write(self, data):
            with open(tmp_path / "outcomes.jsonl", "ab") as stream:
                return stream.write(data[:5])

        def fileno(self):
            return stream.fileno()

        def close(self):
            pass

    row = {"id": "a", "reason": "", "spent": {}}
    with Log(tmp_path / "outcomes.jsonl") as log:
        stream, log._stream = log._stream, Full()
        with pytest.raises(OSError, match="No space left on device"):
            log.add(row)
        assert not log.places
    with Log(tmp_path / "outcomes.jsonl") as log:
        log.add(row)
    assert read_appended(tmp_path / "outcomes.jsonl") == [row]


class Broken:
    """A search with an unexpected error."""

    fingerprint = "broken"

    async def asearch(self, query, k):
        raise OSError("the index is gone")

    def search(self, queries, k):
        raise OSError("the index is gone")


def test_an_error_is_told_as_what_it_is(folder):
    """The error itself is raised, not the ExceptionGroup around it, which would hide the message."""
    prompts = Path(folder / "prompts")
    prompts.mkdir()
    (prompts / "observer.j2").write_text("{{ nobody }}")
    with Endpoint(Roles()) as endpoint:
        with pytest.raises(UsageError, match=r"observer.j2 cannot be filled in: 'nobody' is undefined"):
            run_agents(
                settings_of(folder, endpoint.url, agents={"prompts": str(prompts)}),
                folder / "a.jsonl",
                folder / "a.work",
            )
        with pytest.raises(OSError, match="the index is gone"):
            run_agents(settings_of(folder, endpoint.url), folder / "b.jsonl", folder / "b.work", Broken())
