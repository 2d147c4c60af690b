"""Rewards and their ledger: manually computed numbers, bounds for any answer; DAPO's arithmetic."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.grounding import answered, question, searched, shown, trajectory
from pydantic import ValidationError

from masksearch.scoring import fills
from masksearch.scoring.judge import Verdict
from masksearch.scoring.metrics import score_task
from masksearch.scoring.rewards import (
    awaits_verdict,
    dapo_objective,
    fill_rewards,
    first_shown,
    group_advantages,
    group_is_informative,
    recall_with_length,
    repeated_fills,
    reward_answer,
    reward_trajectory,
    soft_overlong,
)
from masksearch.scoring.settings import AnswerReward, RewardSettings
from masksearch.train.settings import RlSettings
from masksearch.types import MaskedTask, Question, Trajectory, Turn, Usage, task_json

QUESTION = Question(id="q", question="Where?", answers=("Boston",))
TASK = MaskedTask(
    id="t",
    doc_id="d",
    title="T",
    text="[mask] met [mask] in [mask].",
    answers=("Ada Lovelace", "Bob", "1970"),
    masks=3,
    original="o",
)
FIRST = RewardSettings(answer="f1", gated=False, no_answer=0, no_search=0)
JUDGE = RewardSettings.model_validate(
    {"answer": "judge", "judge": {"url": "http://127.0.0.1:1/v1", "model": "m"}}
)
WEIGHTED = (
    "weighted_answer",
    "weighted_grounding",
    "weighted_format",
    "weighted_overlong",
    "weighted_no_answer",
    "weighted_no_search",
)


@pytest.mark.parametrize(
    ("tokens", "penalty"), [(0, 0), (240, 0), (241, -1 / 80), (280, -0.5), (320, -1), (321, -1), (9999, -1)]
)
def test_soft_overlong(tokens: int, penalty: float) -> None:
    assert soft_overlong(tokens, 320, 80) == pytest.approx(penalty)


def test_soft_overlong_needs_a_cache() -> None:
    with pytest.raises(ValueError, match="cache_tokens"):
        soft_overlong(1, 320, 0)


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 10**5))
def test_the_length_penalty_stays_in_its_range_and_falls(tokens: int, most: int, cache: int) -> None:
    one, next_ = (soft_overlong(count, most, cache) for count in (tokens, tokens + 1))
    assert -1 <= next_ <= one <= 0


def test_recall_with_length_by_hand() -> None:
    assert [recall_with_length(0.5, length, 2, 2.0) for length in (0, 4, 8, 16)] == [0.5, 0.5, 0.25, 0.125]
    settings = RewardSettings(answer="recall-length")
    assert reward_answer(
        "Paris Boston Rome Oslo", QUESTION, "spans", True, 10, settings
    ).answer == pytest.approx(0.5)
    assert reward_answer("in Boston", QUESTION, "spans", True, 10, settings).answer == 1


@pytest.mark.parametrize(
    ("kind", "answer", "masks"),
    [
        ("em", "1. Ada Lovelace\n2. Rob\n3. 1970", (1, 0, 1)),
        ("f1", "1. Ada\n2. Rob\n3. in 1970", (2 / 3, 0, 2 / 3)),
        ("recall", "1. Ada\n3. it was in 1970", (0.5, 0, 1)),
        ("recall-length", "1. Ada\n3. it was in 1970", (0.5, 0, 0.5)),
    ],
)
def test_each_mask_is_an_answer_of_its_own(kind: AnswerReward, answer: str, masks: tuple[float, ...]) -> None:
    ledger = reward_answer(answer, TASK, "spans", True, 10, RewardSettings(answer=kind))
    assert ledger.masks == pytest.approx(masks)
    assert ledger.answer == pytest.approx(sum(masks) / 3)
    assert ledger.total == pytest.approx(sum(masks) / 3 + 0.2)


def test_the_same_words_for_two_masks_earn_for_neither() -> None:
    everywhere = "1. Bob\n2. Bob\n3. 1970"
    assert repeated_fills(fills.task_fills(everywhere, TASK, "spans")) == [True, True, False]
    assert reward_answer(everywhere, TASK, "spans", True, 10, RewardSettings()).masks == (0, 0, 1)
    assert reward_answer(everywhere, TASK, "spans", True, 10, RewardSettings(gated=False)).masks == (0, 1, 1)
    twice = TASK.model_copy(update={"answers": ("Bob", "Bob", "1970")})
    assert reward_answer(everywhere, twice, "spans", True, 10, RewardSettings()).answer == 1


def test_a_pasted_page_is_no_filled_paragraph() -> None:
    filled = "Ada Lovelace met Bob in 1970."
    assert reward_answer(filled, TASK, "paragraph", True, 10, RewardSettings()).answer == 1
    pasted = reward_answer(filled + " word" * 60, TASK, "paragraph", True, 10, RewardSettings())
    assert (pasted.answer, pasted.gate) == (0, "length")


def test_the_ledger_holds_every_component() -> None:
    settings = RewardSettings(
        answer="f1", answer_weight=2.0, format=0.2, overlong=0.5, max_tokens=320, cache_tokens=80
    )
    ledger = reward_answer("Boston or Rome", QUESTION, "spans", True, 280, settings)
    assert (ledger.f1, ledger.em, ledger.recall, ledger.answer) == (0.5, 0, 1, 0.5)
    assert (ledger.format, ledger.overlong, ledger.no_answer, ledger.no_search) == (1, -0.5, 0, 0)
    assert [getattr(ledger, name) for name in WEIGHTED] == pytest.approx([1.0, 0, 0.2, -0.25, 0, 0])
    assert ledger.total == pytest.approx(0.95)


def test_gates_and_small_penalties() -> None:
    right = {
        searches: reward_answer("Boston", QUESTION, "spans", True, 10, RewardSettings(), searches)
        for searches in (1, 0, None)
    }
    assert [(one.total, one.gate, one.no_search) for one in right.values()] == [
        (1.2, "", 0),
        (0.1, "search", 1),
        (1.2, "", 0),
    ]
    formless = reward_answer("Boston", QUESTION, "spans", False, 10, RewardSettings())
    assert (formless.total, formless.gate) == (0, "form")
    silent = reward_answer("", QUESTION, "spans", False, 10, RewardSettings(), 0)
    assert (silent.total, silent.no_answer, silent.no_search) == (-0.1, 1, 0)
    assert reward_answer("1.\n2.", TASK, "spans", True, 10, RewardSettings()).no_answer == 1


@given(st.text(max_size=60), st.booleans(), st.integers(0, 500), st.integers(0, 3))
def test_the_first_reward_is_still_to_be_had(answer: str, valid: bool, tokens: int, searches: int) -> None:
    for task in (QUESTION, TASK):
        expected = score_task(answer, task, "spans").f1 + 0.2 * valid + soft_overlong(tokens, 320, 80)
        ledger = reward_answer(answer, task, "spans", valid, tokens, FIRST, searches)
        # The first reward had the same total except for blank answers.
        assert ledger.total == pytest.approx(expected) or not answer.strip()


ANSWERS = st.lists(
    st.sampled_from(
        [
            "Ada",
            "Lovelace",
            "Bob",
            "1970",
            "the",
            "of",
            "1.",
            "2.",
            "3.",
            "\n",
            "Boston",
            "yes",
            "[mask]",
            "met",
        ]
    )
).map(" ".join)


KINDS = st.sampled_from(["em", "f1", "recall", "recall-length"])


@given(
    ANSWERS,
    st.booleans(),
    st.integers(0, 500),
    st.one_of(st.none(), st.integers(0, 3)),
    KINDS,
    st.booleans(),
    st.sampled_from(["spans", "paragraph"]),
)
def test_components_stay_in_their_ranges_and_add_up(
    answer: str, valid: bool, tokens: int, searches: int | None, kind: AnswerReward, gated: bool, form: str
) -> None:
    settings = RewardSettings(answer=kind, gated=gated)
    for task in (QUESTION, TASK):
        ledger = reward_answer(answer, task, form, valid, tokens, settings, searches)
        assert ledger.answer is not None
        assert ledger.total == pytest.approx(sum(getattr(ledger, name) for name in WEIGHTED))
        assert len(ledger.masks) == len(ledger.found) == len(task.answers)
        assert all(
            0 <= value <= 1
            for value in (
                *ledger.masks,
                ledger.answer,
                ledger.f1,
                ledger.em,
                ledger.recall,
                ledger.found_share,
            )
        )
        assert ledger.answer == pytest.approx(sum(ledger.masks) / len(ledger.masks))
        assert -1 <= ledger.overlong <= 0
        assert {ledger.format, ledger.no_answer, ledger.no_search} <= {0.0, 1.0}
        assert -settings.no_answer - settings.no_search - 1 <= ledger.total <= 1.2
        assert ledger.gate == "" or ledger.answer == 0
        parsed = fills.task_fills(answer, task, form)
        assert fill_rewards(parsed, "recall-length", 2.0) <= fill_rewards(parsed, "recall", 2.0)


def test_a_verdict_is_the_reward_or_there_is_none() -> None:
    waiting = reward_answer("Boston", QUESTION, "spans", True, 10, JUDGE)
    assert (waiting.answer, waiting.total, waiting.weighted_answer) == (None, None, None)
    assert awaits_verdict(waiting)
    for correct, total in ((True, 1.2), (False, 0.2)):
        ledger = reward_answer("in Boston", QUESTION, "spans", True, 10, JUDGE, verdict=Verdict(correct))
        assert (ledger.judge, ledger.answer, ledger.total, ledger.judge_error) == (
            float(correct),
            float(correct),
            total,
            "",
        )
    faulty = reward_answer(
        "Boston",
        QUESTION,
        "spans",
        True,
        10,
        JUDGE,
        verdict=Verdict(None, error="The judge answered nothing."),
    )
    assert (faulty.total, faulty.judge_error, faulty.em) == (None, "The judge answered nothing.", 1)
    assert not awaits_verdict(faulty)
    for closed in (
        reward_answer("Boston", QUESTION, "spans", False, 10, JUDGE),
        reward_answer("", QUESTION, "spans", True, 10, JUDGE),
    ):
        assert (closed.answer, closed.judge, awaits_verdict(closed)) == (0, None, False)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("kind", get_args(AnswerReward))
@pytest.mark.parametrize(
    ("form", "answer"), [("spans", "1. Ada\n2. Bob\n3. Bob"), ("paragraph", "Ada met Bob in Bob.")]
)
def test_a_reward_parses_the_fills_once(
    monkeypatch: pytest.MonkeyPatch, form: str, answer: str, kind: AnswerReward, gated: bool
) -> None:
    parsed: list[str] = []
    for name in ("parse_fills", "paragraph_fills"):
        parse = getattr(fills, name)

        def counted(text: str, task: Any, parse: Any = parse) -> list[str]:
            parsed.append(text)
            return list(parse(text, task))

        monkeypatch.setattr(fills, name, counted)
    turns = (
        Turn(role="model", text="<think>t</think>\n<search>Ada 1970</search>"),
        Turn(role="tool", text="\n<information>\n[1] T: Ada Lovelace lived.\n</information>\n"),
        Turn(role="model", text=f"<think>t</think>\n<answer>{answer}</answer>"),
    )
    trajectory = Trajectory(
        id="t",
        task=task_json(TASK),
        turns=turns,
        answer=answer,
        status="answered",
        usage=Usage(searches=1, model_tokens=30),
    )
    settings = JUDGE if kind == "judge" else RewardSettings(answer=kind)
    settings = settings.model_copy(update={"gated": gated})
    ledger = reward_trajectory(trajectory, settings, form, verdict=Verdict(True))
    assert ledger.gate == ""
    assert ledger.answer is not None
    assert ledger.answer > 0 or kind == "em"
    assert parsed == [answer]


def test_a_trajectory_is_rewarded_from_its_record() -> None:
    turns = (
        Turn(role="model", text="<think>t</think>\n<search>Ada 1970</search>"),
        Turn(role="tool", text="\n<information>\n[1] T: Ada Lovelace lived.\n</information>\n"),
        Turn(role="model", text="<think>t <information> Bob</think>\n<search>Bob</search>"),
        Turn(role="tool", text="\n<information>\n[1] T: Lovelace, Ada; in 1970.\n</information>\n"),
        Turn(role="model", text="<think>t</think>\n<answer>1. Ada Lovelace\n3. 1970</answer>"),
    )
    trajectory = Trajectory(
        id="t",
        task=task_json(TASK),
        turns=turns,
        answer="1. Ada Lovelace\n3. 1970",
        status="answered",
        usage=Usage(searches=2, model_tokens=300),
    )
    ledger = reward_trajectory(trajectory, RewardSettings(), "spans")
    assert (ledger.found, ledger.found_share) == ((1, 0, 2), pytest.approx(2 / 3))
    assert (ledger.em, ledger.answer, ledger.gate, ledger.overlong) == (
        pytest.approx(2 / 3),
        0,
        "form",
        -0.75,
    )
    # The first reward depended on the answer, not on the form.
    assert reward_trajectory(trajectory, FIRST, "spans").total == pytest.approx(2 / 3 - 0.75)


def test_yes_and_no_are_never_found() -> None:
    shown = [Turn(role="tool", text="\n<information>\n[1] No: yes Bob\n[2] x 3\n</information>\n")]
    assert first_shown(shown, [("no",), ("Bob", "zed"), ("zed",), ("1",), ("3",)]) == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"answer": "bleu"}, "'em', 'f1', 'recall', 'recall-length' or 'judge'"),
        ({"answer": "judge"}, "judge.url and judge.model"),
        ({"answer": "judge", "judge": {"url": "http://127.0.0.1:1/v1"}}, "judge.url and judge.model"),
        ({"answer": "f1", "judge": {"url": "http://127.0.0.1:1/v1", "model": "m"}}, "would not ask a judge"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RlSettings.model_validate({"model": "m", "tasks": "t", "index": "i", "reward": given})
    assert set(get_args(AnswerReward)) == {"em", "f1", "recall", "recall-length", "judge"}


@pytest.mark.parametrize(
    ("f1s", "kept"),
    [
        ([0, 0, 0], False),
        ([1, 1, 0.6], False),
        ([1, 1, 0.5], True),  # one of two masks is not right
        ([0.2, 0.4], False),
        ([0, 0.5], False),
        ([0, 0.6], True),
        ([1, 0, 0, 0], True),
        ([], False),
    ],
)
def test_dynamic_sampling(f1s: list[float], kept: bool) -> None:
    assert group_is_informative(f1s, 0.5) is kept


def test_a_full_reward_is_correct_at_any_threshold() -> None:
    assert group_is_informative([1, 0.9], 1.0)
    assert not group_is_informative([0.9, 0.8], 1.0)


def test_advantages_use_the_unbiased_deviation() -> None:
    found = group_advantages([[1, 0, 0, 1], [2, 2, 2, 2]])
    one = 0.5 / (math.sqrt(4 * 0.25 / 3) + 1e-4)
    np.testing.assert_allclose(found, [[one, -one, -one, one], [0, 0, 0, 0]])
    with pytest.raises(ValueError, match="shape"):
        group_advantages([1, 0])
    with pytest.raises(ValueError, match="at least 2"):
        group_advantages([[1], [0]])


def test_rollouts_without_a_reward_are_left_out_of_their_group() -> None:
    assert not group_is_informative([1.0, None, None], 0.5)
    assert group_is_informative([1.0, None, 0.0], 0.5)
    found = group_advantages([[1, math.nan, 0, 1], [math.nan, 3, math.nan, math.nan], [math.nan] * 4])
    np.testing.assert_allclose(found[0, [0, 2, 3]], group_advantages([[1, 0, 1]])[0])
    assert found[0, 1] == 0
    assert not found[1:].any()


@given(
    st.lists(
        st.lists(st.one_of(st.just(math.nan), st.floats(-3, 3)), min_size=4, max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_advantages_of_a_group_with_gaps(rewards: list[list[float]]) -> None:
    for row, group in zip(group_advantages(rewards), rewards, strict=True):
        known = [value for value in group if not math.isnan(value)]
        assert np.isfinite(row).all()
        assert all(value == 0 for value, reward in zip(row, group, strict=True) if math.isnan(reward))
        if len(known) < 2:
            assert not row.any()
        else:
            np.testing.assert_allclose(
                [value for value, reward in zip(row, group, strict=True) if not math.isnan(reward)],
                group_advantages([known])[0],
            )


def test_advantages_agree_with_torch() -> None:
    torch = pytest.importorskip("torch")
    rewards = np.random.default_rng(0).normal(size=(3, 8))
    tensor = torch.tensor(rewards)
    wanted = (tensor - tensor.mean(1, keepdim=True)) / (tensor.std(1, keepdim=True) + 1e-4)
    np.testing.assert_allclose(group_advantages(rewards), wanted.numpy())


def test_objective_by_hand() -> None:
    ratios = np.array([[1.5, 1.1, 9.0], [0.5, 1.5, 0.9]])
    mask = np.array([[1, 1, 0], [1, 1, 1]])
    # A = 2: min(3, 1.28 * 2) = 2.56, and 2.2. A = -1: min(-0.5, -0.8) = -0.8, min(-1.5, -1.28) = -1.5,
    # and -0.9. The mean is over the five model tokens.
    wanted = (2.56 + 2.2 - 0.8 - 1.5 - 0.9) / 5
    assert dapo_objective(np.log(ratios), np.zeros((2, 3)), [2.0, -1.0], mask, 0.2, 0.28) == pytest.approx(
        wanted
    )


def test_the_objective_weighs_tokens_not_sequences() -> None:
    zeros = np.zeros((2, 4))
    assert dapo_objective(
        zeros, zeros, [1.0, -1.0], [[1, 1, 1, 0], [1, 0, 0, 0]], 0.2, 0.28
    ) == pytest.approx((3 - 1) / 4)


def test_masked_tokens_are_never_looked_at() -> None:
    logprobs = np.array([[0.0, math.nan, math.inf]])
    assert dapo_objective(logprobs, np.zeros((1, 3)), [1.0], [[1, 0, 0]], 0.2, 0.28) == 1
    assert dapo_objective(logprobs, np.zeros((1, 3)), [1.0], [[0, 0, 0]], 0.2, 0.28) == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes disagree"):
        dapo_objective(np.zeros((1, 3)), np.zeros((1, 2)), [1.0], np.ones((1, 3)), 0.2, 0.28)


GROUNDED = RewardSettings(grounding=0.5)


@pytest.mark.parametrize(
    ("thought", "said", "sound", "total"),
    [
        ('[1]: "born in Odense". So.', "Odense", 1, 1.7),
        ("So.", "Odense", 1, 1.7),
        ('[1]: "born in Rome". So.', "Odense", 0, 1.2),
        ('[2]: "born in Odense". So.', "Odense", 0, 1.2),
        ("So.", "Dahl", 1, 0.2),
        ("So.", "Rome", 0, 0.2),
    ],
)
def test_the_grounding_reward_is_for_right_answers_alone(
    thought: str, said: str, sound: int, total: float
) -> None:
    task = question("Where was Bo Dahl born?", "Odense")
    turns = (searched("I search."), shown("Bo Dahl: Bo Dahl was born in Odense."), answered(thought, said))
    found = trajectory(task, *turns).model_copy(update={"usage": Usage(searches=1)})
    ledger = reward_trajectory(found, GROUNDED, "spans")
    assert (ledger.grounding, ledger.total) == (sound, pytest.approx(total))
    assert ledger.weighted_grounding == pytest.approx(max(0.0, total - 1.2))
    assert reward_trajectory(found, RewardSettings(), "spans").total == pytest.approx(min(total, 1.2))


def test_an_answer_that_awaits_its_verdict_has_no_grounding_reward_yet() -> None:
    task = question("Where was Bo Dahl born?", "Odense")
    turns = (searched("I search."), shown("Bo Dahl: Bo Dahl was born in Odense."), answered("So.", "Odense"))
    found = trajectory(task, *turns).model_copy(update={"usage": Usage(searches=1)})
    settings = JUDGE.model_copy(update={"grounding": 0.5})
    waiting = reward_trajectory(found, settings, "spans")
    assert (waiting.total, waiting.weighted_grounding, waiting.grounding) == (None, None, 1)
    judged = reward_trajectory(found, settings, "spans", verdict=Verdict(True))
    assert judged.total == pytest.approx(1.7)
