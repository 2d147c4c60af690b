"""The steps of an episode that clients see: thoughts, searches, opened pages and what was found.

A step is a JSON object; the page shows it and OpenAI's protocol carries it as reasoning.

    {"step": "thought", "text": "..."}       a piece; the pieces of a turn follow each other
    {"step": "search", "query": "..."}
    {"step": "open", "title": "..."}
    {"step": "results", "hits": [{"id": "...", "title": "...", "text": "..."}], "text": ""}
    {"step": "note", "text": "..."}          a sentence for the reader; the model does not see it

`text` of results is what the model read where it is no list of hits: a page, a failure, a correction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from masksearch.agent.protocol import CONTROL
from masksearch.agent.watch import Asked, Event, Noted, Showed, Wrote
from masksearch.asking.thoughts import Thought
from masksearch.text.display import encodable
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit

Step = dict[str, Any]
LONGEST_TEXT = 4_000
"""Maximum number of characters of a passage that a step or a source shows."""


class Steps:
    """Turns the events of one episode into steps, and passes each on."""

    def __init__(self, show: Callable[[Step], None]) -> None:
        self._show = show
        self._thought = Thought()

    def __call__(self, event: Event) -> None:
        """Takes the next event."""
        if isinstance(event, Wrote):
            if new := self._thought.add(encodable(event.text)):
                self._show({"step": "thought", "text": new})
            return
        self._thought = Thought()
        if isinstance(event, Asked):
            name = "query" if event.tool == "search" else "title"
            self._show({"step": event.tool, name: encodable(event.argument)})
        elif isinstance(event, Noted):
            self._show({"step": "note", "text": encodable(event.text)})
        elif isinstance(event, Showed):
            text = "" if event.hits else CONTROL.sub("", event.text).strip()
            self._show(
                {"step": "results", "hits": [_hit(hit) for hit in event.hits], "text": encodable(text)}
            )


def joined(steps: list[Step], step: Step) -> None:
    """Adds a step to a list; pieces of one thought become one step."""
    if step["step"] == "thought" and steps and steps[-1]["step"] == "thought":
        steps[-1] = {"step": "thought", "text": steps[-1]["text"] + step["text"]}
    else:
        steps.append(step)


def shortened(text: str) -> str:
    """Returns the text, or its beginning with an ellipsis."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rstrip() + "…"


def _hit(hit: Hit) -> dict[str, str]:
    passage = hit.passage
    return {
        "id": neutralise(passage.id),
        "title": neutralise(passage.title) or neutralise(passage.id),
        "text": shortened(neutralise(passage.text[: LONGEST_TEXT * 2])),
    }
