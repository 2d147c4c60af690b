"""Supervised fine-tuning on trajectories, by TRL's SFTTrainer on pre-tokenised rows.

Loss on model tokens only (train/tokens.py), head applied where there is loss (train/head.py), computation in bfloat16
over float32 weights. A state to resume from is saved every `save_steps`; a killed run goes on from it to the same end.
"""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from masksearch.errors import TrainingError
from masksearch.files import read_records, remove, write_json
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, quiet
from masksearch.llm.device import dtype_name, find_device, find_dtype
from masksearch.progress import say
from masksearch.ranks import count
from masksearch.settings import SftSettings
from masksearch.train.common import Recorder, resumable_state, seed_everything, state_step, trim_log
from masksearch.train.freezing import freeze_layers
from masksearch.train.head import apply_head_where_loss
from masksearch.train.lora import adapt
from masksearch.train.together import first_does, join, one_device, save_trained, share
from masksearch.train.tokens import IGNORED, Encoded, encode_trajectory
from masksearch.types import Trajectory

LOGGED = {"loss": "loss", "learning_rate": "learning_rate", "epoch": "epoch", "mean_token_accuracy": "token_accuracy", "grad_norm": "grad_norm"}


class SparseHeadTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the head where there is loss, and rows in the order given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        apply_head_where_loss(self.model)

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
    order = arrange(rows, settings)
    steps = len(order) // settings.batch_size
    trainer = make_trainer(settings, model, tokenizer, order, steps, work)
    state = resumable_state(work / "states")
    trim_log(work / "log.jsonl", state_step(state))
    if state:
        say(f"  going on from step {state_step(state)} of {steps}")
    with quiet():
        trainer.train(resume_from_checkpoint=state)
    name = f"{checkpoint_name(settings.model)}+sft"
    save_trained(trainer, tokenizer, output, {"name": name, "parent": settings.model, "stage": "sft"})
    first_does(lambda: remove(work / "states"))
    tokens = sum(len(row.input_ids) for row in order)
    seconds = time.monotonic() - started
    summary = {
        "text": f"{len(rows)} trajectories, {steps} steps, {tokens} tokens, loss {_last_loss(trainer):.3f}",
        "trajectories": len(rows),
        "left_out_too_long": too_long,
        "steps": steps,
        "tokens": tokens,
        "loss_tokens": sum(label != IGNORED for row in order for label in row.labels),
        "dtype": dtype_name(find_dtype(settings.dtype)),
        "processes": count(),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "final_loss": _last_loss(trainer),
    }
    first_does(lambda: write_json(work / "sft-report.json", summary))
    return summary


def encode_all(settings: SftSettings, tokenizer: Any) -> tuple[list[Encoded], int]:
    """All trajectories as tokens, and how many were too long. A row without a model token is an error, not a silent zero."""
    rows, too_long = [], 0
    for path in settings.trajectories:
        for trajectory in read_records(path, Trajectory):
            row = encode_trajectory(tokenizer, trajectory)
            if len(row.input_ids) > settings.max_length:
                too_long += 1
            elif all(label == IGNORED for label in row.labels):
                raise TrainingError(f"{path}: trajectory '{trajectory.id}' has no model turn, so there is nothing to learn from it.")
            else:
                rows.append(row)
    if not rows:
        raise TrainingError(f"No trajectory is short enough to train on ({too_long} are longer than max_length = {settings.max_length} tokens).")
    return rows, too_long


def arrange(rows: list[Encoded], settings: SftSettings) -> list[Encoded]:
    """Rows in training order: epochs shuffled, rows of like length put into the same batch, the batches shuffled again.

    Grouping by length spares padding; the seed fixes the order. What does not fill the last batch is filled up with
    rows of the next pass, so that all steps weigh the same.
    """
    rng = random.Random(settings.seed)
    total = settings.max_steps or max(1, math.ceil(len(rows) * settings.epochs / settings.batch_size))
    wanted = total * settings.batch_size
    order: list[int] = []
    while len(order) < wanted:
        order += rng.sample(range(len(rows)), len(rows))
    order = order[:wanted]
    arranged: list[Encoded] = []
    window = 8 * settings.batch_size
    for start in range(0, wanted, window):
        part = sorted(order[start : start + window], key=lambda index: len(rows[index].input_ids))
        batches = [part[first : first + settings.batch_size] for first in range(0, len(part), settings.batch_size)]
        rng.shuffle(batches)
        arranged += [rows[index] for batch in batches for index in batch]
    return arranged


def make_trainer(settings: SftSettings, model: Any, tokenizer: Any, order: list[Encoded], steps: int, work: Path) -> SparseHeadTrainer:
    """TRL's trainer over the rows in their order."""
    from datasets import Dataset

    mine = share(settings.batch_size, "batch_size")
    micro = settings.micro_batch_size or mine
    if mine % micro:
        raise TrainingError(f"batch_size ({mine} for each process) must be a multiple of micro_batch_size ({micro}).")
    dataset = Dataset.from_dict({"input_ids": [row.input_ids for row in order], "labels": [row.labels for row in order]})
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
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
        remove_unused_columns=True,
    )
    recorder = Recorder(work / "log.jsonl", "train", LOGGED)
    with quiet():
        trainer = SparseHeadTrainer(model=model, args=one_device(arguments), train_dataset=dataset, processing_class=tokenizer, callbacks=[recorder])
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
    return trainer


def _last_loss(trainer: Any) -> float:
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(losses[-1]) if losses else float("nan")
