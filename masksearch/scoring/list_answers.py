"""Scores list answers in two ways: the share of the gold's parts that the answer contains, `parts_recall`,
and whether the answer contains all parts, `parts_all`.

FanOutQA's own loose and strict accuracy are in `fanoutqa`, and are lower. The rules here are like those: each
part is searched for in the answer as a whole phrase between word boundaries. Both sides are lower-cased,
commas inside numbers are removed ("1,234" becomes "1234"), the marks , . ? ! : ; are deleted, and white space
is collapsed. Additional text does not lower the score, and equal parts count separately.

We depart from the authors' scorer in three points. It lemmatises words (spaCy's small English model); we do
not, so "3 moons" does not contain the part "3 moon". It repairs broken encodings (ftfy); we only normalise
typographic quotes and composed characters. After a part that ends in a sign ("5%", "(b)"), its word boundary
requires a letter, so it hardly ever finds such a part; we only require that no word character follows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NUMBER = re.compile(r"(?:\d+,)+\d+(?:\.\d+)?")
_MARKS = str.maketrans("", "", ",.?!:;")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "‟": '"'})


def normalise_part(text: str) -> str:
    """Normalises a text for comparison (see the module)."""
    lower = unicodedata.normalize("NFC", text.translate(_QUOTES)).lower()
    numbers = _NUMBER.sub(lambda match: match[0].replace(",", ""), lower)
    return " ".join(numbers.translate(_MARKS).split())


def list_scores(prediction: str, parts: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Returns (recall, all): the share of the parts found, in [0, 1], and 1 if all are found, else 0.

    A part is found if any of its equally acceptable forms is found. A form that consists only of
    punctuation marks is searched for in the unnormalised text. Raises ValueError without parts.
    """
    if not parts:
        raise ValueError("an answer cannot be scored by parts without a part")
    answer, raw = normalise_part(prediction), " ".join(prediction.lower().split())
    found = sum(any(_holds(answer, raw, form) for form in forms) for forms in parts)
    return found / len(parts), float(found == len(parts))


def _holds(answer: str, raw: str, form: str) -> bool:
    wanted = normalise_part(form)
    if not wanted:
        bare = " ".join(form.lower().split())
        return bool(bare) and bare in raw
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", answer) is not None
