"""Settings of the stages `sft` and `rl`, and the fields that all training settings share."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from masksearch.agent.settings import AgentSettings
from masksearch.ramp.settings import mask_range
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.scoring.settings import RewardSettings
from masksearch.search.settings import SearchSettings


class CurriculumSettings(Settings):
    """The order of tasks in SFT and RL: mixed or by number of masks, drawn evenly or by solve rate."""

    order: Literal["mixed", "masks"] = "mixed"
    """mixed: all tasks, from the first step to the last; masks: stages by number of masks."""
    stages: tuple[str, ...] = Field(("1", "2", "3", "4"), min_length=1)
    """One entry per stage, for `order` masks: the number of masks of its tasks, or a range such as 1-2."""
    boundary: Literal["steps", "plateau"] = "steps"
    """What ends a stage. steps: a number of steps; plateau: the measurements on the stage's tasks in
    `heldout` no longer improve. The last stage runs to the end of the training."""
    stage_steps: tuple[int, ...] = ()
    """Number of steps of each stage but the last. Empty, each stage gets the same number of steps (in SFT a
    number in proportion to its trajectories)."""
    solve_rate: bool = False
    """Prefer tasks that the model solves sometimes over tasks that it solves always or never. Solve rates
    start from the setting `solve_rates` and are updated during the training: in RL from its rollouts, in
    SFT from its forward passes. In SFT a trajectory counts as solved if the model ranks each token of its
    answer first."""
    floor: float = Field(0.05, gt=0, le=1)
    """Minimum weight of a task when tasks are drawn by solve rate. A task that is solved half of the time, or
    was never sampled, has weight 1. The minimum is above 0 so that every task is sampled now and then."""
    half_life: int = Field(50, ge=1)
    """Steps after which a rollout counts half in the solve rate, because the model has changed since then."""
    measure_steps: int = Field(10, ge=1)
    """Steps between two measurements on `heldout`."""
    heldout_limit: int = Field(64, ge=1)
    """Maximum number of held-out tasks per measurement: the first ones in `heldout` that fit the stage."""
    patience: int = Field(3, ge=1)
    """Number of consecutive measurements without a gain that make a plateau."""
    min_gain: float = Field(0.0, ge=0)
    """A measurement is a gain if it improves on the best one by more than this, in F1 (in SFT: in loss)."""

    @field_validator("stages")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for stage in value:
            mask_range(stage)
        return value

    @field_validator("stage_steps")
    @classmethod
    def _one_per_boundary(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        stages = info.data.get("stages", ())
        if value and (min(value) < 1 or len(value) != len(stages) - 1):
            raise ValueError(f"give the steps, 1 or more, of each of the {len(stages)} stages but the last")
        return value


AlarmName = Literal["nan", "unfilled", "likelihood", "entropy", "reward", "format", "ratio"]


class AlarmSettings(Settings):
    """Alarms for signs of a collapse in RL. An alarm that does not stop the run is reported once."""

    stop_on: tuple[AlarmName, ...] = ("nan", "unfilled", "likelihood", "reward", "format", "ratio")
    """Alarms that stop the run. nan: the loss or gradient is not finite. The other alarms have a limit in
    another setting: unfilled (`empty_steps`), likelihood (`likelihood_drop`), entropy (`entropy_share`),
    reward (`reward_drop`), format (`format_drop`), ratio (`ratio_limit`)."""
    then: Literal["finish", "fail"] = "finish"
    """What happens when an alarm stops the run. finish: the stage ends with the best checkpoint so far (after
    nan with the last good checkpoint) and reports the alarm. fail: the stage ends with an error and keeps
    the checkpoint in its work folder. A stage without a checkpoint always fails."""
    window: int = Field(8, ge=1)
    """Number of steps over which a metric is averaged before it is compared with its earlier averages. Only
    steps of the same curriculum stage are compared."""
    likelihood_drop: float = Field(0.5, gt=0)
    """Alarm likelihood: the mean log-probability per token of right rollouts is more than this (in nats)
    below its highest average."""
    entropy_share: float = Field(0.1, gt=0, lt=1)
    """Alarm entropy: the average entropy is below this share of the average over the first `window` steps."""
    reward_drop: float = Field(0.3, gt=0)
    """Alarm reward: the mean reward is more than this below its highest average."""
    format_drop: float = Field(0.3, gt=0, le=1)
    """Alarm format: the share of rollouts in valid form is more than this below its highest average."""
    ratio_limit: float = Field(1.5, gt=1)
    """Alarm ratio: the average ratio of new to old probabilities is above this, or below 1 divided by
    this."""
    empty_steps: int = Field(5, ge=1)
    """Alarm unfilled: this number of consecutive steps had no group that can be trained on, that is, no group
    with right and wrong rollouts."""


TrackerName = Literal["auto", "trackio", "wandb", "tensorboard", "none"]
Estimator = Literal["dapo", "grpo", "dr-grpo", "rloo", "gspo"]


class TrainingSettings(Settings):
    """Fields of every training: SFT, RL and the SFT of self-evolution rounds."""

    learning_rate: float = Field(3e-4, gt=0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of AdamW; 0: no decay."""
    frozen_layers: int = Field(0, ge=0)
    """Number of lowest layers that are not trained, together with the embeddings; 0 trains all weights.
    With half of the layers frozen a step costs about two thirds of the time and memory."""
    lora: bool = False
    """Train LoRA adapters of the linear layers instead of the weights. This needs the extra `lora`, and a
    `learning_rate` that is about ten times as high. The adapters are merged into the checkpoint."""
    lora_rank: int = Field(16, ge=1)
    """Rank of the adapters."""
    lora_alpha: float = Field(32.0, gt=0)
    """The adapters' output is scaled by lora_alpha / lora_rank."""
    save_steps: int = Field(25, ge=1)
    """Optimizer steps between two saved states. A killed run resumes from the newest saved state."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass instead of storing them. This saves memory for models that
    would not fit otherwise, and is slower (by about a fifth, according to TRL's documentation)."""


