"""Two processes on the CPU, started by `accelerate launch`: the same training as by one, written once, and
done for `masksearch run`."""

import json

import pytest
from kit.launch import Pair, launch
from kit.train_helpers import farthest, weights, write_index, write_questions, write_trajectories

from masksearch.cli.main import main
from masksearch.errors import TrainingError, UsageError
from masksearch.runtime import ranks
from masksearch.runtime.files import read_appended
from masksearch.train.distributed import share

pytestmark = pytest.mark.slow

RL = (
    "--steps", "2", "--prompts-per-step", "4", "--group-size", "2", "--micro-batch-size", "2",
    "--decode-slots", "4", "--dtype", "float32", "--no-dynamic-sampling", "--agent.max-tokens", "24",
    "--agent.turn-tokens", "12", "--agent.max-length", "512", "--reward.max-tokens", "24",
    "--reward.cache-tokens", "8", "--learning-rate", "1e-2", "--warmup-steps", "1",
)  # fmt: skip


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory, zygote):
    """Two processes that run the commands of these tests one after the other."""
    started = Pair(tmp_path_factory.mktemp("pair"), zygote)
    yield started
    started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("together")


def test_sft_by_two_processes_is_that_by_one(folder, tiny_checkpoint):
    data = write_trajectories(folder / "t.jsonl")
    flags = (
        "--model",
        str(tiny_checkpoint),
        "--trajectories",
        data,
        "--batch-size",
        "4",
        "--epochs",
        "2",
        "--dtype",
        "float32",
        "--save-steps",
        "3",
    )
    assert main(["sft", *flags, "-o", str(folder / "one")]) == 0
    done = launch("sft", *flags, "-o", folder / "two")
    assert done.returncode == 0, done.stderr
    assert read_json(folder / "two.work" / "sft-report.json")["processes"] == 2
    assert done.stderr.count("8 trajectories, 4 steps") == 1, "only the first process speaks"
    assert farthest(weights(folder / "one"), weights(folder / "two")) < 1e-5
    one, two = (read_appended(folder / f"{name}.work" / "log.jsonl") for name in ("one", "two"))
    assert [row["step"] for row in two] == [1, 2, 3, 4]
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], abs=1e-4)
    assert (folder / "two.work" / "done.json").exists()
    assert not (folder / "two.work" / "states").exists()


def test_rl_by_two_processes_rolls_out_other_tasks_in_each_and_is_written_once(folder, tiny_checkpoint, pair):
    tasks, index = write_questions(folder / "q.jsonl"), write_index(folder / "index")
    done = pair.run(
        "rl",
        "--model",
        tiny_checkpoint,
        "--tasks",
        tasks,
        "--index",
        index,
        *RL,
        "-o",
        folder / "rl",
    )
    assert done.returncode == 0, done.stderr
    assert read_json(folder / "rl.work" / "rl-report.json")["processes"] == 2
    assert [row["step"] for row in read_appended(folder / "rl.work" / "log.jsonl")] == [1, 2]
    rows = read_appended(folder / "rl.work" / "rollouts.jsonl")
    assert len({row["id"] for row in rows}) == len(rows) == 2 * 4 * 2
    for step in (1, 2):
        texts = [tuple(turn["text"] for turn in row["turns"]) for row in rows if row["step"] == step]
        assert len(set(texts)) == len(texts) == 8, "two processes must not draw the same random numbers"
    assert len({row["task"]["id"] for row in rows if row["step"] == 1}) == 4
    assert weights(folder / "rl")


def test_what_is_measured_on_the_way_is_of_both(folder, tiny_checkpoint, pair):
    """Rows drawn by solve rate: each process trains on half of them, and both must draw the same next
    rows."""
    flags = (
        "--model",
        str(tiny_checkpoint),
        "--trajectories",
        write_trajectories(folder / "c.jsonl"),
        "--heldout",
        write_trajectories(folder / "h.jsonl", 3),
    )
    flags += (
        "--batch-size",
        "4",
        "--micro-batch-size",
        "1",
        "--epochs",
        "3",
        "--dtype",
        "float32",
        "--learning-rate",
        "3e-3",
    )
    flags += ("--curriculum.solve-rate", "--curriculum.measure-steps", "2")
    assert main(["sft", *flags, "-o", str(folder / "drawn-one")]) == 0
    done = pair.run("sft", *flags, "-o", folder / "drawn-two")
    assert done.returncode == 0, done.stderr
    one, two = (read_appended(folder / f"{name}.work" / "log.jsonl") for name in ("drawn-one", "drawn-two"))
    assert ["heldout_loss" in row for row in two] == [True, False, True, False, True, False]
    for name in ("loss", "solved", "heldout_loss"):
        assert [row[name] for row in two if name in row] == pytest.approx(
            [row[name] for row in one if name in row], abs=1e-4
        )
    assert farthest(weights(folder / "drawn-one"), weights(folder / "drawn-two")) < 1e-4


