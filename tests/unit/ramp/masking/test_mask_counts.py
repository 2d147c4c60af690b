"""Numbers of masks: shares fitted to the text, quotas in whole numbers, and selection up to a limit."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import UsageError
from masksearch.ramp.masking.mask_counts import Selection, apportion, draw_count, tilted, wanted_shares
from masksearch.ramp.settings import MaskSettings


def outcome(shares, most):
    """Returns the expected share of each k, computed independently of the code under test."""
    total = Counter()
    for number in most:
        allowed = {k: share for k, share in shares.items() if k <= number}
        for k, share in allowed.items():
            total[k] += share / sum(allowed.values()) / len(most)
    return total


def test_shares_asked_for():
    assert wanted_shares(MaskSettings()) == {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}
    assert wanted_shares(MaskSettings(masks="1-2", weights=(0, 3))) == {2: 1.0}
    with pytest.raises(UsageError, match="'weights' must be 4 shares"):
        wanted_shares(MaskSettings(weights=(1, 2)))


def test_a_poor_text_still_gives_even_counts_where_it_can():
    # An even draw among the counts that each passage allows would give over 45% of the tasks one mask.
    most = [1] * 20 + [2] * 20 + [3] * 25 + [5] * 35
    even = {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}
    assert outcome(even, most)[1] > 0.45
    found = outcome(tilted(even, most), most)
    assert all(abs(found[k] - 0.25) < 0.005 for k in even)


def test_a_text_that_cannot_be_even_comes_as_near_as_it_can():
    most = [1] * 60 + [4] * 40
    found = outcome(tilted({1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}, most), most)
    assert found[1] == pytest.approx(0.60, abs=0.01)
    assert all(found[k] == pytest.approx(0.40 / 3, abs=0.01) for k in (2, 3, 4))


def test_a_sample_without_a_usable_passage_changes_nothing():
    assert tilted({2: 1.0}, [0, 1, 1]) == {2: 1.0}


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 9), st.integers(0, 1000))
def test_draws_what_is_allowed(most, number, seed):
    shares = tilted({1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}, most)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
    k = draw_count(shares, number, Random(seed))
    assert k is None if number < 1 else 1 <= k <= min(4, number)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.integers(1, 500))
def test_quotas_add_up(weights, total):
    shares = {k: weight / sum(weights) for k, weight in enumerate(weights, 1)}
    quotas = apportion(shares, total)
    assert sum(quotas.values()) == total
    assert all(abs(quotas[k] - shares[k] * total) < 1 for k in shares)


def test_a_limit_takes_its_quotas_in_order_and_spares_at_the_end():
    selection = Selection({1: 0.5, 2: 0.5}, 6)
    taken = [selection.wants(masks, place) for place, masks in enumerate([1, 1, 1, 1, 2, 1])]
    assert taken == [True, True, True, False, True, False]
    assert not selection.full
    assert selection.fill_up() == [3, 5]
    assert selection.full
    everything = Selection({1: 1.0}, None)
    assert all(everything.wants(1, place) for place in range(10))
    assert (everything.full, everything.fill_up()) == (False, [])
