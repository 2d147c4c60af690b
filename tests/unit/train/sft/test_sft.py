"""SFT on a tiny model: the order of rows, refused inputs, and killed runs that end like uninterrupted
ones."""

import json
from collections import Counter

import pytest
from kit.train_helpers import RETRIEVER, Killed, farthest, make_trajectory, weights, write_trajectories

from masksearch.errors import DataError, TrainingError
from masksearch.llm.device import NumberFormat
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.train import states
from masksearch.train.loss_mask import Encoded
from masksearch.train.recorder import Recorder
from masksearch.train.settings import SftSettings
from masksearch.train.sft.rows import arrange, arrange_stages, make_curriculum
from masksearch.train.sft.sources import encode_all
from masksearch.train.sft.stage import LOGGED, run_sft
from masksearch.train.sft.trainer import SparseHeadTrainer, answers_right


def sft_settings(**given):
    return SftSettings.model_validate(
        {"model": "m", "trajectories": (), "batch_size": 4, "dtype": "float32", **given}
    )


def rows(count):
    return [Encoded([number] * (1 + number * 7 % 5), [number]) for number in range(count)]


def names(arranged):
    return [row.labels[0] for row in arranged]


@pytest.mark.parametrize(
    ("count", "given", "wanted"),
    [
        (8, {}, 8),
        (10, {}, 12),
        (10, {"epochs": 2.0}, 20),
        (3, {}, 4),
        (5, {"max_steps": 4}, 16),
        (40, {"epochs": 0.5}, 20),
    ],
)
def test_rows_are_used_evenly(count, given, wanted):
    arranged = arrange(rows(count), sft_settings(**given))
    assert len(arranged) == wanted
    used = Counter(names(arranged))
    assert set(used) <= set(range(count))
    assert max(used.values()) - min(used.get(name, 0) for name in range(count)) <= 1


def test_each_pass_is_a_permutation():
    arranged = names(arrange(rows(64), sft_settings(epochs=2.0)))  # a window is 32 rows: a pass ends with one
    assert sorted(arranged[:64]) == sorted(arranged[64:]) == list(range(64))
    assert arranged[:64] != arranged[64:]


def test_the_seed_fixes_the_order():
    assert names(arrange(rows(50), sft_settings(seed=1))) == names(arrange(rows(50), sft_settings(seed=1)))
    assert names(arrange(rows(50), sft_settings(seed=1))) != names(arrange(rows(50), sft_settings(seed=2)))


def test_like_lengths_share_a_batch():
    arranged = arrange(rows(32), sft_settings())
    spread = [
        max(lengths) - min(lengths)
        for start in range(0, 32, 4)
        if (lengths := [len(row.input_ids) for row in arranged[start : start + 4]])
    ]
    assert max(spread) <= 1


def test_too_long_rows_are_left_out_not_cut(tmp_path, tiny_tokenizer):
    write_json_lines(
        tmp_path / "t.jsonl",
        (make_trajectory(number, 60 if number < 2 else 1).to_json() for number in range(5)),
    )
    found, too_long = encode_all(
        sft_settings(trajectories=(str(tmp_path / "t.jsonl"),), max_length=350), tiny_tokenizer
    )
    assert (len(found), too_long) == (3, 2)
    with pytest.raises(TrainingError, match="5 are longer than max_length = 16"):
        encode_all(sft_settings(trajectories=(str(tmp_path / "t.jsonl"),), max_length=16), tiny_tokenizer)


def test_a_trajectory_without_a_model_turn_is_refused(tmp_path, tiny_tokenizer):
    empty = make_trajectory(0).model_copy(update={"turns": (make_trajectory(0).turns[1],)})
    write_json_lines(tmp_path / "t.jsonl", [make_trajectory(1).to_json(), empty.to_json()])
    with pytest.raises(TrainingError, match="trajectory 'q0' has no model turn, so it cannot be trained on"):
        encode_all(sft_settings(trajectories=(str(tmp_path / "t.jsonl"),)), tiny_tokenizer)
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        encode_all(sft_settings(trajectories=(str(tmp_path / "missing.jsonl"),)), tiny_tokenizer)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_checkpoint):
    """A finished run of seven steps: its settings, folder and summary."""
    folder = tmp_path_factory.mktemp("sft")
    data = write_trajectories(folder / "t.jsonl")
    settings = sft_settings(
        model=str(tiny_checkpoint),
        trajectories=(data,),
        max_steps=7,
        save_steps=2,
        learning_rate=5e-3,
        weight_decay=0.01,
        micro_batch_size=2,
    )
    return settings, folder, run_sft(settings, folder / "out", folder / "work")


