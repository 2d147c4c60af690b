"""Needs of training: packages, the model, the search and judge of RL, disk for states, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masksearch.llm.needs import checkpoint_needs, count_parameters, human_count
from masksearch.runtime import ranks
from masksearch.runtime.needs import Made, Need
from masksearch.runtime.needs.network import Server
from masksearch.runtime.needs.packages import Package, Plain, all_of, file_needs
from masksearch.runtime.needs.sizes import DiskSpace, Memory
from masksearch.scoring.needs import judge_needs
from masksearch.search.needs import search_needs
from masksearch.train.settings import RlSettings, SftSettings, TrainingSettings

TRAINER = ("torch", "transformers", "trl", "accelerate", "datasets")
"""Modules that every training imports."""
WEIGHTS, GRADIENTS, OPTIMIZER = 4, 4, 8
"""Bytes for each parameter in float32: the weights, their gradients, and the two moments of Adam."""
STATES = 2
"""Saved states that a trainer keeps (`save_total_limit`)."""
ADAPTER_SHARE = 0.01
"""Share of the parameters that LoRA trains, roughly."""


def sft_needs(settings: SftSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of the stage `sft`."""
    yield from training_needs(settings, settings.model, made)
    yield from tracker_needs(settings.trackers)
    for source in (*settings.trajectories, *settings.replay, settings.heldout, settings.solve_rates):
        if source and source not in made:
            yield from file_needs(source)


def rl_needs(settings: RlSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of the stage `rl`."""
    # `slots` decodes with a copy of the model, and the KL term keeps the initial model.
    copies = (2 if settings.rollouts == "slots" else 0) + (WEIGHTS if settings.beta else 0)
    yield from training_needs(settings, settings.model, made, copies)
    yield from tracker_needs(settings.trackers)
    for source in (settings.tasks, settings.heldout, settings.solve_rates):
        if source and source not in made:
            yield from file_needs(source)
    yield from search_needs(settings.index, settings.search, made)
    if settings.reward.answer == "judge":
        yield from judge_needs(settings.reward.judge, "reward.judge")
    if settings.rollouts != "slots":
        yield Package("vllm", f"rollouts = {settings.rollouts}")
        yield Package("httpx", f"rollouts = {settings.rollouts}", extra="vllm")
    if settings.rollouts == "vllm-server":
        remedy = f"start it within {settings.vllm.timeout:g} seconds of the stage's start (docs/scale.md)"
        yield Server(settings.vllm.url, "The vLLM server", remedy, later=True)


def training_needs(settings: TrainingSettings, model: str, made: Made, copies: int = 0) -> Iterator[Need]:
    """Yields the needs of any training of `model`. `copies` is the number of bytes for each parameter that
    further copies of the model take."""
    yield from all_of(TRAINER, "Training")
    yield from checkpoint_needs(model, made)
    if settings.lora:
        yield Package("peft", "Training with lora = true")
    parameters = count_parameters(model, made)
    trained = _trained_share(settings)
    yield DiskSpace(
        WEIGHTS * parameters, int(STATES * parameters * (WEIGHTS + OPTIMIZER * trained)), rough=trained < 1
    )
    if ranks.count() == 1:  # several processes may slice the model among them
        per_parameter = WEIGHTS + copies + (GRADIENTS + OPTIMIZER) * trained
        yield Memory(
            int(parameters * per_parameter),
            f"Training {human_count(parameters)} parameters (weights, gradients, optimizer)",
            "train with lora = true or frozen_layers, use a smaller model, or several GPUs (docs/scale.md)",
        )


def _trained_share(settings: TrainingSettings) -> float:
    if settings.lora:
        return ADAPTER_SHARE
    # The number of layers is not known here; half is usual.
    return 0.5 if settings.frozen_layers else 1.0


def tracker_needs(trackers: Sequence[str]) -> Iterator[Need]:
    """Yields the packages of the trackers that the settings name."""
    for name in trackers:
        if name in ("auto", "none"):
            continue
        message = (
            f"The tracker {name} is not installed; install it with: pip install {name}, or leave it out of "
            "trackers."
        )
        yield Plain("tensorboard" if name == "tensorboard" else name, message)
