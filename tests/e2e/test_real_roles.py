"""The teacher `agents` with SmolLM2-135M behind a real server on loopback.

The model may solve no task, but every reply is recorded and the run ends cleanly.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from test_real_endpoint import NEEDED, url  # noqa: F401 - a fixture

from masksearch.cli.main import main
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage, Question, Trajectory

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in NEEDED),
        reason="needs the packaged model and the extras llm and serving",
    ),
]
FACTS = {"radium": "Marie Curie", "penicillin": "Alexander Fleming", "oxygen": "Joseph Priestley"}
REPLY = 32
"""Most tokens of a reply: enough for a model of this size, and few enough for a slow machine."""


def test_every_failure_is_on_record(
    url: tuple[str, str],  # noqa: F811
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
    assert sorted([*kept, *(row["id"] for row in rejects)]) == sorted(FACTS), "every task has an outcome"
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
            f"masksearch: None of the 3 tasks in {tmp_path / 'tasks.jsonl'} became a trajectory ("
        )
        assert errors[0].endswith(f"See {work / 'rejects.jsonl'}.")
    # The outcomes are final: the same command sends no further request.
    log = (work / "outcomes.jsonl").read_bytes()
    assert len(log.splitlines()) == len(FACTS)
    if not kept:
        assert main(command) == 1
        assert (work / "outcomes.jsonl").read_bytes() == log
