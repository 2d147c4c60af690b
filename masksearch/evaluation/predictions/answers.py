"""Takes the answer out of a prediction: the whole text, the last <answer>...</answer>, or the last
\\boxed{...}."""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["auto", "whole", "tags", "boxed"]
_TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_BOXED = re.compile(r"\\boxed\s*\{")


def answer_of(text: str, part: Part, rollout: bool = False) -> str:
    """Returns the answer in a text; empty if the text has none in this form.

    With `auto`, a text without tags is the answer as a whole, unless it is a rollout: all that a model wrote.
    """
    if part == "whole":
        return text.strip()
    if part == "boxed":
        return _boxed(text)
    found = _TAGS.findall(text)
    if found:
        return str(found[-1]).strip()
    return "" if part == "tags" or rollout else text.strip()


def _boxed(text: str) -> str:
    """Returns what is inside the last \\boxed{...}, whose braces may be nested."""
    starts = [match.end() for match in _BOXED.finditer(text)]
    for start in reversed(starts):
        depth = 1
        for place in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if not depth:
                return text[start:place].strip()
    return ""
