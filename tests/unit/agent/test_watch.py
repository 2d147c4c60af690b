"""What a watcher sees of an episode, and that it changes nothing."""

import asyncio

import pytest

from masksearch.agent.loop import run_episode
from masksearch.agent.settings import AgentSettings
from masksearch.agent.watch import Asked, Showed, Wrote
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.search import Bm25Searcher
from masksearch.types import Passage, Question

SEARCHER = Bm25Searcher.in_memory(
    [Passage(id="p1", doc_id="d1", title="Radium", text="Radium was discovered by Marie Curie in 1898.")]
)
QUESTION = Question(id="q1", question="Who discovered radium?", answers=("Marie Curie",))
SEARCH = "<think>I look.</think>\n<search>radium discovered</search>"
ANSWER = "<think>Curie.</think>\n<answer>Marie Curie</answer>"


class Streaming(ScriptedPolicy):
    """Shows its turns in pieces of three characters."""

    async def open(self, messages, sampling):
        session = await super().open(messages, sampling)
        session.on_text = None
        whole = session.generate

        async def generate(stop, max_tokens):
            generation = await whole(stop, max_tokens)
            if session.on_text is not None:
                for start in range(0, len(generation.text), 3):
                    session.on_text(generation.text[start : start + 3])
            return generation

        session.generate = generate
        return session


def watched(kind, *turns):
    events = []
    policy = kind(lambda messages: list(turns))
    episode = asyncio.run(
        run_episode(QUESTION, policy, SEARCHER, AgentSettings(), Sampling(), watch=events.append)
    )
    return events, episode.trajectory


@pytest.mark.parametrize("kind", [ScriptedPolicy, Streaming])
def test_events_come_in_order_and_hold_the_turns(kind):
    events, trajectory = watched(kind, SEARCH, ANSWER)
    turns, written = [], ""
    for event in events:
        if isinstance(event, Wrote):
            written += event.text
        elif isinstance(event, Asked):
            assert (event.tool, event.argument) == ("search", "radium discovered")
            turns.append(written)
            written = ""
        else:
            assert [hit.passage.id for hit in event.hits] == ["p1"]
            turns.append(event.text)
    assert [*turns, written] == [turn.text for turn in trajectory.turns]


def test_only_a_watched_session_streams():
    unwatched = asyncio.run(
        run_episode(
            QUESTION, Streaming(lambda messages: [SEARCH, ANSWER]), SEARCHER, AgentSettings(), Sampling()
        )
    ).trajectory
    assert unwatched == watched(Streaming, SEARCH, ANSWER)[1]


def test_a_correction_is_shown_without_results():
    events = []
    policy = ScriptedPolicy(lambda messages: ["nothing", ANSWER])
    settings = AgentSettings(corrections=1)
    asyncio.run(run_episode(QUESTION, policy, SEARCHER, settings, Sampling(), watch=events.append))
    (shown,) = (event for event in events if isinstance(event, Showed))
    assert shown.hits == ()
    assert not any(isinstance(event, Asked) for event in events)
