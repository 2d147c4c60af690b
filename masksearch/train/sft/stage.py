"""Stage `sft`: supervised fine-tuning on trajectories with TRL's SFTTrainer, on pre-tokenised rows.

Only model tokens carry loss (train/loss_mask.py), and the head is applied only to positions with loss
(train/head.py). Weights are float32; the computation is in bfloat16 where that is faster (`dtype`).
A state is saved every `save_steps` steps. A killed run resumes from the newest state and ends with the
same weights as an uninterrupted run.

Several files of trajectories are mixed, by shares where the settings give them, and rows of earlier trainings
are replayed (train/sft/mixture.py). A curriculum orders the rows (train/curriculum.py). If the order does not
depend on measurements, it is arranged before the training (train/sft/rows.py); otherwise the rows are drawn
step by step (train/sft/trainer.py).

Run it with `masksearch sft --model MODEL --trajectories FILE -o OUTPUT`, or as a stage of a recipe.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from trl import SFTConfig

from masksearch.errors import TrainingError
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, make_mark, quiet
from masksearch.llm.device import find_device, find_dtype
from masksearch.runtime.files import read_appended, remove, write_json
from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count
from masksearch.train.alarms import Alarm, RunStopped, not_finite, train_until_alarm
from masksearch.train.curriculum import load_state, save_state, stage_pools
from masksearch.train.distributed import join, load_trained, on_first_rank, one_device, save_trained, share
from masksearch.train.lora import adapt, freeze_layers
from masksearch.train.loss_mask import IGNORED, Encoded
from masksearch.train.memory import explain_out_of_memory
from masksearch.train.recorder import Recorder, remove_printer
from masksearch.train.settings import SftSettings
from masksearch.train.sft.mixture import arrange_mixture, check_stages
from masksearch.train.sft.rows import (
    arrange_stages,
    items_of,
    make_curriculum,
    make_mixture,
    step_count,
)
from masksearch.train.sft.sources import Source, read_heldout, read_sources
from masksearch.train.sft.trainer import BatchSchedule, SparseHeadTrainer
from masksearch.train.states import (
    resumable_state,
    seed_everything,
    state_step,
    training_format,
    trim_log,
)
from masksearch.train.trackers import tracking, tracking_callbacks

# Maps the trainer's names of metrics to the names in log.jsonl.
LOGGED = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "epoch": "epoch",
    "mean_token_accuracy": "token_accuracy",
    "grad_norm": "grad_norm",
}


def run_sft(settings: SftSettings, output: Path, work: Path) -> dict[str, Any]:
    """Runs the stage: writes a checkpoint folder, `log.jsonl` (a row per step) and `sft-report.json`.

    Raises TrainingError if no trajectory can be trained on, or if the settings are inconsistent.
    """
    started = time.monotonic()
    join()
    number_format = training_format(settings, work)
    settings = settings.model_copy(update={"dtype": number_format.name})
    seed_everything(settings.seed)
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    freeze_layers(model, settings.frozen_layers)
    adapt(model, settings)
    sources = read_sources(settings, tokenizer)
    rows = [row for source in sources if not source.replay for row in source.rows]
    mixture = make_mixture(sources, settings)
    pools = stage_pools(items_of(rows), settings.curriculum)
    steps = mixture.steps(pools, settings) if mixture else step_count(sum(map(len, pools)), settings)
    curriculum = make_curriculum(rows, steps, settings)
    if mixture:
        check_stages(mixture, curriculum, settings.trajectories)
        order = arrange_mixture(mixture, curriculum)
    else:
        order = arrange_stages(rows, curriculum, settings)
    schedule = None
    if curriculum.moves or settings.heldout or len(sources) > 1:
        heldout = read_heldout(settings, tokenizer)
        names = [source.name for source in sources] if len(sources) > 1 else []
        schedule = BatchSchedule(rows, order, heldout, curriculum, settings, mixture, names)
    with explain_out_of_memory(lambda: memory_remedy(settings)):
        trainer = make_trainer(settings, model, tokenizer, order, steps, work, schedule)
    state = resumable_state(work / "states")
    trim_log(work / "log.jsonl", state_step(state))
    if state:
        say(f"  resuming from step {state_step(state)} of {steps}")
        load_state(curriculum, Path(state))
    with quiet(), explain_out_of_memory(lambda: memory_remedy(settings)):
        stopped = train_until_alarm(trainer, state)
        taken = load_last_good(trainer, stopped, settings, work)
    name = f"{checkpoint_name(settings.model)}+sft"
    retrievers = {retriever for source in sources for retriever in source.retrievers}
    save_trained(trainer, tokenizer, output, make_mark(name, settings.model, "sft", retrievers))
    on_first_rank(lambda: remove(work / "states"))
    seconds = time.monotonic() - started
    loss = _last_loss(trainer)
    used = describe(sources)
    summary = {
        "text": f"{used}, {steps} steps, loss {loss:.3f}",
        "trajectories": sum(len(source.rows) for source in sources),
        "left_out_too_long": sum(source.too_long for source in sources),
        "not_found": sum(source.not_found for source in sources),
        "steps": steps,
        "by_source": by_source(sources, read_appended(work / "log.jsonl"), settings.batch_size),
        "dtype": number_format.name,
        "number_format": number_format.to_json(),
        "processes": count(),
        "seconds": round(seconds, 1),
        "final_loss": loss,
    }
    # The count is over all rows of the arranged order, so it is reported only if all these rows were
    # trained on.
    if not curriculum.moves and stopped is None:
        tokens = sum(len(row.input_ids) for row in order)
        summary |= {
            "text": f"{used}, {steps} steps, {tokens} tokens, loss {loss:.3f}",
            "tokens": tokens,
            "loss_tokens": sum(label != IGNORED for row in order for label in row.labels),
            "tokens_per_second": round(tokens / seconds, 1),
        }
    if stopped is not None:
        note = f"Stopped early: {stopped.text} The checkpoint is the one after step {taken} of {steps}."
        summary |= {"text": note, "note": note, "stopped": stopped.name, "checkpoint_step": taken}
    on_first_rank(lambda: write_json(work / "sft-report.json", summary))
    return summary


def describe(sources: Sequence[Source]) -> str:
    """Returns the number of trajectories in words: of each source if there are several, and how many of them
    end without an answer."""
    total = sum(len(source.rows) for source in sources)
    parts = [
        f"{source.name} {len(source.rows)}{' as replay' if source.replay else ''}"
        for source in sources
        if len(sources) > 1
    ]
    not_found = sum(source.not_found for source in sources)
    parts += [f"{not_found} end with 'not found'"] if not_found else []
    return f"{total} trajectories ({', '.join(parts)})" if parts else f"{total} trajectories"


def by_source(
    sources: Sequence[Source], log: Sequence[Mapping[str, Any]], batch_size: int
) -> dict[str, dict[str, int]]:
    """Returns the counts of each source; `rows` is the number of its rows in all batches of the log.

    The log has the counts of each batch if there are several sources; a single source fills every batch.
    """
    drawn: Counter[str] = Counter()
    for row in log:
        drawn.update(row.get("sources", {sources[0].name: batch_size} if len(sources) == 1 else {}))
    return {
        source.name: {
            "trajectories": len(source.rows),
            "rows": drawn[source.name],
            "left_out_too_long": source.too_long,
            "not_found": source.not_found,
        }
        for source in sources
    }


def memory_remedy(settings: SftSettings) -> str:
    """Returns a clause for the out-of-memory error that names the settings to lower."""
    micro = settings.micro_batch_size or settings.batch_size
    also = "" if settings.activation_checkpointing else ", or set activation_checkpointing"
    return f"lower micro_batch_size (now {micro}) or max_length (now {settings.max_length}){also}"


def load_last_good(
    trainer: SparseHeadTrainer, stopped: Alarm | None, settings: SftSettings, work: Path
) -> int | None:
    """Loads the newest saved state into the trainer if an alarm stopped the run, and returns its step.

    The state is good because it was saved before the alarm. Returns None without an alarm. Raises
    TrainingError if no state was saved, or if `on_nan` is fail.
    """
    if stopped is None:
        return None
    newest = resumable_state(work / "states")
    if newest is None:
        raise TrainingError(
            f"{stopped.text} No state was saved before this step, so there is no checkpoint to end with."
        )
    if settings.on_nan == "fail":
        raise TrainingError(f"{stopped.text} The state after step {state_step(newest)} is kept in {newest}.")
    load_trained(trainer, newest)
    return state_step(newest)


def stop_at_nan(row: Mapping[str, Any]) -> None:
    """Raises RunStopped for a log row whose gradient norm is not finite, before the step's state is saved."""
    if not math.isfinite(row.get("grad_norm", 0.0)):
        raise RunStopped(not_finite("gradient", row["grad_norm"], row["step"]))


def make_trainer(
    settings: SftSettings,
    model: Any,
    tokenizer: Any,
    order: list[Encoded],
    steps: int,
    work: Path,
    schedule: BatchSchedule | None = None,
) -> SparseHeadTrainer:
    """Builds TRL's trainer. It trains on the rows in `order`, or on the rows that `schedule` draws.

    Raises TrainingError if the batch size is not a multiple of the ranks and of the micro-batch size.
    """
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
        lambda: schedule.figures if schedule else {},
        stop_at_nan,
        lambda folder: save_state(schedule.curriculum, folder) if schedule else None,
    )
    with quiet():
        trainer = SparseHeadTrainer(
            model=model,
            args=one_device(arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[*tracking_callbacks(settings.trackers, work), recorder],
            schedule=schedule,
        )
    remove_printer(trainer)
    return trainer


def _last_loss(trainer: Any) -> float:
    """Returns the training loss of the last logged step; NaN if no step was logged."""
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(losses[-1]) if losses else float("nan")
