"""Licences of base models and texts, where they are known; otherwise the cards say NOT_RECORDED."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from masksearch.corpus.packaged import PREFIX
from masksearch.llm.settings import DEFAULT_MODEL

NOT_RECORDED = "not recorded"
MODELS = {DEFAULT_MODEL: ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")}
"""Name of a packaged model -> its name on the hub, and its licence."""
_WIKIPEDIA = "cc-by-sa-4.0"
_LICENCE = re.compile(r"^licen[sc]e:\s*['\"]?([\w.+-]+)['\"]?\s*$", re.MULTILINE)
"""Matches the licence in the front matter of a model's README."""


def hub_name(base: str) -> str:
    """Returns the hub's name of a base model; empty if it has none."""
    if base in MODELS:
        return MODELS[base][0]
    return base if re.fullmatch(r"[\w.-]+/[\w.-]+", base) and not Path(base).exists() else ""


def model_licence(base: str) -> str:
    """Returns the licence of a base model, from its README in a folder or in the hub's cache; or
    NOT_RECORDED."""
    if base in MODELS:
        return MODELS[base][1]
    card = Path(base) / "README.md" if base else Path("README.md.none")
    if not card.is_file() and hub_name(base):
        with contextlib.suppress(ImportError, ValueError):
            from huggingface_hub import try_to_load_from_cache

            cached = try_to_load_from_cache(base, "README.md")
            card = Path(cached) if isinstance(cached, str) else card
    if card.is_file():
        front = card.read_text(encoding="utf-8", errors="replace").partition("\n---")[0]
        if front.startswith("---") and (match := _LICENCE.search(front)):
            return match[1]
    return NOT_RECORDED


def text_licence(corpora: Iterable[str]) -> str:
    """Returns the licence of the text of these corpora; NOT_RECORDED unless it is known for all of them."""
    found = {_WIKIPEDIA if _is_wikipedia(corpus) else NOT_RECORDED for corpus in corpora}
    return found.pop() if len(found) == 1 else NOT_RECORDED


def _is_wikipedia(corpus: str) -> bool:
    """Whether a corpus is the packaged text of Wikipedia, or a text of the shipped folder `data`."""
    return corpus.partition(":")[0] == PREFIX or re.search(r"(^|/)data/\w+/corpus\.jsonl", corpus) is not None