def test_a_mixture_gives_two_processes_the_batches_of_one(folder, tiny_checkpoint, pair):
    flags = ("--model", str(tiny_checkpoint), "--trajectories", write_trajectories(folder / "new.jsonl"))
    flags += (write_trajectories(folder / "few.jsonl", 3), "--shares", "2,1")
    flags += ("--replay", write_trajectories(folder / "old.jsonl", 5), "--replay-share", "0.25")
    flags += ("--batch-size", "4", "--micro-batch-size", "1", "--dtype", "float32", "--trackers", "none")
    assert main(["sft", *flags, "-o", str(folder / "mixed-one")]) == 0
    done = pair.run("sft", *flags, "-o", folder / "mixed-two")
    assert done.returncode == 0, done.stderr
    one, two = (read_appended(folder / f"{name}.work" / "log.jsonl") for name in ("mixed-one", "mixed-two"))
    assert [row["sources"] for row in two] == [{"new": 2, "few": 1, "old": 1}] * 4
    assert [row["sources"] for row in one] == [row["sources"] for row in two]
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], abs=1e-4)
    assert farthest(weights(folder / "mixed-one"), weights(folder / "mixed-two")) < 1e-5
    report = read_json(folder / "mixed-two.work" / "sft-report.json")
    assert (report["processes"], report["by_source"]["old"]["rows"]) == (2, 4)


def test_an_alarm_stops_both_and_the_last_good_state_is_written(folder, tiny_checkpoint, pair):
    tasks, index = write_questions(folder / "tasks.jsonl"), write_index(folder / "index-2")
    (folder / "held.jsonl").write_text(
        '{"id": "h", "question": "Who is Hal?", "answers": ["Hal"]}\n', encoding="utf-8"
    )
    flags = (
        "--heldout",
        folder / "held.jsonl",
        "--curriculum.solve-rate",
        "--curriculum.measure-steps",
        "1",
        "--steps",
        "8",
    )
    flags += ("--alarms.stop-on", "entropy", "--alarms.entropy-share", "0.999999", "--alarms.window", "1")
    done = pair.run(
        "rl",
        "--model",
        tiny_checkpoint,
        "--tasks",
        tasks,
        "--index",
        index,
        *RL,
        *flags,
        "-o",
        folder / "stopped",
    )
    assert done.returncode == 0, done.stderr
    rows, report = (
        read_appended(folder / "stopped.work" / "log.jsonl"),
        read_json(folder / "stopped.work" / "rl-report.json"),
    )
    assert (report["stopped"], report["processes"]) == ("entropy", 2)
    assert rows[-1]["step"] < 8
    assert rows[-1]["entropy"] < rows[0]["entropy"]
    for row in rows:  # there is one held-out task, so the second process rolls out none
        assert row["heldout_f1"] == 0
        assert (row["groups_sampled"], row["groups_solved"] + row["groups_hopeless"]) == (4, 4)
    assert done.stderr.count("  stopped: The entropy has fallen") == 1
    assert weights(folder / "stopped")
    assert not (folder / "stopped.work" / "states").exists()
    assert not (folder / "stopped.work" / "best").exists()


def test_what_processes_cannot_share_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    assert (ranks.count(), ranks.rank(), ranks.is_first()) == (3, 2, False)
    with pytest.raises(
        TrainingError, match=r"batch_size \(8\) must be a multiple of the number of processes \(3\)"
    ):
        share(8, "batch_size")
    from masksearch.recipe.run import run_recipe

    with pytest.raises(UsageError, match="a launcher has started 3"):
        run_recipe(None, tmp_path / "out")


# A stage that a launcher trained inside a run's folder is done for `masksearch run` as well --------

