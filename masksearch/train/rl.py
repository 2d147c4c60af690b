"""Reinforcement learning with DAPO, on TRL's GRPOTrainer fed by our rollouts with live search.

Clip-higher, token-level loss over model tokens, no KL term, dynamic sampling (train/rollout.py) and length shaping on
model tokens (scoring/rewards.py): the four pieces of DAPO (arXiv 2503.14476). The log-probabilities of the rollout are
the old ones of the importance ratio: what sampled the tokens is what the update is measured against.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig, GRPOTrainer

from masksearch.agent.loop import check_tools
from masksearch.agent.prompts import task_prompt
from masksearch.errors import TrainingError
from masksearch.files import append_json_lines, read_appended, read_tasks, remove, write_json
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, quiet
from masksearch.llm.device import dtype_name, find_device, find_dtype
from masksearch.llm.local import LocalPolicy
from masksearch.progress import say
from masksearch.protocols import Searcher
from masksearch.ranks import count, is_first, rank
from masksearch.search import open_searcher
from masksearch.settings import RlSettings
from masksearch.train.common import Recorder, resumable_state, seed_everything, state_step, trim_log
from masksearch.train.freezing import freeze_layers
from masksearch.train.head import apply_head_where_loss
from masksearch.train.lora import adapt, plain_weights
from masksearch.train.rollout import Group, TaskStream, collect_step, step_figures, to_batch
from masksearch.train.together import everything, first_does, join, one_device, save_trained, share

LOGGED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clipped",
    "logprob_gap": "logprob_gap",
}


def carried_reward(completions: Sequence[Any], carried_reward: Sequence[float], **fields: Any) -> list[float]:
    """The reward was computed with the rollout; the trainer only reads it."""
    return list(carried_reward)


class DapoTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with the rollout's log-probs as the old ones, the head on model tokens alone, and no padding computed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        apply_head_where_loss(self.model, self.temperature)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        batch["old_per_token_logps"] = batch["sampling_per_token_logps"]
        return batch

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self._scored = inputs["completion_mask"] * inputs["tool_mask"]
        self._sampled = inputs["sampling_per_token_logps"]
        return super()._compute_loss(model, inputs)

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Log-probs and entropies (batch, logits_to_keep), zero wherever the model wrote nothing."""
        labels = torch.full_like(input_ids, -100)
        wanted = self._scored.bool()
        labels[:, -logits_to_keep:][wanted] = input_ids[:, -logits_to_keep:][wanted]
        used = attention_mask.any(dim=0).nonzero()[:, 0]
        first, last = int(used[0]), int(used[-1]) + 1
        with self.accelerator.autocast():
            outputs = model(input_ids=input_ids[:, first:last], attention_mask=attention_mask[:, first:last], labels=labels[:, first:last], fused_lm_head=True)
        after = input_ids.shape[1] - last
        logps, entropies = (torch.nn.functional.pad(column, (first, after))[:, -logits_to_keep:] for column in (outputs.log_probs, outputs.entropy))
        gap = (logps.detach() - self._sampled).abs()[wanted]
        self._metrics["train"]["logprob_gap"].append(gap.mean().item() if len(gap) else 0.0)
        return logps, entropies, None


class RolloutWorker:
    """The rollout function: copies the weights to the decoder, rolls a step out, writes every rollout down."""

    def __init__(self, settings: RlSettings, policy: LocalPolicy, searcher: Searcher, work: Path) -> None:
        self.settings, self.policy, self.searcher, self.work = settings, policy, searcher, work
        self.stream = TaskStream(read_tasks(settings.tasks), settings.seed)
        self.figures: dict[str, float] = {}

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        started = time.monotonic()
        copy_weights(trainer.accelerator.unwrap_model(trainer.model), self.policy.engine.model)
        step = int(trainer.state.global_step)
        batch, put_back = collect_step(self.stream, self.policy, self.searcher, self._mine(), step * count() + rank())
        self._note(step + 1, everything([(batch, put_back)]), time.monotonic() - started)
        return to_batch(batch, trainer._tokenizer.pad_token_id)

    def _mine(self) -> RlSettings:
        """The settings of this process's share of a step. Shares are to the stream of tasks like steps of their own, so none has another's tasks or seeds."""
        return self.settings.model_copy(update={"prompts_per_step": share(self.settings.prompts_per_step, "prompts_per_step")})

    def _note(self, step: int, parts: Sequence[tuple[list[Group], list[Group]]], seconds: float) -> None:
        """Figures and record of what all processes rolled out, by the first."""
        batch, put_back = ([group for part in parts for group in part[place]] for place in (0, 1))
        self.figures = {**step_figures(batch, put_back), "rollout_seconds": round(seconds, 1)}
        if is_first():
            self._write(step, batch, put_back)

    def _write(self, step: int, batch: Sequence[Group], put_back: Sequence[Group]) -> None:
        rows = []
        for number, group in enumerate([*batch, *put_back]):
            fate = "put back" if number >= len(batch) else "trained" if group.trained else "silent"
            for place, rollout in enumerate(group.rollouts):
                trajectory = rollout.episode.trajectory
                name = f"step{step}.{number}.{place}:{trajectory.id}"
                rows.append({**trajectory.to_json(), "id": name, "step": step, "group": number, "fate": fate, "reward": rollout.ledger.to_json()})
        append_json_lines(self.work / "rollouts.jsonl", rows)

    def logged(self) -> dict[str, float]:
        """Figures of the step, for the log."""
        return self.figures


