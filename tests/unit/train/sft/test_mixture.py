"""Mixing sources: shares of every batch, epochs, replay, refused inputs, and killed runs that end like
uninterrupted ones."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from kit.train_helpers import Killed, farthest, make_trajectory, weights, write_trajectories
from pydantic import ValidationError

from masksearch.errors import DataError, RecipeError, TrainingError
from masksearch.recipe.load import load_recipe
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.train.loss_mask import Encoded
from masksearch.train.recorder import Recorder
from masksearch.train.settings import SftSettings
from masksearch.train.sft.mixture import arrange_mixture, check_stages, divide, scaled
from masksearch.train.sft.rows import arrange, make_curriculum, make_mixture
from masksearch.train.sft.sources import Source, read_sources, source_names
from masksearch.train.sft.stage import by_source, describe, run_sft


def sft_settings(**given):
    return SftSettings.model_validate(
        {"model": "m", "trajectories": (), "batch_size": 8, "dtype": "float32", **given}
    )


def source(name, count, replay=False, masks=0):
    """A source whose rows have lengths from 1 to 7, and their number as the first token."""
    rows = [
        Encoded([number] * (1 + number * 5 % 7), [number], f"{name}{number}", masks, source=name)
        for number in range(count)
    ]
    return Source(name, f"{name}.jsonl", replay, tuple(rows), 0, 0, frozenset())


def mixed(sources, **given):
    """Returns the settings, the mixture, the curriculum and the arranged rows of some sources."""
    own = [one for one in sources if not one.replay]
    settings = sft_settings(
        trajectories=tuple(one.path for one in own),
        replay=tuple(one.path for one in sources if one.replay),
        **given,
    )
    mixture = make_mixture(sources, settings)
    rows = [row for one in own for row in one.rows]
    steps = mixture.steps([range(len(rows))], settings)
    curriculum = make_curriculum(rows, steps, settings)
    return settings, mixture, curriculum, arrange_mixture(mixture, curriculum)


def batches(order, size=8):
    return [order[start : start + size] for start in range(0, len(order), size)]


def counts(order, name, size=8):
    return [sum(row.source == name for row in batch) for batch in batches(order, size)]


@pytest.mark.parametrize("shares", [(1,), (0.5, 0.5), (0.3, 0.7), (1, 1, 1), (0.05, 0.15, 0.8), (7, 2, 1, 1)])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_batches_have_the_shares_as_nearly_as_whole_rows_allow(shares, size):
    wanted = scaled(shares)
    assert sum(wanted) == 1
    total = [0] * len(shares)
    for number, batch in enumerate(divide(wanted, [size] * 200), 1):
        assert sum(batch) == size
        assert min(batch) >= 0
        total = [before + now for before, now in zip(total, batch, strict=True)]
        for share, seen, now in zip(wanted, total, batch, strict=True):
            assert abs(seen - share * size * number) < 1
            assert abs(now - share * size) < 2
    assert divide((Fraction(1, 4), Fraction(3, 4)), [8] * 3) == [(2, 6)] * 3


def test_an_epoch_ends_when_the_first_source_was_seen_once():
    _, _, _, order = mixed([source("a", 40), source("b", 13), source("c", 500)], shares=(0.5, 0.25, 0.25))
    assert len(order) == 80
    assert (counts(order, "a"), counts(order, "b"), counts(order, "c")) == ([4] * 10, [2] * 10, [2] * 10)
    used = Counter(row.task for row in order)
    assert {used[f"a{number}"] for number in range(40)} == {1}
    assert {used[f"b{number}"] for number in range(13)} == {1, 2}, "a small source is repeated evenly"
    assert max(used[f"c{number}"] for number in range(500)) == 1, "a large source is cut"


@pytest.mark.parametrize("epochs", [0.5, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.31, 0.69), (0.9, 0.05, 0.05)])
def test_epochs_count_the_first_source(epochs, shares):
    sources = [source(name, 37) for name in "abc"[: len(shares)]]
    for replay in ([], [source("r", 5, replay=True)]):
        _, _, _, order = mixed([*sources, *replay], shares=shares, epochs=epochs, replay_share=0.3)
        seen = sum(counts(order, "a"))
        assert epochs * 37 <= seen < epochs * 37 + 8 + 1


def test_a_batch_has_rows_of_similar_length_and_starts_with_short_ones():
    _, _, _, order = mixed([source("a", 64), source("b", 64)], shares=(0.5, 0.5))
    for batch in batches(order):
        lengths = [len(row.input_ids) for row in batch]
        assert lengths == sorted(lengths)
        assert max(lengths) - min(lengths) <= 2


def test_replay_takes_its_share_of_every_batch():
    sources = [source("new", 56), source("old", 30, replay=True), source("older", 10, replay=True)]
    _, _, _, order = mixed(sources)
    replayed = [one + other for one, other in zip(counts(order, "old"), counts(order, "older"), strict=True)]
    assert len(order) == 80
    assert set(replayed) == {2, 3}
    assert sum(replayed) == 24
    used = Counter(row.task for row in order)
    assert {used[f"new{number}"] for number in range(56)} == {1}
    assert max(used[row.task] for row in order) == 1, "40 rows are enough for 24, so none comes twice"
    _, _, _, longer = mixed(sources, epochs=4.0, replay_share=0.5)
    again = Counter(row.task for row in longer if row.source != "new")
    assert len(again) == 40
    assert max(again.values()) - min(again.values()) <= 1, "no row again before all were drawn"


def test_shares_divide_what_replay_leaves():
    sources = [source("a", 30), source("b", 30), source("old", 9, replay=True)]
    _, _, _, order = mixed(sources, shares=(2, 1), replay_share=0.25)
    assert (counts(order, "a")[0], counts(order, "b")[0], counts(order, "old")[0]) == (4, 2, 2)
    assert sum(counts(order, "old")) == len(order) / 4


def test_the_seed_fixes_the_batches():
    sources = [source("a", 30), source("b", 30)]
    one, same, other = (mixed(sources, shares=(1, 2), seed=seed)[3] for seed in (1, 1, 2))
    assert one == same
    assert [row.task for row in one] != [row.task for row in other]


def test_without_shares_and_replay_files_are_joined_as_before():
    sources = [source("a", 20), source("b", 10)]
    settings = sft_settings(trajectories=("a.jsonl", "b.jsonl"))
    assert make_mixture(sources, settings) is None
    order = arrange([row for one in sources for row in one.rows], settings)
    assert Counter(row.source for row in order[:32])["b"] in (10, 11, 12)


def test_the_stages_of_a_curriculum_keep_the_shares():
    sources = [
        Source("a", "a", False, (*source("a", 20, masks=1).rows, *source("A", 20, masks=2).rows), 0, 0,
               frozenset()),
        source("b", 40, masks=2),
        source("old", 10, replay=True),
    ]  # fmt: skip
    given = {"shares": (0.5, 0.5), "replay_share": 0.25, "max_steps": 10}
    curriculum = {"order": "masks", "stages": ("1", "2"), "stage_steps": (4,)}
    _, _, _, order = mixed(sources, curriculum=curriculum, **given)
    assert [{row.masks for row in batch if row.source != "old"} for batch in batches(order)] == [
        *[{1}] * 4,
        *[{2}] * 6,
    ]
    assert counts(order, "b") == [0] * 4 + [3] * 6, "a source without rows leaves its share to the others"
    assert counts(order, "old") == [2] * 10


def test_a_source_that_no_stage_uses_is_refused():
    settings, mixture, _, _ = mixed([source("a", 8, masks=1), source("b", 8)], shares=(1, 1))
    staged = settings.model_copy(
        update={"curriculum": settings.curriculum.model_copy(update={"order": "masks", "stages": ("1",)})}
    )
    with pytest.raises(TrainingError, match=r"shares gives rows to b\.jsonl, but none of its trajectories"):
        check_stages(mixture, make_curriculum(mixture.rows, 4, staged), staged.trajectories)


def test_rows_drawn_by_solve_rate_keep_the_shares():
    sources = [source("a", 20), source("b", 3), source("old", 4, replay=True)]
    _, mixture, curriculum, _ = mixed(
        sources, shares=(0.5, 0.5), replay_share=0.25, max_steps=40, curriculum={"solve_rate": True}
    )
    for step in range(40):
        pool = curriculum.pools[0]
        drawn = mixture.draw(0, pool, 0, step, curriculum.weighted(step)).rows
        assert Counter(row.source for row in drawn) == {"a": 3, "b": 3, "old": 2}
        assert len({row.task for row in drawn}) == 8


# -- inputs --------------------------------------------------------------------------------------------


def write(path, numbers, **update):
    rows = (make_trajectory(number).model_copy(update=update).to_json() for number in numbers)
    write_json_lines(path, rows)
    return str(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"trajectories": ("a", "b"), "shares": (0.5, 0.3, 0.2)},
            r"trajectories names 2 \(a, b\), so give 2 shares, not 3",
        ),
        ({"trajectories": ("a", "b"), "shares": (1, 0)}, "each share must be a number above 0"),
        ({"trajectories": ("a", "b"), "shares": (1, -1)}, "each share must be a number above 0"),
        ({"trajectories": ("a", "b"), "shares": (1, float("nan"))}, "each share must be a number above 0"),
        ({"trajectories": ("a", "./a")}, r"\./a is named twice; name it once, and give it a larger share"),
        (
            {"trajectories": ("a",), "replay": ("b", "a")},
            "a is named twice; name each file once, either in trajectories or in replay",
        ),
        ({"trajectories": ("a",), "replay_share": 0.2}, "it has no effect without replay"),
        ({"trajectories": ("a",), "replay": ("b",), "replay_share": 0.0}, "greater than 0"),
        ({"trajectories": ("a",), "replay": ("b",), "replay_share": 1.0}, "less than 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        sft_settings(**given)


def test_a_stage_for_each_seed_needs_a_share_for_each(tmp_path):
    recipe = """
        name = "x"
        seeds = [1, 2]
        [stages.t]
        kind = "synthesize"
        per_seed = true
        tasks = "tasks.jsonl"
        index = "index"
        [stages.s]
        kind = "sft"
        model = "HuggingFaceTB/SmolLM2-135M"
        trajectories = ["t"]
        shares = [1.0]
    """
    (tmp_path / "x.toml").write_text(recipe, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"'stages\.s\.shares' .* trajectories names 2 \(t-s1, t-s2\)"):
        load_recipe(tmp_path / "x.toml")
    listed = recipe.replace('["t"]', '["t-s1", "t-s2"]').replace("[1.0]", "[1, 3]")
    (tmp_path / "x.toml").write_text(listed, encoding="utf-8")
    settings = load_recipe(tmp_path / "x.toml").stage("s").settings
    assert (settings.trajectories, settings.shares) == (("t-s1", "t-s2"), (1.0, 3.0))


def test_sources_are_named_after_their_stage_or_file():
    paths = ["run/stages/ramp/trajectories.jsonl", "x/downstream.jsonl.gz", "y/trajectories.jsonl", "a/e"]
    assert source_names(paths) == ["ramp", "downstream", "y", "e"]
    assert source_names(["a/t.jsonl", "b/t.jsonl"]) == ["a/t.jsonl", "b/t.jsonl"]


def test_rows_know_their_source_and_their_honest_ends(tmp_path, tiny_tokenizer):
    one = write(tmp_path / "one.jsonl", range(4))
    two = write(tmp_path / "two.jsonl", range(2, 5), scores={"not_found": 1.0, "f1": 0.0})
    settings = sft_settings(trajectories=(one,), replay=(two,))
    sources = read_sources(settings, tiny_tokenizer)
    assert [(one.name, len(one.rows), one.replay, one.not_found) for one in sources] == [
        ("one", 4, False, 0),
        ("two", 3, True, 3),
    ]
    assert [row.source for row in sources[1].rows] == ["two"] * 3
    tasks = [row.task for one in sources for row in one.rows]
    assert len(set(tasks)) == 7, "rows are identified by source and id"
    assert tasks[:2] == ["q0", "q1"], "an id of one source alone stays as it is"
    assert describe(sources) == "7 trajectories (one 4, two 3 as replay, 3 end with 'not found')"
    assert describe(sources[:1]) == "4 trajectories"


def test_a_solve_rate_counts_for_the_task_in_each_source(tmp_path, tiny_tokenizer):
    rates = tmp_path / "rates.jsonl"
    write_json_lines(rates, [{"task": "q1", "solved": 3, "sampled": 8}])
    files = [write(tmp_path / f"{name}.jsonl", range(3)) for name in ("one", "two")]
    settings = sft_settings(trajectories=tuple(files), solve_rates=str(rates))
    rows = [row for one in read_sources(settings, tiny_tokenizer) for row in one.rows]
    curriculum = make_curriculum(rows, 4, settings)
    known = [curriculum.state.rates.get(item.key) for item in curriculum.items]
    assert [rate.solved if rate else None for rate in known] == [None, 3, None] * 2


def test_inputs_that_cannot_be_mixed_are_refused(tmp_path, tiny_tokenizer):
    one, two = write(tmp_path / "one.jsonl", range(4)), write(tmp_path / "two.jsonl", range(4))
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        read_sources(sft_settings(trajectories=(one, str(tmp_path / "missing.jsonl"))), tiny_tokenizer)
    opened = write(tmp_path / "open.jsonl", range(4), tools=("search", "open"))
    with pytest.raises(
        TrainingError,
        match=r"one\.jsonl and .*open\.jsonl were made with different prompts \(tools search, .*search, open",
    ):
        read_sources(sft_settings(trajectories=(one,), replay=(opened,)), tiny_tokenizer)
    (tmp_path / "link.jsonl").symlink_to(two)
    again = sft_settings(trajectories=(two, one)).model_copy(
        update={"replay": (str(tmp_path / "link.jsonl"),)}
    )
    with pytest.raises(TrainingError, match=r"link\.jsonl is named twice"):
        read_sources(again, tiny_tokenizer)
    long = write_trajectories(tmp_path / "long.jsonl", 3)
    rows = read_sources(sft_settings(trajectories=(one,)), tiny_tokenizer)[0].rows
    limit = max(len(row.input_ids) for row in rows)
    write_json_lines(long, (make_trajectory(number, 60).to_json() for number in range(3)))
    short = {"trajectories": (one, long), "max_length": limit}
    assert len(read_sources(sft_settings(**short), tiny_tokenizer)[0].rows) == 4
    with pytest.raises(
        TrainingError, match=r"long\.jsonl: shares gives it a share .* \(3 are longer than max_length"
    ):
        read_sources(sft_settings(shares=(0.5, 0.5), **short), tiny_tokenizer)


def test_counts_by_source_are_read_from_the_log():
    sources = [source("a", 3), source("b", 2, replay=True)]
    log = [{"step": 1, "sources": {"a": 5, "b": 3}}, {"step": 2, "sources": {"a": 6, "b": 2}}]
    found = by_source(sources, log, 8)
    assert {name: (one["trajectories"], one["rows"]) for name, one in found.items()} == {
        "a": (3, 11),
        "b": (2, 5),
    }
    assert by_source(sources[:1], [{"step": 1}, {"step": 2}], 8)["a"]["rows"] == 16


# -- whole runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    write(folder / "old.jsonl", range(2, 8), scores={"not_found": 1.0, "f1": 0.0})
    write_trajectories(folder / "a.jsonl", 8)
    write_trajectories(folder / "b.jsonl", 5)
    return folder


def mixture_settings(files, tiny_checkpoint, **given):
    return sft_settings(
        **{
            "model": str(tiny_checkpoint),
            "trajectories": (str(files / "a.jsonl"), str(files / "b.jsonl")),
            "shares": (2, 1),
            "replay": (str(files / "old.jsonl"),),
            "replay_share": 0.25,
            "batch_size": 4,
            "micro_batch_size": 2,
            "max_steps": 6,
            "save_steps": 2,
            "learning_rate": 5e-3,
            "trackers": ("none",),
            **given,
        }
    )


def kill_at(monkeypatch, step):
    log = Recorder.on_log

    def on_log(self, args, state, control, logs=None, **kwargs):
        log(self, args, state, control, logs, **kwargs)
        if state.global_step == step:
            raise Killed

    monkeypatch.setattr(Recorder, "on_log", on_log)


def test_a_run_records_the_sources_of_each_batch(files, tmp_path, tiny_checkpoint):
    settings = mixture_settings(files, tiny_checkpoint, max_steps=2)
    summary = run_sft(settings, tmp_path / "out", tmp_path / "work")
    log = read_appended(tmp_path / "work" / "log.jsonl")
    assert [row["sources"] for row in log] == [{"a": 2, "b": 1, "old": 1}] * 2
    assert summary["by_source"] == {
        "a": {"trajectories": 8, "rows": 4, "left_out_too_long": 0, "not_found": 0},
        "b": {"trajectories": 5, "rows": 2, "left_out_too_long": 0, "not_found": 0},
        "old": {"trajectories": 6, "rows": 2, "left_out_too_long": 0, "not_found": 6},
    }
    assert (summary["trajectories"], summary["not_found"]) == (19, 6)
    assert summary["text"].startswith("19 trajectories (a 8, b 5, old 6 as replay, 6 end with 'not found')")
    assert json.loads((tmp_path / "work" / "sft-report.json").read_text()) == summary


@pytest.mark.slow
@pytest.mark.parametrize("by_rate", [False, True])
def test_a_killed_mixture_ends_as_an_uninterrupted_one(
    files, tmp_path, monkeypatch, tiny_checkpoint, by_rate
):
    settings = mixture_settings(files, tiny_checkpoint, curriculum={"solve_rate": by_rate})
    run_sft(settings, tmp_path / "whole" / "out", tmp_path / "whole" / "work")
    with monkeypatch.context() as patch:
        kill_at(patch, 5)
        with pytest.raises(Killed):
            run_sft(settings, tmp_path / "out", tmp_path / "work")
    resumed = run_sft(settings, tmp_path / "out", tmp_path / "work")
    whole = json.loads((tmp_path / "whole" / "work" / "sft-report.json").read_text())
    assert resumed["by_source"] == whole["by_source"]
    for mine, other in zip(*(read_log(place) for place in (tmp_path, tmp_path / "whole")), strict=True):
        assert mine.pop("sources") == other.pop("sources")
        assert mine == pytest.approx(other, abs=1e-4)
    assert farthest(weights(tmp_path / "out"), weights(tmp_path / "whole" / "out")) < 1e-6


def read_log(folder: Path):
    return [{**row, "seconds": 0} for row in read_appended(folder / "work" / "log.jsonl")]
