"""Backends that decode the rollouts of RL, and the transfer of the trained weights to these backends.

    slots           our decoder over a copy of the model in this process; the weights are copied
    vllm-server     `vllm serve` on separate GPUs; TRL sends the weights over NCCL, each rank decodes
                    over HTTP
    vllm-colocate   a vLLM engine in each training process; TRL loads the weights

With vLLM this module makes no copy of the model. TRL creates the engine, or connects to the server, when
it creates the trainer. TRL also transfers the weights before it calls the rollout function. `load`
transfers them for decoding outside of a step, such as the last measurement of the held-out tasks. It does
nothing if the weights of the current step are already loaded.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
from collections.abc import Iterator
from typing import Any, Protocol

import torch

from masksearch.errors import MissingExtraError, TrainingError, UsageError
from masksearch.llm.base import Policy
from masksearch.llm.decoder.local_policy import LocalPolicy
from masksearch.llm.device import find_device, find_dtype
from masksearch.llm.token_session import end_tokens
from masksearch.llm.vllm import EXTRA, EnginePolicy, ServerPolicy
from masksearch.train.distributed import wait
from masksearch.train.lora import plain_weights
from masksearch.train.settings import RlSettings


@contextlib.contextmanager
def explain_server_errors() -> Iterator[None]:
    """Turns TRL's errors about a vLLM server (not running, or a missing option) into TrainingErrors."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if "vLLM server" not in str(error):
            raise
        raise TrainingError(f"{error} See docs/scale.md for how to start the server.") from error


class Decoder(Protocol):
    """A backend that decodes with the weights of the model in training."""

    @property
    def policy(self) -> Policy:
        """The policy: it opens the sessions in which the agent loop decodes on this backend."""

    def join(self, trainer: Any) -> None:
        """Connects to the trainer; called once, after the trainer is created."""

    def load(self, trainer: Any) -> None:
        """Loads the trainer's current weights; every rank must call it, outside of the agent loop."""


def check_rollouts(settings: RlSettings) -> None:
    """Checks `rollouts` before any model is loaded.

    Raises UsageError if this machine cannot send weights to a server, and MissingExtraError for a
    missing package.
    """
    if settings.rollouts == "slots":
        return
    if settings.rollouts == "vllm-server" and find_device().type != "cuda":
        raise UsageError(
            "rollouts is vllm-server, but weights can be sent to a vLLM server from a CUDA device only, "
            "and this machine has none; leave rollouts at slots, or train on a GPU."
        )
    for package in ("vllm", "httpx", "requests"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, EXTRA, f"rollouts = {settings.rollouts}")


def open_decoder(settings: RlSettings, model: Any, tokenizer: Any, name: str) -> Decoder:
    """Returns the decoder of the settings; trajectories record `name` as their model.

    Call it before layers are frozen or adapters added, because `slots` copies the plain model.
    """
    if settings.rollouts == "slots":
        return SlotDecoder(settings, model, tokenizer, name)
    return VllmDecoder(settings, model, tokenizer, name)


def vllm_arguments(settings: RlSettings) -> dict[str, Any]:
    """Returns the vLLM arguments of TRL's GRPOConfig; empty for slots."""
    if settings.rollouts == "slots":
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": settings.rollouts.removeprefix("vllm-"),
        "vllm_server_base_url": settings.vllm.url,
        "vllm_server_timeout": settings.vllm.timeout,
        "vllm_gpu_memory_utilization": settings.vllm.memory_share,
        "vllm_max_model_length": settings.agent.max_length,
        "vllm_tensor_parallel_size": 1,
        # TRL's correction multiplies the loss by (trainer's probability / sampler's probability). Our ratio
        # does not need it, because its old probability is already the sampler's (rl/trainer.py).
        "vllm_importance_sampling_correction": False,
    }


