"""The checks of drafts: each step is found by its own query, and no single search solves a chain."""

from dataclasses import replace

import pytest
from kit.chain_texts import drafts, passages, searcher

from masksearch.ramp.chains.run.checks import NOT_RETRIEVABLE, ONE_SEARCH, not_in_one_search, retrievable
from masksearch.search import Bm25Searcher
from masksearch.types import Passage

pytest.importorskip("spacy")


def chain(answer="12 March 1931"):
    return next(draft for draft in drafts("chain") if draft.answer == answer)


def test_every_step_has_the_rank_of_its_passage():
    (verdict,) = retrievable([chain()], searcher(), 5)
    assert verdict.passed
    assert verdict.data["ranks"] == [1, 1]


def test_a_step_whose_passage_is_not_indexed_drops_the_draft():
    without = Bm25Searcher.in_memory([one for one in passages() if one.title != "Maria Holt"])
    (verdict,) = retrievable([chain()], without, 5)
    assert not verdict.passed
    assert verdict.reason == NOT_RETRIEVABLE
    assert verdict.data["ranks"] == [1, None]


def test_a_chain_passes_if_the_last_passage_is_out_of_reach():
    crowd = [
        Passage(id=f"c{number}", doc_id=f"c{number}", title=f"Silver Lantern {number}",
                text=f"Silver Lantern {number} is a drama film whose director was born in {1900 + number}.")
        for number in range(8)
    ]  # fmt: skip
    (verdict,) = not_in_one_search([chain()], Bm25Searcher.in_memory([*passages(), *crowd]), 3)
    assert verdict.passed
    assert verdict.data["queries"] >= 3


def test_a_chain_is_dropped_if_words_of_the_question_find_the_last_passage():
    close = Passage(
        id="p1",
        doc_id="d1",
        title="Maria Holt",
        text="Maria Holt, director of The Silver Lantern, a drama film.",
    )
    found = Bm25Searcher.in_memory([close, *(one for one in passages() if one.title != "Maria Holt")])
    (verdict,) = not_in_one_search([chain()], found, 3)
    assert not verdict.passed
    assert verdict.reason == ONE_SEARCH


def test_a_chain_is_dropped_if_another_passage_holds_bridge_and_answer():
    both = Passage(
        id="x", doc_id="x", title="The Silver Lantern (review)",
        text="The Silver Lantern, drama film. Its director Maria Holt was born on 12 March 1931.",
    )  # fmt: skip
    (verdict,) = not_in_one_search([chain()], Bm25Searcher.in_memory([*passages(), both]), 2)
    assert not verdict.passed


def test_comparisons_may_be_solved_in_one_search():
    rows = drafts("comparison")[:5]
    assert all(verdict.passed for verdict in not_in_one_search(rows, searcher(), 5))


def test_an_answer_that_is_common_does_not_solve_a_chain():
    draft = replace(chain("American"), bridges=("Maria Holt",))
    (verdict,) = not_in_one_search([draft], searcher(), 1)
    assert verdict.passed  # "American" stands in many passages, but none of them is about the bridge
