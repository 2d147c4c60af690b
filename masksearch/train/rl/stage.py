"""Reinforcement learning with DAPO, on TRL's GRPOTrainer fed by our rollouts with live search.

Clip-higher, token-level loss over model tokens, no KL term, dynamic sampling (train/rollout.py) and length shaping on
model tokens (scoring/rewards/): the four pieces of DAPO (arXiv 2503.14476); its relatives are in train/estimators.py. The
log-probabilities of the rollout are the old ones of the importance ratio: what sampled the tokens is what the update is
measured against (train/trainer.py). What a step rolls out: train/worker.py. What stops a run, and what is left of it then: train/alarms.py, best.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig

from masksearch.agent.loop import check_tools
from masksearch.agent.prompts import task_prompt
from masksearch.errors import TrainingError
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, quiet
from masksearch.llm.device import dtype_name, find_device, find_dtype
from masksearch.runtime.files import read_appended, remove, write_json
from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count, is_first
from masksearch.scoring.rewards import open_judge
from masksearch.search import open_searcher
from masksearch.train.alarms import Alarm, Watch, telling_memory, train_until_alarm
from masksearch.train.best_state import KEPT, Judged, judge, keep, kept
from masksearch.train.common import WHOLE, Recorder, resumable_state, seed_everything, state_step, trim_log
from masksearch.train.curriculum import load_state, save_state
from masksearch.train.distributed import first_does, join, load_trained, one_device, save_trained, share
from masksearch.train.lora import adapt, freeze_layers
from masksearch.train.rl.decoders import check_rollouts, open_decoder, telling_server, vllm_arguments
from masksearch.train.rl.estimators import RECIPES
from masksearch.train.rl.rollout import RolloutWorker
from masksearch.train.rl.trainer import DapoTrainer, carried_reward
from masksearch.train.settings import RlSettings
from masksearch.train.trackers import tracking, tracking_callbacks
from masksearch.types import Task

LOGGED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "model/entropy": "entropy",
    "clip_ratio/region_mean": "clipped",
    "clip_ratio/low_mean": "clipped_low",
    "clip_ratio/high_mean": "clipped_high",
    "model/ratio": "ratio",
    "model/ratio_max": "ratio_max",
    "model/logprob_gap": "logprob_gap",
    "kl": "kl",
}


def run_rl(settings: RlSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `rl`: writes a checkpoint folder, `log.jsonl` (a row a step) and `rollouts.jsonl` (every rollout with its reward ledger)."""
    started = time.monotonic()
    join()
    check_rollouts(settings)
    seed_everything(settings.seed)
    searcher = open_searcher(settings.index, settings.search)
    check_tools(searcher, settings.agent)
    if settings.reward.answer == "judge":
        open_judge(settings.reward.judge, None)
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    name = f"{checkpoint_name(settings.model)}+rl"
    with telling_memory(lambda: memory_remedy(settings, "rollout")):
        decoder = open_decoder(settings, model, tokenizer, name)
    freeze_layers(model, settings.frozen_layers)
    adapt(model, settings)
    worker = RolloutWorker(settings, decoder, searcher, work)
    state = resumable_state(work / "states")
    for log in ("log.jsonl", "rollouts.jsonl"):
        trim_log(work / log, state_step(state))
    if state:
        say(f"  going on from step {state_step(state)} of {settings.steps}")
        load_state(worker.curriculum, Path(state))
    else:
        first_does(lambda: remove(work / KEPT))
    with telling_memory(lambda: memory_remedy(settings, "training")):
        trainer = make_trainer(settings, model, tokenizer, worker, work)
    with quiet(), telling_memory(lambda: memory_remedy(settings, worker.phase)):
        stopped = train_until_alarm(trainer, state)
        taken = settle(trainer, stopped, work)
    save_trained(trainer, tokenizer, output, {"name": name, "parent": settings.model, "stage": "rl"})
    for folder in ("states", KEPT):
        first_does(partial(remove, work / folder))
    summary = _summary(read_appended(work / "log.jsonl"), settings.steps, time.monotonic() - started)
    summary |= {
        "dtype": dtype_name(find_dtype(settings.dtype)),
        "rollouts": settings.rollouts,
        "processes": count(),
    } | _ending(stopped, taken, settings)
    first_does(lambda: write_json(work / "rl-report.json", summary))
    return summary


def memory_remedy(settings: RlSettings, phase: str) -> str:
    """Which settings to lower where memory ran out."""
    if phase == "rollout" and settings.rollouts == "vllm-colocate":
        return f"raise or lower vllm.memory_share (now {settings.vllm.memory_share:g}), by which vLLM and the training share the GPU, or lower agent.max_length"
    if phase == "rollout":
        return f"lower decode_slots (now {settings.decode_slots}) or agent.max_length (now {settings.agent.max_length}), which the rollouts take"
    also = "" if settings.activation_checkpointing else ", or set activation_checkpointing"
    return f"lower micro_batch_size (now {settings.micro_batch_size}) or agent.max_length (now {settings.agent.max_length}), which the training takes{also}"


def settle(trainer: DapoTrainer, stopped: Alarm | None, work: Path) -> int | None:
    """Loads the checkpoint that is to be the product into the trainer and returns its step; None where that is the last one.

    Raises TrainingError where an alarm is to fail, or there is no checkpoint to end with.
    """
    settings = trainer.settings
    newest, best = resumable_state(work / "states"), kept(work)
    if stopped is None:
        if settings.take == "last" or best is None or _last_is_best(trainer, best):
            return None
        load_trained(trainer, str(work / KEPT))
        return best.step
    # After a loss that is not finite the last state is still a good one: it was saved before.
    folder, step = (
        (str(work / KEPT), best.step) if best and stopped.name != "nan" else (newest, state_step(newest))
    )
    trained = any(row.get("groups_kept") for row in read_appended(work / "log.jsonl"))
    if folder is None or not trained:
        raise TrainingError(f"{stopped.text} There is no trained checkpoint to end with.")
    if settings.alarms.then == "fail":
        raise TrainingError(f"{stopped.text} The checkpoint after step {step} is kept in {folder}.")
    load_trained(trainer, folder)
    return step