class SlotDecoder:
    """Backend `slots`: our own decoder with a copy of the model, in the number format of the setting
    `dtype`."""

    def __init__(self, settings: RlSettings, model: Any, tokenizer: Any, name: str) -> None:
        decoder = copy.deepcopy(model).to(find_dtype(settings.dtype))
        self.policy = LocalPolicy(decoder, tokenizer, name, settings.decode_slots, settings.agent.max_length)

    def join(self, trainer: Any) -> None:
        """Does nothing: this decoder's copy of the model needs no connection to the trainer."""

    def load(self, trainer: Any) -> None:
        """Copies the trainer's current weights into the decoder's model."""
        copy_weights(trainer.accelerator.unwrap_model(trainer.model), self.policy.engine.model)


class VllmDecoder:
    """Backends `vllm-server` and `vllm-colocate`. The attribute `policy` exists only after `join`."""

    policy: Policy

    def __init__(self, settings: RlSettings, model: Any, tokenizer: Any, name: str) -> None:
        self.settings, self.tokenizer, self.name = settings, tokenizer, name
        self.end_ids = end_tokens(model, tokenizer)

    def join(self, trainer: Any) -> None:
        """Builds the policy for the vLLM server, or for the engine that TRL created.

        Raises TrainingError if the server's options are unsuitable, and ModelError if the server does not
        answer.
        """
        settings, generation = self.settings, trainer.vllm_generation
        if settings.lora:
            # TRL merges only adapters of a PeftModel. Ours are injected into a plain model, so we merge them.
            generation._iter_named_params = lambda: merged_weights(
                trainer.accelerator.unwrap_model(trainer.model)
            )
        if settings.rollouts == "vllm-colocate":
            self.policy = EnginePolicy(generation.llm.llm_engine, self.tokenizer, self.end_ids, self.name)
            return
        if trainer.accelerator.is_main_process:
            check_server(generation.vllm_client.get_server_info()["model_config"], settings)
        self.policy = ServerPolicy(
            settings.vllm.url, self.tokenizer, self.end_ids, self.name, settings.vllm.timeout
        )

    def load(self, trainer: Any) -> None:
        """Lets TRL transfer the weights, unless the weights of this step are already loaded."""
        if trainer.state.global_step != trainer._last_loaded_step:
            trainer.vllm_generation.sync_weights()
            trainer._last_loaded_step = trainer.state.global_step
        # With a server, the first rank sends the weights for all ranks. The other ranks must not decode
        # before the server has the weights.
        wait()


def check_server(model: dict[str, Any], settings: RlSettings) -> None:
    """Checks the settings that a vLLM server reports (its `model_config`).

    Raises TrainingError if its length limit would cut sessions short, or if its log-probabilities do not
    belong to the distribution that it samples from.
    """
    length, mode = model.get("max_model_len"), model.get("logprobs_mode")
    if isinstance(length, int) and length < settings.agent.max_length:
        raise TrainingError(
            f"The vLLM server has room for {length} tokens, and agent.max_length is "
            f"{settings.agent.max_length}; start it with a larger --max-model-len, or lower agent.max_length."
        )
    # At temperature 1, and without top-k or top-p, raw and processed log-probabilities are equal.
    if mode != "processed_logprobs" and (mode != "raw_logprobs" or settings.temperature != 1.0):
        raise TrainingError(
            f"The vLLM server returns {mode}, which at temperature {settings.temperature:g} do not "
            "belong to the distribution that it samples from; start it with "
            "--logprobs-mode processed_logprobs."
        )


def merged_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields names and whole weights for vLLM, with the adapters merged.

    A weight with two names (tied embeddings) is yielded once, under its first name.
    """
    names = {name.replace(".base_layer.", ".") for name, _ in model.named_parameters()}
    for name, weight in plain_weights(model):
        if name in names:
            yield name, weight.detach()


@torch.no_grad()
def copy_weights(source: Any, target: Any) -> None:
    """Copies the weights of the model in training (`source`) into a model without adapters (`target`).

    Merges adapters, gathers weights that are sliced over the ranks, and converts to the target's dtype.
    """
    weights = target.state_dict(keep_vars=True)
    for name, weight in plain_weights(source):
        weights[name].copy_(weight)
