"""A policy that answers from a script, for tests and for the scripted teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.types import Hit

Script = Callable[[Sequence[str]], str]
"""Maps the tool texts so far to the model's next turn."""


class ScriptedPolicy:
    """Sessions that follow a script: for each session, `make(messages)` returns the script.

    `make` may also return a list of strings. They are the turns in order; after the last string, every turn
    is empty.
    """

    def __init__(
        self, make: Callable[[Sequence[Message]], Script | Sequence[str]], name: str = "scripted"
    ) -> None:
        self.make, self.name = make, name

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> ScriptedSession:
        """Starts a session without waiting."""
        script = self.make(messages)
        return ScriptedSession(script if callable(script) else _play(script))


class ScriptedSession:
    """Plays a script; counts words as tokens."""

    record: TokenRecord | None = None

    def __init__(self, script: Script) -> None:
        self.script = script
        self.tool_texts: list[str] = []

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Returns the script's next turn, cut after its first stop string."""
        text = self.script(self.tool_texts)
        ends = [text.index(word) + len(word) for word in stop if word in text]
        text = text[: min(ends)] if ends else text
        return Generation(text, "stop" if ends else "end", len(text.split()))

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Stores a tool's text for the script."""
        self.tool_texts.append(text)
        return len(text.split())

    def close(self) -> None:
        """Does nothing: a script holds no resources."""


def _play(turns: Sequence[str]) -> Script:
    """Returns a script that plays turns in order, then empty strings."""
    rest = iter(turns)
    return lambda tool_texts: next(rest, "")
