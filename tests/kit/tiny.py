"""A tiny random Llama with a real tokenizer, as a checkpoint folder, for tests of decoding and training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from masksearch.runtime.files import remove

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = (
    "<think>search</think>\n<search>answer</search>\n"
    "<information>think</information>\n<answer>information</answer>"
)
TEXTS = (
    "Fill in each [mask]. Answer with the missing words only, numbered in order.",
    "Ada Lovelace was born in London in 1815 and wrote the first program.",
    "You find things out with a search tool. Results come in. Give only the result.",
)


def make_tiny_tokenizer(
    texts: Sequence[str] = TEXTS, chat_template: str | None = CHATML, vocab_size: int = 400
) -> Any:
    """Trains a byte-level BPE tokenizer on `texts`; it encodes every text and decodes it unchanged."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        [*texts, TAGS],
        trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = chat_template
    return tokenizer


def make_tiny_model(tokenizer: Any, seed: int = 0, spread: float = 0.3) -> Any:
    """Builds a random Llama with 2 layers, width 32, and 4 heads in 2 groups.

    A larger `spread` (standard deviation of the weights) makes its predictions less uniform.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=spread,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config).float()


def make_tiny_checkpoint(folder: Path, texts: Sequence[str]) -> None:
    """Writes a checkpoint folder with a tokenizer trained on `texts` and a random model."""
    tokenizer = make_tiny_tokenizer([*TEXTS, *texts])
    make_tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def shared_checkpoint(base: Path) -> Path:
    """Returns a tiny checkpoint folder that all workers of a test run share."""
    texts = ["Marie Curie discovered radium in Paris in 1898."]
    return made_once(base, "tiny-checkpoint", lambda folder: make_tiny_checkpoint(folder, texts))


def made_once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Returns a folder that all workers of a test run share; the first one makes it.

    `base` is the worker's temporary folder; those of the other workers lie beside it.
    """
    from filelock import FileLock

    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = common / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            made = folder.with_name(f"{name}.part")
            remove(made)
            make(made)
            made.rename(folder)
    return folder
