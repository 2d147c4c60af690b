"""Opens a checkpoint for `LlamaModel`, if it is one that this package knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from masksearch.llm.direct.llama import LlamaModel, Shape, weight_names
from masksearch.llm.direct.tokenizer import DirectTokenizer

TOKENIZER_CLASSES = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Classes of `transformers` that add nothing to `tokenizer.json`."""
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
PLAIN: Mapping[str, tuple[Any, ...]] = {
    "model_type": ("llama",),
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "pretraining_tp": (1, None),
    "quantization_config": (None,),
    "auto_map": (None,),
    "rope_scaling": (None,),
}
"""Entry of `config.json` -> the values that this package knows."""
UNKNOWN_IN_TEMPLATES = ("generation", "strftime_now", "tojson")
"""Words in a chat template for which `transformers` has code of its own."""


def open_direct(source: str, dtype: torch.dtype) -> tuple[LlamaModel, DirectTokenizer] | None:
    """Returns model and tokenizer of a checkpoint folder; None if another class must load them."""
    folder = Path(source)
    if torch.cuda.is_available() or not folder.is_dir():
        return None
    try:
        shape = read_shape(_read(folder / "config.json"))
        tokenizer = read_tokenizer(folder)
        weights = read_weights(folder, dtype, shape)
    except (OSError, ValueError, KeyError, TypeError):
        # `load_checkpoint` reads it again, and reports what is wrong.
        return None
    file = folder / "generation_config.json"
    ends = _read(file).get("eos_token_id") if file.is_file() else shape.eos_token_id
    return LlamaModel(shape, weights, ends), tokenizer


def read_shape(config: Mapping[str, Any]) -> Shape:
    """Returns the sizes of a model. Raises ValueError for a model that is no plain Llama."""
    for name, known in PLAIN.items():
        if config.get(name) not in known:
            raise ValueError(f"{name} is {config.get(name)}")
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10_000.0)}
    if rope.get("rope_type", "default") != "default" or not set(rope) <= {"rope_type", "rope_theta"}:
        raise ValueError(f"rope_parameters are {rope}")
    heads = int(config["num_attention_heads"])
    return Shape(
        hidden_size=int(config["hidden_size"]),
        num_hidden_layers=int(config["num_hidden_layers"]),
        num_attention_heads=heads,
        num_key_value_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
        rms_norm_eps=float(config["rms_norm_eps"]),
        rope_theta=float(rope["rope_theta"]),
        eos_token_id=config.get("eos_token_id"),
    )


def read_tokenizer(folder: Path) -> DirectTokenizer:
    """Returns the tokenizer of a folder. Raises ValueError for one that is more than its file."""
    config = _read(folder / "tokenizer_config.json")
    template_file = folder / "chat_template.jinja"
    template = config.get("chat_template")
    if template_file.is_file():
        template = template_file.read_text(encoding="utf-8")
    if config.get("tokenizer_class") not in TOKENIZER_CLASSES or config.get("auto_map"):
        raise ValueError("the tokenizer has a class of its own")
    if not isinstance(template, str) or any(word in _code(template) for word in UNKNOWN_IN_TEMPLATES):
        raise ValueError("the chat template is not a plain one")
    special = {name: config[name] for name in SPECIAL if config.get(name) is not None}
    if not all(isinstance(token, str) for token in special.values()):
        raise ValueError("a special token is no text")
    return DirectTokenizer(folder / "tokenizer.json", special, template)


def _code(template: str) -> str:
    """Returns a chat template without the usual name of its flag."""
    return template.replace("add_generation_prompt", "")


def read_weights(folder: Path, dtype: torch.dtype, shape: Shape) -> dict[str, torch.Tensor]:
    """Returns the weights of a folder, memory-mapped where their format is `dtype`. Raises ValueError if any
    is missing, or unknown."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = {}
    try:
        for file in sorted(folder.glob("*.safetensors")):
            weights |= load_file(file)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    wanted = weight_names(shape.num_hidden_layers)
    tied = _read(folder / "config.json").get("tie_word_embeddings", False)
    if set(weights) - {"lm_head.weight"} != wanted or (not tied and "lm_head.weight" not in weights):
        raise ValueError("the folder has other weights")
    if tied:
        weights.pop("lm_head.weight", None)
    return {name: weight.to(dtype) for name, weight in weights.items()}


def _read(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no table")
    return found
