"""Queries of visible words only, and what counts as evidence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.ramp import alternative_queries, contains_span, evidence_rank, verify, visible_query
from masksearch.ramp.query import content_words
from masksearch.search import Bm25Searcher
from masksearch.types import Hit, MaskedTask, Passage

TEXT = (
    "Andrew Barto received his [mask] with distinction in mathematics from the University of [mask] in 1970. His advisor's name was Bernard Zeigler, "
    "and the thesis dealt with cellular automata."
)


def test_title_then_nearest_words_in_text_order():
    assert visible_query(TEXT, 0, "Andrew Barto") == "Andrew Barto received distinction mathematics University 1970 advisor"
    assert visible_query(TEXT, 1, "Andrew Barto") == "Andrew Barto distinction mathematics University 1970 advisor name"
    assert visible_query(TEXT, 1, "Andrew Barto", max_words=4) == "Andrew Barto distinction mathematics"
    with pytest.raises(IndexError):
        visible_query(TEXT, 2, "Andrew Barto")


def test_alternatives_differ():
    others = alternative_queries(TEXT, 1, "Andrew Barto")
    assert len(others) == 3
    assert others[1] == "Andrew Barto"
    assert "Barto" not in others[2].split()
    assert len(others[0].split()) > len(visible_query(TEXT, 1, "Andrew Barto").split())


def test_only_the_visible_part_of_a_title():
    assert visible_query("Mercury is [mask] away.", 0, "Mercury (planet)") == "Mercury away"
    assert visible_query("Mercury (planet): it is [mask] away.", 0, "Mercury (planet)") == "Mercury planet away"
    assert visible_query("It is [mask] away.", 0, "Mercury (planet)") == "away"
    assert visible_query("The [mask] House stood.", 0, "The House") == "House stood"
    assert visible_query("The Hitchhiker's Guide is [mask] long.", 0, "The Hitchhiker's Guide") == "The Hitchhiker's Guide long"


def test_content_words():
    assert content_words("Who was the author of Barto's 1,500-page book, the author?") == ["author", "Barto", "1,500-page", "book"]


WORDS = st.sampled_from("Andrew Barto [mask] the of Paris, 1970. it's O'Neil 1,500 (x) mask [Mask] Straße".split())  # noqa: SIM905


@given(st.lists(WORDS, max_size=40).map(" ".join), st.integers(1, 15))
def test_only_visible_words_no_repetition(text, most):
    for index in range(text.count("[mask]")):
        queries = [visible_query(text, index, "Andrew Barto (actor)", most), *alternative_queries(text, index, "Andrew Barto (actor)", most)]
        assert len(queries[0].split()) <= most
        assert queries[0] not in queries[1:] or not queries[0]
        for query in queries:
            assert query == visible_query(text, index, "Andrew Barto (actor)", most) or query
            assert "[mask]" not in query
            words = query.split()
            assert len({word.casefold() for word in words}) == len(words)
            visible = text.replace("[mask]", " ")
            assert all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", visible) for word in words)


@pytest.mark.parametrize(
    ("text", "span", "there"),
    [
        ("Born in ANN ARBOR.", "Ann  Arbor", True),
        ("Born in Ann\nArbor's centre", "Ann Arbor", True),
        ("Hannibal", "Ann", False),
        ("Spanish-American", "American", False),
        ("1914–1918", "1918", True),
        ("It is 13.5 m", "3.5 m", False),
        ("3.5", "3", False),
        ("in the U.S. then", "U.S.", True),
        ("cost $30 today", "$3", False),
        ("cost $3 today", "$3", True),
        ("", "x", False),
        ("x", "", False),
    ],
)
def test_contains_span(text, span, there):
    assert contains_span(text, span) is there


def passage(name, text):
    return Passage(id=name, doc_id=name, title=name, text=text)


def task(text, *answers):
    return MaskedTask(id="t", doc_id="d", title="Radium", text=text, answers=answers, masks=len(answers), original="")


def test_evidence_rank():
    hits = [Hit(passage=passage("a", "Nothing."), score=2), Hit(passage=passage("b", "Marie Curie."), score=1)]
    assert evidence_rank(hits, "marie curie") == 2
    assert evidence_rank(hits, "Pierre") is None


def test_verify_needs_evidence_for_every_mask():
    searcher = Bm25Searcher.in_memory(
        [
            passage("Radium", "Radium was discovered by Marie Curie in 1898."),
            passage("Element", "Radium and radium: an element."),
            passage("X", "Unrelated 1911 text."),
        ]
    )
    both = task("Radium was discovered by [mask] in [mask].", "Marie Curie", "1898")
    assert verify(both, searcher, 5) == (1, 1)
    assert verify(task("Radium was discovered by [mask] in [mask].", "Marie Curie", "1911"), searcher, 5) is None
    # The first query ends at the wrong passage; one with more context finds the right one.
    far = task("An element, [mask], is radium.", "Marie Curie")
    assert verify(far, searcher, 1) is None
    assert verify(far, searcher, 2) == (2,)