@torch.no_grad()
def copy_weights(source: Any, target: Any) -> None:
    """Copies weights into a plain model of another number format: adapters merged, slices of several processes put together."""
    into = target.state_dict(keep_vars=True)
    for name, weight in plain_weights(source):
        into[name].copy_(weight)


def run_rl(settings: RlSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `rl`: writes a checkpoint folder, `log.jsonl` (a row a step) and `rollouts.jsonl` (every rollout with its reward ledger)."""
    started = time.monotonic()
    join()
    seed_everything(settings.seed)
    searcher = open_searcher(settings.index, settings.search)
    check_tools(searcher, settings.agent)
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    decoder = copy.deepcopy(model).to(find_dtype(settings.dtype))
    name = f"{checkpoint_name(settings.model)}+rl"
    policy = LocalPolicy(decoder, tokenizer, name, settings.decode_slots, settings.agent.max_length)
    freeze_layers(model, settings.frozen_layers)
    adapt(model, settings)
    worker = RolloutWorker(settings, policy, searcher, work)
    state = resumable_state(work / "states")
    for log in ("log.jsonl", "rollouts.jsonl"):
        trim_log(work / log, state_step(state))
    if state:
        say(f"  going on from step {state_step(state)} of {settings.steps}")
    trainer = make_trainer(settings, model, tokenizer, worker, work)
    with quiet():
        trainer.train(resume_from_checkpoint=state)
    save_trained(trainer, tokenizer, output, {"name": name, "parent": settings.model, "stage": "rl"})
    first_does(lambda: remove(work / "states"))
    summary = _summary(read_appended(work / "log.jsonl"), settings.steps, time.monotonic() - started)
    summary |= {"dtype": dtype_name(find_dtype(settings.dtype)), "processes": count()}
    first_does(lambda: write_json(work / "rl-report.json", summary))
    return summary


def make_trainer(settings: RlSettings, model: Any, tokenizer: Any, worker: RolloutWorker, work: Path) -> DapoTrainer:
    """TRL's trainer with DAPO's settings; one optimizer step a batch of rollouts."""
    from datasets import Dataset

    batch = share(settings.prompts_per_step, "prompts_per_step") * settings.group_size
    if batch % settings.micro_batch_size:
        where = " for each process" if count() > 1 else ""
        raise TrainingError(f"prompts_per_step x group_size ({batch}{where}) must be a multiple of micro_batch_size ({settings.micro_batch_size}).")
    arguments = GRPOConfig(
        output_dir=str(work / "states"),
        loss_type="dapo",
        beta=0.0,
        epsilon=settings.clip_low,
        epsilon_high=settings.clip_high,
        num_iterations=1,
        num_generations=settings.group_size,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=batch // settings.micro_batch_size,
        max_completion_length=settings.agent.max_length,
        mask_truncated_completions=False,
        scale_rewards="group",
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
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    # The worker has its own order of tasks; the rows here only set the size of a batch.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    rows = Dataset.from_dict({"prompt": [task_prompt(task, settings.agent.answer_form) for task in _first(worker, settings.prompts_per_step)]})
    recorder = Recorder(work / "log.jsonl", "train", LOGGED, worker.logged)
    with quiet():
        trainer = DapoTrainer(
            model=model,
            args=one_device(arguments),
            train_dataset=rows,
            processing_class=tokenizer,
            reward_funcs=[carried_reward],
            rollout_func=worker,
            callbacks=[recorder],
        )
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
    return trainer


def _first(worker: RolloutWorker, count: int) -> list[Any]:
    return [worker.stream[place] for place in range(count)]


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
        "note": f"{steps} steps show that the machinery works; they cannot show a gain." if steps < 20 else "",
    }
