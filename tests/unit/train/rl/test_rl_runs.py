"""Whole RL runs on a tiny model: with a curriculum, killed at any step, stopped by alarms, with a tracker."""

import importlib.util
import math
import random
import sys
from pathlib import Path

import pytest
import torch
from kit.train_helpers import PEOPLE, Killed, farthest, weights, write_index

from masksearch.errors import TrainingError
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.scoring.rewards import Ledger
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.train.recorder import Recorder
from masksearch.train.rl import dynamic_sampling as rollout
from masksearch.train.rl import metrics
from masksearch.train.rl import rollout as worker
from masksearch.train.rl import stage as rl
from masksearch.train.rl.stage import run_rl
from masksearch.train.rl.trainer import DapoTrainer
from masksearch.train.settings import RlSettings
from masksearch.types import MaskedTask

pytestmark = pytest.mark.slow

needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="peft is not installed (extra `lora`)"
)
CURVE = (
    "step",
    "loss",
    "grad_norm",
    "reward",
    "entropy",
    "ratio",
    "kl",
    "stage",
    "heldout_f1",
    "groups_sampled",
    "groups_solved",
    "groups_hopeless",
)


def write_masked(path, numbers):
    """Writes RAMP tasks with one and two masks in turn."""
    tasks = []
    for number in numbers:
        name, masks = PEOPLE[number % len(PEOPLE)], 1 + number % 2
        text = f"Person {number} is [mask]" + " of [mask]." * (masks - 1)
        answers = (name, "town")[:masks]
        tasks.append(
            MaskedTask(
                id=f"t{number}",
                doc_id=f"d{number}",
                title=f"P{number}",
                text=text,
                answers=answers,
                masks=masks,
                original=text,
            )
        )
    write_json_lines(path, (task.to_json() for task in tasks))
    return str(path)


@pytest.fixture
def base(tmp_path, tiny_checkpoint, monkeypatch):
    """Settings of a small run. Rewards depend on the text alone, since the model is too small to earn any."""
    original = rollout.score_episode
    monkeypatch.setattr(
        rollout,
        "score_episode",
        lambda episode, s: rollout.Rollout(original(episode, s).episode, drawn(episode.trajectory)),
    )

    async def at_once(self, query, k):
        return self.search([query], k)[0]

    monkeypatch.setattr(Bm25Searcher, "asearch", at_once)

    def settings(**given):
        return RlSettings.model_validate(
            {
                "model": str(tiny_checkpoint), "tasks": write_masked(tmp_path / "tasks.jsonl", range(8)),
                "index": write_index(tmp_path / "index"), "steps": 4, "prompts_per_step": 2,
                "group_size": 2, "learning_rate": 1e-2, "micro_batch_size": 2, "decode_slots": 4,
                "dtype": "float32", "max_refills": 1,
                "agent": {"max_tokens": 16, "turn_tokens": 8, "max_length": 512},
                "reward": {"max_tokens": 24, "cache_tokens": 8}, "seed": 3, "trackers": ("none",), **given,
            }
        )  # fmt: skip

    return settings


def drawn(trajectory):
    value = random.Random("".join(turn.text for turn in trajectory.turns)).random()
    right = float(value > 0.5)
    return Ledger(f1=right, answer=right, format=0.0, overlong=0.0, weighted_answer=value, total=value)


def rows_of(folder):
    return read_appended(folder / "work" / "log.jsonl")


def curve(folder):
    return [[row.get(key) for key in CURVE] for row in rows_of(folder)]


def killing(method, step):
    """Patches a method of the recorder so that it ends the run like a signal at that step."""
    original = getattr(Recorder, method)

    def kill(self, args, state, control, *rest, **kwargs):
        result = original(self, args, state, control, *rest, **kwargs)
        if state.global_step == step:
            raise Killed
        return result

    patch = pytest.MonkeyPatch()
    patch.setattr(Recorder, method, kill)
    return patch


def test_a_run_with_a_curriculum_goes_on_as_if_nothing_had_been(base, tmp_path):
    """Tasks, losses and weights of a killed and resumed run equal those of an uninterrupted one.

    With stages by masks and plateau, weights by solve rate, and GRPO with a KL term.
    """
    settings = base(
        algorithm="grpo",
        beta=0.1,
        take="best",
        heldout=write_masked(tmp_path / "held.jsonl", range(20, 24)),
        curriculum={
            "order": "masks",
            "stages": ("1", "2"),
            "boundary": "plateau",
            "solve_rate": True,
            "measure_steps": 1,
            "patience": 2,
        },
    )
    run_rl(settings, tmp_path / "whole" / "out", tmp_path / "whole" / "work")
    whole = curve(tmp_path / "whole")
    stages = [row["stage"] for row in rows_of(tmp_path / "whole")]
    assert (stages[0], stages[-1]) == (1, 2)
    rollouts = read_appended(tmp_path / "whole" / "work" / "rollouts.jsonl")
    assert all(row["task"]["masks"] == stages[row["step"] - 1] for row in rollouts)
    assert all(row["kl"] >= 0 for row in rows_of(tmp_path / "whole"))
    assert any(row["kl"] > 1e-6 for row in rows_of(tmp_path / "whole"))
    for method, step in (("on_log", 1), ("on_save", 2), ("on_log", 3), ("on_save", 4)):
        place = tmp_path / f"{method}{step}"
        patch = killing(method, step)
        with pytest.raises(Killed):
            run_rl(settings, place / "out", place / "work")
        patch.undo()
        run_rl(settings, place / "out", place / "work")
        for mine, other in zip(curve(place), whole, strict=True):
            assert mine == pytest.approx(other, abs=1e-4)
        assert farthest(weights(place / "out"), weights(tmp_path / "whole" / "out")) < 1e-6
        assert [row["id"] for row in read_appended(place / "work" / "rollouts.jsonl")] == [
            row["id"] for row in rollouts
        ]


