"""Two whole rounds with a tiny model: the product, and runs that are killed anywhere and end with the
same data."""

import json
import shutil
import signal

import pytest
from kit.evolve_helpers import evolve_settings, make_taught_checkpoint, write_inputs
from kit.waiting import wait_for

from masksearch.agent.protocol import is_valid
from masksearch.errors import MaskSearchError
from masksearch.evolve.pass_at_k import Solved, pass_table
from masksearch.evolve.stage import run_evolve
from masksearch.llm.checkpoint import checkpoint_name
from masksearch.runtime.files import remove
from masksearch.runtime.records import read_records
from masksearch.search import load
from masksearch.train.settings import SftSettings
from masksearch.types import Trajectory

pytestmark = pytest.mark.slow


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def manifests(out):
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "rounds").glob("round-*.json"))
    ]
    for manifest in found:
        manifest.pop("seconds")
    return found


@pytest.fixture(scope="module")
def single_thread():
    """Limits torch to a single thread, so that sums do not depend on the load of the machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, single_thread):
    """A run of two rounds: its folder, its settings and its summary."""
    folder = tmp_path_factory.mktemp("evolve")
    model = make_taught_checkpoint(folder)
    write_inputs(folder)
    settings = evolve_settings(folder, model, heldout=str(folder / "heldout.jsonl"), keep_models=True)
    return folder, settings, run_evolve(settings, folder / "out", folder / "work")


def test_what_a_run_leaves_behind(finished):
    folder, settings, summary = finished
    data = read_records(folder / "out", Trajectory)  # as a stage that names the product as trajectories
    assert len({one.id for one in data}) == len(data) == summary["trajectories"]
    assert summary["kept"] == len(data) - summary["seed_data"] > 0
    own = data[summary["seed_data"] :]
    assert all(is_valid(one.turns) and one.scores["f1"] == 1.0 and one.usage.searches >= 1 for one in own)
    assert {one.model for one in own} == {
        f"{checkpoint_name(settings.model)}+evolve{number}" for number in (1, 2)
    }
    assert "pass@3" in summary["table"]
    assert (folder / "out" / "table.md").read_text(encoding="utf-8") == summary["table"] + "\n"
    assert json.loads((folder / "out" / "masksearch.json").read_text())["name"].endswith(
        f"+evolve{summary['model_round']}"
    )
    assert (folder / "out" / "model.safetensors").read_bytes() == (
        folder / "work" / f"round-{summary['model_round']:04}" / "checkpoint" / "model.safetensors"
    ).read_bytes()


def test_the_manifests_add_up(finished):
    folder, settings, summary = finished
    found = manifests(folder / "out")
    assert [manifest["round"] for manifest in found] == [1, 2]
    first, second = found
    assert first["counts"]["trained_on"] == summary["seed_data"]
    assert second["counts"]["evolved_before"] == first["counts"]["kept"]
    assert second["counts"]["trained_on"] == summary["seed_data"] + first["counts"]["kept"]
    assert "gain" not in first
    assert second["gain"]["against"] == 1
    assert second["gain"]["difference"] == pytest.approx(
        second["heldout"]["f1"]["mean"] - first["heldout"]["f1"]["mean"], abs=1e-5
    )
    rates = rows(folder / "out" / "rounds" / "solve-rates.jsonl")
    assert len(rates) == 8
    assert len({rate["task"] for rate in rates}) == 8
    for manifest in found:
        counts, outcomes = (
            manifest["counts"],
            rows(folder / "work" / f"round-{manifest['round']:04}" / "outcomes.jsonl"),
        )
        assert counts["rollouts"] == len(outcomes) == settings.tasks_per_round * settings.samples
        assert counts["kept"] + sum(counts["dropped"].values()) == counts["rollouts"]
        mine = [
            Solved(rate["task"], rate["solved"], rate["sampled"])
            for rate in rates
            if rate["round"] == manifest["round"]
        ]
        assert sum(rate.solved for rate in mine) == counts["correct"]
        assert manifest["pass_at"] == pytest.approx(pass_table(mine, 3), abs=1e-5)
        assert manifest["accepted_share"] == pytest.approx(counts["correct"] / counts["judged"], abs=1e-5)


CUTS = {
    "the product is missing": lambda work: None,
    "before the manifest": lambda work: (work / "round-0002" / "manifest.json").unlink(),
    "in the middle of the rollouts": lambda work: tear_rollouts(work / "round-0002"),
    "before the teacher was saved": lambda work: [
        remove(work / "round-0002" / name) for name in ("manifest.json", "checkpoint", "heldout", "rollouts")
    ],
    "in the middle of the training data": lambda work: [
        remove(path) for path in (work / "round-0002").iterdir() if path.name != "seconds.jsonl"
    ],
}


def tear_rollouts(folder):
    whole = (folder / "rollouts" / "trajectories.jsonl").read_bytes().splitlines(keepends=True)
    for name in ("manifest.json", "accepted.jsonl", "outcomes.jsonl"):
        (folder / name).unlink()
    (folder / "rollouts" / "trajectories.jsonl").unlink()
    (folder / "rollouts" / "episodes.jsonl").write_bytes(
        b"".join(whole[:8]) + whole[8][:50]
    )  # a chunk is 6 rollouts


@pytest.mark.parametrize("cut", CUTS)
def test_a_run_that_is_cut_ends_with_the_same_data(finished, tmp_path, cut):
    folder, settings, summary = finished
    shutil.copytree(folder / "work", tmp_path / "work")
    CUTS[cut](tmp_path / "work")
    first = (tmp_path / "work" / "round-0001" / "manifest.json").stat().st_mtime_ns
    again = run_evolve(settings, tmp_path / "out", tmp_path / "work")
    assert (tmp_path / "work" / "round-0001" / "manifest.json").stat().st_mtime_ns == first
    assert same(tmp_path / "out", folder / "out")
    assert again["trajectories"] == summary["trajectories"]


def same(one, other):
    """Whether two products hold the same data.

    Weights may differ in the last bits if a training resumed from a saved state, so model hashes are not
    compared.
    """
    for out in (one, other):
        assert (out / "evolve.json").exists()
    assert (one / "trajectories.jsonl").read_bytes() == (other / "trajectories.jsonl").read_bytes()
    assert (one / "rounds" / "solve-rates.jsonl").read_bytes() == (
        other / "rounds" / "solve-rates.jsonl"
    ).read_bytes()
    for mine, theirs in zip(manifests(one), manifests(other), strict=True):
        for name in mine:
            assert name == "model_hash" or mine[name] == theirs[name], name
    return True


def test_killed_by_a_signal_and_started_again_ends_with_the_same_data(finished, tmp_path, zygote):
    folder, settings, _ = finished
    arguments = (json.dumps(settings.model_dump(mode="json")), tmp_path / "out", tmp_path / "work")
    child = zygote.start(*arguments, call="kit.evolve_helpers:held_in_the_second_round")
    states = tmp_path / "work" / "round-0002" / "sft" / "states"
    wait_for(lambda: any(states.glob("checkpoint-*/whole")) or child.poll() is not None, 600)
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "out").exists()
    first = (tmp_path / "work" / "round-0001" / "manifest.json").stat().st_mtime_ns
    run_evolve(settings, tmp_path / "out", tmp_path / "work")
    assert (tmp_path / "work" / "round-0001" / "manifest.json").stat().st_mtime_ns == first
    assert same(tmp_path / "out", folder / "out")


def test_nothing_accepted_is_said_and_what_there_is_is_kept(finished, tmp_path, tiny_checkpoint, capsys):
    _, settings, _ = finished
    hopeless = settings.model_copy(
        update={"model": str(tiny_checkpoint), "heldout": "", "keep_models": False}
    )
    summary = run_evolve(hopeless, tmp_path / "out", tmp_path / "work")
    assert "none of the 12 rollouts in round 1 was accepted; the earlier data is kept" in summary["note"]
    assert summary["note"].split(". ")[0] in capsys.readouterr().err
    assert (summary["rounds"], summary["kept"], summary["accepted_shares"]) == (1, 0, [0.0])
    assert len(read_records(tmp_path / "out", Trajectory)) == summary["seed_data"]
    assert (tmp_path / "out" / "config.json").exists()


def test_going_on_from_the_teacher_before_and_clearing_models_away(finished, tmp_path):
    _, settings, _ = finished
    steady = settings.model_copy(
        update={
            "start": "previous",
            "heldout": "",
            "keep_models": False,
            "sft": settings.sft.model_copy(update={"max_steps": 2}),
        }
    )
    summary = run_evolve(steady, tmp_path / "out", tmp_path / "work")
    assert summary["rounds"] == 2
    mark = json.loads((tmp_path / "out" / "masksearch.json").read_text())
    assert mark["parent"].endswith("round-0001/checkpoint")
    assert mark["name"] == f"{checkpoint_name(settings.model)}+evolve2"
    assert mark["retrievers"] == [load(settings.index).fingerprint]
    assert not (tmp_path / "work" / "round-0001" / "checkpoint").exists()
    assert "heldout" not in manifests(tmp_path / "out")[0]


def test_the_settings_of_training_are_those_of_sft():
    from masksearch.evolve.settings import EvolveSftSettings

    ours, theirs = EvolveSftSettings.model_fields, SftSettings.model_fields
    of_the_rounds = {"model", "trajectories", "dtype", "seed"}
    assert set(theirs) - set(ours) == of_the_rounds | {
        "curriculum",
        "heldout",
        "solve_rates",
        "on_nan",
        "trackers",
        "shares",
        "replay",
        "replay_share",
    }
    assert all(
        ours[name].default == theirs[name].default and ours[name].annotation == theirs[name].annotation
        for name in ours
    )


def test_a_search_that_cannot_be_opened_is_told_before_the_work_begins(finished, tmp_path):
    _, settings, _ = finished
    with pytest.raises(MaskSearchError, match="nowhere"):
        run_evolve(
            settings.model_copy(update={"index": str(tmp_path / "nowhere")}),
            tmp_path / "out",
            tmp_path / "work",
        )
    assert not (tmp_path / "work").exists()
