"""The thought of a turn, read piece by piece."""

from __future__ import annotations

import pytest

from masksearch.asking.thoughts import Thought

TURN = "<think>If a < b, I look.</think>\n<search>radium</search>"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_thought_is_the_same_however_the_turn_is_cut(size: int) -> None:
    thought = Thought()
    pieces = [thought.add(TURN[start : start + size]) for start in range(0, len(TURN), size)]
    assert "".join(pieces) == thought.text
    assert thought.text.strip() == "If a < b, I look."
    assert all("think" not in piece and "search" not in piece for piece in pieces)
