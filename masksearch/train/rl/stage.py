"""Stage `rl`: reinforcement learning with DAPO (arXiv 2503.14476) on TRL's GRPOTrainer, with live search.

The stage has the four techniques of DAPO (section 3): clip-higher, dynamic sampling
(rl/dynamic_sampling.py), token-level loss over model tokens, and overlong reward shaping on model tokens
(scoring/rewards/). As in the paper there is no KL term by default. The related algorithms, such as GRPO,
are in rl/estimators.py. The old log-probabilities of the importance ratio come from the rollout, that is,
from the distribution that the tokens were sampled from (rl/trainer.py). rl/rollout.py rolls out a step,
alarms.py stops a run at a collapse, and rl/best_state.py keeps the best checkpoint.

Run it with `masksearch rl --model MODEL --tasks FILE --index INDEX -o OUTPUT`, or as a stage of a recipe.
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
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, make_mark, quiet
from masksearch.llm.device import find_device, find_dtype
from masksearch.runtime.files import read_appended, remove, write_json
from masksearch.runtime.progress import say
from masksearch.runtime.ranks import count, is_first
from masksearch.runtime.resume import is_whole
from masksearch.scoring.rewards import open_judge
from masksearch.search import open_searcher
from masksearch.train.alarms import Alarm, Watch, train_until_alarm
from masksearch.train.curriculum import load_state, save_state
from masksearch.train.distributed import join, load_trained, on_first_rank, one_device, save_trained, share
from masksearch.train.lora import adapt, freeze_layers
from masksearch.train.memory import explain_out_of_memory
from masksearch.train.recorder import Recorder, remove_printer
from masksearch.train.rl.best_state import KEPT, StateScore, keep_state, kept_score, score_last_state
from masksearch.train.rl.decoders import check_rollouts, explain_server_errors, open_decoder, vllm_arguments
from masksearch.train.rl.estimators import ALGORITHMS
from masksearch.train.rl.rollout import RolloutWorker
from masksearch.train.rl.trainer import DapoTrainer, carried_reward
from masksearch.train.settings import RlSettings
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
    """Runs the stage: writes a checkpoint folder and the logs.

    `log.jsonl` gets a row per step, and `rollouts.jsonl` every rollout with its reward ledger.
    `rl-report.json` gets the summary, which is also returned. Raises TrainingError if the training fails
    or the settings are inconsistent.
    """
    started = time.monotonic()
    join()
    check_rollouts(settings)
    number_format = training_format(settings, work)
    settings = settings.model_copy(update={"dtype": number_format.name})
    seed_everything(settings.seed)
    searcher = open_searcher(settings.index, settings.search)
    check_tools(searcher, settings.agent)
    if settings.reward.answer == "judge":
        open_judge(settings.reward.judge, None)  # Wrong settings fail before the model loads.
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    name = f"{checkpoint_name(settings.model)}+rl"
    with explain_out_of_memory(lambda: memory_remedy(settings, "rollout")):
        decoder = open_decoder(settings, model, tokenizer, name)
    freeze_layers(model, settings.frozen_layers)
    adapt(model, settings)
    worker = RolloutWorker(settings, decoder, searcher, work)
    state = resumable_state(work / "states")
    for log in ("log.jsonl", "rollouts.jsonl"):
        trim_log(work / log, state_step(state))
    if state:
        say(f"  resuming from step {state_step(state)} of {settings.steps}")
        load_state(worker.curriculum, Path(state))
    else:
        on_first_rank(lambda: remove(work / KEPT))
    with explain_out_of_memory(lambda: memory_remedy(settings, "training")):
        trainer = make_trainer(settings, model, tokenizer, worker, work)
    with quiet(), explain_out_of_memory(lambda: memory_remedy(settings, worker.phase)):
        stopped = train_until_alarm(trainer, state)
        taken = load_product(trainer, stopped, work)
    mark = make_mark(name, settings.model, "rl", [searcher.fingerprint])
    save_trained(trainer, tokenizer, output, mark)
    for folder in ("states", KEPT):
        on_first_rank(partial(remove, work / folder))
    summary = _summary(read_appended(work / "log.jsonl"), settings.steps, time.monotonic() - started)
    summary |= {
        "dtype": number_format.name,
        "number_format": number_format.to_json(),
        "rollouts": settings.rollouts,
        "processes": count(),
    } | _checkpoint_note(stopped, taken, settings)
    on_first_rank(lambda: write_json(work / "rl-report.json", summary))
    return summary


def memory_remedy(settings: RlSettings, phase: str) -> str:
    """Returns a clause for the out-of-memory error that names the settings to lower.

    `phase` is "rollout" or "training".
    """
    length = f"agent.max_length (now {settings.agent.max_length})"
    if phase == "rollout" and settings.rollouts == "vllm-colocate":
        return (
            f"raise or lower vllm.memory_share (now {settings.vllm.memory_share:g}), by which vLLM and the "
            "training share the GPU, or lower agent.max_length"
        )
    if phase == "rollout":
        return f"lower decode_slots (now {settings.decode_slots}) or {length}, which the rollouts use"
    also = "" if settings.activation_checkpointing else ", or set activation_checkpointing"
    return (
        f"lower micro_batch_size (now {settings.micro_batch_size}) or {length}, which the training uses{also}"
    )


def load_product(trainer: DapoTrainer, stopped: Alarm | None, work: Path) -> int | None:
    """Loads the weights that become the stage's checkpoint into the trainer, and returns their step.

    Returns None if the trainer's last weights become the checkpoint. After an alarm (`stopped`), raises
    TrainingError if `alarms.then` is fail, or if no saved checkpoint has been trained.
    """
    settings = trainer.settings
    newest, best = resumable_state(work / "states"), kept_score(work)
    if stopped is None:
        if settings.take == "last" or best is None or _last_is_best(trainer, best):
            return None
        load_trained(trainer, str(work / KEPT))
        return best.step
    # After the alarm `nan` (a loss or gradient that is not finite) the newest state is still good, because
    # it was saved before the alarm.
    folder, step = newest, state_step(newest)
    if best and stopped.name != "nan":
        folder, step = str(work / KEPT), best.step
    trained = any(row.get("groups_kept") for row in read_appended(work / "log.jsonl"))
    if folder is None or not trained:
        raise TrainingError(f"{stopped.text} There is no trained checkpoint to end with.")
    if settings.alarms.then == "fail":
        raise TrainingError(f"{stopped.text} The checkpoint after step {step} is kept in {folder}.")
    load_trained(trainer, folder)
    return step


def _last_is_best(trainer: DapoTrainer, best: StateScore) -> bool:
    """Measures the last weights on the held-out tasks; returns whether they beat the best saved state.

    False without held-out tasks: the mean reward of the last weights is unknown, because no later step
    rolls out with them.
    """
    worker = trainer.worker
    if not worker.heldout:
        return False
    worker.phase = "rollout"
    worker.decoder.load(trainer)
    last = StateScore(trainer.settings.steps, worker.curriculum.state.stage + 1, worker.measure())
    return last.beats(best)


def _checkpoint_note(stopped: Alarm | None, taken: int | None, settings: RlSettings) -> dict[str, Any]:
    """Returns the summary's fields about the chosen checkpoint; an empty dict if this is the model after
    the last step."""
    if stopped is not None:
        note = (
            f"Stopped early: {stopped.text} The checkpoint is the one after step {taken} of {settings.steps}."
        )
        return {"text": note, "note": note, "stopped": stopped.name, "checkpoint_step": taken}
    if taken is None:
        return {}
    note = f"The checkpoint is the best one, after step {taken} of {settings.steps}."
    return {"checkpoint_step": taken, "note": note}


class Observer:
    """Checks each row of the log for alarms, and keeps the best saved state.

    Every rank gets the same rows, so all ranks raise RunStopped at the same alarm. Only the first rank
    keeps the best state.
    """

    def __init__(self, settings: RlSettings, work: Path) -> None:
        self.settings, self.work = settings, work
        self.watch = Watch(settings.alarms, read_appended(work / "log.jsonl"))
        self.best = kept_score(work)

    def __call__(self, row: dict[str, Any]) -> None:
        """Processes a row of the log. Raises RunStopped at an alarm that stops the run."""
        # Alarms are checked first, so that a row with a stopping alarm does not score the last saved state.
        self.watch.add_row(row)
        if not is_first():
            return
        score = score_last_state(self.watch.rows, self.settings.alarms.window, bool(self.settings.heldout))
        if score and score.beats(self.best):
            state = self.work / "states" / f"checkpoint-{score.step}"
            if is_whole(state):
                keep_state(state, score, self.work)
                self.best = score


def make_trainer(
    settings: RlSettings, model: Any, tokenizer: Any, worker: RolloutWorker, work: Path
) -> DapoTrainer:
    """Builds TRL's trainer for the chosen algorithm, with one optimizer step per batch of rollouts.

    Raises TrainingError if the batch size is not a multiple of the ranks and of the micro-batch size.
    """
    from datasets import Dataset

    algorithm = ALGORITHMS[settings.algorithm]
    batch = share(settings.prompts_per_step, "prompts_per_step") * settings.group_size
    if batch % settings.micro_batch_size:
        where = " for each process" if count() > 1 else ""
        raise TrainingError(
            f"prompts_per_step x group_size ({batch}{where}) must be a multiple of micro_batch_size "
            f"({settings.micro_batch_size})."
        )
    arguments = GRPOConfig(
        output_dir=str(work / "states"),
        loss_type=algorithm.loss,
        importance_sampling_level=algorithm.level,
        beta=settings.beta,
        epsilon=settings.clip_low,
        epsilon_high=settings.clip_high,
        num_iterations=1,
        num_generations=settings.group_size,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=batch // settings.micro_batch_size,
        max_completion_length=settings.agent.max_length,
        mask_truncated_completions=False,
        scale_rewards=algorithm.scale,
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
    # Silences TRL's warning that rollout functions are experimental.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    # The worker chooses the tasks. The rows of this data set only determine the size of a batch.
    tasks = [worker.tasks[place % len(worker.tasks)] for place in range(settings.prompts_per_step)]
    rows = Dataset.from_dict({"prompt": [task_prompt(task, settings.agent.answer_form) for task in tasks]})
    recorder = Recorder(
        work / "log.jsonl",
        "train",
        LOGGED,
        worker.logged,
        Observer(settings, work),
        lambda folder: save_state(worker.curriculum, folder),
    )
    with quiet(), explain_server_errors():
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
    remove_printer(trainer)
    return trainer


def _summary(rows: Sequence[dict[str, Any]], steps: int, seconds: float) -> dict[str, Any]:
    """Returns the stage's summary, computed from all log rows; `seconds` is the time since the run was last
    started or resumed."""
    last = rows[-1] if rows else {}
    kept = sum(int(row.get("groups_kept", 0)) for row in rows)
    sampled = sum(int(row.get("groups_sampled", 0)) for row in rows)
    reward = last.get("reward", float("nan"))
    note = f"{steps} steps show that the machinery works; they cannot show a gain."
    return {
        "text": f"{steps} DAPO steps, reward {reward:.3f} in the last one, "
        f"{kept} of {sampled} groups had both right and wrong rollouts",
        "steps": steps,
        "groups_sampled": sampled,
        "groups_kept": kept,
        "first_reward": rows[0].get("reward") if rows else None,
        "last_reward": last.get("reward"),
        "seconds": round(seconds, 1),
        "note": note if steps < 20 else "",
    }
