"""The planned teacher on questions by people, which record no steps, and on masked passages."""

import re
from collections import Counter

import pytest
from kit.chain_texts import passages, searcher

from masksearch.agent.settings import AgentSettings
from masksearch.scoring.grounding import ground
from masksearch.synthesis.oracle.planned.questions import _need
from masksearch.synthesis.oracle.planned.sayings import asked_kind
from masksearch.synthesis.oracle.run import synthesize
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import MASK, MaskedTask, Question

AGENT = AgentSettings(top_k=2, max_searches=6)


def taught(*rows):
    given = SynthesizeSettings(tasks="t", index="i", agent=AGENT)
    return list(synthesize(rows, given, Counter(), searcher()))


def thoughts(trajectory):
    turns = [turn.text for turn in trajectory.turns if turn.role == "model"]
    return [re.search(r"<think>(.*?)</think>", text, re.DOTALL)[1] for text in turns]


def question(text, answer, *titles):
    ids = tuple(passage.doc_id for title in titles for passage in passages() if passage.title == title)
    return Question(
        id="q", question=text, answers=(answer,), supporting_titles=titles, supporting_passages=ids
    )


def test_a_comparison_gets_what_its_words_ask_for():
    (trajectory,) = taught(
        question(
            "Were Maria Holt and Lars Nyberg of the same nationality?", "no", "Lars Nyberg", "Maria Holt"
        )
    )
    said = thoughts(trajectory)
    assert said[0] == "I need the nationality of Maria Holt and of Lars Nyberg. First Maria Holt."
    assert said[-1].endswith("American and Swedish are not the same. So the answer is no.")
    assert ground(trajectory).fault == ""


def test_the_older_one():
    (trajectory,) = taught(
        question("Who is older, Maria Holt or Tom Ashby?", "Maria Holt", "Maria Holt", "Tom Ashby")
    )
    assert "12 March 1931 is before 1 April 1970. So the answer is Maria Holt." in thoughts(trajectory)[-1]


def test_a_comparison_that_contradicts_the_label_is_not_said():
    (trajectory,) = taught(
        question("Who is older, Maria Holt or Tom Ashby?", "Tom Ashby", "Maria Holt", "Tom Ashby")
    )
    assert "is before" not in thoughts(trajectory)[-1]


def test_a_bridge_is_followed_once_it_is_visible():
    (trajectory,) = taught(
        question(
            "When was the director of The Silver Lantern born?",
            "12 March 1931",
            "Maria Holt",
            "The Silver Lantern",
        )
    )
    said = thoughts(trajectory)
    assert said[0] == "The question asks for a date. First The Silver Lantern."
    assert said[1].endswith("Next Maria Holt.")
    assert said[2].endswith("The question asks for a date: 12 March 1931.")
    assert trajectory.usage.searches == 2


def test_an_article_that_is_never_visible_drops_the_question():
    assert taught(question("What is the best film?", "1999", "Velvet Records", "Ruth Cole")) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Which film was released first?", "film"),
        ("In what year was it opened?", "year"),
        ("Who wrote it?", "person"),
        ("Where is it?", "place"),
        ("How many members does it have?", "number"),
        ("Are both of them bands?", ""),
    ],
)
def test_the_kind_that_a_question_asks_for(text, kind):
    assert asked_kind(text) == kind


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("Were A and B of the same nationality?", "nationality"),
        ("Who is younger, A or B?", "date of birth"),
        ("Who died first, A or B?", "date of death"),
        ("Which film came out first, A or B?", "year of release"),
        ("Are A and B both located in Ohio?", "location"),
        ("Are A and B both bands?", "kind"),
    ],
)
def test_what_a_comparison_needs(text, need):
    assert _need(question(text, "yes")) == need


def masked(text, *answers, title="Maria Holt"):
    passage = next(one for one in passages() if one.title == title)
    original = text
    for answer in answers:
        original = original.replace(MASK, answer, 1)
    return MaskedTask(
        id="m", doc_id=passage.doc_id, title=title, text=text, answers=answers, masks=len(answers),
        original=original, passage_id=passage.id, language="en", categories=("GPE", "ORG")[: len(answers)],
    )  # fmt: skip


def test_a_masked_passage_in_plain_sentences():
    (trajectory,) = taught(
        masked(f"Maria Holt (born 12 March 1931 in {MASK}) is an American film director.", "Vienna")
    )
    said = thoughts(trajectory)
    assert said[0] == 'I need the words at [mask] in "in [mask]) is an American".'
    assert said[1] == '[1]: "in Vienna) is an American". So the masked place is Vienna.'
    assert ground(trajectory).fault == ""


def test_two_masks_are_numbered():
    text = f"Maria Holt (born 12 March 1931 in {MASK}) is a director. She attended {MASK}."
    (trajectory,) = taught(masked(text, "Vienna", "Stanford University"))
    said = thoughts(trajectory)
    assert said[0].startswith("There are 2 masks. I need mask 1 in ")
    assert "So mask 1 is the place Vienna." in said[1]
    assert "So mask 2 is the organization Stanford University." in said[1]
    assert trajectory.answer == "1. Vienna\n2. Stanford University"