class SupervisedSettings(TrainingSettings):
    """Fields of SFT, as a stage or in a round of self-evolution."""

    batch_size: int = Field(8, ge=1)
    """Number of trajectories per optimizer step, over all processes."""
    micro_batch_size: int | None = Field(None, ge=1)
    """Number of trajectories per forward pass in each process. Unset, the process's share of the batch."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the trajectories; a fraction is allowed."""
    max_steps: int | None = Field(None, ge=1)
    """Number of optimizer steps, with further passes over the data if needed. Unset, `epochs` decides."""
    warmup_ratio: float = Field(0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises linearly from 0; 0: no warmup."""
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    """Course of the learning rate after the warmup: cosine or linear decay, or constant."""
    max_length: int = Field(1024, ge=16)
    """Maximum number of tokens of a trajectory, prompt included.

    Longer trajectories are left out and counted, never cut.
    """


class TrainingStageSettings(Settings):
    """Fields that the stages `sft` and `rl` share beyond those of every training."""

    model: Ref
    """The model to train: a checkpoint folder, a stage that writes a checkpoint, or OWNER/NAME at the
    Hugging Face hub."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the computation; weights and optimizer stay in float32. auto: the faster of the two on
    this hardware. On a processor with bfloat16 multiplication both are measured, once for each processor."""
    curriculum: CurriculumSettings = CurriculumSettings()
    """The order of the training tasks."""
    solve_rates: Ref = ""
    """Initial solve rates for `curriculum.solve_rate`: a file with a line `{"task", "solved", "sampled"}`
    per task, or the output of a stage `evolve`. Empty, all tasks start with the same weight."""
    trackers: tuple[TrackerName, ...] = ("auto",)
    """Experiment trackers that get the metrics of log.jsonl: trackio, wandb, tensorboard or none; auto:
    trackio if it is installed."""
    seed: int = 1
    """Seed of the data order, the sampling of rollouts and the initial values of adapters."""


class SftSettings(TrainingStageSettings, SupervisedSettings):
    """Supervised fine-tuning on trajectories."""

    basic = (
        "shares",
        "replay",
        "replay_share",
        "heldout",
        "learning_rate",
        "batch_size",
        "epochs",
        "max_steps",
        "max_length",
        "frozen_layers",
        "lora",
        "save_steps",
        "seed",
    )
    added = ("shares", "replay", "replay_share")

    trajectories: Refs
    """Trajectory files to train on. Several files are mixed: in proportion to their sizes, or by `shares`."""
    shares: tuple[float, ...] = ()
    """Share of the training rows from each of the `trajectories`, in their order: numbers above 0, scaled to
    the sum 1. Every batch has these shares, as nearly as whole rows allow. With shares an epoch ends when the
    first of the `trajectories` has been seen once; the others are repeated, each time in a new order, or cut,
    to fill their shares. Empty: all rows equally often."""
    replay: Refs = ()
    """Trajectory files of earlier trainings, to be repeated: `replay_share` of every batch comes from them,
    and the `trajectories` divide the rest. The seed draws their rows, none a second time before all were
    drawn; they do not count for an epoch and belong to no stage of the curriculum. Empty: no replay."""
    replay_share: float = Field(0.3, gt=0, lt=1)
    """Share of the rows of every batch that comes from `replay`, as nearly as whole rows allow."""
    heldout: Ref = ""
    """Held-out trajectories on which the loss is measured every `curriculum.measure_steps` steps; needed if
    a plateau ends the curriculum's stages. Empty, no loss is measured."""
    on_nan: Literal["finish", "fail"] = "finish"
    """What happens when the loss or gradient is not finite. finish: the stage ends with the last good
    checkpoint and reports this. fail: the stage ends with an error. A stage without a checkpoint always
    fails."""

    @field_validator("trajectories")
    @classmethod
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if again := repeated(value):
            raise ValueError(f"{again} is named twice; name it once, and give it a larger share in shares")
        return value

    @field_validator("shares")
    @classmethod
    def _share_of_each(cls, value: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        named = info.data.get("trajectories")
        if any(not (0 < share < math.inf) for share in value):
            raise ValueError(
                "each share must be a number above 0; leave a file out of trajectories to train without it"
            )
        if named is not None and value and len(value) != len(named):
            raise ValueError(
                f"trajectories names {len(named)} ({', '.join(named)}), so give {len(named)} shares, "
                f"not {len(value)}"
            )
        return value

    @field_validator("replay")
    @classmethod
    def _other_files(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if again := repeated((*info.data.get("trajectories", ()), *value)):
            raise ValueError(
                f"{again} is named twice; name each file once, either in trajectories or in replay"
            )
        return value

    @field_validator("replay_share")
    @classmethod
    def _has_replay(cls, value: float, info: ValidationInfo) -> float:
        if value != cls.model_fields["replay_share"].default and not info.data.get("replay", True):
            raise ValueError("it has no effect without replay; name trajectory files in replay")
        return value


def repeated(paths: Sequence[str]) -> str:
    """Returns the first path that names the same file as an earlier one; empty if there is none."""
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            return path
        seen.add(real)
    return ""


class VllmSettings(Settings):
    """vLLM as the backend of rollouts, through TRL; see docs/scale.md."""

    url: str = "http://127.0.0.1:8000"
    """Address of the server (vllm-server), without /v1."""
    memory_share: float = Field(0.3, gt=0, lt=1)
    """For vllm-colocate: share of the GPU's memory that the vLLM engine takes for weights and KV cache. The
    training gets the rest."""
    timeout: float = Field(300.0, gt=0)
    """For vllm-server: seconds to wait for the server to come up, and later for the text of one turn."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("give the address of a vLLM server, such as http://127.0.0.1:8000")
        return value.rstrip("/").removesuffix("/v1")


class RlSettings(TrainingStageSettings, TrainingSettings):
    """Reinforcement learning with DAPO or a related algorithm."""

    basic = (
        "steps",
        "prompts_per_step",
        "group_size",
        "learning_rate",
        "algorithm",
        "reward.answer",
        "heldout",
        "rollouts",
        "frozen_layers",
        "lora",
        "seed",
    )

    tasks: Ref
    """Tasks to train on: RAMP tasks or questions."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    steps: int = Field(3, ge=1)
    """Number of optimizer steps. Each step trains once on a new batch of rollouts."""
    prompts_per_step: int = Field(5, ge=1)
    """Number of tasks per step, over all processes. The rollouts of one task are a group."""
    group_size: int = 8
    """Number of rollouts per task, 2 or more. Each rollout's reward is compared with its group's rewards."""
    learning_rate: float = Field(1e-6, gt=0)
    """Learning rate of AdamW, constant after the warmup."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises linearly from 0; 0: no warmup."""
    weight_decay: float = Field(0.1, ge=0)
    """Weight decay of AdamW; 0: no decay."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients with a larger norm are scaled down to this norm."""
    algorithm: Estimator = "dapo"
    """The RL algorithm. dapo: the loss is a mean over all model tokens of a step. grpo: the loss is a mean
    over each rollout's tokens, then over rollouts. dr-grpo: as grpo, but a constant replaces the rollout's
    length, and advantages are not divided by the standard deviation. rloo: the advantage compares a rollout
    with the mean of the others, and the loss sums over a rollout's tokens. gspo: one ratio per rollout
    instead of one per token; set `clip_low` and `clip_high` to about 3e-4 and 4e-4."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL term, which penalises distance from the initial model. 0: no KL term, as in DAPO, and
    no second model in memory."""
    clip_low: float = Field(0.2, gt=0)
    """Ratios of new to old probabilities are clipped below 1 - clip_low."""
    clip_high: float = Field(0.28, gt=0)
    """Ratios are clipped above 1 + clip_high. DAPO's clip-higher sets this above clip_low. grpo and
    dr-grpo were published with 0.2 for both clips, rloo without clips (for gspo see `algorithm`)."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of the rollouts."""
    dynamic_sampling: bool = True
    """Replace groups whose rollouts are all right or all wrong by groups of other tasks (DAPO)."""
    max_refills: int = Field(3, ge=0)
    """Maximum number of refills of a step. A refill samples further tasks to replace dropped groups.

    If the batch is still not full after the last refill, groups without loss complete it.
    """
    overlong_filter: bool = False
    """Exclude rollouts that a token limit cut off from the loss (DAPO's overlong filtering). Their rewards
    still count in the mean of their group."""
    heldout: Ref = ""
    """Held-out tasks on which the model is measured with greedy decoding every `curriculum.measure_steps`
    steps. The measurements find plateaus that end the curriculum's stages, and the best checkpoint. Empty,
    the model is not measured."""
    alarms: AlarmSettings = AlarmSettings()
    """Limits of the alarms for signs of a collapse, and what an alarm does."""
    take: Literal["last", "best"] = "last"
    """The checkpoint that the stage writes. last: the model after the last step; best: the best saved
    checkpoint by F1 on `heldout` (without `heldout`, by the mean reward over `alarms.window` steps)."""
    reward: RewardSettings = RewardSettings()
    """The parts of the reward and their weights."""
    search: SearchSettings = SearchSettings()
    """The search that the rollouts use."""
    agent: AgentSettings = AgentSettings()
    """Limits of the agent loop in the rollouts, and the form of the answers."""
    micro_batch_size: int = Field(8, ge=1)
    """Number of rollouts per forward pass of the training, in each process."""
    rollouts: Literal["slots", "vllm-server", "vllm-colocate"] = "slots"
    """Backend that decodes the rollouts: slots (a copy of the model in this process), vllm-server (`vllm
    serve` on separate GPUs, at `vllm.url`) or vllm-colocate (a vLLM engine on the training's GPU). The vLLM
    backends need the extra `vllm`."""
    vllm: VllmSettings = VllmSettings()
    """Settings of the vLLM backends."""
    decode_slots: int = Field(48, ge=1)
    """For slots: number of rollouts that are decoded together. vLLM chooses its own number."""
    save_steps: int = Field(1, ge=1)
    """Steps between two saved states. A killed run resumes from the newest saved state, and only a saved
    state can become the best checkpoint."""

    @model_validator(mode="after")
    def _measured_states_are_saved(self) -> Self:
        every = self.curriculum.measure_steps
        if self.take == "best" and self.heldout and every % self.save_steps:
            raise ValueError(
                f"take is best, but the held-out tasks are measured every {every} steps "
                f"(curriculum.measure_steps) and states saved every {self.save_steps} (save_steps), and only "
                "a saved state can be kept; make measure_steps a multiple of save_steps"
            )
        return self

    @field_validator("group_size")
    @classmethod
    def _at_least_two(cls, value: int) -> int:
        if value < 2:
            raise ValueError("a rollout is compared with the others of its group, so a group needs 2 or more")
        return value
