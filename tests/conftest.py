"""Settings and fixtures of all tests.

The tests use no network but loopback; models and data come from packages and from this repository.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("WANDB_DISABLED", "true")

from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A shared machine is slow at times, so no deadline limits the time of an example.
hypothesis.settings.register_profile("masksearch", deadline=None)
hypothesis.settings.load_profile("masksearch")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a tiny random Llama."""
    from kit.tiny import make_tiny_checkpoint

    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_checkpoint(folder, ["Marie Curie discovered radium in Paris in 1898."])
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_checkpoint: Path) -> Any:
    """The tokenizer of the tiny checkpoint."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(tiny_checkpoint))


@pytest.fixture
def tiny_model(tiny_checkpoint: Path) -> Any:
    """The model of the tiny checkpoint in float32, loaded for each test."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(tiny_checkpoint), dtype=torch.float32)
