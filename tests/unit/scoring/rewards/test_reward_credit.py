"""Per-mask credit: the credited search turn, and the tokens whose advantage changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.scoring.rewards import credit_by_turn, group_baseline, token_credits
from masksearch.types import Turn


def model(text: str = "<search>x</search>") -> Turn:
    return Turn(role="model", text=text)


def shown(text: str = "nothing") -> Turn:
    return Turn(role="tool", text=f"\n<information>\n{text}\n</information>\n")


CORRECTION = Turn(role="tool", text="\nThat asked for nothing.\n")


def test_the_search_that_brought_it_first_has_the_credit() -> None:
    turns = [model(), shown(), model(), CORRECTION, model(), shown(), model("<answer>a</answer>")]
    assert credit_by_turn(turns, (3, 1, 0, 3)) == [0.25, None, 0.5, None]


def test_credits_are_measured_against_the_groups_searches() -> None:
    credits = [[0.5, 0.0, None], [1.0, None], [None]]
    assert group_baseline(credits) == 0.5
    assert group_baseline([[None], []]) == 0
    assert token_credits([1, 1, 0, 0, 1, 0, 1], credits[0], 0.5, 2.0) == [0, 0, 0, 0, -1, 0, 0]
    assert token_credits([1, 0, 1, 1], credits[1], 0.5, 2.0) == [1, 0, 0, 0]


def test_turns_without_tokens_make_no_guess() -> None:
    assert token_credits([1, 0, 0], [0.5, 0.5], 0.0, 1.0) == [0, 0, 0]
    assert token_credits([0], [], 0.0, 1.0) == [0]


@given(st.lists(st.lists(st.floats(0, 1), max_size=4), min_size=2, max_size=4), st.floats(0, 3))
def test_credit_neither_rewards_nor_taxes_searching_as_such(groups: list[list[float]], weight: float) -> None:
    baseline = group_baseline(groups)
    moved = [
        value
        for credits in groups
        for value in token_credits([1, 0] * len(credits), credits, baseline, weight)
    ]
    assert sum(moved) == pytest.approx(0, abs=1e-9)
    assert all(abs(value) <= weight for value in moved)
