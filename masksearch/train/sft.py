"""Supervised fine-tuning on trajectories, by TRL's SFTTrainer on pre-tokenised rows.

Loss on model tokens only (train/tokens.py), head applied where there is loss (train/head.py), computation in bfloat16
over float32 weights. A state to resume from is saved every `save_steps`; a killed run goes on from it to the same end.
Rows come mixed or by a curriculum (train/curriculum.py): arranged beforehand, or drawn step by step where their order depends on
what is measured on the way.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from masksearch.errors import TrainingError
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, quiet
from masksearch.llm.device import dtype_name, find_device, find_dtype
from masksearch.runtime.files import remove, write_json
from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count, rank
from masksearch.runtime.records import read_records
from masksearch.train.alarms import (
    Alarm,
    RunStopped,
    not_finite,
    refuse_not_finite,
    telling_memory,
    train_until_alarm,
)
from masksearch.train.common import Recorder, resumable_state, seed_everything, state_step, trim_log
from masksearch.train.curriculum import Curriculum, Item, load_state, read_rates, save_state, stage_pools
from masksearch.train.distributed import (
    everything,
    first_does,
    join,
    load_trained,
    mean_of_all,
    one_device,
    save_trained,
    share,
)
from masksearch.train.head import apply_head_where_loss
from masksearch.train.lora import adapt, freeze_layers
from masksearch.train.settings import SftSettings
from masksearch.train.tokens import IGNORED, Encoded, encode_trajectory
from masksearch.train.trackers import tracking, tracking_callbacks
from masksearch.types import Trajectory

LOGGED = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "epoch": "epoch",
    "mean_token_accuracy": "token_accuracy",
    "grad_norm": "grad_norm",
}


class Lessons:
    """The rows of each step, where something is measured on the way; `order` holds, unless the curriculum's own depends on what is measured."""

    def __init__(
        self,
        rows: Sequence[Encoded],
        order: Sequence[Encoded],
        heldout: Sequence[Encoded],
        curriculum: Curriculum,
        settings: SftSettings,
    ) -> None:
        self.rows, self.order, self.heldout, self.curriculum, self.settings = (
            rows,
            order,
            heldout,
            curriculum,
            settings,
        )
        self.batch: list[Encoded] = []
        self.solved: list[bool] = []
        self.figures: dict[str, float] = {}

    def begin(self, step: int, trainer: SparseHeadTrainer) -> list[Encoded]:
        """The rows of a step (from 0) that fall to this process, after the stage is decided."""
        self.figures = {}
        self.curriculum.begin(step)
        if self.heldout and self.curriculum.due(step):
            self.figures["heldout_loss"] = trainer.measure(self._measured_on())
            if self.curriculum.measured(step, -self.figures["heldout_loss"]):
                say(
                    f"  no gain on the held-out trajectories; stage {self.curriculum.state.stage + 1} of the curriculum begins with step {step + 1}"
                )
                self.figures["heldout_loss"] = trainer.measure(
                    self._measured_on()
                )  # of the new stage: what it starts from
                self.curriculum.measured(step, -self.figures["heldout_loss"])
        if len(self.curriculum.pools) > 1:
            self.figures["stage"] = self.curriculum.state.stage + 1
        size = self.settings.batch_size
        if self.curriculum.moves:
            picked = [self.rows[self.curriculum.pick(step, offset, size)] for offset in range(size)]
            batch = sorted(
                picked, key=lambda row: len(row.input_ids)
            )  # rows of like length share a micro-batch
        else:
            batch = list(self.order[step * size : (step + 1) * size])
        self.batch, self.solved = dealt(batch, trainer.args.per_device_train_batch_size), []
        return self.batch

    def _measured_on(self) -> list[Encoded]:
        places = self.curriculum.of_stage(items_of(self.heldout))
        return [self.heldout[place] for place in places[: self.settings.curriculum.heldout_limit]]

    def saw(self, step: int, solved: Sequence[bool]) -> None:
        """Takes in which rows of a micro-batch were solved; with the last of the step, the curriculum learns it, of all processes."""
        self.solved += solved
        if self.settings.curriculum.solve_rate and len(self.solved) == len(self.batch):
            counts: dict[str, tuple[int, int]] = {}
            seen = everything([(row.task, right) for row, right in zip(self.batch, self.solved, strict=True)])
            for task, right in seen:
                before = counts.get(task, (0, 0))
                counts[task] = (before[0] + right, before[1] + 1)
            self.curriculum.record(step, counts)
            self.figures["solved"] = round(fmean(right for _, right in seen), 4)


