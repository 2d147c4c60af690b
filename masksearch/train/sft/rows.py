"""The training order of the rows of SFT.

A row is one trajectory as tokens (train/sft/sources.py). `arrange_stages` orders the rows before the
training, stage by stage of the curriculum; sources with shares, and replay, are mixed by
train/sft/mixture.py. If the order depends on measurements made during the training,
`trainer.BatchSchedule` draws the rows step by step instead.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from masksearch.train.curriculum import Curriculum, Item, read_rates
from masksearch.train.loss_mask import Encoded
from masksearch.train.settings import SftSettings
from masksearch.train.sft.mixture import Mixture, scaled
from masksearch.train.sft.sources import OF_SOURCE, Source


def make_mixture(sources: Sequence[Source], settings: SftSettings) -> Mixture | None:
    """Returns the mixture of the sources; None without `shares` and `replay`, because all rows then come
    equally often, as `arrange` orders them."""
    if not settings.shares and not settings.replay:
        return None
    own = [source for source in sources if not source.replay]
    rows = [row for source in own for row in source.rows]
    ends = [0, *accumulate(len(source.rows) for source in own)]
    parts = [tuple(range(start, end)) for start, end in pairwise(ends)]
    return Mixture(
        rows,
        tuple(parts) if settings.shares else (tuple(range(len(rows))),),
        scaled(settings.shares or (1.0,)),
        [row for source in sources if source.replay for row in source.rows],
        Fraction(str(settings.replay_share)) if settings.replay else Fraction(0),
        settings.batch_size,
        settings.seed,
    )


def items_of(rows: Sequence[Encoded]) -> list[Item]:
    """Returns the curriculum item of each row."""
    return [Item(row.task, row.masks) for row in rows]


def make_curriculum(rows: Sequence[Encoded], steps: int, settings: SftSettings) -> Curriculum:
    """Builds the curriculum with one item per row. Rows of the same task share that task's solve rate."""
    rates = read_rates(settings.solve_rates)
    started = {row.task: rates[task] for row in rows if (task := row.task.split(OF_SOURCE)[-1]) in rates}
    return Curriculum(
        items_of(rows),
        settings.curriculum,
        steps,
        settings.seed,
        rates | started,
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
