"""A trajectory records its prompt, and training refuses it behind another one."""

import asyncio

import pytest

from masksearch.agent.loop import run_episode, run_single_turn
from masksearch.agent.prompts import messages, messages_hash, templates_hash
from masksearch.agent.settings import AgentSettings
from masksearch.errors import TrainingError
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.runtime.files import write_json_lines
from masksearch.search import Bm25Searcher
from masksearch.train.loss_mask import encode_trajectory
from masksearch.train.settings import SftSettings
from masksearch.train.sft.sources import encode_all
from masksearch.types import MaskedTask, Passage, Question, Trajectory

SEARCHER = Bm25Searcher.in_memory([Passage(id="p", doc_id="d", title="Radium", text="Curie found radium.")])
QUESTION = Question(id="q", question="Who found radium?", answers=("Curie",))
MASKED = MaskedTask(
    id="t", doc_id="d", title="A", text="A is [mask].", answers=("x",), masks=1, original="A is x."
)
TURNS = ["<think>I look.</think>\n<search>radium</search>", "<think>Seen.</think>\n<answer>Curie</answer>"]


def rolled_out(task=QUESTION, style="agent", **settings) -> Trajectory:
    policy = ScriptedPolicy(lambda chat: list(TURNS))
    episode = run_episode(task, policy, SEARCHER, AgentSettings(**settings), Sampling(), style=style)
    return asyncio.run(episode).trajectory


def test_the_prompt_is_recorded_and_survives_a_file(tiny_tokenizer):
    trajectory = rolled_out()
    assert trajectory.prompt_hash == messages_hash(messages(QUESTION, "agent", "spans"))
    assert trajectory.templates_hash == templates_hash()
    again = Trajectory.model_validate(trajectory.to_json())
    assert encode_trajectory(tiny_tokenizer, again) == encode_trajectory(tiny_tokenizer, trajectory)


@pytest.mark.parametrize("form", ["spans", "paragraph"])
@pytest.mark.parametrize("opens", [0, 2])
def test_trajectories_of_the_agent_are_trained_on(tiny_tokenizer, form, opens):
    trajectory = rolled_out(MASKED, answer_form=form, max_opens=opens)
    assert trajectory.prompt_hash
    assert encode_trajectory(tiny_tokenizer, trajectory).labels


def test_another_prompt_is_refused_with_file_and_trajectory(tiny_tokenizer, tmp_path):
    write_json_lines(tmp_path / "t.jsonl", [rolled_out(style="agent-prompted").to_json()])
    settings = SftSettings(model="m", trajectories=(str(tmp_path / "t.jsonl"),))
    with pytest.raises(TrainingError, match=r"t\.jsonl: .*'q' .* another method's prompt"):
        encode_all(settings, tiny_tokenizer)


def test_a_rag_trajectory_is_refused(tiny_tokenizer):
    policy = ScriptedPolicy(lambda chat: ["<answer>Curie</answer>"])
    episode = run_single_turn(QUESTION, policy, SEARCHER, AgentSettings(), Sampling(), query="radium")
    with pytest.raises(TrainingError, match="another method's prompt"):
        encode_trajectory(tiny_tokenizer, asyncio.run(episode).trajectory)


def test_changed_prompt_files_are_named(tiny_tokenizer):
    changed = rolled_out().model_copy(update={"prompt_hash": "0" * 16, "templates_hash": "1" * 16})
    expected = f"prompt files had version {'1' * 16}, those of this installation have version"
    with pytest.raises(TrainingError, match=expected):
        encode_trajectory(tiny_tokenizer, changed)


def test_files_of_earlier_versions_record_no_prompt_and_pass(tiny_tokenizer):
    trajectory = rolled_out()
    older = {k: v for k, v in trajectory.to_json().items() if k not in ("prompt_hash", "templates_hash")}
    read = Trajectory.model_validate(older)
    assert encode_trajectory(tiny_tokenizer, read) == encode_trajectory(tiny_tokenizer, trajectory)
