"""Searches with hidden articles: order and number of the other results, and hiding in the agent loop."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.agent.loop import run_episode, run_single_turn
from masksearch.agent.settings import AgentSettings
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.protocols import Searcher
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.search.wrappers.hiding import EXTRA_RESULTS, HiddenSource, search_for_task
from masksearch.text.neutralise import neutralise
from masksearch.types import MaskedTask, Passage, Question


def passage(name, title, text, doc_id=""):
    return Passage(id=name, doc_id=doc_id or name, title=title, text=text)


MANY = [passage(f"r{number:03}", "Radium", f"Radium number {number}.", "radium") for number in range(100)]
OTHERS = [
    passage(f"x{number}", f"Other {number}", f"Radium is far away here, in a long text, number {number}.")
    for number in range(4)
]
SEARCHER = Bm25Searcher.in_memory([*MANY, *OTHERS])


def ids(hits):
    return [hit.passage.id for hit in hits]


def test_hidden_by_title_with_as_many_results_as_there_are():
    hidden = HiddenSource(SEARCHER, [" RADIUM "])
    assert isinstance(hidden, Searcher)
    assert len(MANY) > 3 + EXTRA_RESULTS
    for k in (1, 3, 4, 50):
        everything = [
            hit for hit in SEARCHER.search(["radium number"], 200)[0] if hit.passage.doc_id != "radium"
        ]
        assert hidden.search(["radium number"], k) == [everything[:k]]
        assert asyncio.run(hidden.asearch("radium number", k)) == everything[:k]
    assert hidden.search([], 3) == []
    assert hidden.search(["radium", "unheard"], 0) == [[], []]
    assert asyncio.run(hidden.asearch("radium", 0)) == []
    assert hidden.search(["unheard", "far"], 2)[0] == []


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=30),
    st.sets(st.sampled_from("abcd")),
    st.integers(0, 12),
)
def test_same_as_filtering_everything(titles, hidden, k):
    searcher = Bm25Searcher.in_memory(
        [
            passage(f"{number:02}", title, f"word {title} " + "filler " * number)
            for number, title in enumerate(titles)
        ]
    )
    expected = [hit for hit in searcher.search(["word filler"], 100)[0] if hit.passage.title not in hidden][
        :k
    ]
    assert HiddenSource(searcher, hidden).search(["word filler", "nothing"], k) == [expected, []]


def test_an_empty_title_names_no_article():
    searcher = Bm25Searcher.in_memory([passage("1", "", "one radium"), passage("2", "", "two radium")])
    assert ids(HiddenSource(searcher, [""]).search(["radium"], 5)[0]) == ["1", "2"]
    assert ids(HiddenSource(searcher, [""], ["1"]).search(["radium"], 5)[0]) == ["2"]


def test_fingerprint_depends_on_what_is_hidden():
    prints = {
        HiddenSource(SEARCHER, titles, ids_).fingerprint
        for titles, ids_ in ((["Radium"], []), (["Paris"], []), ([], ["Radium"]))
    }
    assert len(prints) == 3
    assert all(one.startswith(SEARCHER.fingerprint) for one in prints)
    assert HiddenSource(SEARCHER, ["a", "B"]).fingerprint == HiddenSource(SEARCHER, ["b", "A"]).fingerprint


TASK = MaskedTask(
    id="t",
    doc_id="radium",
    title="Radium",
    text="Radium is number [mask].",
    answers=("7",),
    masks=1,
    original="Radium is number 7.",
)


def test_only_tasks_with_source_hidden():
    assert search_for_task(TASK, SEARCHER) is SEARCHER
    assert search_for_task(Question(id="q", question="Radium?", answers=("7",)), SEARCHER) is SEARCHER
    assert ids(
        search_for_task(TASK.model_copy(update={"source_hidden": True}), SEARCHER).search(["radium"], 2)[0]
    ) == ["x0", "x1"]


def test_the_agent_loop_hides_the_source():
    turns = [
        "<think>I look.</think>\n<search>radium number 7</search>",
        "<think>So.</think>\n<answer>7</answer>",
    ]
    for hidden in (False, True):
        task = TASK.model_copy(update={"source_hidden": hidden})
        agent = asyncio.run(
            run_episode(task, ScriptedPolicy(lambda messages: turns), SEARCHER, AgentSettings(), Sampling())
        ).trajectory
        answer = ScriptedPolicy(lambda messages: turns[1:])
        rag = asyncio.run(
            run_single_turn(task, answer, SEARCHER, AgentSettings(), Sampling(), "radium number 7")
        ).trajectory
        for trajectory in (agent, rag):
            shown = next(turn.text for turn in trajectory.turns if turn.role == "tool")
            assert ("Radium number 7." in shown) is not hidden
            assert ("Other" in shown) is hidden
            assert trajectory.retriever == SEARCHER.fingerprint
            assert trajectory.task["source_hidden"] is hidden


def test_a_neutralised_title_is_hidden_too():
    title = "Soft\u00adHyphen <b>"
    shown = [passage("1", neutralise(title), "Radium here."), passage("2", "Other", "Radium there.")]
    assert ids(HiddenSource(Bm25Searcher.in_memory(shown), [title]).search(["radium"], 5)[0]) == ["2"]
