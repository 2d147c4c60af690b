"""A server with a model as a process: start, token, a question, the signal to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from kit.agent_server import TURNS, events
from kit.endpoint import Endpoint, say
from kit.places import REPOSITORY
from kit.serving_fakes import Server
from kit.waiting import LONG, wait_for

SCRIPT = """
import sys
sys.path.insert(0, {helpers!r})
from kit.serving_fakes import index
from masksearch.serving.run import serve
from masksearch.serving.settings import ServeSettings

serve(index(), ServeSettings(port=0, host="0.0.0.0", model="openai:m", llm={url!r}))
print("returned")
"""


@pytest.mark.slow
def test_it_loads_answers_with_the_token_and_returns(tmp_path: Path) -> None:
    turns = [say(turn.replace("</search>", "").replace("</answer>", "")) for turn in TURNS]
    with Endpoint(turns) as endpoint:
        code = SCRIPT.format(helpers=str(REPOSITORY / "tests"), url=endpoint.url)
        environment = {**os.environ, "MASKSEARCH_TOKEN": "a-token"}
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        ) as process:
            try:
                assert process.stderr is not None
                printed = process.stderr.readline()
                assert "ask there, in a browser" in printed
                assert "a-token" not in printed
                server = Server(int(printed.partition("http://0.0.0.0:")[2].partition(";")[0]))
                wait_for(lambda: httpx.get(f"{server.url}/ready", timeout=LONG).status_code == 200)
                key = {"authorization": "Bearer a-token"}
                record = events(server, "Who discovered radium?", headers=key)[-1][1]
                assert (record["answer"], record["model"]) == ("Marie Curie", "openai:m")
                process.send_signal(signal.SIGTERM)
                stdout, stderr = process.communicate(timeout=LONG)
            finally:
                process.kill()
        assert (process.returncode, stdout) == (0, "returned\n")
        assert stderr == "The model openai:m is loaded.\n"
