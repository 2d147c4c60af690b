"""A stand-in for vLLM with its documented interfaces, which decodes a small model: a server and an engine.

    with Endpoint(completions(Tiny(model, tokenizer))) as endpoint:
        ServerPolicy(endpoint.url.removesuffix("/v1"), ...)
    EnginePolicy(TinyEngine(Tiny(model, tokenizer)), ...)

Every token is computed from the whole sequence without a cache: slow, but no cache can hide an error.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from kit.endpoint import Script

PACKAGE = {
    "__init__.py": """
from dataclasses import dataclass, field
@dataclass
class SamplingParams:
    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: list = field(default_factory=list)
    stop_token_ids: list = field(default_factory=list)
    ignore_eos: bool = False
    max_tokens: int = 16
    min_tokens: int = 0
    logprobs: int | None = None
    include_stop_str_in_output: bool = False
    output_kind: int = 0
""",
    "sampling_params.py": """
from enum import Enum
class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2
""",
}
"""The parts of the package `vllm` that MaskSearch imports: file name -> source."""


@contextlib.contextmanager
def installed(folder: Path, monkeypatch: Any) -> Iterator[None]:
    """Writes a package `vllm` to `folder` and makes it importable in the block."""
    package = folder / "site" / "vllm"
    package.mkdir(parents=True)
    for name, text in PACKAGE.items():
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
            del sys.modules[name]


@dataclass
class Asked:
    """A running request."""

    prompt: list[int]
    parameters: dict[str, Any]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    reason: str | None = None


class Tiny:
    """Decodes requests token by token."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer, self.lock = model.eval(), tokenizer, threading.Lock()

    def begin(self, prompt: list[int], parameters: dict[str, Any]) -> Asked:
        """Starts a request."""
        assert all(isinstance(token, int) for token in prompt)
        assert parameters["include_stop_str_in_output"]
        asked = Asked(list(prompt), parameters)
        asked.parameters["random"] = torch.Generator().manual_seed(parameters["seed"])
        return asked

    @torch.no_grad()
    def step(self, asked: Asked) -> None:
        """Adds one token to a request and ends it where vLLM would."""
        given = asked.parameters
        with self.lock:
            logits = self.model(input_ids=torch.tensor([asked.prompt + asked.ids])).logits[0, -1].float()
        logp = torch.log_softmax(logits / (given["temperature"] or 1.0), dim=-1)
        if given["temperature"]:
            token = int(torch.multinomial(logp.exp(), 1, generator=given["random"]))
        else:
            token = int(logits.argmax())
        asked.ids.append(token)
        asked.logprobs.append(float(logp[token]))
        text = self.tokenizer.decode(asked.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if token in given["stop_token_ids"] or any(word in text for word in given["stop"]):
            asked.reason = "stop"
        elif len(asked.ids) == given["max_tokens"]:
            asked.reason = "length"


def completion(
    ids: list[int], logprobs: list[float] | None = None, reason: str | None = "stop", **more: Any
) -> dict[str, Any]:
    """Builds an answer of /v1/completions with `return_token_ids` and `return_tokens_as_token_ids`.

    `more` adds fields to the choice.
    """
    names = [f"token_id:{token}" for token in ids]
    values = [-0.5] * len(ids) if logprobs is None else logprobs
    logprobs_field = {
        "tokens": names,
        "token_logprobs": values,
        "text_offset": [],
        "top_logprobs": [{name: value} for name, value in zip(names, values, strict=False)],
    }
    choice = {
        "index": 0,
        "text": "",
        "token_ids": ids,
        "logprobs": logprobs_field,
        "finish_reason": reason,
        "stop_reason": None,
    }
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{**choice, **more}],
        "usage": {},
    }


def completions(tiny: Tiny) -> Script:
    """Returns a script for `Endpoint` that decodes with `tiny`."""

    def answer(body: dict[str, Any], number: int) -> dict[str, Any]:
        asked = tiny.begin(body["prompt"], dict(body))
        while asked.reason is None:
            tiny.step(asked)
        found = completion(asked.ids, asked.logprobs, asked.reason)
        choice = found["choices"][0]
        if not body.get("return_token_ids"):
            del choice["token_ids"]
        if body.get("logprobs") is None:
            choice["logprobs"] = None
        return found

    return answer


class TinyEngine:
    """A stand-in for `LLM(...).llm_engine`.

    `widths` holds the number of requests in each step, `prompts` the prompts of all requests.
    """

    def __init__(self, tiny: Tiny) -> None:
        self.tiny, self.asked, self.widths, self.prompts = tiny, {}, [], []
        self.aborted: list[str] = []
        load = SimpleNamespace(load_weights=self._load)
        self.model_executor = SimpleNamespace(
            driver_worker=SimpleNamespace(model_runner=SimpleNamespace(model=load))
        )

    def add_request(self, request_id: str, prompt: dict[str, Any], params: Any) -> str:
        assert prompt["type"] == "token"
        assert request_id not in self.asked
        assert params.output_kind.name == "FINAL_ONLY"
        if len(prompt["prompt_token_ids"]) > 4000:
            raise ValueError("The decoder prompt is longer than the maximum model length.")
        self.prompts.append(prompt["prompt_token_ids"])
        self.asked[request_id] = self.tiny.begin(prompt["prompt_token_ids"], vars(params))
        return request_id

    def has_unfinished_requests(self) -> bool:
        return bool(self.asked)

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids
        for name in request_ids:
            self.asked.pop(name, None)

    def step(self) -> list[Any]:
        self.widths.append(len(self.asked))
        for asked in self.asked.values():
            self.tiny.step(asked)
        done = {name: asked for name, asked in self.asked.items() if asked.reason}
        self.asked = {name: asked for name, asked in self.asked.items() if not asked.reason}
        return [
            SimpleNamespace(request_id=name, finished=True, outputs=[_output(asked)])
            for name, asked in done.items()
        ]

    def _load(self, weights: Any) -> None:
        into = dict(self.tiny.model.named_parameters())
        with torch.no_grad():
            for name, weight in weights:
                into[name].copy_(weight)  # raises KeyError for a name that vLLM does not know


def _output(asked: Asked) -> Any:
    # Each dict holds the likeliest token in addition to the drawn token, as with logprobs=1.
    other = {-1: SimpleNamespace(logprob=0.0, rank=1)}
    entries = [
        {token: SimpleNamespace(logprob=value, rank=2), **other}
        for token, value in zip(asked.ids, asked.logprobs, strict=True)
    ]
    return SimpleNamespace(token_ids=tuple(asked.ids), logprobs=entries, finish_reason=asked.reason)


def server_info(**changed: Any) -> dict[str, Any]:
    """Builds the server's answer about its configuration."""
    return {
        "model_config": {"max_model_len": 4096, "logprobs_mode": "processed_logprobs", **changed},
        "weight_transfer_config": {"backend": "nccl"},
    }


def counted(script: Script, first: list[Any]) -> Script:
    """Returns a script that answers from the list `first`, then with `script`."""
    numbers = itertools.count()

    def answer(body: dict[str, Any], number: int) -> Any:
        place = next(numbers)
        return first[place] if place < len(first) else script(body, number)  # type: ignore[operator]

    return answer
