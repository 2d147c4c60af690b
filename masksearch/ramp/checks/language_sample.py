"""Checks on a sample whether a corpus is in the language of the settings.

Extractors and rules depend on the language. In a text of another language they find wrong spans: the English
pipeline takes a Hebrew verb for a person. A passage looks like a language if most of its letters are of the
language's script, and enough of its words are stop words of the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from masksearch.text.words import loose_words, stop_words
from masksearch.types import Passage

NAMES = {"en": "English", "es": "Spanish", "fr": "French", "zh": "Chinese"}
"""Code of a language -> its name."""
LEAST_WORDS = 20
"""A passage with fewer words says too little about its language."""
LEAST_STOP_WORDS = {"en": 0.14, "es": 0.36, "fr": 0.36}
"""Least share of stop words in a passage; Spanish and French share some of theirs."""
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


def looks_like(text: str, language: str) -> bool:
    """Whether a text looks like this language; True for a short text and for an unknown language."""
    if language not in NAMES:
        return True
    letters = sum(map(str.isalpha, text))
    if letters < LEAST_WORDS:
        return True
    script = _HAN if language == "zh" else _LATIN
    if 2 * len(script.findall(text)) < letters:
        return False
    words = loose_words(text, language)
    if language == "zh" or len(words) < LEAST_WORDS:
        return True
    stops = stop_words(language)
    return sum(word in stops for word in words) >= LEAST_STOP_WORDS[language] * len(words)


def language_warning(passages: Iterable[Passage], language: str) -> str:
    """Returns a warning if most passages do not look like their language, or an empty string.

    `language` is that of passages that do not name their own.
    """
    sample = list(passages)
    strange = [passage for passage in sample if not looks_like(passage.text, passage.language or language)]
    if 2 * len(strange) <= len(sample):
        return ""
    named = strange[0].language or language
    others = [other for other in NAMES if other != named]
    fitting = max(others, key=lambda other: sum(looks_like(passage.text, other) for passage in strange))
    fits = sum(looks_like(passage.text, fitting) for passage in strange)
    advice = (
        f"it looks {NAMES[fitting]}, so give --language {fitting}"
        if 2 * fits > len(strange)
        else f"masks can be made in {', '.join(NAMES.values())} only"
    )
    return (
        f"Most of this text does not look {NAMES[named]} ({len(strange)} of {len(sample)} sampled passages): "
        f"{advice}, or expect wrong masks."
    )
