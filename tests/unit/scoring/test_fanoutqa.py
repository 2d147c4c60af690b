"""FanOutQA's own accuracy; the values are those of the authors' `answer_in_text`."""

from __future__ import annotations

import pytest

from masksearch.scoring.fanoutqa import is_installed, normalised, official_scores
from masksearch.scoring.list_answers import list_scores

pytestmark = pytest.mark.skipif(not is_installed(), reason="the extra ner is not installed")


def test_words_are_compared_by_their_lemmas() -> None:
    assert normalised("3 Moons, and 1,234 Rings!") == "3 moon and 1234 ring "
    assert official_scores("It has 3 moons.", [["3 moon"]]) == (1, 1)
    assert list_scores("It has 3 moons.", [["3 moon"]]) == (0, 0)


@pytest.mark.parametrize("part", ["5%", "(b)"])
def test_a_part_that_ends_in_a_sign_is_not_found_in_itself(part: str) -> None:
    assert official_scores(part, [[part]]) == (0, 0)
    assert list_scores(part, [[part]]) == (1, 1)


def test_the_gold_answer_does_not_reach_all_parts_under_its_own_name() -> None:
    parts = [["Ann Lee"], ["12%"]]
    assert official_scores("Ann Lee: 12%", parts) == (0.5, 0)
    assert list_scores("Ann Lee: 12%", parts) == (1, 1)


def test_a_part_without_text_is_in_every_answer() -> None:
    assert official_scores("Ann", [["Ann"], [""]]) == (1, 1)
    assert list_scores("Ann", [["Ann"], [""]]) == (0.5, 0)
    assert official_scores("", [[""]]) == (0, 0)


def test_parts_are_needed() -> None:
    with pytest.raises(ValueError, match="without a part"):
        official_scores("a", [])
