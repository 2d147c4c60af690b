"""TRL's SFTTrainer with two changes: the head is applied only to positions with loss, and a curriculum can
draw the batches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import torch
from trl import SFTTrainer

from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count, rank
from masksearch.train.alarms import refuse_not_finite
from masksearch.train.curriculum import Curriculum
from masksearch.train.distributed import gather_lists, mean_over_ranks
from masksearch.train.head import apply_head_where_loss
from masksearch.train.loss_mask import Encoded
from masksearch.train.settings import SftSettings
from masksearch.train.sft.mixture import Mixture
from masksearch.train.sft.rows import items_of


class BatchSchedule:
    """Chooses the rows of each step, and measures the held-out rows when that is due.

    If the curriculum's order depends on measurements, the curriculum draws the rows, with `mixture` by the
    shares of their sources. Otherwise the rows follow `order`.
    """

    def __init__(
        self,
        rows: Sequence[Encoded],
        order: Sequence[Encoded],
        heldout: Sequence[Encoded],
        curriculum: Curriculum,
        settings: SftSettings,
        mixture: Mixture | None = None,
        sources: Sequence[str] = (),
    ) -> None:
        """`rows` are the rows that the curriculum orders, without replay. `sources` are the names of the
        sources whose rows are counted in every batch."""
        self.rows, self.order, self.heldout = rows, order, heldout
        self.curriculum, self.settings = curriculum, settings
        self.mixture, self.sources = mixture, sources
        self.batch: list[Encoded] = []
        self.solved: list[bool] = []
        self.figures: dict[str, Any] = {}
        self._ordered = {row.task for row in rows}

    def begin(self, step: int, trainer: SparseHeadTrainer) -> list[Encoded]:
        """Starts a step (counted from 0) and returns this rank's rows.

        First it moves the curriculum to the step's stage, and measures the held-out rows if a measurement
        is due.
        """
        self.figures = {}
        self.curriculum.begin(step)
        if self.heldout and self.curriculum.due(step):
            self.figures["heldout_loss"] = trainer.measure(self._heldout_of_stage())
            if self.curriculum.measured(step, -self.figures["heldout_loss"]):
                stage = self.curriculum.state.stage + 1
                say(
                    f"  no gain on the held-out trajectories; stage {stage} of the curriculum starts with "
                    f"step {step + 1}"
                )
                # The new stage has other held-out rows. Their first measurement is its starting value.
                self.figures["heldout_loss"] = trainer.measure(self._heldout_of_stage())
                self.curriculum.measured(step, -self.figures["heldout_loss"])
        if len(self.curriculum.pools) > 1:
            self.figures["stage"] = self.curriculum.state.stage + 1
        batch = self._rows_of(step)
        if self.sources:
            counts = Counter(row.source for row in batch)
            self.figures["sources"] = {name: counts[name] for name in self.sources}
        self.batch, self.solved = rank_rows(batch, trainer.args.per_device_train_batch_size), []
        return self.batch

    def _rows_of(self, step: int) -> list[Encoded]:
        """Returns the rows of a step, over all ranks."""
        size, curriculum = self.settings.batch_size, self.curriculum
        if not curriculum.moves:
            return list(self.order[step * size : (step + 1) * size])
        if self.mixture is not None:
            stage, order = curriculum.state.stage, None
            if self.settings.curriculum.solve_rate:
                order = curriculum.weighted(step)
            pool, start = curriculum.pools[stage], curriculum.state.stage_start
            return self.mixture.draw(stage, pool, start, step, order).rows
        picked = [self.rows[curriculum.pick(step, offset, size)] for offset in range(size)]
        # Sorted, so that rows of similar length share a micro-batch.
        return sorted(picked, key=lambda row: len(row.input_ids))

    def _heldout_of_stage(self) -> list[Encoded]:
        places = self.curriculum.of_stage(items_of(self.heldout))
        return [self.heldout[place] for place in places[: self.settings.curriculum.heldout_limit]]

    def record_solved(self, step: int, solved: Sequence[bool]) -> None:
        """Records which rows of a micro-batch were solved (see `answers_right`).

        After the last micro-batch of the step the results of all ranks go to the curriculum's solve rates.
        """
        self.solved += solved
        if self.settings.curriculum.solve_rate and len(self.solved) == len(self.batch):
            counts: dict[str, tuple[int, int]] = {}
            mine = [(row.task, right) for row, right in zip(self.batch, self.solved, strict=True)]
            # Rows of replay have no solve rate, because the curriculum does not draw them.
            results = [(task, right) for task, right in gather_lists(mine) if task in self._ordered]
            for task, right in results:
                before = counts.get(task, (0, 0))
                counts[task] = (before[0] + right, before[1] + 1)
            self.curriculum.record(step, counts)
            if results:
                self.figures["solved"] = round(fmean(right for _, right in results), 4)


def rank_rows(rows: Sequence[Encoded], size: int) -> list[Encoded]:
    """Returns this rank's share of a step's rows: the ranks take micro-batches of `size` rows in turn.

    A distributed data loader divides its batches among the ranks in the same way.
    """
    return [
        row for start in range(rank() * size, len(rows), count() * size) for row in rows[start : start + size]
    ]


def answers_right(top: torch.Tensor, label_mask: torch.Tensor, rows: Sequence[Encoded]) -> list[bool]:
    """Returns for each row whether the model would predict its whole answer; False without an answer.

    This is so if each token of the answer is the likeliest token. `top` is True where the label is the
    likeliest token, `label_mask` where there is a label; both are (rows, tokens).
    """
    found = []
    for row, likeliest, labelled in zip(rows, top, label_mask.bool(), strict=True):
        # The end-of-message token follows the answer, and counts as a part of it.
        answer = likeliest[labelled][-(row.answer_tokens + 1) :]  # (number of answer tokens + 1,)
        found.append(bool(row.answer_tokens) and bool(answer.all()))
    return found


class SparseHeadTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that applies the head only to positions with loss.

    It trains on the data set's rows in order, or on the rows of `schedule` if one is given.
    """

    def __init__(self, *args: Any, schedule: BatchSchedule | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schedule = schedule
        apply_head_where_loss(self.model)
        if schedule is not None:
            self.model.register_forward_hook(self._record_solved)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Returns the micro-batches of a step and their number of tokens with loss.

        With a schedule the data loader still runs, because the trainer counts its batches, but the
        schedule's rows replace the loader's rows.
        """
        samples = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.schedule is None:
            return samples
        rows = self.schedule.begin(int(self.state.global_step), self)
        batches = list(self._batches(rows, self.args.per_device_train_batch_size))
        return batches, self._get_num_items_in_batch(batches, device)

    def _batches(self, rows: Sequence[Encoded], size: int) -> Iterator[Any]:
        """Yields micro-batches of `size` rows. Their tensors are padded to the shape (size, tokens of the
        longest row)."""
        for start in range(0, len(rows), size):
            yield self.data_collator(
                [{"input_ids": row.input_ids, "labels": row.labels} for row in rows[start : start + size]]
            )

    @torch.no_grad()
    def measure(self, rows: Sequence[Encoded]) -> float:
        """Returns the mean loss per token of held-out rows. Each rank runs a part of the micro-batches."""
        self.model.eval()
        batches = list(self._batches(rows, self.args.per_device_train_batch_size))
        found = []
        for place in range(rank(), count() * math.ceil(len(batches) / count()), count()):
            # If the weights are sliced, a forward pass needs all ranks. A rank without a batch in the last
            # round therefore runs the last batch and does not count it.
            with self.compute_loss_context_manager():
                outputs = self.model(
                    **self._prepare_inputs(batches[min(place, len(batches) - 1)]), fused_lm_head=True
                )
            if place < len(batches):
                found.append((float(outputs.log_probs.sum()), int(outputs.label_mask.sum())))
        self.model.train()
        totals = gather_lists(found)
        return round(-sum(total for total, _ in totals) / sum(tokens for _, tokens in totals), 6)

    def _record_solved(self, model: Any, inputs: Any, outputs: Any) -> None:
        """Forward hook: records for each row of a micro-batch whether the model would predict its answer.

        A hook is needed because the outputs that the trainer returns have no values per token.
        """
        if self.schedule is not None and model.training:
            place = len(self.schedule.solved)
            rows = self.schedule.batch[place : place + len(outputs.label_mask)]
            solved = answers_right(outputs.is_top1, outputs.label_mask, rows)
            self.schedule.record_solved(int(self.state.global_step), solved)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        refuse_not_finite(mean_over_ranks(loss), int(self.state.global_step) + 1)
        return loss

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        # The rows are already in training order, so they are not shuffled.
        return torch.utils.data.SequentialSampler(self.train_dataset)
