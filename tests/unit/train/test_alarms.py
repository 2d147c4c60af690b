"""Alarms from constructed logs: each is raised by its sign and by no other, with the figures in its text."""

import math
from collections import deque

import pytest

from masksearch.errors import TrainingError
from masksearch.train.alarms import RunStopped, Watch, check, refuse_not_finite
from masksearch.train.memory import explain_out_of_memory
from masksearch.train.rl.best_state import StateScore, keep_state, kept_score, score_last_state
from masksearch.train.rl.stage import memory_remedy
from masksearch.train.settings import AlarmSettings, RlSettings

GOOD = {
    "loss": 0.1,
    "grad_norm": 1.0,
    "reward": 0.5,
    "valid": 0.9,
    "entropy": 1.0,
    "ratio": 1.0,
    "right_logprob": -0.5,
    "groups_kept": 3,
    "groups_sampled": 4,
}


def log(*changes, length=30, **last):
    """Returns rows of a healthy run, then one changed row for each of `changes` (or for `last`)."""
    rows = [{"step": step, **GOOD} for step in range(1, length + 1)]
    for number, change in enumerate(changes or [last], length + 1):
        rows.append({"step": number, **GOOD, **change})
    return rows


def names(rows, **given):
    return [alarm.name for alarm in check(rows, AlarmSettings.model_validate({"window": 4, **given}))]


def test_a_healthy_run_raises_none():
    for end in range(31):
        assert names(log()[:end]) == []


@pytest.mark.parametrize(
    ("name", "key", "low"),
    [
        ("likelihood", "right_logprob", -1.5),
        ("reward", "reward", 0.1),
        ("format", "valid", 0.5),
        ("entropy", "entropy", 0.05),
    ],
)
def test_falls(name, key, low):
    assert names(log(*[{key: low}] * 4)) == [name]
    assert names(log(*[{key: low}])) == []  # one bad step is no collapse
    assert names(log(*[{key: low}] * 4, *[{}] * 4)) == []
    assert names(log(*[{key: GOOD[key] * 1.2}] * 4)) == []


def test_a_later_stage_is_not_compared_with_an_earlier():
    rows = [{"step": step, **GOOD, "stage": 1} for step in range(9)] + [
        {"step": step, **GOOD, "reward": 0.0, "entropy": 0.01, "stage": 2} for step in range(9, 20)
    ]
    assert names(rows) == []


@pytest.mark.parametrize("ratio", [3.0, 0.2, 1e9])
def test_ratios(ratio):
    assert names(log(*[{"ratio": ratio}] * 4)) == ["ratio"]
    assert names(log(*[{"ratio": ratio}] * 4), ratio_limit=1e12) == []


def test_steps_without_a_token_say_nothing():
    """A row of a step without loss has no entropy and no ratio."""
    silent = {
        key: value for key, value in GOOD.items() if key not in ("entropy", "ratio", "right_logprob")
    } | {"groups_kept": 0}
    rows = log() + [{"step": 31 + number, **silent} for number in range(4)]
    assert names(rows) == []


@pytest.mark.parametrize(("key", "what"), [("loss", "loss"), ("grad_norm", "gradient")])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite(key, what, value):
    (alarm,) = check(log(**{key: value}), AlarmSettings())
    assert alarm.name == "nan"
    assert (
        alarm.text
        == f"The {what} is {value} in step 31; lower learning_rate or max_grad_norm, or compute in float32."
    )
    with pytest.raises(RunStopped, match="The loss is nan in step 4"):
        refuse_not_finite(math.nan, 4)
    refuse_not_finite(0.0, 4)


@pytest.mark.parametrize(("solved", "hopeless", "remedy"), [(4, 0, "harder tasks"), (0, 4, "easier tasks")])
def test_batches_that_cannot_be_filled(solved, hopeless, remedy):
    empty = {"groups_kept": 0, "groups_solved": solved, "groups_hopeless": hopeless}
    (alarm,) = check(log(*[empty] * 5), AlarmSettings())
    assert alarm.name == "unfilled"
    assert alarm.text.startswith(
        "For 5 steps, up to step 35, none of 20 groups could be trained on "
        f"({5 * solved} all right, {5 * hopeless} all wrong). Use "
    )
    assert remedy in alarm.text
    assert names(log(*[empty] * 4)) == []
    assert names(log(*[empty] * 3, {}, *[empty] * 4)) == []


