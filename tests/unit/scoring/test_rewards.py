"""DAPO's pieces against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from masksearch.scoring.rewards import dapo_objective, group_advantages, group_is_informative, reward, reward_answer, soft_overlong
from masksearch.settings import RewardSettings
from masksearch.types import Question, Score

SCORE = Score(recall=1.0, precision=0.5, f1=0.6, em=0.0)


@pytest.mark.parametrize(("tokens", "penalty"), [(0, 0), (240, 0), (241, -1 / 80), (280, -0.5), (320, -1), (321, -1), (9999, -1)])
def test_soft_overlong(tokens: int, penalty: float) -> None:
    assert soft_overlong(tokens, 320, 80) == pytest.approx(penalty)


def test_soft_overlong_needs_a_cache() -> None:
    with pytest.raises(ValueError, match="cache_tokens"):
        soft_overlong(1, 320, 0)


def test_the_ledger_holds_every_component() -> None:
    ledger = reward(SCORE, True, 280, RewardSettings(f1=2.0, format=0.2, overlong=0.5, max_tokens=320, cache_tokens=80))
    assert (ledger.f1, ledger.format, ledger.overlong) == (0.6, 1.0, -0.5)
    assert (ledger.weighted_f1, ledger.weighted_format, ledger.weighted_overlong) == pytest.approx((1.2, 0.2, -0.25))
    assert ledger.total == pytest.approx(1.15)
    assert set(ledger.to_json()) == {"f1", "format", "overlong", "weighted_f1", "weighted_format", "weighted_overlong", "total"}


def test_an_invalid_rollout_gets_no_format_reward() -> None:
    nothing = Score(recall=0.0, precision=0.0, f1=0.0, em=0.0)
    assert reward(nothing, False, 10, RewardSettings()).total == 0


def test_the_reward_uses_the_metric_and_enumerating_does_not_pay() -> None:
    question = Question(id="q", question="Where?", answers=("Boston",))
    said, listed = (reward_answer(text, question, "spans", True, 10, RewardSettings()) for text in ("Boston", "Paris Boston Rome Oslo"))
    assert said.total == pytest.approx(1.2)
    assert listed.total == pytest.approx(0.6)  # F1 of 2/5 though the recall is 1


@pytest.mark.parametrize(("f1s", "kept"), [([0, 0, 0], False), ([1, 1, 0.5], False), ([0.2, 0.4], False), ([0, 0.5], True), ([1, 0, 0, 0], True), ([], False)])
def test_dynamic_sampling(f1s: list[float], kept: bool) -> None:
    assert group_is_informative(f1s, 0.5) is kept


def test_advantages_use_the_unbiased_deviation() -> None:
    found = group_advantages([[1, 0, 0, 1], [2, 2, 2, 2]])
    one = 0.5 / (math.sqrt(4 * 0.25 / 3) + 1e-4)
    np.testing.assert_allclose(found, [[one, -one, -one, one], [0, 0, 0, 0]])
    with pytest.raises(ValueError, match="shape"):
        group_advantages([1, 0])
    with pytest.raises(ValueError, match="at least 2"):
        group_advantages([[1], [0]])


def test_advantages_agree_with_torch() -> None:
    torch = pytest.importorskip("torch")
    rewards = np.random.default_rng(0).normal(size=(3, 8))
    tensor = torch.tensor(rewards)
    wanted = (tensor - tensor.mean(1, keepdim=True)) / (tensor.std(1, keepdim=True) + 1e-4)
    np.testing.assert_allclose(group_advantages(rewards), wanted.numpy())


def test_objective_by_hand() -> None:
    ratios = np.array([[1.5, 1.1, 9.0], [0.5, 1.5, 0.9]])
    mask = np.array([[1, 1, 0], [1, 1, 1]])
    # A = 2: min(3, 1.28 * 2) = 2.56, and 2.2; A = -1: min(-0.5, -0.8) = -0.8, min(-1.5, -1.28) = -1.5, and -0.9; five model tokens
    wanted = (2.56 + 2.2 - 0.8 - 1.5 - 0.9) / 5
    assert dapo_objective(np.log(ratios), np.zeros((2, 3)), [2.0, -1.0], mask, 0.2, 0.28) == pytest.approx(wanted)


def test_the_objective_weighs_tokens_not_sequences() -> None:
    zeros = np.zeros((2, 4))
    assert dapo_objective(zeros, zeros, [1.0, -1.0], [[1, 1, 1, 0], [1, 0, 0, 0]], 0.2, 0.28) == pytest.approx((3 - 1) / 4)


def test_masked_tokens_are_never_looked_at() -> None:
    logprobs = np.array([[0.0, math.nan, math.inf]])
    assert dapo_objective(logprobs, np.zeros((1, 3)), [1.0], [[1, 0, 0]], 0.2, 0.28) == 1
    assert dapo_objective(logprobs, np.zeros((1, 3)), [1.0], [[0, 0, 0]], 0.2, 0.28) == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes disagree"):
        dapo_objective(np.zeros((1, 3)), np.zeros((1, 2)), [1.0], np.ones((1, 3)), 0.2, 0.28)