def dealt(rows: Sequence[Encoded], size: int) -> list[Encoded]:
    """The rows of a step that fall to this process: its turns at micro-batches of `size`, as a loader deals them."""
    return [
        row for start in range(rank() * size, len(rows), count() * size) for row in rows[start : start + size]
    ]


def answers_right(top: torch.Tensor, label_mask: torch.Tensor, rows: Sequence[Encoded]) -> list[bool]:
    """Whether each token of a row's answer would have been the likeliest; `top` and `label_mask` are (rows, tokens)."""
    found = []
    for row, likeliest, labelled in zip(rows, top, label_mask.bool(), strict=True):
        # The end of the message stands behind the answer; it is part of answering.
        answer = likeliest[labelled][-(row.answer_tokens + 1) :]
        found.append(bool(row.answer_tokens) and bool(answer.all()))
    return found


class SparseHeadTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the head where there is loss, and rows in the order given, or as `lessons` has them."""

    def __init__(self, *args: Any, lessons: Lessons | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lessons = lessons
        apply_head_where_loss(self.model)
        if lessons is not None:
            self.model.register_forward_hook(self._look)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The micro-batches of a step and their number of tokens with loss. The loader's rows only keep count of the steps."""
        samples = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.lessons is None:
            return samples
        rows = self.lessons.begin(int(self.state.global_step), self)
        batches = list(self._batches(rows, self.args.per_device_train_batch_size))
        return batches, self._get_num_items_in_batch(batches, device)

    def _batches(self, rows: Sequence[Encoded], size: int) -> Iterator[Any]:
        for start in range(0, len(rows), size):
            yield self.data_collator(
                [{"input_ids": row.input_ids, "labels": row.labels} for row in rows[start : start + size]]
            )

    @torch.no_grad()
    def measure(self, rows: Sequence[Encoded]) -> float:
        """Mean loss a token of rows that are not trained on; each process measures its turns."""
        self.model.eval()
        batches = list(self._batches(rows, self.args.per_device_train_batch_size))
        found = []
        for place in range(rank(), count() * math.ceil(len(batches) / count()), count()):
            # Sliced weights need all processes for a pass: one without a batch of its own goes over the last again, uncounted.
            with self.compute_loss_context_manager():
                outputs = self.model(
                    **self._prepare_inputs(batches[min(place, len(batches) - 1)]), fused_lm_head=True
                )
            if place < len(batches):
                found.append((float(outputs.log_probs.sum()), int(outputs.label_mask.sum())))
        self.model.train()
        totals = everything(found)
        return round(-sum(total for total, _ in totals) / sum(tokens for _, tokens in totals), 6)

    def _look(self, model: Any, given: Any, outputs: Any) -> None:
        """A hook on the model's forward pass: which answers it would have given. The trainer's own outputs no longer tell."""
        if self.lessons is not None and model.training:
            place = len(self.lessons.solved)
            rows = self.lessons.batch[place : place + len(outputs.label_mask)]
            self.lessons.saw(
                int(self.state.global_step), answers_right(outputs.is_top1, outputs.label_mask, rows)
            )

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        refuse_not_finite(mean_of_all(loss), int(self.state.global_step) + 1)
        return loss

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def run_sft(settings: SftSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `sft`: writes a checkpoint folder. Raises TrainingError where no trajectory can be trained on."""
    started = time.monotonic()
    join()
    seed_everything(settings.seed)
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    freeze_layers(model, settings.frozen_layers)
    adapt(model, settings)
    rows, too_long = encode_all(settings, tokenizer)
    steps = step_count(sum(len(pool) for pool in stage_pools(items_of(rows), settings.curriculum)), settings)
    curriculum = make_curriculum(rows, steps, settings)
    order = arrange_stages(rows, curriculum, settings)
    lessons = (
        Lessons(rows, order, read_heldout(settings, tokenizer), curriculum, settings)
        if curriculum.moves or settings.heldout
        else None
    )
    with telling_memory(lambda: memory_remedy(settings)):
        trainer = make_trainer(settings, model, tokenizer, order, steps, work, lessons)
    state = resumable_state(work / "states")
    trim_log(work / "log.jsonl", state_step(state))
    if state:
        say(f"  going on from step {state_step(state)} of {steps}")
        load_state(curriculum, Path(state))
    with quiet(), telling_memory(lambda: memory_remedy(settings)):
        stopped = train_until_alarm(trainer, state)
        taken = settle(trainer, stopped, settings, work)
    name = f"{checkpoint_name(settings.model)}+sft"
    save_trained(trainer, tokenizer, output, {"name": name, "parent": settings.model, "stage": "sft"})
    first_does(lambda: remove(work / "states"))
    seconds = time.monotonic() - started
    summary = {
        "text": f"{len(rows)} trajectories, {steps} steps, loss {_last_loss(trainer):.3f}",
        "trajectories": len(rows),
        "left_out_too_long": too_long,
        "steps": steps,
        "dtype": dtype_name(find_dtype(settings.dtype)),
        "processes": count(),
        "seconds": round(seconds, 1),
        "final_loss": _last_loss(trainer),
    }
    if not curriculum.moves and stopped is None:  # otherwise nobody counted what was trained on
        tokens = sum(len(row.input_ids) for row in order)
        summary |= {
            "text": f"{len(rows)} trajectories, {steps} steps, {tokens} tokens, loss {_last_loss(trainer):.3f}",
            "tokens": tokens,
            "loss_tokens": sum(label != IGNORED for row in order for label in row.labels),
            "tokens_per_second": round(tokens / seconds, 1),
        }
    if stopped is not None:
        note = f"Stopped early: {stopped.text} The checkpoint is that after step {taken} of {steps}."
        summary |= {"text": note, "note": note, "stopped": stopped.name, "checkpoint_step": taken}
    first_does(lambda: write_json(work / "sft-report.json", summary))
    return summary


def memory_remedy(settings: SftSettings) -> str:
    """Which settings to lower where memory ran out."""
    also = "" if settings.activation_checkpointing else ", or set activation_checkpointing"
    return f"lower micro_batch_size (now {settings.micro_batch_size or settings.batch_size}) or max_length (now {settings.max_length}){also}"


def settle(
    trainer: SparseHeadTrainer, stopped: Alarm | None, settings: SftSettings, work: Path
) -> int | None:
    """After an alarm, loads the last good state into the trainer and returns its step. Raises TrainingError where there is none, or it is to fail."""
    if stopped is None:
        return None
    newest = resumable_state(work / "states")
    if newest is None:
        raise TrainingError(
            f"{stopped.text} No state was saved before, so there is no checkpoint to end with."
        )
    if settings.on_nan == "fail":
        raise TrainingError(f"{stopped.text} The state after step {state_step(newest)} is kept in {newest}.")
    load_trained(trainer, newest)
    return state_step(newest)


def stop_at_nan(row: Mapping[str, Any]) -> None:
    """Raises RunStopped for a row of the log whose gradient is not finite: before the state is saved."""
    if not math.isfinite(row.get("grad_norm", 0.0)):
        raise RunStopped(not_finite("gradient", row["grad_norm"], row["step"]))


def items_of(rows: Sequence[Encoded]) -> list[Item]:
    """Rows as items of a curriculum."""
    return [Item(row.task, row.masks) for row in rows]


def make_curriculum(rows: Sequence[Encoded], steps: int, settings: SftSettings) -> Curriculum:
    """The curriculum of these rows: one item a row; the trajectories of one task share its solve rate."""
    rates = read_rates(settings.solve_rates)
    return Curriculum(
        items_of(rows),
        settings.curriculum,
        steps,
        settings.seed,
        rates,
        by_size=True,
        measured=bool(settings.heldout),
    )


def read_heldout(settings: SftSettings, tokenizer: Any) -> list[Encoded]:
    """The held-out trajectories that are short enough; none without a path."""
    if not settings.heldout:
        return []
    return encode_all(settings.model_copy(update={"trajectories": (settings.heldout,)}), tokenizer)[0]


def step_count(rows: int, settings: SftSettings) -> int:
    """Optimizer steps of the training."""
    return settings.max_steps or max(1, math.ceil(rows * settings.epochs / settings.batch_size))


def arrange_stages(rows: Sequence[Encoded], curriculum: Curriculum, settings: SftSettings) -> list[Encoded]:
    """Rows in training order, stage by stage, each stage arranged by itself."""
    order: list[Encoded] = []
    for number, (pool, end) in enumerate(zip(curriculum.pools, curriculum.ends, strict=True)):
        start = len(order) // settings.batch_size
        if end > start:
            part = settings.model_copy(update={"max_steps": end - start, "seed": settings.seed + number})
            order += arrange([rows[index] for index in pool], part)
    return order


def encode_all(settings: SftSettings, tokenizer: Any) -> tuple[list[Encoded], int]:
    """All trajectories as tokens, and how many were too long. A row without a model token is an error, not a silent zero."""
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
                    f"{path}: trajectory '{trajectory.id}' has no model turn, so there is nothing to learn from it."
                )
            else:
                rows.append(row)
    if not rows:
        raise TrainingError(
            f"No trajectory is short enough to train on ({too_long} are longer than max_length = {settings.max_length} tokens)."
        )
    return rows, too_long


def arrange(rows: list[Encoded], settings: SftSettings) -> list[Encoded]:
    """Rows in training order: epochs shuffled, rows of like length put into the same batch, the batches shuffled again.

    Grouping by length spares padding; the seed fixes the order. What does not fill the last batch is filled up with
    rows of the next pass, so that all steps weigh the same.
    """
    rng = random.Random(settings.seed)
    wanted = step_count(len(rows), settings) * settings.batch_size
    order: list[int] = []
    while len(order) < wanted:
        order += rng.sample(range(len(rows)), len(rows))
    order = order[:wanted]
    arranged: list[Encoded] = []
    window = 8 * settings.batch_size
    for start in range(0, wanted, window):
        part = sorted(order[start : start + window], key=lambda index: len(rows[index].input_ids))
        batches = [
            part[first : first + settings.batch_size] for first in range(0, len(part), settings.batch_size)
        ]
        rng.shuffle(batches)
        arranged += [rows[index] for batch in batches for index in batch]
    return arranged


def make_trainer(
    settings: SftSettings,
    model: Any,
    tokenizer: Any,
    order: list[Encoded],
    steps: int,
    work: Path,
    lessons: Lessons | None = None,
) -> SparseHeadTrainer:
    """TRL's trainer over the rows in their order, or as `lessons` has them."""
    from datasets import Dataset

    mine = share(settings.batch_size, "batch_size")
    micro = settings.micro_batch_size or mine
    if mine % micro:
        raise TrainingError(
            f"batch_size ({mine} for each process) must be a multiple of micro_batch_size ({micro})."
        )
    dataset = Dataset.from_dict(
        {"input_ids": [row.input_ids for row in order], "labels": [row.labels for row in order]}
    )
    arguments = SFTConfig(
        output_dir=str(work / "states"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=mine // micro,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=round(settings.warmup_ratio * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=1.0,
        bf16=find_dtype(settings.dtype) is torch.bfloat16,
        use_cpu=find_device().type == "cpu",
        max_length=None,
        packing=False,
        activation_checkpointing=settings.activation_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        seed=settings.seed,
        data_seed=settings.seed,
        **tracking(settings.trackers, work),
        disable_tqdm=True,
        dataloader_num_workers=0,
        remove_unused_columns=True,
    )
    recorder = Recorder(
        work / "log.jsonl",
        "train",
        LOGGED,
        lambda: lessons.figures if lessons else {},
        stop_at_nan,
        lambda folder: save_state(lessons.curriculum, folder) if lessons else None,
    )
    with quiet():
        trainer = SparseHeadTrainer(
            model=model,
            args=one_device(arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[*tracking_callbacks(settings.trackers, work), recorder],
            lessons=lessons,
        )
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
    return trainer


def _last_loss(trainer: Any) -> float:
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(losses[-1]) if losses else float("nan")
