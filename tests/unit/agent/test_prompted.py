"""Agents that were never trained on the protocol: their prompts, and the corrections of invalid turns."""

import asyncio

import pytest
from kit.endpoint import Endpoint, call, calls, say

from masksearch.agent.loop import run_episode, run_single_turn
from masksearch.agent.protocol import is_valid
from masksearch.agent.settings import AgentSettings
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import EndpointPolicy
from masksearch.llm.native_tools import ToolsPolicy
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.search import Bm25Searcher
from masksearch.types import MaskedTask, Passage, Question

SEARCHER = Bm25Searcher.in_memory(
    [Passage(id="p1", doc_id="d1", title="Radium", text="Radium was discovered by Marie Curie in 1898.")]
)
QUESTION = Question(id="q1", question="Who discovered radium?", answers=("Marie Curie",))
SEARCH = "<think>I look.</think>\n<search>radium</search>"
ANSWER = "<think>Curie.</think>\n<answer>Marie Curie</answer>"
CORRECTION = "That was not an action that can be carried out."


def episode(*turns, task=QUESTION, style="agent-prompted", prompt=None, **settings):
    def make(messages):
        if prompt is not None:
            prompt.extend(messages)
        return list(turns)

    policy = ScriptedPolicy(make)
    return asyncio.run(
        run_episode(task, policy, SEARCHER, AgentSettings(**settings), Sampling(), style=style)
    ).trajectory


@pytest.mark.parametrize(
    ("opens", "limit"), [(0, "You may search at most 3 times."), (2, "You may open at most 2 pages")]
)
def test_the_prompt_tells_the_limits(opens, limit):
    prompt = []
    assert episode(SEARCH, ANSWER, prompt=prompt, max_searches=3, max_opens=opens).status == "answered"
    assert limit in prompt[0]["content"]
    assert ("<open>" in prompt[0]["content"]) is bool(opens)


@pytest.mark.parametrize(
    "turn",
    [
        "The answer is Marie Curie.",
        "",
        "<search></search>",
        "```\nsearch: radium\n```",
        "<think>a</think><information>[1] x</information>",
        "</answer>",
    ],
)
def test_a_turn_that_asks_for_nothing_is_corrected_so_often(turn):
    trajectory = episode(turn, SEARCH, turn, ANSWER, corrections=2)
    assert (trajectory.status, trajectory.answer, trajectory.error) == ("answered", "Marie Curie", "")
    assert (trajectory.usage.corrections, trajectory.usage.searches) == (2, 1)
    assert [turn.role for turn in trajectory.turns] == ["model", "tool"] * 3 + ["model"]
    assert trajectory.turns[1].text.strip().startswith(CORRECTION)
    assert trajectory.turns[1] == trajectory.turns[5]  # the correction is always the same
    assert not is_valid(trajectory.turns)
    assert trajectory.retrieved == (("p1",),)
    once = episode(turn, SEARCH, turn, ANSWER, corrections=1)
    assert (once.status, once.usage.corrections, once.answer) == ("no_answer", 1, "")
    assert once.error


def test_no_correction_by_default():
    trajectory = episode("Marie Curie.", ANSWER)
    assert (trajectory.status, trajectory.usage.corrections, len(trajectory.turns)) == ("no_answer", 0, 1)


def test_tags_inside_a_fence_are_read():
    trajectory = episode("```xml\n<search>radium</search>\n```", "```\n<answer>Marie Curie</answer>```")
    assert (trajectory.status, trajectory.answer, trajectory.usage.searches) == ("answered", "Marie Curie", 1)


def test_a_model_that_never_ends_is_ended_by_the_budget():
    assert episode(*["word " * 40] * 99, corrections=50, max_tokens=200).status == "too_long"
    assert episode(*[""] * 99, corrections=5).usage.corrections == 5


@pytest.mark.parametrize(("language", "word"), [("es", "acción"), ("fr", "action"), ("zh", "动作")])
def test_corrections_are_in_the_language_of_the_task(language, word):
    task = MaskedTask(
        id="t1",
        doc_id="d1",
        title="R",
        text="[mask].",
        answers=("x",),
        masks=1,
        original="x.",
        language=language,
    )
    text = episode("?", ANSWER, task=task, corrections=1).turns[1].text
    assert word in text
    assert CORRECTION not in text


def tools_episode(*replies, **settings):
    with Endpoint(list(replies)) as server:
        policy = ToolsPolicy("m", server.url, retries=0)
        episode = asyncio.run(
            run_episode(
                QUESTION, policy, SEARCHER, AgentSettings(**settings), Sampling(), style="agent-tools"
            )
        )
        return episode.trajectory, server.bodies


def test_native_calls_that_cannot_be_carried_out():
    broken = calls(call("search", "{no json", "call_x"))
    trajectory, _ = tools_episode(broken, say("Marie Curie"))
    assert (trajectory.status, trajectory.error) == ("no_answer", "the arguments of search are no JSON")
    trajectory, bodies = tools_episode(
        broken, calls(call("search", {"query": "radium"})), say("Marie Curie"), corrections=1
    )
    assert (trajectory.status, trajectory.answer, trajectory.usage.corrections) == (
        "answered",
        "Marie Curie",
        1,
    )
    assert "calling tools" in bodies[0]["messages"][0]["content"]
    assert bodies[1]["messages"][3]["role"] == "tool"
    assert "could not be carried out" in bodies[1]["messages"][3]["content"]


def test_a_thought_is_no_part_of_an_answer_without_tags():
    pytest.importorskip("openai")
    with Endpoint([say("Marie Curie", reasoning_content="Radium... Pierre?")]) as server:
        policy = EndpointPolicy("m", server.url, retries=0)
        trajectory = asyncio.run(
            run_single_turn(QUESTION, policy, None, AgentSettings(), Sampling())
        ).trajectory
    assert (trajectory.answer, trajectory.status) == ("Marie Curie", "no_answer")
    assert "Pierre" in trajectory.turns[0].text
