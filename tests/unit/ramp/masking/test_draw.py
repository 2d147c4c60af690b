"""Drawing of spans: always k spans with words between them, reproducible, by weight or by rank."""

import math
from collections import Counter
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.ramp.masking.draw import ALIKE, Preference, apart, draw, spread
from masksearch.types import Span


def text_and_spans(gaps, lengths):
    """Returns a text of spans "xx", each after one of the gaps, and the spans."""
    text, spans = "", []
    for gap, length in zip(gaps, lengths, strict=False):
        text += gap
        spans.append(Span(start=len(text), end=len(text) + length, category="X"))
        text += "x" * length
    return text + " end.", spans


GAPS = st.sampled_from([" ", ", ", " (", "", " and ", " word ", "-", "和", "、"])
CASES = st.lists(st.tuples(GAPS, st.integers(1, 4)), max_size=9).map(
    lambda pairs: text_and_spans(*zip(*pairs, strict=True)) if pairs else ("none", [])
)
WEIGHTS = st.one_of(st.just(0.0), st.floats(0, 1e308), st.floats(0, 5), st.integers(0, 2).map(float))


def most_together(text, spans):
    """Returns the size of the largest set of spans that are apart, by trying all sets."""

    def fits(pair):
        return apart(text, *sorted(pair, key=lambda span: span.start))

    for size in range(len(spans), 0, -1):
        if any(all(map(fits, combinations(chosen, 2))) for chosen in combinations(spans, size)):
            return size
    return 0


@given(CASES, st.integers(0, 5), st.integers(0, 10**6), st.data())
def test_k_spans_apart_in_text_order_or_none(case, k, seed, data):
    text, spans = case
    weights = tuple(data.draw(st.lists(WEIGHTS, min_size=len(spans), max_size=len(spans))))
    for preference in (None, ALIKE, Preference(weights), Preference(weights, ranked=True)):
        found = draw(text, spans, k, Random(seed), preference)
        assert found == draw(text, spans, k, Random(seed), preference)
        assert (found is not None) == (0 < k <= most_together(text, spans))
        if found is not None:
            assert len(found) == k
            assert all(span in spans for span in found)
            assert found == sorted(found, key=lambda span: span.start)
            assert all(apart(text, first, second) for first, second in pairwise(found))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=7),
    st.integers(1, 4),
    st.integers(0, 99),
    st.booleans(),
)
def test_spans_that_overlap_are_never_drawn_together(places, k, seed, ranked):
    """The spans may overlap, repeat, and come in any order."""
    text = "one two three four five six seven eight"
    spans = [Span(start=start, end=min(start + length, len(text)), category="X") for start, length in places]
    weights = tuple(float(length) for _, length in places)
    found = draw(text, spans, k, Random(seed), Preference(weights, ranked))
    assert len(spread(text, spans)) == most_together(text, spans)
    assert (found is not None) == (k <= most_together(text, spans))
    if found is not None:
        assert all(apart(text, first, second) for first, second in pairwise(found))


TEXT, SPANS = text_and_spans([" a ", " b ", " c ", " d "], [2, 2, 2, 2])


def share_of_sets(preference, k, times=4000):
    rng = Random(7)
    return Counter(
        tuple(SPANS.index(span) for span in draw(TEXT, SPANS, k, rng, preference)) for _ in range(times)
    )


def chi_square(found, expected):
    total = sum(found.values())
    assert set(found) <= set(expected)
    return sum((found[key] - total * share) ** 2 / (total * share) for key, share in expected.items())


def successive(weights, k):
    """Returns the probability of each set if spans are drawn one by one in proportion to their weights."""
    shares = Counter()

    def go(taken, chance):
        if len(taken) == k:
            shares[tuple(sorted(taken))] += chance
            return
        left = [place for place in range(len(weights)) if place not in taken]
        for place in left:
            go([*taken, place], chance * weights[place] / sum(weights[other] for other in left))

    go([], 1.0)
    return shares


@pytest.mark.parametrize(
    ("weights", "k"), [((1, 2, 3, 4), 1), ((1, 2, 3, 4), 2), ((5, 1, 1, 1), 3), ((0.1, 0.1, 7, 0.1), 2)]
)
def test_weighted_drawing_is_in_proportion(weights, k):
    expected = successive(weights, k)
    # The 99.9% quantiles of chi-square with 3 and 5 degrees of freedom.
    assert (
        chi_square(share_of_sets(Preference(tuple(map(float, weights))), k), expected)
        < {4: 16.3, 6: 20.5}[len(expected)]
    )


def test_without_a_preference_all_sets_are_alike():
    for preference in (None, ALIKE):
        assert (
            chi_square(share_of_sets(preference, 2), dict.fromkeys(combinations(range(4), 2), 1 / 6)) < 20.5
        )


def test_the_uniform_drawing_is_the_one_that_older_runs_made():
    """The paper's random masking is `rng.sample` of the spans, so that old runs stay reproducible."""
    for seed in range(20):
        expected = sorted(Random(seed).sample(SPANS, 2), key=lambda span: span.start)
        assert draw(TEXT, SPANS, 2, Random(seed)) == draw(TEXT, SPANS, 2, Random(seed), ALIKE) == expected


def test_a_span_of_weight_zero_is_drawn_only_where_nothing_else_is_left():
    preference = Preference((0.0, 1.0, 0.0, 1e-300))
    assert set(share_of_sets(preference, 2, 200)) == {(1, 3)}
    threes = share_of_sets(preference, 3, 400)
    assert set(threes) == {(0, 1, 3), (1, 2, 3)}
    assert min(threes.values()) > 140
    assert set(share_of_sets(Preference((0.0,) * 4), 1, 200)) == {(0,), (1,), (2,), (3,)}


def test_the_highest_are_taken_and_ties_go_to_the_left():
    for k, expected in ((1, [2]), (2, [0, 2]), (3, [0, 1, 2])):
        found = draw(TEXT, SPANS, k, Random(0), Preference((2.0, 1.0, 3.0, 1.0), ranked=True))
        assert found == [SPANS[place] for place in expected]


def test_a_ranked_span_that_would_leave_too_few_others_is_passed_over():
    """Of three adjacent spans the middle one has the highest weight, but excludes both others."""
    text, spans = text_and_spans(["", ", ", ", "], [2, 2, 2])
    preference = Preference((1.0, 9.0, 2.0), ranked=True)
    assert draw(text, spans, 1, Random(0), preference) == [spans[1]]
    assert draw(text, spans, 2, Random(0), preference) == [spans[0], spans[2]]
    assert draw(text, spans, 3, Random(0), preference) is None


@pytest.mark.parametrize(
    "weights", [(1.0,), (1.0, -1.0, 1.0, 1.0), (math.nan, 1.0, 1.0, 1.0), (math.inf, 1.0, 1.0, 1.0)]
)
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(ValueError, match="finite weights of 0 or more"):
        draw(TEXT, SPANS, 2, Random(0), Preference(weights))
