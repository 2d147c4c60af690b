"""Orders of tasks: the tasks of a step depend on seed, step and state alone.

Stages end at their step or plateau, and weights follow the solve rates.
"""

import json
from collections import Counter

import numpy as np
import pytest
from kit.train_helpers import ShuffledTasks

from masksearch.errors import DataError, TrainingError
from masksearch.runtime.files import write_json_lines
from masksearch.train.curriculum import (
    Curriculum,
    Item,
    Rate,
    decayed,
    item_of,
    load_state,
    on_plateau,
    read_rates,
    save_state,
    share_out,
    state_from_json,
    weight,
    weighted_order,
)
from masksearch.train.rl.task_stream import CurriculumStream
from masksearch.train.settings import CurriculumSettings
from masksearch.types import MaskedTask, Question

ITEMS = [Item(f"t{number}", 1 + number % 4) for number in range(20)]


def chosen(**given):
    return CurriculumSettings.model_validate(given)


def seen(curriculum, steps, size=4):
    found = []
    for step in steps:
        curriculum.begin(step)
        found.append([ITEMS[curriculum.pick(step, offset, size)] for offset in range(size)])
    return found


def test_the_mixed_order_is_that_of_the_task_stream():
    tasks = [Question(id=f"q{number}", question="?", answers=("x",)) for number in range(7)]
    curriculum = Curriculum([item_of(task) for task in tasks], chosen(), 9, seed=3)
    stream, old = CurriculumStream(tasks, curriculum, 5, 0), ShuffledTasks(tasks, 3)
    assert [stream[place].id for place in range(40)] == [old[place].id for place in range(40)]
    assert not curriculum.moves


def test_stages_by_masks_share_the_steps():
    curriculum = Curriculum(ITEMS, chosen(order="masks"), 10, seed=1)
    masks = [{item.masks for item in step} for step in seen(curriculum, range(10))]
    assert masks == [{1}] * 2 + [{2}] * 3 + [{3}] * 3 + [{4}] * 2
    assert curriculum.ends == (2, 5, 8, 10)


def test_stages_by_masks_as_they_are_given():
    curriculum = Curriculum(
        ITEMS, chosen(order="masks", stages=("1", "2-3", "4"), stage_steps=(1, 2)), 6, seed=1
    )
    masks = [{item.masks for item in step} for step in seen(curriculum, range(6))]
    assert masks == [{1}, {2, 3}, {2, 3}, {4}, {4}, {4}]
    assert Curriculum(
        ITEMS[:8], chosen(order="masks", stages=("1", "1-4")), 10, seed=1, by_size=True
    ).ends == (2, 10)


def test_stages_that_would_never_begin_are_refused():
    with pytest.raises(
        TrainingError,
        match=r"curriculum\.stage_steps add up to 150, but the training has 20 steps, "
        r"so its last stage would never start",
    ):
        Curriculum(ITEMS, chosen(order="masks", stage_steps=(50, 50, 50)), 20, seed=1)


@pytest.mark.parametrize("shares", [1, 2])
def test_refills_do_not_break_a_pass_over_the_tasks(shares):
    """With three refills per step, the tasks sampled in any case pass over all tasks, across steps and
    processes."""
    tasks = [
        Question(id=f"q{number}", question=f"Question {number}?", answers=("a",)) for number in range(20)
    ]
    size, refills = 4 // shares, 3
    stream = CurriculumStream(
        tasks, Curriculum([item_of(task) for task in tasks], chosen(), 10, seed=3), size, refills, shares
    )
    places = [
        [
            (step * shares + share) * size * (1 + refills) + offset
            for share in range(shares)
            for offset in range(size)
        ]
        for step in range(10)
    ]
    drawn = [stream[place].id for step in places for place in step]
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == sorted(task.id for task in tasks)
    assert drawn[:20] != drawn[20:]
    spare = [
        stream[block * size * (1 + refills) + size + offset].id
        for block in range(shares)
        for offset in range(size * refills)
    ]
    assert len(set(spare)) == len(spare) == 12


@pytest.mark.parametrize(
    ("steps", "sizes", "ends"),
    [
        (10, (1, 1), (5, 10)),
        (2, (1, 1, 1, 1), (1, 2, 2, 2)),
        (10, (100, 1, 1), (8, 9, 10)),
        (9, (1, 2), (3, 9)),
    ],
)
def test_shares(steps, sizes, ends):
    assert share_out(steps, sizes) == ends


