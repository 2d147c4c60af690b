"""Notes: another index than that of the training, a question without a word of the index, empty searches."""

import asyncio
import io
import json

import pytest
from kit.serving_fakes import Broken

from masksearch.agent.watch import Noted
from masksearch.asking import Agent, AskSettings
from masksearch.asking.command import ask_at_prompt, ask_once
from masksearch.asking.notes import NOTHING_FOUND, index_note, words_note
from masksearch.asking.show import Printer
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.search import Bm25Searcher
from masksearch.search.index.manifest import index_part
from masksearch.search.settings import IndexSettings, SearchSettings
from masksearch.search.wrappers import wrapped
from masksearch.types import Passage

SEARCHER = Bm25Searcher.in_memory(
    [Passage(id="p1", doc_id="d1", title="Radium", text="Radium was discovered by Marie Curie.")]
)
TURNS = (
    "<think>I look.</think>\n<search>radium</search>",
    "<think>So.</think>\n<answer>Marie Curie</answer>",
)
OTHER = "bm25-0123456789ab"


class Named(Broken):
    """A search with this fingerprint; `found` is whether it finds anything."""

    def __init__(self, fingerprint, found=True):
        self.fingerprint, self.found = fingerprint, found

    def search(self, queries, k):
        return super().search(queries, k) if self.found else [[] for _ in queries]


def checkpoint(folder, *retrievers):
    folder.mkdir(exist_ok=True)
    mark = {"name": "m", "parent": "", **({"retrievers": list(retrievers)} if retrievers else {})}
    (folder / "masksearch.json").write_text(json.dumps(mark))
    return str(folder)


def agent(searcher=SEARCHER, turns=TURNS, **settings):
    return Agent(ScriptedPolicy(lambda messages: list(turns)), searcher, AskSettings(**settings))


@pytest.mark.parametrize(
    ("fingerprint", "part"),
    [
        (OTHER, OTHER),
        (f"http-{OTHER}", OTHER),
        (f"{OTHER}-rerank-01234567-noisy-89abcdef", OTHER),
        (f"{OTHER}-without-gold", OTHER),
        ("opensearch-0123456789ab", "opensearch-0123456789ab"),
        (SEARCHER.fingerprint, SEARCHER.fingerprint),
        ("http-0123abcd", ""),
        ("web-brave", ""),
        ("wikipedia-en", ""),
        ("own-bm25-01234567", ""),
        ("bm25-0123456789abc", ""),
        ("", ""),
    ],
)
def test_an_index_is_known_by_a_part_of_the_fingerprint(fingerprint, part):
    assert index_part(fingerprint) == part


def test_an_index_of_another_corpus_is_a_note(tmp_path):
    model = checkpoint(tmp_path, OTHER)
    assert index_note(model, SEARCHER) == (
        f"The model was trained with the index {OTHER}, but this index is {SEARCHER.fingerprint} (other "
        "documents, another kind or other settings), so its answers may be worse."
    )
    two = checkpoint(tmp_path, "dense-0123456789ab", OTHER)
    assert f"trained with the index {OTHER} and 1 more, but" in index_note(two, SEARCHER)


@pytest.mark.parametrize(
    ("learnt", "fingerprint"),
    [
        ((), OTHER),
        ((OTHER,), OTHER),
        ((OTHER,), f"http-{OTHER}"),
        ((f"http-{OTHER}-noisy-01234567",), f"{OTHER}-rerank-01234567"),
        (("dense-0123456789ab", OTHER), OTHER),
        ((OTHER,), "web-brave"),
        ((OTHER,), "http-0123abcd"),
        (("wikipedia-en",), OTHER),
    ],
)
def test_there_is_no_note_for_the_same_index_or_where_one_is_not_known(tmp_path, learnt, fingerprint):
    assert index_note(checkpoint(tmp_path, *learnt), Named(fingerprint)) == ""


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "m"}', '{"name": "m", "retrievers": 5}'])
def test_other_marks_make_no_note(tmp_path, text):
    (tmp_path / "masksearch.json").write_text(text)
    assert index_note(str(tmp_path), SEARCHER) == ""
    assert index_note(str(tmp_path / "none"), SEARCHER) == ""
    assert index_note("openai:m", SEARCHER) == ""


@pytest.mark.parametrize(
    ("question", "noted"),
    [
        ("Кто открыл радий?", True),
        ("谁发现了镭?", True),
        ("Wer entdeckte Gold?", True),
        ("Who discovered gold?", False),
        ("Кто открыл radium?", False),
        ("is it the", False),
        ("?", False),
    ],
)
def test_a_question_without_a_word_of_the_index_is_a_note(question, noted):
    for searcher in (SEARCHER, wrapped(SEARCHER, SearchSettings(concurrency=2), network=False)):
        note = words_note(question, searcher)
        assert bool(note) == noted
    if noted:
        assert note == (
            "The index has no word of this question (its language is 'en'), so the searches may find "
            "nothing; ask in the language of the documents."
        )


def test_the_language_is_that_of_the_index():
    passages = [Passage(id="p1", doc_id="d1", title="镭", text="居里夫人发现了镭。")]
    chinese = Bm25Searcher.in_memory(passages, IndexSettings(language="zh"))
    assert words_note("谁发现了镭?", chinese) == ""
    assert "language is 'zh'" in words_note("Who discovered radium?", chinese)
    assert words_note("Кто?", Named("web-brave")) == ""


def test_notes_come_first_and_are_in_the_reply(tmp_path):
    seen = []
    asked = agent(model=checkpoint(tmp_path, OTHER)).ask("Кто открыл радий?", seen.append)
    reply = asyncio.run(asked)
    assert seen[:2] == [Noted(note) for note in reply.notes]
    assert (OTHER in reply.notes[0], "no word of this question" in reply.notes[1]) == (True, True)
    assert reply.to_json()["notes"] == list(reply.notes)
    assert (reply.answer, reply.fault) == ("Marie Curie", "")
    assert asyncio.run(agent().ask("Who discovered radium?")).notes == ()


def test_searches_that_all_find_nothing_are_a_note():
    empty = Named("web-brave", found=False)
    assert asyncio.run(agent(empty).ask("Who?")).notes == (NOTHING_FOUND,)
    assert asyncio.run(agent(empty, TURNS[1:]).ask("Who?")).notes == ()
    assert asyncio.run(agent(Named("web-brave")).ask("Who?")).notes == ()
    failing = ("<think>I look.</think>\n<search>denied</search>", TURNS[1])
    assert asyncio.run(agent(Broken(), failing).ask("Who?")).notes == ()
    # One sentence is enough: the index has no word of the question.
    nowhere = ("<think>I look.</think>\n<search>Кто</search>", TURNS[1])
    (only,) = asyncio.run(agent(SEARCHER, nowhere).ask("Кто открыл радий?")).notes
    assert "no word of this question" in only


def test_a_note_is_printed_before_the_episode():
    stream = io.StringIO()
    printer = Printer(stream)
    printer.reply(asyncio.run(agent().ask("Кто открыл радий?", printer)))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("Note: The index has no word of this question (its language is 'en'), so ")
    assert lines[1] == "I look."


def test_a_note_is_in_the_json(capsys):
    ask_once(agent(), "Кто открыл радий?", as_json=True)
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("The index has no word")


def test_a_note_is_printed_once_at_the_prompt(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO("Who discovered radium?\nWho found radium?\n"))
    ask_at_prompt(agent(model=checkpoint(tmp_path, OTHER)))
    printed = capsys.readouterr().out
    assert printed.count("Note: The model was trained with the index") == 1
    assert printed.count("Marie Curie  [grounded]") == 2
