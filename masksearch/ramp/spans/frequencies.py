"""Frequencies of words, from the package wordfreq (extra `terms`), on the Zipf scale.

The scale is log10 of the occurrences per billion words: 3 is once in a million words.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from masksearch.errors import MissingExtraError

Zipf = Callable[[str], float]
"""Returns the frequency of a word on the Zipf scale."""


def has_frequencies() -> bool:
    """Whether the package with the frequencies of words is installed."""
    return importlib.util.find_spec("wordfreq") is not None


def frequency(word: str, language: str = "en") -> float:
    """Returns the frequency of a word; 0 for an unknown word. Raises MissingExtraError."""
    return frequencies(language)(word)


@cache
def frequencies(language: str) -> Zipf:
    """Loads the frequency table of a language. Raises MissingExtraError."""
    table: dict[str, float] = import_package("wordfreq").get_frequency_dict(language)
    # The Chinese table has simplified characters only.
    normal = import_package("wordfreq.chinese").simplify_chinese if language == "zh" else str.lower

    @cache
    def zipf(word: str) -> float:
        """Returns the frequency of a word, or of the rarest part of a compound; 0 for an unknown word."""
        found = table.get(normal(word))
        if found is None:
            parts = re.split(r"[-‐‑]", word)
            return min(map(zipf, parts)) if len(parts) > 1 else 0.0
        return math.log10(found) + 9

    return zipf


def import_package(name: str) -> Any:
    """Imports a package of the extra `terms`. Raises MissingExtraError."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(name.partition(".")[0], "terms", "The extractor 'terms'") from error
