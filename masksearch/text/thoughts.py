"""Removes the reasoning (`<think>` blocks) from a reply."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


def without_thoughts(text: str, instead: str = "") -> str:
    """Replaces every closed `<think>` block by `instead`; keeps an unclosed block."""
    return _THOUGHT.sub(instead, text)