RECIPE = """
name = "launched"

[stages.first]
kind = "sft"
model = "{model}"
trajectories = ["{trajectories}"]
batch_size = 4
max_steps = 2
dtype = "float32"
trackers = ["none"]

[stages.second]
kind = "sft"
model = "first"
trajectories = ["{trajectories}"]
batch_size = 4
max_steps = 1
dtype = "float32"
trackers = ["none"]
"""


def same(one, other):
    return set(one) == set(other) and all(one[name].equal(other[name]) for name in one)


@pytest.fixture
def recipe(tmp_path, tiny_checkpoint):
    data = write_trajectories(tmp_path / "t.jsonl")
    path = tmp_path / "launched.toml"
    path.write_text(
        RECIPE.replace("{model}", str(tiny_checkpoint)).replace("{trajectories}", str(data)),
        encoding="utf-8",
    )
    return path


def test_run_takes_a_stage_that_two_processes_trained_as_done(tmp_path, recipe, pair, capsys):
    run = tmp_path / "run"
    product = run / "stages" / "first" / "checkpoint"
    ended = pair.run("sft", "--recipe", recipe, "--stage", "first", "--out", run)
    assert ended.returncode == 0, ended.stderr
    report = json.loads((product.parent / "sft-report.json").read_text(encoding="utf-8"))
    assert report["processes"] == 2
    assert not product.with_name("checkpoint.work").exists()
    trained, made = weights(product), (product / "model.safetensors").stat().st_mtime_ns

    assert main(["run", str(recipe), "--out", str(run)]) == 0
    told = capsys.readouterr().err
    assert "[1/2] first  — done already" in told
    assert "[2/2] second  — " in told
    assert "[2/2] second  — done already" not in told
    assert (product / "model.safetensors").stat().st_mtime_ns == made
    assert same(weights(product), trained)
    rows = json.loads((run / "run.json").read_text(encoding="utf-8"))["stages"]
    assert [row["status"] for row in rows] == ["done", "done"]

    again = pair.run("sft", "--recipe", recipe, "--stage", "first", "-o", product)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("This stage is done already") == 1, "rank 0 alone prints"
    assert (product / "model.safetensors").stat().st_mtime_ns == made


def test_a_launched_stage_that_builds_on_another_is_done_too(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    for name in ("first", "second"):
        product = run / "stages" / name / "checkpoint"
        assert main(["sft", "--recipe", str(recipe), "--stage", name, "-o", str(product)]) == 0
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 0
    assert capsys.readouterr().err.count("done already") == 2


def test_run_does_not_delete_what_a_command_trained_with_other_settings(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    product = run / "stages" / "first" / "checkpoint"
    flags = ["--recipe", str(recipe), "--stage", "first", "--max-steps", "1"]
    assert main(["sft", *flags, "-o", str(product)]) == 0
    trained = weights(product)
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 2
    assert "holds the work of a single command with other settings" in capsys.readouterr().err
    assert same(weights(product), trained)
    # Given the same settings, the run takes it.
    overrides = ["--set", "stages.first.max_steps=1"]
    assert main(["run", str(recipe), "--out", str(run), *overrides]) == 0
    assert "[1/2] first  — done already" in capsys.readouterr().err


def test_a_stage_that_an_earlier_version_launched_is_taken_over(tmp_path, recipe, capsys):
    """Earlier versions kept the marks of a launched stage in PRODUCT.work."""
    elsewhere, run = tmp_path / "checkpoint", tmp_path / "run"
    assert main(["sft", "--recipe", str(recipe), "--stage", "first", "-o", str(elsewhere)]) == 0
    stage = run / "stages" / "first"
    stage.mkdir(parents=True)
    elsewhere.rename(stage / "checkpoint")
    elsewhere.with_name("checkpoint.work").rename(stage / "checkpoint.work")
    trained = weights(stage / "checkpoint")
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 0
    assert "[1/2] first  — done already" in capsys.readouterr().err
    assert same(weights(stage / "checkpoint"), trained)


def test_an_unfinished_launch_is_refused_and_kept(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    states = run / "stages" / "first" / "checkpoint.work" / "states"
    states.mkdir(parents=True)
    assert main(["run", str(recipe), "--out", str(run)]) == 2
    assert "holds other files; move it away, or choose another --out" in capsys.readouterr().err
    assert states.exists()
