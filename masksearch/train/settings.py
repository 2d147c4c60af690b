"""Settings of the stages `sft` and `rl`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from masksearch.agent.settings import AgentSettings
from masksearch.ramp.settings import mask_range
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.scoring.settings import RewardSettings
from masksearch.search.settings import SearchSettings


class CurriculumSettings(Settings):
    """Which tasks come when, for SFT and RL alike: all mixed or by their number of masks; and, of those, evenly or by how often they are solved."""

    order: Literal["mixed", "masks"] = "mixed"
    """mixed: all tasks from the first step to the last; masks: by their number of masks, in stages."""
    stages: tuple[str, ...] = Field(("1", "2", "3", "4"), min_length=1)
    """The number of masks of each stage, or a range such as 1-2."""
    boundary: Literal["steps", "plateau"] = "steps"
    """What ends a stage: a number of steps, or no gain on the stage's tasks in `heldout`. The last one lasts to the end of the training."""
    stage_steps: tuple[int, ...] = ()
    """Steps of each stage but the last; empty: shared out evenly (SFT: as the trajectories are)."""
    solve_rate: bool = False
    """Prefer tasks that are solved sometimes, neither always nor never; measured as they are trained on, first by `solve_rates`. In SFT a trajectory counts as
    solved where each token of its answer would have been the likeliest."""
    floor: float = Field(0.05, gt=0, le=1)
    """Least weight of a task, against one that is solved half of the time or was never measured: even those are measured again."""
    half_life: int = Field(50, ge=1)
    """After so many steps a measurement of a task counts half, because the model has moved on."""
    measure_steps: int = Field(10, ge=1)
    """Measure on `heldout` every so many steps."""
    heldout_limit: int = Field(64, ge=1)
    """Measure on the first so many of the stage."""
    patience: int = Field(3, ge=1)
    """A plateau: so many measurements in a row without gain."""
    min_gain: float = Field(0.0, ge=0)
    """A gain is more than this, in F1 (SFT: in the loss)."""

    @field_validator("stages")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for stage in value:
            mask_range(stage)
        return value

    @field_validator("stage_steps")
    @classmethod
    def _counted(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        stages = info.data.get("stages", ())
        if value and (min(value) < 1 or len(value) != len(stages) - 1):
            raise ValueError(f"give the steps, 1 or more, of each of the {len(stages)} stages but the last")
        return value


AlarmName = Literal["nan", "unfilled", "likelihood", "entropy", "reward", "format", "ratio"]


class AlarmSettings(Settings):
    """Signs of a collapse in RL. An alarm that does not stop the run is told once."""

    stop_on: tuple[AlarmName, ...] = ("nan", "unfilled", "likelihood", "reward", "format", "ratio")
    """Which of them stop the run: nan (loss or gradient not finite), unfilled (`empty_steps`), likelihood (`likelihood_drop`), entropy (`entropy_share`),
    reward (`reward_drop`), format (`format_drop`), ratio (`ratio_limit`)."""
    then: Literal["finish", "fail"] = "finish"
    """finish: the stage ends with the best checkpoint so far (after nan with the last good one) and says so; fail: it ends with an error, and the checkpoint
    stays in its folder. Without a checkpoint it fails."""
    window: int = Field(8, ge=1)
    """Figures are compared as means over so many steps, with those of the same stage of the curriculum."""
    likelihood_drop: float = Field(0.5, gt=0)
    """Fall of the mean log-probability of right rollouts, a token, below the highest before."""
    entropy_share: float = Field(0.1, gt=0, lt=1)
    """Entropy below this share of the first window's."""
    reward_drop: float = Field(0.3, gt=0)
    """Fall of the reward below the highest before."""
    format_drop: float = Field(0.3, gt=0, le=1)
    """Fall of the share of rollouts in valid form below the highest before."""
    ratio_limit: float = Field(1.5, gt=1)
    """Mean ratio of new to old probabilities above this, or below 1 / this."""
    empty_steps: int = Field(5, ge=1)
    """So many steps in a row without one group that has both right and wrong rollouts."""


TrackerName = Literal["auto", "trackio", "wandb", "tensorboard", "none"]
Estimator = Literal["dapo", "grpo", "dr-grpo", "rloo", "gspo"]


class SftSettings(Settings):
    """Supervised fine-tuning on trajectories."""

    model: Ref
    trajectories: Refs
    learning_rate: float = Field(3e-4, gt=0)
    batch_size: int = Field(8, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    """Rows in memory at a time; None: the whole batch."""
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimizer steps, going round the data if need be; None: `epochs` decides."""
    warmup_ratio: float = Field(0.05, ge=0, le=1)
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    max_length: int = Field(1024, ge=16)
    """Longer trajectories are left out (and counted), never cut."""
    frozen_layers: int = Field(0, ge=0)
    """The lowest so many layers, and the embeddings, stay as they are: with half of them a step costs about two thirds of the time and memory."""
    lora: bool = False
    """Train adapters beside the linear layers instead of the weights (extra `lora`), at about ten times the learning rate; the checkpoint has them merged."""
    lora_rank: int = Field(16, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    """The adapters' part is scaled by lora_alpha / lora_rank."""
    save_steps: int = Field(25, ge=1)
    """A state to resume from is saved so often."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass: slower (TRL's documentation says by about a fifth), for models that would not fit in memory otherwise."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Compute type; weights and optimizer stay in float32. auto: bfloat16 where the hardware multiplies it, else float32."""
    curriculum: CurriculumSettings = CurriculumSettings()
    heldout: Ref = ""
    """Trajectories on which the loss is measured every `curriculum.measure_steps` steps; for stages that end with a plateau."""
    solve_rates: Ref = ""
    """How often tasks are solved, to begin with: `{"task", "solved", "sampled"}` a line, or the product of a stage `evolve`; for `curriculum.solve_rate`."""
    on_nan: Literal["finish", "fail"] = "finish"
    """What follows a loss that is not finite: the stage ends with the last good checkpoint and says so, or with an error. Without a checkpoint it fails."""
    trackers: tuple[TrackerName, ...] = ("auto",)
    """Where figures go besides log.jsonl: trackio, wandb, tensorboard, none; auto: trackio where it is installed."""
    seed: int = 1


class VllmSettings(Settings):
    """vLLM as the back end of rollouts, by way of TRL; see docs/scale.md."""

    url: str = "http://127.0.0.1:8000"
    """Address of the server (vllm-server), without /v1."""
    memory_share: float = Field(0.3, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes for weights and cache (vllm-colocate); the rest is for the training."""
    timeout: float = Field(300.0, gt=0)
    """Seconds to wait for the server: at the start until it is up, later for one turn."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it is the address of a vLLM server, such as http://127.0.0.1:8000")
        return value.rstrip("/").removesuffix("/v1")


class RlSettings(Settings):
    """Reinforcement learning with DAPO, or with one of its relatives."""

    model: Ref
    tasks: Ref
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    steps: int = Field(3, ge=1)
    prompts_per_step: int = Field(5, ge=1)
    group_size: int = 8
    """Rollouts of a task; each is judged against the others."""
    learning_rate: float = Field(1e-6, gt=0)
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.1, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    algorithm: Estimator = "dapo"
    """dapo (loss a token, over all model tokens of a step), grpo (mean over each rollout first), dr-grpo (a constant for a length, advantages not divided by
    the standard deviation), rloo (each against the mean of the others; sums over rollouts), gspo (one ratio a rollout; with clips of about 3e-4 and 4e-4)."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL term against the model that training began with; 0: no term, as in DAPO, and no second model in memory."""
    clip_low: float = Field(0.2, gt=0)
    clip_high: float = Field(0.28, gt=0)
    """Clip-higher where it is more than clip_low; all algorithms but DAPO were published with the two alike, at 0.2 (gspo: see there)."""
    temperature: float = Field(1.0, gt=0)
    dynamic_sampling: bool = True
    max_refills: int = Field(3, ge=0)
    """How often more prompts are sampled for a step before it is trained with groups that say nothing."""
    overlong_filter: bool = False
    """Rollouts that were cut off at a limit of tokens carry no loss (DAPO's overlong filtering); they still count in the mean of their group."""
    curriculum: CurriculumSettings = CurriculumSettings()
    heldout: Ref = ""
    """Tasks on which the model is measured greedily every `curriculum.measure_steps` steps: for stages that end with a plateau, and for what is the best
    checkpoint."""
    solve_rates: Ref = ""
    """How often tasks are solved, to begin with: `{"task", "solved", "sampled"}` a line, or the product of a stage `evolve`; for `curriculum.solve_rate`."""
    alarms: AlarmSettings = AlarmSettings()
    take: Literal["last", "best"] = "last"
    """Which checkpoint is the product: the last one, or the best saved one by F1 on `heldout` (without one, by the reward over `alarms.window` steps)."""
    trackers: tuple[TrackerName, ...] = ("auto",)
    """Where figures go besides log.jsonl: trackio, wandb, tensorboard, none; auto: trackio where it is installed."""
    reward: RewardSettings = RewardSettings()
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    micro_batch_size: int = Field(8, ge=1)
    rollouts: Literal["slots", "vllm-server", "vllm-colocate"] = "slots"
    """What decodes the rollouts: slots (a copy of the model in this process), vllm-server (`vllm serve` on GPUs of its own, at `vllm.url`),
    vllm-colocate (a vLLM engine beside the training, on the same GPU); extra `vllm`."""
    vllm: VllmSettings = VllmSettings()
    decode_slots: int = Field(48, ge=1)
    """Rollouts that are decoded together (slots); vLLM finds its own number."""
    frozen_layers: int = Field(0, ge=0)
    """The lowest so many layers, and the embeddings, stay as they are: with half of them a step costs about two thirds of the time and memory."""
    lora: bool = False
    """Train adapters beside the linear layers instead of the weights (extra `lora`), at about ten times the learning rate; the checkpoint has them merged."""
    lora_rank: int = Field(16, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    """The adapters' part is scaled by lora_alpha / lora_rank."""
    save_steps: int = Field(1, ge=1)
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass: slower (TRL's documentation says by about a fifth), for models that would not fit in memory otherwise."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    seed: int = 1

    @model_validator(mode="after")
    def _best_is_saved(self) -> Self:
        every = self.curriculum.measure_steps
        if self.take == "best" and self.heldout and every % self.save_steps:
            raise ValueError(
                f"take is best, but the held-out tasks are measured every {every} steps (curriculum.measure_steps) and states saved every {self.save_steps} "
                "(save_steps), and only a saved state can be kept; make measure_steps a multiple of save_steps"
            )
        return self

    @field_validator("group_size")
    @classmethod
    def _compared(cls, value: int) -> int:
        if value < 2:
            raise ValueError(
                "a rollout is judged against the others of its group, so a group needs 2 or more"
            )
        return value
