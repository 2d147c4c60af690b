"""pass@k, solve rates, distinct-n and entropy against manual numbers and against counting all draws."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.evolve_helpers import masked, question, trajectory

from masksearch.evolve.diversity import distinct, diversity, entropy
from masksearch.evolve.pass_at_k import Solved, pass_at_k, pass_table, solve_rates
from masksearch.evolve.round_tables import render_tables


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_all_draws_that_hold_a_correct_one(case):
    sampled, solved, k = case
    draws = list(itertools.combinations([True] * solved + [False] * (sampled - solved), k))
    assert pass_at_k(sampled, solved, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_of_many_samples_does_not_overflow():
    assert pass_at_k(5000, 1, 2500) == pytest.approx(0.5)
    assert pass_at_k(5000, 0, 5000) == 0.0


@pytest.mark.parametrize(("sampled", "solved", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 1), (0, 0, 1)])
def test_pass_at_k_of_too_few_samples_is_refused(sampled, solved, k):
    with pytest.raises(ValueError, match="cannot be computed"):
        pass_at_k(sampled, solved, k)


def test_the_table_averages_over_tasks_that_have_k_samples():
    table = pass_table([Solved("a", 2, 4), Solved("b", 0, 4), Solved("c", 1, 1)], 5)
    assert table == pytest.approx({"1": (0.5 + 0 + 1) / 3, "2": (5 / 6) / 2, "3": 0.5, "4": 0.5})
    assert pass_table([], 3) == {}


def test_solve_rates_count_what_was_judged():
    outcomes = [("a", True), ("a", None), ("b", None), ("a", False), ("c", False)]
    assert solve_rates({"task": task, "correct": correct} for task, correct in outcomes) == [
        Solved("a", 1, 2),
        Solved("c", 0, 1),
    ]


def test_distinct_is_a_mean_over_full_blocks():
    words = ["a", "b", "a", "b"]
    assert distinct(words, 1) == 0.5
    assert distinct(words, 2) == pytest.approx(2 / 3)
    assert distinct(["a", "a", "a", "a", "b", "c", "d", "e", "f"], 1, block=4) == pytest.approx(
        (0.25 + 1.0) / 2
    )  # the last word is outside the full blocks
    assert distinct([], 1) == distinct(["a"], 2) == 0.0


def test_distinct_does_not_fall_with_more_of_the_same_kind():
    words = [f"w{number % 50}" for number in range(5000)]
    assert distinct(words, 1) == pytest.approx(distinct(words[:500], 1)) == pytest.approx(0.1)


def test_entropy_in_bits():
    assert entropy(["a", "b", "c", "d"]) == pytest.approx(2.0)
    assert entropy(["a", "a", "a", "b"]) == pytest.approx(0.75 * math.log2(4 / 3) + 0.25 * 2)
    assert entropy([]) == entropy(["a", "a"]) == 0.0


def test_the_variety_of_trajectories():
    found = diversity(
        [
            trajectory(masked(1), "one two", ("Iris iris",)),
            trajectory(question(2), "one two", ("x", "y"), answer="the old sea"),
        ]
    )
    assert (found["query_terms"], found["query_entropy"], found["query_entropy_most"]) == (4, 1.5, 2.0)
    assert (found["searches"], found["answer_words"]) == (1.5, 2.0)
    assert diversity([])["query_entropy_most"] == 0.0


def test_tables_of_many_samples_show_powers_of_two():
    manifest = {
        "round": 1,
        "counts": {"trained_on": 3, "rollouts": 20, "kept": 0, "seed_data": 3, "evolved_before": 0},
        "accepted_share": 0.0,
        "pass_at": {str(k): k / 20 for k in range(1, 11)},
        "solve_rates": [{"task": "a|b", "solved": 1, "sampled": 10}],
        "diversity": diversity([]),
        "data_diversity": diversity([]),
        "seconds": {"sft": 1.2},
    }
    tables = render_tables([manifest], diversity([]), 3)
    assert "| pass@1 | pass@2 | pass@4 | pass@8 | pass@10 |" in tables
    assert "gain" not in tables  # there were no held-out tasks
    assert tables.count("| ---") >= 3
