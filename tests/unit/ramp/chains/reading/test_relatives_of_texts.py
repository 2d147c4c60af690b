"""Relatives read off real parses, and the words for men and women among them."""

import pytest
from kit.chain_texts import facts_of

from masksearch.ramp.chains.book.book import Book

pytestmark = pytest.mark.slow

pytest.importorskip("spacy")


def relatives(title, text):
    return {
        (fact.relation.word, fact.relation.prep, fact.relation.shown, fact.value)
        for fact in facts_of(title, text)
        if fact.relation.form == "relative"
    }


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        (
            "Zoran Reed",
            "Zoran Reed is a painter. He is the younger brother of Peter Reed.",
            {("sibling", "of", "brother", "Peter Reed")},
        ),
        (
            "Bernhard Holt",
            "Bernhard Holt was a German nobleman. He was the son of John Holt and Mary Stewart.",
            {("parent", "of", "son", "John Holt"), ("parent", "of", "son", "Mary Stewart")},
        ),
        (
            "Otto II, Count of Guelders",
            "Otto II, Count of Guelders was a nobleman. He was the son of Gerard III, Count of Guelders.",
            {("parent", "of", "son", "Gerard III, Count of Guelders")},
        ),
        (
            "Bernhard Holt",
            "Bernhard Holt was a German nobleman. He was the son of John Holt and his wife Mary Stewart.",
            {("parent", "of", "son", "John Holt"), ("parent", "poss", "mother", "Mary Stewart")},
        ),
        (
            "Maria Holt",
            "Maria Holt is an American painter. Her father was Edwin Marsh.",
            {("parent", "poss", "father", "Edwin Marsh")},
        ),
        (
            "Maria Holt",
            "Maria Holt is an American painter. She married Edwin Marsh.",
            {("spouse", "of", "", "Edwin Marsh")},
        ),
    ],
)
def test_what_a_sentence_says_of_relatives(title, text, expected):
    assert relatives(title, text) == expected


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Tom Ashby", "Tom Ashby was a soldier. He married Mary Cotton, daughter of George Cotton."),
        ("Tom Ashby", "Tom Ashby was a soldier. He was the son of John Ashby, who met his wife Anne Reed."),
        ("Tom Ashby", "Tom Ashby was a soldier. Peter Kroll fought him with his brother, Edwin Marsh."),
        ("Tom Ashby", "Tom Ashby was a soldier. He was not the brother that Lars Nyberg knew."),
    ],
)
def test_another_persons_relatives_are_not_the_subjects(title, text):
    others = {"George Cotton", "Anne Reed", "Edwin Marsh", "Lars Nyberg"}
    assert not others & {value for *_, value in relatives(title, text)}


def words(texts):
    facts = [fact for title, text in texts.items() for fact in facts_of(title, text)]
    return {
        (fact.relation.word, fact.value)
        for article in Book(facts).articles.values()
        for fact in article.facts
        if fact.relation.form == "relative"
    }


def test_a_parents_own_article_tells_whether_it_is_the_mother():
    found = words(
        {
            "Tom Ashby": "Tom Ashby is a singer. He is the son of Rose Ashby.",
            "Rose Ashby": "Rose Ashby is a painter. She attended Stanford University.",
        }
    )
    assert found == {("mother", "Rose Ashby")}


def test_of_two_parents_the_other_one_is_the_other():
    found = words(
        {
            "Tom Ashby": "Tom Ashby is a singer. He is the son of Rose Ashby and Peter Kroll.",
            "Rose Ashby": "Rose Ashby is a painter. She attended Stanford University.",
        }
    )
    assert found == {("mother", "Rose Ashby"), ("father", "Peter Kroll")}


def test_without_a_hint_a_parent_stays_a_parent():
    assert words({"Tom Ashby": "Tom Ashby is a singer. He is the son of Rose Ashby."}) == {
        ("parent", "Rose Ashby")
    }
