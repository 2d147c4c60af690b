"""Exclusion of passages that share titles or words with evaluation files."""

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.errors import DataError, FormatError, UsageError
from masksearch.ramp.checks.contamination import SHORTEST, Decontaminator
from masksearch.text.words import loose_words
from masksearch.types import Passage

GOLD = (
    "The Eiffel Tower was the tallest structure in the world for forty-one years "
    "until the Chrysler Building was finished in New York."
)
QUESTION = (
    "Which tower that was the tallest structure of the world for decades "
    "did the Chrysler Building overtake when it was finished?"
)


@pytest.fixture
def files(tmp_path):
    def write(name, *records):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return str(path)

    return write


@pytest.fixture
def questions(files):
    answers = ["Eiffel Tower", "one two three four five six seven eight nine"]
    record = {
        "id": "q",
        "question": QUESTION,
        "answers": answers,
        "supporting_titles": ["Eiffel Tower"],
        "supporting_passages": ["g1"],
    }
    return files("questions.jsonl", record)


def passage(text, title="Something", doc_id="d"):
    return Passage(id=doc_id, doc_id=doc_id, title=title, text=text)


def test_titles(files, questions):
    tasks = files(
        "tasks.jsonl",
        {"id": "t", "doc_id": "1", "title": "Paris", "text": "It is [mask].", "masks": 1},
        {"doc_id": "7", "title": "", "masks": 1},
    )
    found = Decontaminator.from_files([questions, tasks])
    folder = questions.split("/")[-2]
    assert found.reason(passage("x", " EIFFEL  tower")) == f"shares its title with {folder}/questions.jsonl"
    assert found.reason(passage("x", "paris")) == f"shares its title with {folder}/tasks.jsonl"
    assert found.reason(passage("x", "London", "7")) == f"shares its title with {folder}/tasks.jsonl"
    assert found.reason(passage("x", "London", "1")) == ""  # the same id in another corpus
    assert found.reason(passage("x", "")) == ""
    assert found(passage("x", "Paris")) == found.reason(passage("x", "Paris"))


def test_words_of_questions_answers_tasks_and_gold_passages(files, questions):
    not_gold = "Not gold " + " ".join("abcdefghijklmnop")
    corpus = files(
        "corpus.jsonl",
        {"id": "g1", "title": "Eiffel Tower", "text": GOLD},
        {"id": "g2", "title": "X", "text": not_gold},
    )
    original = (
        "This is the whole text of a task that was held out for evaluation, so it must not be trained on."
    )
    tasks = files(
        "tasks.jsonl",
        {"id": "t", "doc_id": "1", "title": "Paris", "text": "...", "original": original, "masks": 1},
    )
    found = Decontaminator.from_files([questions, tasks], [corpus])
    assert "shares 13 words with" in found.reason(passage("He asks: “" + QUESTION.upper() + "”"))
    assert "shares 13 words with" in found.reason(
        passage(
            "So it says: the tallest structure in the world for forty one years until the Chrysler ... 1930."
        )
    )
    assert (
        found.reason(
            passage("The tallest structure in the world for forty-one years, until the skyscraper came.")
        )
        == ""
    )
    assert found.reason(
        passage("Zero, one, two, three, four, five, six, seven, eight, nine, ten.")
    ).startswith("shares 9 words with")
    assert found.reason(passage("Seen from the Eiffel Tower.")) == ""
    assert found.reason(passage(original[8:])).endswith("tasks.jsonl")
    assert found.reason(passage(not_gold)) == ""
    assert pickle.loads(pickle.dumps(found)).reason(passage(GOLD)) == found.reason(passage(GOLD)) != ""


def test_without_its_corpus_the_gold_passage_is_known_by_title_alone(questions):
    found = Decontaminator.from_files([questions])
    assert found.reason(passage(GOLD)) == ""
    assert found.reason(passage(GOLD, "Eiffel Tower")) != ""


def test_shorter_and_longer_runs(questions):
    few = Decontaminator.from_files([questions], (), 4)
    assert few.reason(passage("Did the Chrysler Building burn?")).startswith("shares 4 words")
    assert few.reason(passage("The Chrysler Building burned.")) == ""


def test_chinese_counts_characters(files):
    path = files(
        "q.jsonl", {"id": "q", "question": "埃菲尔铁塔在世界上是哪一年建成的建筑物？", "answers": ["1889"]}
    )
    found = Decontaminator.from_files([path])
    assert found.reason(
        Passage(
            id="a", doc_id="a", title="铁塔", text="他问：埃菲尔铁塔在世界上是哪一年建成的？", language="zh"
        )
    ).startswith("shares 13 words")
    assert (
        found.reason(Passage(id="a", doc_id="a", title="铁塔", text="埃菲尔铁塔在巴黎。", language="zh"))
        == ""
    )


def test_what_cannot_be_excluded(files, questions, tmp_path):
    corpus = files("corpus.jsonl", {"id": "x", "title": "X", "text": "A text."})
    with pytest.raises(FormatError, match=r"corpus.jsonl, line 1 is neither a task nor a question"):
        Decontaminator.from_files([corpus])
    with pytest.raises(DataError, match="has none of the gold passages"):
        Decontaminator.from_files([questions], [corpus])
    with pytest.raises(UsageError, match="exclude_corpus"):
        Decontaminator.from_files([], [corpus])
    with pytest.raises(DataError, match="has no tasks or questions"):
        Decontaminator.from_files([files("empty.jsonl")])
    with pytest.raises(DataError, match="no file"):
        Decontaminator.from_files([str(tmp_path / "none.jsonl")])


WORDS = st.lists(st.sampled_from("a b c d e".split()), max_size=30).map(" ".join)  # noqa: SIM905


@settings(deadline=None, max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, st.integers(3, 14))
def test_same_as_looking_for_each_run(tmp_path_factory, texts, text, ngram):
    path = tmp_path_factory.mktemp("x") / "q.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": str(number), "question": other, "answers": []}) + "\n"
            for number, other in enumerate(texts)
        )
    )
    words = loose_words(text)
    forbidden = set()
    for other in map(loose_words, texts):
        size = min(ngram, len(other))
        if size >= min(SHORTEST, ngram):
            forbidden |= {tuple(other[place : place + size]) for place in range(len(other) - size + 1)}
    lengths = [
        len(run)
        for run in forbidden
        if any(tuple(words[place : place + len(run)]) == run for place in range(len(words)))
    ]
    reason = Decontaminator.from_files([str(path)], (), ngram).reason(passage(text))
    assert (f"shares {max(lengths)} words" in reason) if lengths else reason == ""