def _last_is_best(trainer: DapoTrainer, best: Judged) -> bool:
    """Whether the last weights do better on the held-out tasks than the best state saved before; without such tasks nothing judges them."""
    worker = trainer.worker
    if not worker.heldout:
        return False
    worker.phase = "rollout"
    worker.decoder.load(trainer)
    return Judged(trainer.settings.steps, worker.curriculum.state.stage + 1, worker.measure()).beats(best)


def _ending(stopped: Alarm | None, taken: int | None, settings: RlSettings) -> dict[str, Any]:
    """What the summary says of a training that did not simply end with its last weights."""
    if stopped is not None:
        note = f"Stopped early: {stopped.text} The checkpoint is that after step {taken} of {settings.steps}."
        return {"text": note, "note": note, "stopped": stopped.name, "checkpoint_step": taken}
    return (
        {}
        if taken is None
        else {
            "checkpoint_step": taken,
            "note": f"The checkpoint is the best one, after step {taken} of {settings.steps}.",
        }
    )


class Observer:
    """Looks at each row of the log, the same in every process: raises RunStopped at an alarm; the first judges the state before it and keeps the best."""

    def __init__(self, settings: RlSettings, work: Path) -> None:
        self.settings, self.work = settings, work
        self.watch, self.best = Watch(settings.alarms, read_appended(work / "log.jsonl")), kept(work)

    def __call__(self, row: dict[str, Any]) -> None:
        """Takes in a row. Alarms come first: what raised one is no merit of the state before."""
        self.watch.see(row)
        if not is_first():
            return
        judged = judge(self.watch.rows, self.settings.alarms.window, bool(self.settings.heldout))
        if judged and judged.beats(self.best):
            state = self.work / "states" / f"checkpoint-{judged.step}"
            if (state / WHOLE).exists():
                keep(state, judged, self.work)
                self.best = judged


def make_trainer(
    settings: RlSettings, model: Any, tokenizer: Any, worker: RolloutWorker, work: Path
) -> DapoTrainer:
    """TRL's trainer with the settings of DAPO or a relative; one optimizer step a batch of rollouts."""
    from datasets import Dataset

    recipe = RECIPES[settings.algorithm]
    batch = share(settings.prompts_per_step, "prompts_per_step") * settings.group_size
    if batch % settings.micro_batch_size:
        where = " for each process" if count() > 1 else ""
        raise TrainingError(
            f"prompts_per_step x group_size ({batch}{where}) must be a multiple of micro_batch_size ({settings.micro_batch_size})."
        )
    arguments = GRPOConfig(
        output_dir=str(work / "states"),
        loss_type=recipe.loss,
        importance_sampling_level=recipe.level,
        beta=settings.beta,
        epsilon=settings.clip_low,
        epsilon_high=settings.clip_high,
        num_iterations=1,
        num_generations=settings.group_size,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=batch // settings.micro_batch_size,
        max_completion_length=settings.agent.max_length,
        mask_truncated_completions=False,
        scale_rewards=recipe.scale,
        temperature=settings.temperature,
        max_steps=settings.steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=find_dtype(settings.dtype) is torch.bfloat16,
        use_cpu=find_device().type == "cpu",
        activation_checkpointing=settings.activation_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        seed=settings.seed,
        **tracking(settings.trackers, work),
        **vllm_arguments(settings),
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    # The worker has its own order of tasks; the rows here only set the size of a batch.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    rows = Dataset.from_dict(
        {
            "prompt": [
                task_prompt(task, settings.agent.answer_form)
                for task in _first(worker, settings.prompts_per_step)
            ]
        }
    )
    recorder = Recorder(
        work / "log.jsonl",
        "train",
        LOGGED,
        worker.logged,
        Observer(settings, work),
        lambda folder: save_state(worker.curriculum, folder),
    )
    with quiet(), telling_server():
        trainer = DapoTrainer(
            model=model,
            args=one_device(arguments),
            train_dataset=rows,
            processing_class=tokenizer,
            reward_funcs=[carried_reward],
            rollout_func=worker,
            callbacks=[*tracking_callbacks(settings.trackers, work), recorder],
            settings=settings,
            worker=worker,
        )
    worker.decoder.join(trainer)
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
    return trainer


def _first(worker: RolloutWorker, count: int) -> list[Task]:
    return [worker.tasks[place % len(worker.tasks)] for place in range(count)]


def _summary(rows: Sequence[dict[str, Any]], steps: int, seconds: float) -> dict[str, Any]:
    last = rows[-1] if rows else {}
    kept = sum(int(row.get("groups_kept", 0)) for row in rows)
    sampled = sum(int(row.get("groups_sampled", 0)) for row in rows)
    return {
        "text": f"{steps} DAPO steps, reward {last.get('reward', float('nan')):.3f} in the last one, {kept} of {sampled} groups said something",
        "steps": steps,
        "groups_sampled": sampled,
        "groups_kept": kept,
        "first_reward": rows[0].get("reward") if rows else None,
        "last_reward": last.get("reward"),
        "seconds": round(seconds, 1),
        "note": f"{steps} steps show that the machinery works; they cannot show a gain."
        if steps < 20
        else "",
    }
