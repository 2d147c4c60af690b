"""Rows of SFT: trajectories as tokens, in training order.

A row is one trajectory as tokens. `arrange_stages` orders the rows before the training, stage by stage of
the curriculum. If the order depends on measurements made during the training,
`trainer.BatchSchedule` draws the rows step by step instead.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from masksearch.errors import TrainingError
from masksearch.runtime.records import read_records
from masksearch.train.curriculum import Curriculum, Item, read_rates
from masksearch.train.loss_mask import IGNORED, Encoded, encode_trajectory
from masksearch.train.settings import SftSettings
from masksearch.types import Trajectory


def encode_all(settings: SftSettings, tokenizer: Any) -> tuple[list[Encoded], int]:
    """Returns all trajectories as tokens, and the number of trajectories left out as too long.

    Raises TrainingError for a trajectory without a model token, for a trajectory made with another
    prompt, and if no trajectory is short enough.
    """
    rows, too_long = [], 0
    for path in settings.trajectories:
        for trajectory in read_records(path, Trajectory):
            try:
                row = encode_trajectory(tokenizer, trajectory)
            except TrainingError as error:
                raise TrainingError(f"{path}: {error}") from None
            if len(row.input_ids) > settings.max_length:
                too_long += 1
            elif all(label == IGNORED for label in row.labels):
                raise TrainingError(
                    f"{path}: trajectory '{trajectory.id}' has no model turn, so it cannot be trained on; "
                    "remove it from the file."
                )
            else:
                rows.append(row)
    if not rows:
        raise TrainingError(
            f"No trajectory is short enough to train on ({too_long} are longer than "
            f"max_length = {settings.max_length} tokens)."
        )
    return rows, too_long


def read_heldout(settings: SftSettings, tokenizer: Any) -> list[Encoded]:
    """Returns the held-out trajectories that are short enough; an empty list if `heldout` is empty."""
    if not settings.heldout:
        return []
    return encode_all(settings.model_copy(update={"trajectories": (settings.heldout,)}), tokenizer)[0]


def items_of(rows: Sequence[Encoded]) -> list[Item]:
    """Returns the curriculum item of each row."""
    return [Item(row.task, row.masks) for row in rows]


def make_curriculum(rows: Sequence[Encoded], steps: int, settings: SftSettings) -> Curriculum:
    """Builds the curriculum with one item per row. Rows of the same task share that task's solve rate."""
    return Curriculum(
        items_of(rows),
        settings.curriculum,
        steps,
        settings.seed,
        read_rates(settings.solve_rates),
        by_size=True,
        measured=bool(settings.heldout),
    )


def step_count(rows: int, settings: SftSettings) -> int:
    """Returns the number of optimizer steps: `max_steps` if it is set, otherwise the steps of `epochs`
    passes over `rows` rows."""
    return settings.max_steps or max(1, math.ceil(rows * settings.epochs / settings.batch_size))


def arrange_stages(rows: Sequence[Encoded], curriculum: Curriculum, settings: SftSettings) -> list[Encoded]:
    """Returns the rows in training order: one stage after the other, each ordered by `arrange`."""
    order: list[Encoded] = []
    for number, (pool, end) in enumerate(zip(curriculum.pools, curriculum.ends, strict=True)):
        start = len(order) // settings.batch_size
        if end > start:
            part = settings.model_copy(update={"max_steps": end - start, "seed": settings.seed + number})
            order += arrange([rows[index] for index in pool], part)
    return order


def arrange(rows: list[Encoded], settings: SftSettings) -> list[Encoded]:
    """Returns the rows in training order, without regard to stages.

    Each epoch is shuffled. Then rows of similar length are put into the same batch, which saves padding,
    and the batches are shuffled. Rows of the next epoch complete the last batch, so that all batches have
    the same size. The seed determines the order.
    """
    rng = random.Random(settings.seed)
    total = step_count(len(rows), settings) * settings.batch_size
    order: list[int] = []
    while len(order) < total:
        order += rng.sample(range(len(rows)), len(rows))
    order = order[:total]
    arranged: list[Encoded] = []
    # Sorting by length only within windows of eight batches keeps an epoch well mixed.
    window = 8 * settings.batch_size
    for start in range(0, total, window):
        part = sorted(order[start : start + window], key=lambda index: len(rows[index].input_ids))
        batches = [
            part[first : first + settings.batch_size] for first in range(0, len(part), settings.batch_size)
        ]
        rng.shuffle(batches)
        arranged += [rows[index] for batch in batches for index in batch]
    return arranged