@pytest.mark.parametrize("algorithm", ["dr-grpo", "rloo", "gspo"])
def test_the_relatives_of_dapo_train(base, tmp_path, tiny_checkpoint, algorithm):
    run_rl(
        base(algorithm=algorithm, steps=2, overlong_filter=algorithm == "gspo"),
        tmp_path / "out",
        tmp_path / "work",
    )
    rows = read_appended(tmp_path / "work" / "log.jsonl")
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert all(
        {"groups_solved", "groups_hopeless", "cut_short", "clipped_low", "clipped_high"} <= row.keys()
        for row in rows
    )
    # Where a token limit cut off all rollouts, no token carries loss and no ratio is logged.
    trained = any(row.get("ratio") for row in rows)
    # The threshold is above the small change by weight decay.
    assert trained == (farthest(weights(tmp_path / "out"), weights(tiny_checkpoint)) > 5e-3)
    assert all(row["ratio"] == pytest.approx(1.0, abs=1e-3) for row in rows if "ratio" in row)
    assert trained or algorithm == "gspo"


def spoil(monkeypatch, step):
    """Makes the loss NaN in a step."""
    original = DapoTrainer._compute_loss

    def compute(self, model, inputs):
        return original(self, model, inputs) * (math.nan if self.state.global_step == step - 1 else 1.0)

    monkeypatch.setattr(DapoTrainer, "_compute_loss", compute)


@pytest.mark.parametrize(
    "given",
    [{}, pytest.param({"lora": True, "beta": 0.1}, marks=needs_peft)],
    ids=["all weights", "LoRA against its base"],
)
def test_a_loss_that_is_not_finite_ends_with_the_last_good_checkpoint(base, tmp_path, monkeypatch, given):
    run_rl(base(steps=2, **given), tmp_path / "short" / "out", tmp_path / "short" / "work")
    spoil(monkeypatch, 3)
    with pytest.raises(
        TrainingError,
        match=r"The loss is nan in step 3; lower learning_rate.*"
        r"The checkpoint after step 2 is kept in .*checkpoint-2\.",
    ):
        run_rl(base(alarms={"then": "fail"}, **given), tmp_path / "out", tmp_path / "work")
    assert not (tmp_path / "out").exists()
    summary = run_rl(base(**given), tmp_path / "out", tmp_path / "work")
    assert (summary["stopped"], summary["checkpoint_step"]) == ("nan", 2)
    assert summary["note"].endswith("The checkpoint is the one after step 2 of 4.")
    assert farthest(weights(tmp_path / "out"), weights(tmp_path / "short" / "out")) < 1e-6
    assert not (tmp_path / "work" / "states").exists()


def test_without_a_good_checkpoint_it_fails(base, tmp_path, monkeypatch):
    spoil(monkeypatch, 1)
    with pytest.raises(
        TrainingError, match=r"The loss is nan in step 1.*There is no trained checkpoint to end with\."
    ):
        run_rl(base(), tmp_path / "out", tmp_path / "work")


def test_batches_that_nothing_can_fill_stop_the_run(base, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "tally", lambda group, settings: (0, 2))
    monkeypatch.setattr(rollout, "informative", lambda group, settings: False)
    with pytest.raises(
        TrainingError,
        match=r"For 2 steps, up to step 2, none of 8 groups could be trained on "
        r"\(0 all right, 8 all wrong\)\. Use easier tasks",
    ):
        run_rl(base(alarms={"empty_steps": 2}), tmp_path / "out", tmp_path / "work")


