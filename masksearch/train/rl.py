"""Reinforcement learning with DAPO, on TRL's GRPOTrainer fed by our rollouts with live search.

Clip-higher, token-level loss over model tokens, no KL term, dynamic sampling (train/rollout.py) and length shaping on
model tokens (scoring/rewards.py): the four pieces of DAPO (arXiv 2503.14476); its relatives are in train/estimators.py. The
log-probabilities of the rollout are the old ones of the importance ratio: what sampled the tokens is what the update is
measured against. Which tasks a step has: train/curriculum.py. What stops a run, and what is left of it then: train/alarms.py, best.py.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from trl import GRPOConfig, GRPOTrainer

from masksearch.agent.loop import check_tools, roll_out
from masksearch.agent.prompts import task_prompt
from masksearch.errors import TrainingError
from masksearch.files import append_json_lines, read_appended, read_tasks, remove, write_json
from masksearch.llm.base import Sampling
from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint, quiet, save_checkpoint
from masksearch.llm.device import dtype_name, find_device, find_dtype
from masksearch.llm.local import LocalPolicy
from masksearch.progress import say
from masksearch.protocols import Searcher
from masksearch.scoring.metrics import score_task
from masksearch.scoring.rewards import VERDICTS, open_judge
from masksearch.search import open_searcher
from masksearch.settings import RlSettings
from masksearch.train.alarms import Alarm, RunStopped, Watch, refuse_not_finite, telling_memory
from masksearch.train.best import KEPT, Judged, judge, keep, kept
from masksearch.train.common import WHOLE, Recorder, resumable_state, seed_everything, state_step, trim_log
from masksearch.train.curriculum import Curriculum, CurriculumStream, item_of, load_state, read_rates, save_state
from masksearch.train.estimators import RECIPES, cut_short, leave_one_out, share_with_loss, without_cut
from masksearch.train.freezing import freeze_layers
from masksearch.train.head import apply_head_where_loss
from masksearch.train.rollout import Group, collect_step, credit_columns, fate, step_figures, to_batch, undisturbed
from masksearch.train.tracking import tracking, tracking_callbacks
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
    "logprob_gap": "logprob_gap",
    "kl": "kl",
}


def carried_reward(completions: Sequence[Any], carried_reward: Sequence[float | None], **fields: Any) -> list[float | None]:
    """The reward was computed with the rollout; the trainer only reads it. None: the rollout is left out of its group."""
    return list(carried_reward)


class DapoTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with the rollout's log-probs as the old ones, the head on model tokens alone, and no padding computed."""

    def __init__(self, *args: Any, settings: RlSettings, worker: RolloutWorker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings, self.worker, self.recipe = settings, worker, RECIPES[settings.algorithm]
        self._scoring, self._tokens = False, TokenFigures()
        apply_head_where_loss(self.model, self.temperature)
        if self.ref_model is not None:
            apply_head_where_loss(self.accelerator.unwrap_model(self.ref_model), self.temperature)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self._scoring = True
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        self._scoring = False
        batch["old_per_token_logps"] = batch["sampling_per_token_logps"]
        if self.recipe.leave_one_out:
            batch["advantages"] = leave_one_out(batch["advantages"], self.settings.group_size)
        add_token_credit(batch, inputs)
        if self.recipe.by_rollout:
            batch["share_with_loss"] = share_with_loss(self.accelerator.gather(_has_loss(batch)))
        return batch

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        if "nan" in self.settings.alarms.stop_on:
            refuse_not_finite(float(loss), int(self.state.global_step) + 1)
        return loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self._scored = inputs["completion_mask"] * inputs["tool_mask"]
        self._sampled = inputs["sampling_per_token_logps"]
        loss = super()._compute_loss(model, inputs)
        # Rollouts without loss only fill the batch, and must not water down a mean over rollouts.
        return loss / inputs["share_with_loss"] if self.recipe.by_rollout else loss

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Log-probs and entropies (batch, logits_to_keep), zero wherever the model wrote nothing."""
        if self._scoring:
            return self._reference_logps(model, input_ids, attention_mask, logits_to_keep)
        wanted = self._scored.bool()
        logps, entropies = self._score(model, input_ids, attention_mask, wanted)
        gap = (logps.detach() - self._sampled).abs()[wanted]
        self._metrics["train"]["logprob_gap"].append(gap.mean().item() if len(gap) else 0.0)
        if torch.is_grad_enabled():
            self._tokens.add(logps.detach()[wanted], self._sampled[wanted], entropies.detach()[wanted])
        return logps, entropies, None

    def _score(self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probs and entropies of the wanted ones of the last tokens (batch, kept); 0 elsewhere."""
        kept = wanted.shape[1]
        labels = torch.full_like(input_ids, -100)
        labels[:, -kept:][wanted] = input_ids[:, -kept:][wanted]
        used = attention_mask.any(dim=0).nonzero()[:, 0]
        first, last = int(used[0]), int(used[-1]) + 1
        with self.accelerator.autocast():
            outputs = model(input_ids=input_ids[:, first:last], attention_mask=attention_mask[:, first:last], labels=labels[:, first:last], fused_lm_head=True)
        after = input_ids.shape[1] - last
        logps, entropies = (torch.nn.functional.pad(column, (first, after))[:, -kept:] for column in (outputs.log_probs, outputs.entropy))
        return logps, entropies

    def _reference_logps(self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Those of all tokens of the rollouts, whoever wrote them, a few rows at a time; for the KL term, which looks at the model's alone."""
        size = self.settings.micro_batch_size
        rows = [slice(start, start + size) for start in range(0, len(input_ids), size)]
        parts = [self._score(model, input_ids[some], attention_mask[some], attention_mask[some, -kept:].bool()) for some in rows]
        return torch.cat([logps for logps, _ in parts]), torch.cat([entropies for _, entropies in parts]), None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the figures of the rollouts and of the tokens, so that trackers have them too."""
        if "loss" in logs:
            logs |= {f"rollout/{name}": value for name, value in self.worker.logged().items()}
            for name, value in self._tokens.take().items():
                self._metrics["train"][f"model/{name}"] = [value]
        super().log(logs, start_time)


def _has_loss(batch: Mapping[str, Any]) -> torch.Tensor:
    """Whether each row of a batch has a token with loss, as a column (B, 1) of 0 and 1."""
    mask: torch.Tensor = batch["completion_mask"] * batch["tool_mask"]
    return (mask.sum(dim=1, keepdim=True) > 0).long()


class TokenFigures:
    """Means of a step over all its tokens with loss, gathered micro-batch by micro-batch."""

    def __init__(self) -> None:
        self.count, self.entropy, self.ratio, self.greatest = 0, 0.0, 0.0, 0.0

    def add(self, logps: torch.Tensor, sampled: torch.Tensor, entropies: torch.Tensor) -> None:
        """Takes in some tokens (n,): log-probs now, log-probs of the rollout, entropies."""
        if len(logps):
            ratio = torch.exp(logps - sampled)
            self.count += len(logps)
            self.entropy += float(entropies.sum())
            self.ratio += float(ratio.sum())
            self.greatest = max(self.greatest, float(ratio.max()))

    def take(self) -> dict[str, float]:
        """The means, and the greatest ratio; nothing where there was no token. Begins anew."""
        count, found = self.count, {"entropy": self.entropy, "ratio": self.ratio}
        figures = {name: value / count for name, value in found.items()} | {"ratio_max": self.greatest} if count else {}
        self.__init__()  # type: ignore[misc]
        return figures


def add_token_credit(batch: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Per-mask credit, where the rollouts brought any: the advantages (batch,) become (batch, completion tokens), each with its token's credit added."""
    if not rows or "token_credit" not in rows[0]:
        return
    credit = torch.zeros(batch["completion_ids"].shape, dtype=batch["advantages"].dtype, device=batch["advantages"].device)
    for place, row in enumerate(rows):
        values = torch.tensor(row["token_credit"], dtype=credit.dtype, device=credit.device)
        credit[place, : len(values)] = values
    batch["advantages"] = batch["advantages"].unsqueeze(1) + credit


class RolloutWorker:
    """The rollout function: copies the weights to the decoder, rolls a step out, writes every rollout down."""

    def __init__(self, settings: RlSettings, policy: LocalPolicy, searcher: Searcher, work: Path) -> None:
        self.settings, self.policy, self.searcher, self.work = settings, policy, searcher, work
        self.tasks, self.heldout = read_tasks(settings.tasks), read_heldout(settings)
        items, rates = [item_of(task) for task in self.tasks], read_rates(settings.solve_rates)
        self.curriculum = Curriculum(items, settings.curriculum, settings.steps, settings.seed, rates, measured=bool(self.heldout))
        self.stream = CurriculumStream(self.tasks, self.curriculum, settings.prompts_per_step * (1 + settings.max_refills))
        self.judge = open_judge(settings.reward.judge, work / VERDICTS) if settings.reward.answer == "judge" else None
        self.figures: dict[str, float] = {}
        self.phase = "rollout"

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        self.phase, started = "rollout", time.monotonic()
        copy_weights(trainer.accelerator.unwrap_model(trainer.model), self.policy.engine.model)
        step = int(trainer.state.global_step)
        figures = self._begin(step)
        batch, put_back = collect_step(self.stream, self.policy, self.searcher, self.settings, step, self.judge)
        figures |= step_figures(batch, put_back) | self._learn(step, [*batch, *put_back])
        self.figures = {**figures, "rollout_seconds": round(time.monotonic() - started, 1)}
        self._write(step + 1, batch, put_back)
        self.phase = "training"
        columns = to_batch(batch, trainer._tokenizer.pad_token_id)
        if self.settings.overlong_filter:
            columns["env_mask"] = without_cut(columns["env_mask"], batch)
        return columns | credit_columns(batch, columns["env_mask"], self.settings.reward.search_credit)

    def _begin(self, step: int) -> dict[str, float]:
        """Where a step stands in the curriculum, and what the held-out tasks say of the weights it begins with, where they are due."""
        figures: dict[str, float] = {}
        self.curriculum.begin(step)
        if self.heldout and self.curriculum.due(step):
            figures["heldout_f1"] = self.measure()
            if self.curriculum.measured(step, figures["heldout_f1"]):
                say(f"  no gain on the held-out tasks; stage {self.curriculum.state.stage + 1} of the curriculum begins with step {step + 1}")
                figures["heldout_f1"] = self.measure()  # of the new stage: what it starts from
                self.curriculum.measured(step, figures["heldout_f1"])
        return figures | ({"stage": self.curriculum.state.stage + 1} if len(self.curriculum.pools) > 1 else {})

    def measure(self) -> float:
        """Mean F1 of greedy rollouts by the weights that the decoder has, on the held-out tasks of this stage."""
        limit, agent = self.settings.curriculum.heldout_limit, self.settings.agent
        tasks = [self.heldout[index] for index in self.curriculum.of_stage([item_of(task) for task in self.heldout])[:limit]]
        episodes = roll_out(tasks, self.policy, self.searcher, agent, [Sampling(0.0, 0, agent.max_length)] * len(tasks))
        scores = [score_task(episode.trajectory.answer, task, agent.answer_form).f1 for task, episode in zip(tasks, episodes, strict=True)]
        return round(fmean(scores), 4)

    def _learn(self, step: int, groups: Sequence[Group]) -> dict[str, float]:
        """Takes the solve rates of a step's groups in, but for those that a failed search touched; how many were all right, and all wrong."""
        counts: dict[str, tuple[int, int]] = {}
        found = [(group, count_right(group, self.settings)) for group in groups]
        for group, right in found:
            if undisturbed(group, self.settings):
                key = str(group.rollouts[0].episode.trajectory.task["id"])
                before = counts.get(key, (0, 0))
                counts[key] = (before[0] + right, before[1] + len(group.rollouts))
        if self.settings.curriculum.solve_rate:
            self.curriculum.record(step, counts)
        cut = [one for group in groups for one in cut_short(group)]
        solved, hopeless = sum(right == len(group.rollouts) for group, right in found), sum(not right for _, right in found)
        return {"groups_solved": solved, "groups_hopeless": hopeless, "cut_short": round(sum(cut) / len(cut), 4)}

    def _write(self, step: int, batch: Sequence[Group], put_back: Sequence[Group]) -> None:
        rows = []
        for number, group in enumerate([*batch, *put_back]):
            for place, rollout in enumerate(group.rollouts):
                trajectory = rollout.episode.trajectory
                name = f"step{step}.{number}.{place}:{trajectory.id}"
                end = fate(group, rollout, number < len(batch))
                rows.append({**trajectory.to_json(), "id": name, "step": step, "group": number, "fate": end, "reward": rollout.ledger.to_json()})
        append_json_lines(self.work / "rollouts.jsonl", rows)

    def logged(self) -> dict[str, float]:
        """Figures of the step, for the log."""
        return self.figures


def count_right(group: Group, settings: RlSettings) -> int:
    """How many rollouts of a group count as correct, as in dynamic sampling."""
    return sum(rollout.ledger.answer is not None and rollout.ledger.answer >= settings.reward.solved_at for rollout in group.rollouts)


def read_heldout(settings: RlSettings) -> list[Task]:
    """The held-out tasks; none without a path. Raises TrainingError where a task is trained on as well."""
    if not settings.heldout:
        return []
    heldout, trained = read_tasks(settings.heldout), {task.id for task in read_tasks(settings.tasks)}
    both = next((task.id for task in heldout if task.id in trained), None)
    if both is not None:
        raise TrainingError(f"The task '{both}' of {settings.heldout} is also in {settings.tasks}; what is trained on says nothing about a plateau.")
    return heldout


@torch.no_grad()
def copy_weights(source: Any, target: Any) -> None:
    """Copies parameters into a model of another number format."""
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.copy_(new)


def run_rl(settings: RlSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `rl`: writes a checkpoint folder, `log.jsonl` (a row a step) and `rollouts.jsonl` (every rollout with its reward ledger)."""
    started = time.monotonic()
    seed_everything(settings.seed)
    searcher = open_searcher(settings.index, settings.search)
    check_tools(searcher, settings.agent)
    if settings.reward.answer == "judge":
        open_judge(settings.reward.judge, None)
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    decoder = copy.deepcopy(model).to(find_dtype(settings.dtype))
    name = f"{checkpoint_name(settings.model)}+rl"
    policy = LocalPolicy(decoder, tokenizer, name, settings.decode_slots, settings.agent.max_length)
    freeze_layers(model, settings.frozen_layers)
    worker = RolloutWorker(settings, policy, searcher, work)
    state = resumable_state(work / "states")
    for log in ("log.jsonl", "rollouts.jsonl"):
        trim_log(work / log, state_step(state))
    if state:
        say(f"  going on from step {state_step(state)} of {settings.steps}")
        load_state(worker.curriculum, Path(state))
    else:
        remove(work / KEPT)
    trainer = make_trainer(settings, model, tokenizer, worker, work)
    with quiet():
        stopped = train(trainer, state)
        taken = settle(trainer, stopped, work)
    mark = {"name": name, "parent": settings.model, "stage": "rl"}
    save_checkpoint(trainer.model.float(), tokenizer, output, mark)
    for folder in ("states", KEPT):
        remove(work / folder)
    summary = _summary(read_appended(work / "log.jsonl"), settings.steps, time.monotonic() - started) | {"dtype": dtype_name(find_dtype(settings.dtype))}
    summary |= _ending(stopped, taken, settings)
    write_json(work / "rl-report.json", summary)
    return summary


def train(trainer: DapoTrainer, state: str | None) -> Alarm | None:
    """Trains to the end, or until an alarm, which is returned. Raises TrainingError where memory does not suffice."""
    settings, worker = trainer.settings, trainer.worker
    try:
        with telling_memory(lambda: memory_remedy(settings, worker.phase)):
            trainer.train(resume_from_checkpoint=state)
    except RunStopped as stop:
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        say(f"  stopped: {stop}")
        return stop.alarm
    return None


def memory_remedy(settings: RlSettings, phase: str) -> str:
    """Which settings to lower where memory ran out."""
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
        trainer._load_from_checkpoint(str(work / KEPT))
        return best.step
    # After a loss that is not finite the last state is still a good one: it was saved before.
    folder, step = (str(work / KEPT), best.step) if best and stopped.name != "nan" else (newest, state_step(newest))
    trained = any(row.get("groups_kept") for row in read_appended(work / "log.jsonl"))
    if folder is None or not trained:
        raise TrainingError(f"{stopped.text} There is no trained checkpoint to end with.")
    if settings.alarms.then == "fail":
        raise TrainingError(f"{stopped.text} The checkpoint after step {step} is kept in {folder}.")
    trainer._load_from_checkpoint(folder)
    return step


def _last_is_best(trainer: DapoTrainer, best: Judged) -> bool:
    """Whether the last weights do better on the held-out tasks than the best state saved before; without such tasks nothing judges them."""
    worker = trainer.worker
    if not worker.heldout:
        return False
    copy_weights(trainer.accelerator.unwrap_model(trainer.model), worker.policy.engine.model)
    return Judged(trainer.settings.steps, worker.curriculum.state.stage + 1, worker.measure()).beats(best)


def _ending(stopped: Alarm | None, taken: int | None, settings: RlSettings) -> dict[str, Any]:
    """What the summary says of a training that did not simply end with its last weights."""
    if stopped is not None:
        note = f"Stopped early: {stopped.text} The checkpoint is that after step {taken} of {settings.steps}."
        return {"text": note, "note": note, "stopped": stopped.name, "checkpoint_step": taken}
    return {} if taken is None else {"checkpoint_step": taken, "note": f"The checkpoint is the best one, after step {taken} of {settings.steps}."}


class Observer:
    """Looks at each row of the log: judges the state before it, keeps the best, and raises RunStopped at an alarm."""

    def __init__(self, settings: RlSettings, work: Path) -> None:
        self.settings, self.work = settings, work
        self.watch, self.best = Watch(settings.alarms, read_appended(work / "log.jsonl")), kept(work)

    def __call__(self, row: dict[str, Any]) -> None:
        """Takes in a row. Alarms come first: what raised one is no merit of the state before."""
        self.watch.see(row)
        judged = judge(self.watch.rows, self.settings.alarms.window, bool(self.settings.heldout))
        if judged and judged.beats(self.best):
            state = self.work / "states" / f"checkpoint-{judged.step}"
            if (state / WHOLE).exists():
                keep(state, judged, self.work)
                self.best = judged


def make_trainer(settings: RlSettings, model: Any, tokenizer: Any, worker: RolloutWorker, work: Path) -> DapoTrainer:
    """TRL's trainer with the settings of DAPO or a relative; one optimizer step a batch of rollouts."""
    from datasets import Dataset

    recipe = RECIPES[settings.algorithm]
    batch = settings.prompts_per_step * settings.group_size
    if batch % settings.micro_batch_size:
        raise TrainingError(f"prompts_per_step x group_size ({batch}) must be a multiple of micro_batch_size ({settings.micro_batch_size}).")
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
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    # The worker has its own order of tasks; the rows here only set the size of a batch.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    rows = Dataset.from_dict({"prompt": [task_prompt(task, settings.agent.answer_form) for task in _first(worker, settings.prompts_per_step)]})
    recorder = Recorder(work / "log.jsonl", "train", LOGGED, worker.logged, Observer(settings, work), lambda folder: save_state(worker.curriculum, folder))
    with quiet():
        trainer = DapoTrainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=tokenizer,
            reward_funcs=[carried_reward],
            rollout_func=worker,
            callbacks=[*tracking_callbacks(settings.trackers, work), recorder],
            settings=settings,
            worker=worker,
        )
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
        "note": f"{steps} steps show that the machinery works; they cannot show a gain." if steps < 20 else "",
    }