def test_batches_emptied_by_failed_searches_are_not_blamed_on_the_tasks():
    empty = {
        "groups_kept": 0,
        "groups_solved": 1,
        "groups_hopeless": 1,
        "groups_disturbed": 3,
        "groups_sampled": 4,
    }
    (alarm,) = [one for one in check(log(*[empty] * 5), AlarmSettings()) if one.name == "unfilled"]
    assert (
        "(5 all right, 5 all wrong, 15 dropped because a search or the model's server failed)" in alarm.text
    )
    assert "Make the search reliable" in alarm.text


def test_the_watch_stops_only_at_what_it_is_told_to(capsys):
    low = [{"step": 31 + number, **GOOD, "reward": 0.0} for number in range(8)]
    watch = Watch(AlarmSettings(window=4, stop_on=("nan",)), log()[:30])
    for row in low:
        watch.add_row(row)
    shown = capsys.readouterr().err
    assert shown.count("The reward has fallen from 0.5 to") == 1
    assert "alarms.stop_on = reward would have stopped it" in shown
    watch = Watch(AlarmSettings(window=4), log()[:30])
    with pytest.raises(
        RunStopped, match=r"The reward has fallen from 0\.5 to 0\.125 by step 33; lower learning_rate\."
    ):
        deque(map(watch.add_row, low))
    # The log of a killed and resumed run holds the earlier rows, so the run stops at the same step.
    watch = Watch(AlarmSettings(window=4, stop_on=("reward",)), log()[:30] + low[:2])
    with pytest.raises(RunStopped, match="by step 33"):
        watch.add_row(low[2])


def rl(**given):
    return RlSettings.model_validate({"model": "m", "tasks": "t", "index": "i", **given})


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        RuntimeError("not enough memory: you tried to allocate 99 bytes"),
        MemoryError(),
    ],
)
def test_a_lack_of_memory_names_the_setting(error):
    with (
        pytest.raises(
            TrainingError,
            match=r"Memory ran out: lower micro_batch_size \(now 8\).*or set activation_checkpointing\. "
            r"The same command resumes from the last saved state\.",
        ),
        explain_out_of_memory(lambda: memory_remedy(rl(), "training")),
    ):
        raise error
    assert memory_remedy(rl(decode_slots=9), "rollout").startswith("lower decode_slots (now 9)")
    assert "activation" not in memory_remedy(rl(activation_checkpointing=True), "training")


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shapes"), explain_out_of_memory(lambda: "nothing"):
        raise RuntimeError("shapes disagree")


def test_a_group_of_one_is_refused():
    with pytest.raises(
        ValueError, match="a rollout is compared with the others of its group, so a group needs 2 or more"
    ):
        rl(group_size=1)


def test_a_state_is_judged_by_the_step_after_it():
    rows = [{"step": step, "reward": step / 10} for step in range(1, 9)]
    assert score_last_state(rows[:3], 4, heldout=False) is None
    assert score_last_state(rows[:4], 4, heldout=False) == StateScore(3, 1, pytest.approx(0.25))
    assert score_last_state([*rows[:6], {"step": 7, "stage": 2, "reward": 0.7}], 4, heldout=False) is None
    assert score_last_state(rows, 4, heldout=True) is None
    assert score_last_state(
        [*rows, {"step": 9, "stage": 3, "heldout_f1": 0.4}], 4, heldout=True
    ) == StateScore(8, 3, 0.4)


def test_a_later_stage_goes_before_a_better_score():
    assert StateScore(9, 2, 0.1).beats(StateScore(3, 1, 0.9))
    assert not StateScore(9, 1, 0.9).beats(StateScore(3, 1, 0.9))
    assert StateScore(9, 1, 0.9).beats(None)


def test_what_is_kept_of_a_state(tmp_path):
    state = tmp_path / "states" / "checkpoint-3"
    state.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "optimizer.pt", "rng_state.pth", "whole"):
        (state / name).write_text(name)
    assert kept_score(tmp_path) is None
    keep_state(state, StateScore(2, 1, 0.1), tmp_path)
    keep_state(state, StateScore(3, 1, 0.2), tmp_path)
    assert kept_score(tmp_path) == StateScore(3, 1, 0.2)
    assert {file.name for file in (tmp_path / "best").iterdir()} == {
        "model.safetensors",
        "config.json",
        "best.json",
    }
    assert (tmp_path / "best" / "model.safetensors").read_text() == "model.safetensors"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["best", "states"]
