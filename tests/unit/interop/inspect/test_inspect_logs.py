"""Trajectories as a log of Inspect."""

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai.log import read_eval_log

from masksearch.errors import UsageError
from masksearch.interop.export.command import export
from masksearch.interop.export.settings import ExportSettings
from masksearch.runtime.files import write_json_lines
from masksearch.types import Question, Trajectory, Turn, task_json

QUESTION = Question(id="q", question="Who discovered radium?", answers=("Marie Curie",))


def line(**more):
    turns = (
        Turn(role="model", text="<think>I look.</think>\n<search>radium</search>"),
        Turn(role="tool", text="\n<information>\n[1] Radium: Marie Curie found it.\n</information>\n"),
        Turn(role="model", text="<think>So.</think>\n<answer>Marie Curie</answer>"),
    )
    values = {"tools": ("search",), "model": "m", "scores": {"recall": 1.0, "f1": 1.0, "em": 1.0}}
    found = Trajectory(
        id="q", task=task_json(QUESTION), turns=turns, answer="Marie Curie", status="answered", **values
    )
    return {**found.to_json(), **more}


@pytest.mark.parametrize("ending", [".eval", ".json"])
def test_a_log_holds_prompt_turns_and_scores(tmp_path, ending):
    write_json_lines(tmp_path / "rollouts.jsonl", [line(step=3, reward=0.5), line(step=3, reward=1.0)])
    output = tmp_path / f"rl{ending}"
    settings = ExportSettings(trajectories=(str(tmp_path / "rollouts.jsonl"),), to="inspect")
    assert export(settings, str(output))["written"] == 2
    log = read_eval_log(str(output))
    assert (log.status, log.eval.task, log.eval.model) == ("success", "rl", "m")
    first, second = log.samples
    assert (first.id, first.epoch, second.epoch, first.target) == ("q", 1, 2, ["Marie Curie"])
    roles = [message.role for message in first.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert "Who discovered radium?" in first.messages[1].text
    assert first.scores["measures"].value == {"recall": 1, "f1": 1, "em": 1}
    assert (first.metadata["reward"], second.metadata["reward"], first.metadata["step"]) == (0.5, 1.0, 3)


def test_a_log_needs_a_file_of_inspect(tmp_path):
    settings = ExportSettings(trajectories=("x",), to="inspect")
    with pytest.raises(UsageError, match=r"must end in \.eval or \.json"):
        export(settings, str(tmp_path / "a.jsonl"))
