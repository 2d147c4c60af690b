"""Asking a model: answers, faults, sources, and what is printed while it happens."""

import asyncio
import io
import json

import pytest

from masksearch.asking import Agent, AskSettings
from masksearch.asking.agent import LONGEST
from masksearch.asking.command import ask_at_prompt, ask_once
from masksearch.asking.history import history_file, lines_typed
from masksearch.asking.show import Printer
from masksearch.errors import UsageError
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.search import Bm25Searcher
from masksearch.types import Passage

SEARCHER = Bm25Searcher.in_memory(
    [
        Passage(
            id="p1",
            doc_id="d1",
            title="Radium",
            text="Radium is a metal. It was discovered by Marie Curie in 1898. It is rare.",
        ),
        Passage(
            id="p2", doc_id="d2", title="Paris", text="Radium was sold in Paris.\x1b[31m <script>x</script>"
        ),
    ]
)
SEARCH = "<think>I look.</think>\n<search>radium discovered</search>"
ANSWER = '<think>[1]: "discovered by Marie Curie". So Curie.</think>\n<answer>Marie Curie</answer>'


def agent(*turns, **settings):
    return Agent(ScriptedPolicy(lambda messages: list(turns)), SEARCHER, AskSettings(**settings))


def asked(*turns, question="Who discovered radium?", **settings):
    return asyncio.run(agent(*turns, **settings).ask(question))


def test_an_answer_names_the_sentence_it_rests_on():
    reply = asked(SEARCH, ANSWER)
    assert (reply.answer, reply.fault) == ("Marie Curie", "")
    assert reply.found.grounded
    (source,) = reply.sources
    assert (source.title, source.passage_id) == ("Radium", "p1")
    assert source.sentence == "It was discovered by Marie Curie in 1898."
    assert source.quoted
    assert source.holds_answer


def test_an_invented_answer_is_not_grounded():
    reply = asked(SEARCH, "<think>I guess.</think>\n<answer>Pierre Gold</answer>")
    assert not reply.found.grounded
    assert reply.sources == ()


def test_a_false_quote_is_counted_and_names_no_source():
    reply = asked(SEARCH, '<think>[1]: "found by Otto Hahn".</think>\n<answer>Otto Hahn</answer>')
    assert reply.found.false_quotes == 1
    assert reply.sources == ()


def test_not_found_is_an_honest_answer():
    reply = asked(SEARCH, "<think>Nothing.</think>\n<answer>not found</answer>")
    assert reply.found.declined


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        (("no tags at all",), "neither a search nor an answer"),
        ((SEARCH,) * 9, "no answer in 2 searches"),
    ],
)
def test_an_episode_without_an_answer_says_why(turns, words):
    reply = asked(*turns, agent={"max_searches": 2})
    assert words in reply.fault
    assert reply.fault.endswith(".")


@pytest.mark.parametrize("question", ["", "  \n", "x" * (LONGEST + 1)])
def test_an_empty_or_endless_question_is_refused(question):
    with pytest.raises(UsageError):
        asked(question=question)


def printed(*turns):
    stream = io.StringIO()
    printer = Printer(stream)
    printer.reply(asyncio.run(agent(*turns).ask("Who discovered radium?", printer)))
    return stream.getvalue()


def test_the_episode_is_printed_without_tags_and_escapes():
    text = printed(SEARCH, ANSWER)
    lines = text.splitlines()
    assert lines[0] == "I look."
    assert lines[1] == "search  radium discovered"
    assert "        Radium" in lines
    assert '[1]: "discovered by Marie Curie". So Curie.' in lines
    assert "Marie Curie  [grounded]" in lines
    assert "    It was discovered by Marie Curie in 1898." in lines
    assert "\x1b" not in text
    assert "<" not in text


def test_a_model_cannot_control_the_terminal():
    text = printed("<think>\x1b]0;title\x07 look</think>\n<search>a\x1b[2J</search>", ANSWER)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_missing_answer_is_printed_as_a_sentence():
    assert "neither a search nor an answer" in printed("nothing")


def test_json_holds_answer_sources_and_trajectory(capsys):
    ask_once(agent(SEARCH, ANSWER), "Who discovered radium?", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] == "Marie Curie"
    assert found["sources"][0]["passage_id"] == "p1"
    assert found["trajectory"]["task"]["question"] == "Who discovered radium?"
    assert len(found["trajectory"]["turns"]) == 3


def test_questions_from_a_pipe_are_answered_in_turn(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Who discovered radium?\n\nWho?\n"))
    policy = ScriptedPolicy(lambda messages: [SEARCH, ANSWER])
    ask_at_prompt(Agent(policy, SEARCHER, AskSettings()))
    assert capsys.readouterr().out.count("Marie Curie  [grounded]") == 2


def test_a_typed_question_is_kept_for_the_next_session(monkeypatch, tmp_path):
    readline = pytest.importorskip("readline")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    typed = iter(["Who?", ""])

    def read(prompt):
        line = next(typed)
        if line:
            readline.add_history(line)
        return line

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", read)
    assert list(lines_typed("? ")) == ["Who?"]
    assert "Who?" in history_file().read_text(encoding="utf-8")
