"""The scripts in examples/, run as a user runs them; models and endpoints are stand-ins on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kit.agent_server import TURNS, asking, scripted
from kit.endpoint import Endpoint, say
from kit.waiting import LONG
from kit.zygote import Zygote

EXAMPLES = Path(__file__).parents[3] / "examples"
DOCS = str(EXAMPLES / "elements.jsonl")


def run(tmp_path: Path, script: str, *arguments: object, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=5 * LONG,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_warm(zygote: Zygote, tmp_path: Path, script: str, *arguments: object) -> str:
    """Runs a script that takes long to start."""
    with contextlib.chdir(tmp_path):
        process = zygote.start(EXAMPLES / script, *arguments, call="kit.zygote:script")
    output, error = process.communicate(5 * LONG)
    assert process.returncode == 0, error
    return output


def test_every_script_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts
    assert all(f'"{name}"' in text for name in scripts)


@pytest.mark.slow
def test_own_spans_are_masked(tmp_path: Path, zygote: Zygote) -> None:
    lines = run_warm(zygote, tmp_path, "own_spans.py", DOCS).splitlines()
    assert len(lines) == 5
    assert all("the symbol [mask]" in line for line in lines)


@pytest.mark.slow
def test_an_own_search_answers_a_question(tmp_path: Path, tiny_checkpoint: Path) -> None:
    sys.path.insert(0, str(EXAMPLES))
    try:
        from own_search import search
    finally:
        sys.path.remove(str(EXAMPLES))
    assert search("Who discovered radium?", 3)[0]["title"] == "Radium"
    turns = ["<think>I look.</think>\n<search>radium</search>", "<think>So.</think>\n<answer>Curie</answer>"]
    with Endpoint(lambda body, number: say(turns[number % 2])) as endpoint:
        shown = run(
            tmp_path, "own_search.py", "openai:m", "Who discovered radium?", endpoint.url, OPENAI_API_KEY="k"
        )
    assert "Radium" in shown
    assert "Curie" in shown


@pytest.mark.slow
def test_an_own_reward_trains(tmp_path: Path, tiny_checkpoint: Path, zygote: Zygote) -> None:
    shown = run_warm(zygote, tmp_path, "own_reward.py", tiny_checkpoint, DOCS, 1)
    assert "step 1: reward of the answers 0." in shown
    assert (tmp_path / "runs" / "own-reward" / "stages" / "rl" / "checkpoint" / "config.json").is_file()


def test_the_own_reward_is_highest_for_the_right_number() -> None:
    from masksearch.runtime.own import load_own

    near = load_own(f"{EXAMPLES / 'own_reward.py'}:near")
    assert near("in 1817", ("1817",)) == 1
    assert near("1811", ("1817",)) == pytest.approx(1 / 7)
    assert near("I do not know", ("1817",)) == 0


@pytest.mark.slow
def test_a_model_behind_an_api_is_evaluated(tmp_path: Path) -> None:
    with Endpoint([say("<think>I know it.</think>\n<answer>1811</answer>")]) as endpoint:
        shown = run(tmp_path, "api_model.py", endpoint.url, "m", DOCS, OPENAI_API_KEY="k")
    assert "closed-book" in shown
    assert "'1811', 0 searches" in shown
    assert "no scores, because the questions have no answers" in shown


def test_a_client_of_the_service_prints_answer_and_sources(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="OpenAI's client is not installed: pip install masksearch[llm]")
    with asking(scripted(*TURNS)) as server:
        shown = run(tmp_path, "service_client.py", server.url, "Who discovered radium?")
    assert "Search: who discovered radium" in shown
    assert "Marie Curie (p0): Marie Curie discovered radium in Paris in 1898." in shown
