"""Splits the reasoning of a reply from the rest."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


def without_thoughts(text: str, instead: str = "") -> str:
    """Replaces every closed `<think>` block by `instead`; an unclosed one stays."""
    return _THOUGHT.sub(instead, text)
