"""What decodes the rollouts of RL, and how the weights get there.

    slots           our own engine over a copy of the model in this process; weights are copied
    vllm-server     `vllm serve` on GPUs of its own; TRL sends the weights over NCCL, each process asks over HTTP
    vllm-colocate   a vLLM engine beside the training, one for each process; TRL loads the weights

With vLLM there is no copy of the model here. TRL makes the engine (or connects to the server) with the trainer, and brings the weights before it calls
the rollout function; `load` does the same where something is decoded outside of a step, and does nothing where the weights are there already.
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
def telling_server() -> Iterator[None]:
    """What TRL says of a server that is missing, or was started without what it takes, as TrainingError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if "vLLM server" not in str(error):
            raise
        raise TrainingError(f"{error} How to start it: docs/scale.md.") from error


class Decoder(Protocol):
    """A model that decodes what another one, in training, would write."""

    @property
    def policy(self) -> Policy:
        """Opens sessions."""

    def join(self, trainer: Any) -> None:
        """Takes in the trainer, once, when it is made."""

    def load(self, trainer: Any) -> None:
        """Brings the weights of the training; every process must call it, outside of the agent loop."""


def check_rollouts(settings: RlSettings) -> None:
    """Raises before any model is loaded: UsageError where TRL cannot do what is asked for here, MissingExtraError where a package is missing."""
    if settings.rollouts == "slots":
        return
    if settings.rollouts == "vllm-server" and find_device().type != "cuda":
        raise UsageError(
            "rollouts is vllm-server, but weights can be sent to a vLLM server from a CUDA device only, and there is none here; "
            "leave rollouts at slots, or train on a GPU."
        )
    for package in ("vllm", "httpx", "requests"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, EXTRA, f"rollouts = {settings.rollouts}")


def open_decoder(settings: RlSettings, model: Any, tokenizer: Any, name: str) -> Decoder:
    """The decoder that the settings ask for; `name` is stamped on trajectories. To be made before the model is changed for training."""
    if settings.rollouts == "slots":
        return SlotDecoder(settings, model, tokenizer, name)
    return VllmDecoder(settings, model, tokenizer, name)


def vllm_arguments(settings: RlSettings) -> dict[str, Any]:
    """What TRL's GRPOConfig is told of vLLM; nothing where it has no part."""
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
        # It would weigh tokens by what the trainer computes against what was sampled from; our ratio is against the latter already (train/trainer.py).
        "vllm_importance_sampling_correction": False,
    }


class SlotDecoder:
    """Our own engine over a copy of the model, in the number format of computation."""

    def __init__(self, settings: RlSettings, model: Any, tokenizer: Any, name: str) -> None:
        decoder = copy.deepcopy(model).to(find_dtype(settings.dtype))
        self.policy = LocalPolicy(decoder, tokenizer, name, settings.decode_slots, settings.agent.max_length)

    def join(self, trainer: Any) -> None:
        """Nothing to do."""

    def load(self, trainer: Any) -> None:
        """Copies the weights."""
        copy_weights(trainer.accelerator.unwrap_model(trainer.model), self.policy.engine.model)


class VllmDecoder:
    """vLLM, as TRL holds it. There is no policy before `join`."""

    policy: Policy

    def __init__(self, settings: RlSettings, model: Any, tokenizer: Any, name: str) -> None:
        self.settings, self.tokenizer, self.name = settings, tokenizer, name
        self.end_ids = end_tokens(model, tokenizer)

    def join(self, trainer: Any) -> None:
        """Opens sessions on TRL's engine or server. Raises TrainingError where the server's options do not fit, ModelError where it does not answer."""
        settings, generation = self.settings, trainer.vllm_generation
        if settings.lora:
            # Our adapters stand in the model itself, and TRL merges those of a PeftModel only.
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
        """Has TRL bring the weights, unless those of this step are there."""
        if trainer.state.global_step != trainer._last_loaded_step:
            trainer.vllm_generation.sync_weights()
            trainer._last_loaded_step = trainer.state.global_step
        # The first process sends the weights of all; the others must not ask the server before it has them.
        wait()


def check_server(model: dict[str, Any], settings: RlSettings) -> None:
    """Raises TrainingError where a server's `model_config` would cut sessions short, or its log-probabilities are not of what it samples from."""
    length, mode = model.get("max_model_len"), model.get("logprobs_mode")
    if isinstance(length, int) and length < settings.agent.max_length:
        raise TrainingError(
            f"The vLLM server has room for {length} tokens, and agent.max_length is {settings.agent.max_length}; "
            "start it with a larger --max-model-len, or lower agent.max_length."
        )
    # At temperature 1 and with nothing cut off, raw log-probabilities are the same.
    if mode != "processed_logprobs" and (mode != "raw_logprobs" or settings.temperature != 1.0):
        raise TrainingError(
            f"The vLLM server returns {mode}, which at temperature {settings.temperature:g} are not of the distribution it samples from; "
            "start it with --logprobs-mode processed_logprobs."
        )


def merged_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and whole weights for vLLM: adapters merged, and a weight that has two names (tied embeddings) under the first one alone."""
    names = {name.replace(".base_layer.", ".") for name, _ in model.named_parameters()}
    for name, weight in plain_weights(model):
        if name in names:
            yield name, weight.detach()


@torch.no_grad()
def copy_weights(source: Any, target: Any) -> None:
    """Copies weights into a plain model of another number format: adapters merged, slices of several processes put together."""
    into = target.state_dict(keep_vars=True)
    for name, weight in plain_weights(source):
        into[name].copy_(weight)
