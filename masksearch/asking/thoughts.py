"""The thought of a model's turn, read while the model writes it."""

from __future__ import annotations

import re

from masksearch.agent.protocol import CONTROL

_PARTIAL = re.compile(r"<[^<>]{0,12}$")
_BODY = re.compile(r"<(search|open|answer)>.*", re.DOTALL)


class Thought:
    """The thought of one turn: the turn's text without tags, up to its search or answer."""

    def __init__(self) -> None:
        self._turn = ""
        self.text = ""
        """The thought so far."""

    def add(self, piece: str) -> str:
        """Adds a piece of the turn; returns the new part of the thought. The end of a text that may become a
        tag waits for the next piece."""
        self._turn += piece
        text = CONTROL.sub("", _BODY.sub("", _PARTIAL.sub("", self._turn))).lstrip()
        new = text[len(self.text) :]
        self.text += new
        return new