def test_a_run_lowers_the_loss(undisturbed, tiny_checkpoint):
    _, folder, summary = undisturbed
    log = read_appended(folder / "work" / "log.jsonl")
    assert [row["step"] for row in log] == list(range(1, 8))
    assert all(
        {"loss", "learning_rate", "epoch", "token_accuracy", "grad_norm", "seconds"} <= row.keys()
        for row in log
    )
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]
    assert summary["final_loss"] == pytest.approx(log[-1]["loss"], abs=1e-3)
    assert (summary["trajectories"], summary["left_out_too_long"], summary["steps"]) == (8, 0, 7)
    assert json.loads((folder / "work" / "sft-report.json").read_text()) == summary
    mark = json.loads((folder / "out" / "masksearch.json").read_text())
    assert (mark["stage"], mark["retrievers"]) == ("sft", [RETRIEVER])
    assert not (folder / "work" / "states").exists()
    assert farthest(weights(folder / "out"), weights(tiny_checkpoint)) > 1e-3


def test_the_first_loss_is_the_mean_over_model_tokens(undisturbed, tiny_model, tiny_tokenizer):
    import torch

    settings, folder, _ = undisturbed
    first = arrange(encode_all(settings, tiny_tokenizer)[0], settings)[:4]
    total, count = 0.0, 0
    for row in first:
        with torch.no_grad():
            logp = torch.log_softmax(
                tiny_model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1], dim=-1
            )
        for place, label in enumerate(row.labels[1:]):
            if label != -100:
                total -= float(logp[place, label])
                count += 1
    assert read_appended(folder / "work" / "log.jsonl")[0]["loss"] == pytest.approx(total / count, rel=1e-3)


@pytest.mark.parametrize("killed_at", [1, 5])
@pytest.mark.slow
def test_a_killed_run_ends_as_an_undisturbed_one(undisturbed, tmp_path, monkeypatch, killed_at):
    settings, folder, _ = undisturbed
    log = Recorder.on_log

    def on_log(self, args, state, control, logs=None, **kwargs):
        log(self, args, state, control, logs, **kwargs)
        if state.global_step == killed_at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_log", on_log)
        with pytest.raises(Killed):
            run_sft(settings, tmp_path / "out", tmp_path / "work")
    assert not (tmp_path / "out").exists()
    torn = tmp_path / "work" / "states" / "checkpoint-99"
    torn.mkdir(parents=True)
    (torn / "junk").write_text("half written")
    run_sft(settings, tmp_path / "out", tmp_path / "work")
    assert farthest(weights(tmp_path / "out"), weights(folder / "out")) < 1e-6
    resumed, whole = (read_appended(place / "work" / "log.jsonl") for place in (tmp_path, folder))
    assert [row["step"] for row in resumed] == list(range(1, 8))
    assert [row["loss"] for row in resumed] == pytest.approx([row["loss"] for row in whole], abs=1e-4)


def test_a_resumed_run_keeps_its_number_format(undisturbed, tmp_path, monkeypatch):
    settings, _, _ = undisturbed
    short = settings.model_copy(update={"dtype": "auto", "max_steps": 2})
    measured = NumberFormat("bfloat16", "measured", {"float32": 182.0, "bfloat16": 393.0})
    monkeypatch.setattr(states, "choose_format", lambda model: measured)
    first = run_sft(short, tmp_path / "out", tmp_path / "work")
    assert first["dtype"] == "bfloat16"
    assert first["number_format"] == {
        "dtype": "bfloat16",
        "reason": "measured",
        "gflops": {"float32": 182.0, "bfloat16": 393.0},
    }
    # Another machine would choose float32.
    monkeypatch.setattr(states, "choose_format", lambda model: NumberFormat("float32", "features"))
    assert run_sft(short, tmp_path / "out", tmp_path / "work")["number_format"] == first["number_format"]
    assert run_sft(short, tmp_path / "out", tmp_path / "new")["dtype"] == "float32"


def test_all_ranks_take_the_first_ranks_number_format(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "on_first_rank", lambda work: None)  # as on every other rank
    monkeypatch.setattr(states, "from_first_rank", lambda mine: NumberFormat("bfloat16", "measured"))
    chosen = states.training_format(sft_settings(dtype="auto"), tmp_path)
    assert chosen == NumberFormat("bfloat16", "measured")
    assert not list(tmp_path.iterdir())


def test_frozen_layers_stay_as_they_are(undisturbed, tmp_path, tiny_checkpoint):
    settings, _, _ = undisturbed
    layers = len(
        {name.split(".")[2] for name in weights(tiny_checkpoint) if name.startswith("model.layers.")}
    )
    run_sft(
        settings.model_copy(update={"frozen_layers": 1, "max_steps": 2}), tmp_path / "out", tmp_path / "work"
    )
    before, after = weights(tiny_checkpoint), weights(tmp_path / "out")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert not any(name.startswith(("model.embed_tokens.", "model.layers.0.")) for name in changed)
    assert all(
        any(name.startswith(f"model.layers.{layer}.") for name in changed) for layer in range(1, layers)
    )
    with pytest.raises(
        TrainingError,
        match=f"frozen_layers is {layers}, but the model has {layers} layers; freeze at most {layers - 1}",
    ):
        run_sft(settings.model_copy(update={"frozen_layers": layers}), tmp_path / "no", tmp_path / "work2")


def test_batch_sizes_must_fit(undisturbed, tmp_path):
    settings, _, _ = undisturbed
    with pytest.raises(TrainingError, match="must be a multiple of micro_batch_size"):
        run_sft(settings.model_copy(update={"micro_batch_size": 3}), tmp_path / "out", tmp_path / "work")
    assert LOGGED["mean_token_accuracy"] == "token_accuracy"