def test_each_stage_passes_over_all_its_tasks():
    curriculum = Curriculum(ITEMS, chosen(order="masks"), 40, seed=1)
    picked = [item.key for step in seen(curriculum, range(10), 5) for item in step]
    assert Counter(picked) == {f"t{number}": 10 for number in range(0, 20, 4)}


def test_a_stage_without_tasks_is_refused():
    with pytest.raises(
        TrainingError, match=r"No task has 4 masks \(there are tasks with 1, 2\); leave that stage out"
    ):
        Curriculum(
            [item for item in ITEMS if item.masks < 3],
            chosen(order="masks", stages=("1", "2", "4")),
            10,
            seed=1,
        )
    with pytest.raises(TrainingError, match=r"there are tasks with none"):
        Curriculum([Item("q", 0)], chosen(order="masks"), 10, seed=1)
    with pytest.raises(
        TrainingError, match="no held-out tasks to measure it on; name tasks or trajectories in heldout"
    ):
        Curriculum(ITEMS, chosen(order="masks", boundary="plateau"), 10, seed=1)


@pytest.mark.parametrize(
    "given",
    [
        {"stages": ("5",)},
        {"stages": ("2-1",)},
        {"stages": ()},
        {"stage_steps": (3,)},
        {"stage_steps": (3, 0, 1)},
    ],
)
def test_settings_that_cannot_be_meant(given):
    with pytest.raises(ValueError, match=r"mask|stages"):
        chosen(order="masks", **given)


def test_a_plateau_ends_a_stage():
    assert not on_plateau([], 2, 0.0)
    assert not on_plateau([0.1, 0.1], 2, 0.0)
    assert on_plateau([0.1, 0.1, 0.05], 2, 0.0)
    assert not on_plateau([0.1, 0.1, 0.2], 2, 0.0)
    assert on_plateau([0.1, 0.14, 0.14], 2, 0.05)
    curriculum = Curriculum(
        ITEMS,
        chosen(order="masks", boundary="plateau", patience=2, measure_steps=3),
        99,
        seed=1,
        measured=True,
    )
    assert curriculum.moves
    ended = []
    for step, value in zip(range(0, 27, 3), [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3, 0.5, 0.4], strict=True):
        curriculum.begin(step)
        assert curriculum.due(step)
        assert not curriculum.due(step + 1)
        ended.append(curriculum.measured(step, value))
    # Each stage starts without measurements, because its held-out tasks are others.
    assert [number for number, end in enumerate(ended) if end] == [3, 6]
    assert (curriculum.state.stage, curriculum.state.stage_start, curriculum.state.measures) == (
        2,
        18,
        (0.5, 0.4),
    )
    for step in range(27, 90, 3):
        curriculum.measured(step, 0.0)
    assert curriculum.state.stage == 3


def test_held_out_tasks_of_the_stage():
    curriculum = Curriculum(ITEMS, chosen(order="masks"), 8, seed=1)
    held = [Item("a", 1), Item("b", 3), Item("c", 1)]
    assert curriculum.of_stage(held) == [0, 2]
    curriculum.begin(2)
    assert curriculum.of_stage(held) == [0, 1, 2]
    assert Curriculum(ITEMS, chosen(), 8, seed=1).of_stage(held) == [0, 1, 2]


def test_weights_are_highest_for_what_is_solved_sometimes():
    settings = chosen(floor=0.05)
    found = [weight(Rate(solved, 8, 0), 0, settings) for solved in range(9)]
    assert found == pytest.approx(
        [
            4 * p * (1 - p) if 4 * p * (1 - p) > 0.05 else 0.05
            for p in [(solved + 0.25) / 8.5 for solved in range(9)]
        ]
    )
    assert found == pytest.approx(found[::-1])
    assert max(found) == found[4] == weight(None, 0, settings) == 1.0
    assert weight(Rate(1000, 1000, 0), 0, settings) == 0.05


def test_what_was_measured_long_ago_counts_less():
    assert decayed(Rate(8, 8, 10), 60, 50) == Rate(4, 4, 60)
    settings = chosen(half_life=10)
    ages = [weight(Rate(8, 8, 0), step, settings) for step in (0, 10, 20, 40, 200)]
    assert ages == sorted(ages)
    assert ages[-1] > 0.99


def test_weighted_draws_follow_the_weights():
    """The first index is drawn in proportion to the weights, and each index occurs once."""
    weights = [1.0, 0.5, 0.25, 0.25]
    orders = [weighted_order(weights, 5, step) for step in range(8000)]
    assert all(sorted(order.tolist()) == [0, 1, 2, 3] for order in orders[:50])
    first = np.bincount([order[0] for order in orders], minlength=4) / len(orders)
    assert first == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.02)
    assert weighted_order(weights, 5, 17).tolist() == orders[17].tolist()


