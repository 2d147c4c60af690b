"""Prints an episode while it happens: thoughts, searches with their results, the answer with its sources.

Model and corpus may have written anything: every character is made printable before it is shown. Without
colour the text is the same, so that a pipe can read it.
"""

from __future__ import annotations

import sys
from typing import IO

from masksearch.agent.watch import Asked, Event, Noted, Showed, Wrote
from masksearch.asking.agent import Reply
from masksearch.asking.thoughts import Thought
from masksearch.runtime import colour
from masksearch.text.display import clipped, printable, printable_lines

TITLES = 5
"""Number of results of a search that are named."""


class Printer:
    """Prints the events of one episode to a stream."""

    def __init__(self, stream: IO[str] | None = None, noted: set[str] | None = None) -> None:
        """`noted` has the notes that earlier episodes have shown; they are not repeated."""
        self.stream = sys.stdout if stream is None else stream
        self._noted = set() if noted is None else noted
        self._thought = Thought()

    def __call__(self, event: Event) -> None:
        """Prints an event."""
        if isinstance(event, Wrote):
            self._write(self._thought.add(event.text))
        elif isinstance(event, Asked):
            self._end_turn()
            sign = "search" if event.tool == "search" else "open"
            self._line(f"{colour.cyan(sign, self.stream)}  {printable(event.argument)}")
        elif isinstance(event, Noted):
            self._note(event.text)
        elif isinstance(event, Showed):
            self._end_turn()
            for hit in event.hits[:TITLES]:
                title = printable(hit.passage.title or hit.passage.id)
                self._line(colour.dim(f"        {clipped(title, 90)}", self.stream))
            if not event.hits:
                self._line(colour.dim("        nothing to read", self.stream))

    def reply(self, reply: Reply) -> None:
        """Prints the answer and its sources, or why there is no answer."""
        self._end_turn()
        self._line("")
        if reply.fault:
            self._line(colour.yellow(printable(reply.fault), self.stream))
            return
        self._line(f"{colour.bold(printable(reply.answer), self.stream)}  {_mark(reply, self.stream)}")
        for source in reply.sources:
            title = colour.cyan(printable(source.title), self.stream)
            self._line(f"  {title}  {colour.dim(printable(source.passage_id), self.stream)}")
            if source.sentence:
                self._line(f"    {printable(source.sentence)}")

    def _write(self, text: str) -> None:
        """Prints what is new of the turn's thought."""
        if text:
            self.stream.write(colour.dim(printable_lines(text), self.stream))
            self.stream.flush()

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._end_turn()
            self._line(colour.yellow(f"Note: {printable(text)}", self.stream))

    def _end_turn(self) -> None:
        if self._thought.text and not self._thought.text.endswith("\n"):
            self.stream.write("\n")
        self._thought = Thought()

    def _line(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()


def _mark(reply: Reply, stream: IO[str]) -> str:
    if reply.found.declined:
        return colour.yellow("[says that it found nothing]", stream)
    if reply.found.grounded:
        return colour.green("[grounded]", stream)
    return colour.red("[not found in what was read]", stream)