def masked_trajectory(number, masks):
    """A trajectory on a RAMP task."""
    from masksearch.types import MaskedTask, task_json

    text = "It is [mask]" + " in [mask]." * (masks - 1)
    answers = ("Ada", "town")[:masks]
    task = MaskedTask(
        id=f"m{number}", doc_id="d", title="t", text=text, answers=answers, masks=masks, original=text
    )
    return make_trajectory(number).model_copy(update={"id": f"m{number}", "task": task_json(task)})


def write_masked(path, numbers):
    write_json_lines(path, (masked_trajectory(number, 1 + number % 2).to_json() for number in numbers))
    return str(path)


def test_stages_by_masks_are_arranged_one_after_another(tmp_path, tiny_tokenizer):
    data = write_masked(tmp_path / "t.jsonl", range(12))
    settings = sft_settings(
        trajectories=(data,), epochs=2.0, curriculum={"order": "masks", "stages": ("1", "2")}
    )
    found, _ = encode_all(settings, tiny_tokenizer)
    order = arrange_stages(found, make_curriculum(found, 6, settings), settings)
    assert [row.masks for row in order] == [1] * 12 + [2] * 12
    assert Counter(row.task for row in order) == {f"m{number}": 2 for number in range(12)}
    mixed = sft_settings(trajectories=(data,), epochs=2.0)
    assert arrange_stages(found, make_curriculum(found, 6, mixed), mixed) == arrange(found, mixed)


def test_an_answer_is_right_where_all_its_tokens_are_the_likeliest():
    import torch

    rows = [Encoded([0] * 6, [0] * 6, answer_tokens=2)] * 3
    labelled = torch.tensor([[0, 1, 1, 1, 1, 0]] * 3)
    top = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 1, 0, 1, 1, 0], [0, 1, 1, 1, 0, 0]]).bool()
    assert answers_right(top, labelled, rows) == [True, False, False]
    assert answers_right(top[:1], labelled[:1], [Encoded([0], [0])]) == [False]


@pytest.mark.slow
def test_a_run_with_a_curriculum_goes_on_as_if_nothing_had_been(tmp_path, monkeypatch, tiny_checkpoint):
    settings = sft_settings(
        model=str(tiny_checkpoint), trajectories=(write_masked(tmp_path / "t.jsonl", range(8)),),
        max_steps=6, save_steps=2, learning_rate=5e-3, micro_batch_size=2,
        heldout=write_masked(tmp_path / "held.jsonl", range(20, 24)), trackers=("none",),
        curriculum={
            "order": "masks", "stages": ("1", "2"), "boundary": "plateau", "min_gain": 100,
            "measure_steps": 1, "patience": 2, "solve_rate": True,
        },
    )  # fmt: skip
    run_sft(settings, tmp_path / "whole" / "out", tmp_path / "whole" / "work")
    whole = read_appended(tmp_path / "whole" / "work" / "log.jsonl")
    assert [row["stage"] for row in whole] == [1, 1, 2, 2, 2, 2]
    assert all({"heldout_loss", "solved"} <= row.keys() for row in whole)
    assert whole[-1]["heldout_loss"] < whole[3]["heldout_loss"]
    log = Recorder.on_log

    def on_log(self, args, state, control, logs=None, **kwargs):
        log(self, args, state, control, logs, **kwargs)
        if state.global_step == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_log", on_log)
        with pytest.raises(Killed):
            run_sft(settings, tmp_path / "out", tmp_path / "work")
    run_sft(settings, tmp_path / "out", tmp_path / "work")
    for mine, other in zip(read_appended(tmp_path / "work" / "log.jsonl"), whole, strict=True):
        assert {**mine, "seconds": 0} == pytest.approx({**other, "seconds": 0}, abs=1e-4)
    assert farthest(weights(tmp_path / "out"), weights(tmp_path / "whole" / "out")) < 1e-6


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_with_the_last_good_state(undisturbed, tmp_path, monkeypatch):
    settings, _, _ = undisturbed
    original = SparseHeadTrainer.compute_loss

    def compute(self, *args, **kwargs):
        return original(self, *args, **kwargs) * (float("nan") if self.state.global_step == 3 else 1.0)

    monkeypatch.setattr(SparseHeadTrainer, "compute_loss", compute)
    with pytest.raises(
        TrainingError, match=r"The loss is nan in step 4.*The state after step 2 is kept in .*checkpoint-2\."
    ):
        run_sft(settings.model_copy(update={"on_nan": "fail"}), tmp_path / "out", tmp_path / "work")
    summary = run_sft(settings, tmp_path / "out", tmp_path / "work")
    assert (summary["stopped"], summary["checkpoint_step"]) == ("nan", 2)
    assert summary["note"].endswith("The checkpoint is the one after step 2 of 7.")
    with pytest.raises(TrainingError, match=r"The loss is nan in step 4.*No state was saved before"):
        run_sft(settings.model_copy(update={"save_steps": 50}), tmp_path / "no", tmp_path / "work2")