def test_a_step_in_which_nothing_can_be_learnt_leaves_the_weights_alone(base, tmp_path, monkeypatch):
    """Neither momentum nor weight decay changes them.

    After two steps with loss and two without, the weights are those of the second step.
    """
    saved = {}
    original = Recorder.on_save

    def keeping(self, args, state, control, **rest):
        original(self, args, state, control, **rest)
        saved[state.global_step] = weights(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    kept = rollout.informative
    monkeypatch.setattr(Recorder, "on_save", keeping)
    monkeypatch.setattr(
        rollout, "informative", lambda group, settings: len(saved) < 2 and kept(group, settings)
    )
    run_rl(base(max_refills=3), tmp_path / "out", tmp_path / "work")
    groups = [row["groups_kept"] for row in rows_of(tmp_path)]
    assert min(groups[:2]) > 0
    assert groups[2:] == [0, 0]
    assert farthest(saved[1], saved[2]) > 1e-4
    assert farthest(saved[2], saved[3]) == farthest(saved[2], saved[4]) == 0


def test_the_best_has_to_be_saved(base, tmp_path):
    held = write_masked(tmp_path / "held.jsonl", range(20, 24))
    with pytest.raises(
        ValueError, match=r"measured every 10 steps \(curriculum\.measure_steps\) and states saved every 4"
    ):
        base(take="best", heldout=held, save_steps=4)
    assert base(take="best", heldout=held, save_steps=5).save_steps == 5


def test_the_best_checkpoint_is_kept(base, tmp_path, monkeypatch):
    rewards = iter([0.1, 0.3, 0.9, 0.2])
    step_figures = worker.step_figures
    monkeypatch.setattr(
        worker, "step_figures", lambda *given: {**step_figures(*given), "reward": next(rewards)}
    )
    saved = {}
    original = rl.keep_state

    def keep_state(state, score, work):
        saved[score.step] = weights(state)
        original(state, score, work)

    monkeypatch.setattr(rl, "keep_state", keep_state)
    summary = run_rl(base(take="best", alarms={"window": 1}), tmp_path / "out", tmp_path / "work")
    assert summary["checkpoint_step"] == 2
    assert list(saved) == [1, 2]
    assert farthest(weights(tmp_path / "out"), saved[2]) == 0
    assert farthest(saved[1], saved[2]) > 1e-4
    # An alarm, which stops the run when the reward falls, takes the same checkpoint.
    rewards = iter([0.1, 0.3, 0.9, 0.2])
    summary = run_rl(
        base(alarms={"window": 1, "stop_on": ("reward",)}),
        tmp_path / "again" / "out",
        tmp_path / "again" / "work",
    )
    assert (summary["stopped"], summary["checkpoint_step"]) == ("reward", 2)
    assert "The reward has fallen from 0.9 to 0.2 by step 4" in summary["note"]
    assert farthest(weights(tmp_path / "again" / "out"), saved[2]) < 1e-6


def test_a_lack_of_memory_says_what_to_lower(base, tmp_path, monkeypatch):
    def fail(*args, **given):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    for place, name, remedy in (
        (DapoTrainer, "_compute_loss", r"micro_batch_size \(now 2\)"),
        (worker, "collect_step", r"decode_slots \(now 4\)"),
        (rl, "open_decoder", r"decode_slots \(now 4\)"),
        (rl, "DapoTrainer", r"micro_batch_size \(now 2\)"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            with pytest.raises(TrainingError, match=f"Memory ran out: lower {remedy}"):
                run_rl(base(), tmp_path / "out", tmp_path / "work")


def test_held_out_tasks_must_not_be_trained_on(base, tmp_path):
    with pytest.raises(TrainingError, match=r"The task 't7' of .*held\.jsonl is also in .*tasks\.jsonl"):
        run_rl(
            base(heldout=write_masked(tmp_path / "held.jsonl", range(7, 9))),
            tmp_path / "out",
            tmp_path / "work",
        )


FAKE = """
__version__ = "0.0"
calls = []
class _Var:
    def get(self): return None
class context_vars:
    current_space_id = current_project = current_run = current_server = _Var()
config = {}
class _Config(dict):
    def update(self, values, **options): calls.append(("config", values))
config = _Config()
def init(**given): calls.append(("init", given))
def log(values, **options): calls.append(("log", values))
def finish(): calls.append(("finish", {}))
"""


def test_a_tracker_gets_all_figures(base, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "trackio.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    # TRL imports trackio at its own import, if it is installed.
    monkeypatch.setattr("trl.extras.profiling.trackio", importlib.import_module("trackio"), raising=False)
    work = tmp_path / "run" / "stages" / "rl"
    run_rl(base(trackers=("auto",), steps=2), tmp_path / "out", work)
    # Popped directly: monkeypatch would restore the fake module at the end, for the next test to find.
    calls = sys.modules.pop("trackio").calls
    (first,) = [given for kind, given in calls if kind == "init"]
    assert (first["project"], first["name"], first["space_id"]) == ("masksearch", "run/rl", None)
    steps = [given for kind, given in calls if kind == "log" and "train/loss" in given]
    assert len(steps) == 2
    assert {
        "train/rollout/reward",
        "train/rollout/searches",
        "train/rollout/groups_kept",
        "train/model/entropy",
        "train/model/ratio",
    } <= steps[0].keys()
    assert calls[-1][0] == "finish"