def test_tasks_solved_sometimes_come_more_often_and_the_weights_move():
    curriculum = Curriculum(ITEMS, chosen(solve_rate=True, floor=0.02), 400, seed=1)
    counts = Counter()
    for step in range(400):
        (batch,) = seen(curriculum, [step])
        counts.update(item.key for item in batch)
        # The first ten tasks are always solved, the next five never, the last five half of the time.
        curriculum.record(
            step,
            {
                item.key: ((8, 0, 4)[(number >= 10) + (number >= 15)], 8)
                for item in batch
                for number in [int(item.key[1:])]
            },
        )
    sometimes = [counts[f"t{number}"] for number in range(15, 20)]
    dull = [counts[f"t{number}"] for number in range(15)]
    assert min(sometimes) > 2.5 * max(dull)
    assert min(dull) > 5


def test_a_resumed_curriculum_sees_the_same_tasks(tmp_path):
    settings = chosen(solve_rate=True, order="masks", boundary="plateau", measure_steps=2, patience=1)

    def go(curriculum, steps, stop=None):
        found = []
        for step in steps:
            curriculum.begin(step)
            if curriculum.due(step):
                curriculum.measured(step, (step * 7 % 5) / 5)
            (batch,) = seen(curriculum, [step])
            found.append([item.key for item in batch])
            curriculum.record(step, {item.key: (sum(map(ord, item.key)) % 4, 4) for item in batch})
            if step == stop:
                save_state(curriculum, tmp_path)
        return found

    whole = go(Curriculum(ITEMS, settings, 30, 2, {"t0": Rate(3, 4, 0)}, measured=True), range(30), stop=11)
    again = Curriculum(ITEMS, settings, 30, 2, {"t0": Rate(3, 4, 0)}, measured=True)
    load_state(again, tmp_path)
    assert go(again, range(12, 30)) == whole[12:]
    assert len({key for step in whole for key in step}) > 5
    assert state_from_json(json.loads(json.dumps(again.state.to_json()))) == again.state
    before = again.state
    load_state(again, tmp_path / "none")
    assert again.state == before


def test_the_order_does_not_depend_on_the_steps_that_were_drawn_before():
    settings = chosen(solve_rate=True)
    rates = {item.key: Rate(number % 5, 4, 0) for number, item in enumerate(ITEMS)}
    one, other = Curriculum(ITEMS, settings, 30, 2, rates), Curriculum(ITEMS, settings, 30, 2, rates)
    assert seen(one, range(9))[8] == seen(other, [8])[0]
    assert seen(Curriculum(ITEMS, settings, 30, 3, rates), [8]) != seen(other, [8])


def test_solve_rates_of_a_file_and_of_an_evolve_stage(tmp_path):
    rows = [
        {"task": "a", "round": 1, "solved": 1, "sampled": 4},
        {"task": "b", "round": 1, "solved": 0, "sampled": 4},
        {"task": "a", "round": 2, "solved": 4, "sampled": 4},
    ]
    (tmp_path / "rounds").mkdir()
    write_json_lines(tmp_path / "rounds" / "solve-rates.jsonl", rows)
    assert (
        read_rates(str(tmp_path))
        == read_rates(str(tmp_path / "rounds" / "solve-rates.jsonl"))
        == {"a": Rate(4, 4, 0), "b": Rate(0, 4, 0)}
    )
    assert read_rates("") == {}


@pytest.mark.parametrize(
    "row",
    [
        {"task": "a", "solved": 1},
        {"task": "a", "solved": 3, "sampled": 2},
        {"task": "a", "solved": "x", "sampled": 2},
        {"task": "a", "solved": -1, "sampled": 2},
    ],
)
def test_solve_rates_that_are_none(tmp_path, row):
    write_json_lines(tmp_path / "r.jsonl", [{"task": "b", "solved": 1, "sampled": 2}, row])
    with pytest.raises(DataError, match=r"r\.jsonl, line 2: this is not a solve rate"):
        read_rates(str(tmp_path / "r.jsonl"))


def test_items_of_tasks():
    masked = MaskedTask(
        id="m",
        doc_id="d",
        title="t",
        text="[mask] and [mask]",
        answers=("a", "b"),
        masks=2,
        original="a and b",
    )
    assert item_of(masked) == Item("m", 2)
    assert item_of(Question(id="q", question="?", answers=("x",))) == Item("q", 0)
