"""What the extractors find, and what is left of it after trimming and resolving."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import UsageError
from masksearch.ramp import extract_spans
from masksearch.ramp.spans import MOST_CHARACTERS, extractor, resolve
from masksearch.types import Span

BARTO = "Andrew Barto received his B.S. with distinction in mathematics from the University of Michigan in 1970."


def found(text, *names):
    (spans,) = extract_spans([text], names)
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("It was adopted on July 4, 1776, in Philadelphia.", ["July 4, 1776"]),
        ("On 14 July 1789 and in July 1790.", ["14 July 1789", "July 1790"]),
        ("From 1914 to 1918, or (1914–1918).", ["1914", "1918", "1914", "1918"]),
        ("In the late 1960s, by the early 19th century and in the tenth century BC.", ["late 1960s", "early 19th century", "tenth century BC"]),
        ("In 146 BC and AD 79.", ["146 BC", "AD 79"]),
        ("It has 1500 people and cost $1900; a 2000-seat hall, page 12345.", []),
        ("The 1998-99 season.", []),
    ],
)
def test_dates(text, dates):
    assert found(text, "dates") == dates


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It covers 44.62 square kilometers with 352,381 people, 12% of them rich.", ["44.62 square kilometers", "352,381", "12%"]),
        ("It cost $1.5 billion and 3 of 19 left; version 2.13.5, a 1-0 win, .200 average, COVID-19, 50th.", ["$1.5 billion"]),
        ("About 20 million speakers in 114 chapters.", ["20 million", "114"]),
        ("He is 6 feet tall.", ["6 feet"]),
    ],
)
def test_numbers(text, numbers):
    assert found(text, "numbers") == numbers


def test_named_entities():
    pytest.importorskip("spacy")
    assert found(BARTO, "ner", "dates", "numbers") == ["Andrew Barto", "B.S.", "University of Michigan", "1970"]
    spans = list(extract_spans([BARTO, "", "He is English."], ["ner"]))
    assert [len(row) for row in spans] == [3, 0, 0]
    assert [span.category for span in spans[0]] == ["PERSON", "GPE", "ORG"]


def one(text, start, end, category="PERSON"):
    return [text[span.start : span.end] for span in resolve(text, [Span(start=start, end=end, category=category)])]


def test_trimming():
    text = "It is the \"Grand Palace\"'s hall, run by Anna's (old) friends of the U.S. and Martin Jr."
    assert one(text, text.index("the "), text.index(" hall")) == ["Grand Palace"]
    assert one(text, text.index("Anna"), text.index(" (old)")) == ["Anna"]
    assert one(text, text.index("the U.S."), text.index(" and Mar")) == ["U.S."]
    assert one(text, text.index("Martin"), len(text)) == ["Martin Jr."]
    assert one(text, text.index("Anna"), text.index(") fri")) == []  # an open parenthesis
    assert one(text, text.index("friends"), text.index(" the U.S.")) == []  # ends in "of"
    assert one(" , ", 0, 3) == one("x", 1, 1) == []


def test_never_inside_a_word():
    text = "Spanish-American wars, 3.5 Bosnians"
    assert one(text, 0, 7) == one(text, 8, 16) == one(text, 23, 24) == one(text, 27, 33) == []
    assert one(text, 0, 16) == ["Spanish-American"]


def test_overlaps_names_first_then_the_finer():
    text = "the crew of Apollo 11 flew in July 1969 then"
    name, number = Span(start=12, end=21, category="PRODUCT"), Span(start=19, end=21, category="NUMBER")
    long, short = Span(start=30, end=39, category="DATE"), Span(start=35, end=39, category="DATE")
    assert resolve(text, [number, short, long, name]) == [name, short]


def test_unknown_extractor_names_the_known():
    with pytest.raises(UsageError, match="ner, dates, numbers"):
        extractor("llm")


@given(st.text(alphabet="aB1 .,'’\"()-–é[]$", max_size=80), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=8))
def test_resolved_spans_are_clean(text, pairs):
    spans = resolve(text, [Span(start=min((*pair, len(text))), end=min(max(pair), len(text)), category="X") for pair in pairs])
    for span in spans:
        piece = text[span.start : span.end]
        assert piece == piece.strip()
        assert 0 < len(piece) <= MOST_CHARACTERS
        assert any(char.isalnum() for char in piece)
        assert not (piece[0].isalnum() and text[: span.start][-1:].isalnum())
        assert not (piece[-1].isalnum() and text[span.end :][:1].isalnum())
    assert all(first.end <= second.start for first, second in itertools.pairwise(spans))
