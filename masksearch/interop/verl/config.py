"""Writes verl's configuration for DAPO from the settings of `masksearch rl`.

    masksearch verl --model MODEL --tasks tasks.jsonl --index index \\
        --train train.parquet --val val.parquet -o verl-run
    python -m verl.trainer.main_ppo --config-path $PWD/verl-run --config-name masksearch

Writes `masksearch.yaml` (which extends verl's own `ppo_trainer`) and `agent_loop.yaml`. Statements about verl
refer to its 0.9.1 sources. These are pitfalls of verl, and how we avoid them:

- verl's group filter drops a group of rollouts only if their values are exactly equal. So we filter by
  `solved` (0 or 1) instead of the reward.
- verl no longer limits the number of tries (`max_num_gen_batches` is ignored): with tasks that are all
  solved or all unsolvable, verl runs forever. Watch `filter_groups/evicted_samples`, or select tasks by solve
  rate beforehand.
- `max_tool_response_length` (256 characters) and `max_parallel_calls` belong to verl's own tool loop and do
  not affect our loop.
- verl's penalty for long responses (overlong shaping) counts retrieved tokens. It is off. Our reward has its
  own length penalty, which counts only the model's tokens.
- verl's custom reward function gets retrieved text in `solution_str` too. We use none: our agent loop returns
  the reward.
- verl does not support some of our settings (`UNSUPPORTED`, a judge, credit for single searches). We reject
  these settings instead of ignoring them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.runtime.files import write_text
from masksearch.scoring.settings import RewardSettings
from masksearch.train.settings import RlSettings

TARGET = "masksearch.interop.verl.loop.MaskSearchLoop"
UNSUPPORTED = (
    *(
        "algorithm",
        "beta",
        "overlong_filter",
        "curriculum",
        "heldout",
        "solve_rates",
        "alarms",
        "take",
        "trackers",
    ),
    *("rollouts", "vllm", "frozen_layers", "max_refills", "decode_slots", "dtype"),
)
"""Settings that only our own trainer supports."""


def check_settings(settings: RlSettings) -> None:
    """Raises UsageError for a setting that verl would ignore."""
    ignored = [
        name for name in UNSUPPORTED if getattr(settings, name) != RlSettings.model_fields[name].get_default()
    ]
    if ignored:
        raise UsageError(
            f"verl would ignore {', '.join(ignored)}; leave them at their defaults, or train with "
            "masksearch rl."
        )
    check_reward(settings.reward)


def check_reward(reward: RewardSettings) -> None:
    """Raises UsageError for a reward that verl cannot represent as one number per rollout."""
    if reward.answer == "judge":
        # A judge may fail to give a verdict. That rollout must be left out of its group, which verl cannot
        # do.
        raise UsageError(
            "verl cannot ask a judge; choose another reward.answer, or train with masksearch rl."
        )
    if reward.search_credit:
        raise UsageError(
            "verl rewards whole rollouts; leave reward.search_credit at 0, or train with masksearch rl."
        )


def agent_loops(settings: RlSettings) -> list[dict[str, Any]]:
    """Returns the content of the file from which verl reads its agent loops."""
    tables = {name: getattr(settings, name).model_dump_json() for name in ("search", "agent", "reward")}
    index = settings.index
    if "://" not in index and Path(index).exists():
        index = str(Path(index).absolute())
    return [{"name": "masksearch", "_target_": TARGET, "index": index, **tables}]


def trainer_config(
    settings: RlSettings,
    train: str,
    val: str,
    loops: str,
    gpus: int,
    nodes: int = 1,
    prompt_length: int = 512,
) -> dict[str, Any]:
    """Returns verl's settings, by its own names.

    Raises UsageError if the prompt leaves no room in a session, or if verl would ignore a setting.
    """
    check_settings(settings)
    if settings.agent.max_length <= prompt_length:
        raise UsageError(
            f"--prompt-length {prompt_length} leaves no room in agent.max_length = "
            f"{settings.agent.max_length}; lower the first or raise the second."
        )
    lora = {"lora_rank": settings.lora_rank, "lora_alpha": settings.lora_alpha} if settings.lora else {}
    return {
        "hydra": {"searchpath": ["pkg://verl.trainer.config"]},
        "defaults": ["ppo_trainer", "_self_"],
        "algorithm": {
            "adv_estimator": "grpo",
            "norm_adv_by_std_in_grpo": True,
            "use_kl_in_reward": False,
            "filter_groups": {"enable": settings.dynamic_sampling, "metric": "solved"},
            # The probability ratio uses the rollout's log-probabilities as the old ones, as in our own
            # trainer.
            "rollout_correction": {"bypass_mode": True},
        },
        "data": {
            "train_files": train,
            "val_files": val,
            "train_batch_size": settings.prompts_per_step,
            "max_prompt_length": prompt_length,
            # The response is the whole session after the prompt: the model's text and the tool's text.
            "max_response_length": settings.agent.max_length - 1,
            "filter_overlong_prompts": True,
            "truncation": "error",
            "return_raw_chat": True,
            "seed": settings.seed,
        },
        "actor_rollout_ref": {
            "model": {
                "path": settings.model,
                "enable_gradient_checkpointing": settings.activation_checkpointing,
                **lora,
            },
            "actor": {
                "ppo_mini_batch_size": settings.prompts_per_step,
                "ppo_micro_batch_size_per_gpu": settings.micro_batch_size,
                "clip_ratio": settings.clip_low,
                "clip_ratio_low": settings.clip_low,
                "clip_ratio_high": settings.clip_high,
                "loss_agg_mode": "token-mean",
                "use_kl_loss": False,
                "entropy_coeff": 0,
                "optim": {
                    "lr": settings.learning_rate,
                    "lr_warmup_steps": settings.warmup_steps,
                    "weight_decay": settings.weight_decay,
                    "clip_grad": settings.max_grad_norm,
                },
            },
            "rollout": {
                "name": "vllm",
                "n": settings.group_size,
                "temperature": settings.temperature,
                "top_p": 1.0,
                "top_k": -1,
                "tensor_model_parallel_size": 1,
                "calculate_log_probs": True,
                "enable_prefix_caching": True,
                "log_prob_micro_batch_size_per_gpu": settings.micro_batch_size,
                "agent": {"default_agent_loop": "masksearch", "agent_loop_config_path": loops},
            },
        },
        "trainer": {
            "total_training_steps": settings.steps,
            "n_gpus_per_node": gpus,
            "nnodes": nodes,
            "save_freq": settings.save_steps,
            "val_before_train": False,
            "logger": ["console"],
            "project_name": "masksearch",
            "experiment_name": "dapo",
        },
    }


def write_config(
    settings: RlSettings,
    folder: Path,
    train: str,
    val: str,
    gpus: int,
    nodes: int = 1,
    prompt_length: int = 512,
) -> None:
    """Writes both files as JSON, which is also YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    loops = folder.absolute() / "agent_loop.yaml"
    write_text(loops, json.dumps(agent_loops(settings), indent=1, ensure_ascii=False) + "\n")
    config = trainer_config(
        settings,
        str(Path(train).absolute()),
        str(Path(val).absolute()),
        str(loops),
        gpus,
        nodes,
        prompt_length,
    )
    write_text(folder / "masksearch.yaml", json.dumps(config, indent=1, ensure_ascii=False) + "\n")
