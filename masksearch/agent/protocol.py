"""The tag protocol: what a model turn asks for, and whether a trajectory keeps to the form.

A turn is `<think>...</think>` and then one `<search>...</search>` or `<answer>...</answer>`; the tool's reply is
`<information>...</information>`. Any text at all can be parsed; what does not fit is `Invalid`, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from masksearch.types import Turn

STOPS = ("</search>", "</answer>", "<information>")
"""A turn ends here. A model that begins to write its own information is stopped at once."""

CONTROL = re.compile(r"</?(?:think|search|information|answer)>")
WELL_FORMED = re.compile(r"\s*<think>(?P<think>.+?)</think>\s*<(?P<action>search|answer)>(?P<body>.+?)</(?P=action)>", re.DOTALL)
MAX_QUERY = 400
"""Characters of a query that are searched."""


@dataclass(frozen=True)
class Search:
    """The turn asks for a search."""

    query: str


@dataclass(frozen=True)
class Answer:
    """The turn ends the trajectory."""

    text: str


@dataclass(frozen=True)
class Invalid:
    """The turn asks for nothing that can be done."""

    reason: str


def parse_turn(text: str) -> Search | Answer | Invalid:
    """The first complete action of a turn; what stands behind it is ignored."""
    forged = text.find("<information>")
    closings = [(text.find(f"</{tag}>"), tag) for tag in ("search", "answer") if f"</{tag}>" in text]
    if forged >= 0 and all(forged < place for place, _ in closings):
        return Invalid("the model wrote information of its own")
    if not closings:
        return Invalid("no search and no answer")
    place, tag = min(closings)
    opening = text.rfind(f"<{tag}>", 0, place)
    if opening < 0:
        return Invalid(f"</{tag}> without <{tag}>")
    body = text[opening + len(tag) + 2 : place].strip()
    if not body:
        return Invalid(f"an empty {tag}")
    return Search(body[:MAX_QUERY]) if tag == "search" else Answer(body)


def is_well_formed(text: str) -> bool:
    """Whether a model turn is one thought and one action, with no other control tag inside either."""
    match = WELL_FORMED.match(text)
    return match is not None and not CONTROL.search(match["think"]) and not CONTROL.search(match["body"])


def is_valid(turns: Iterable[Turn]) -> bool:
    """Whether every model turn is well-formed and the last one answers."""
    texts = [turn.text for turn in turns if turn.role == "model"]
    return bool(texts) and all(map(is_well_formed, texts)) and isinstance(parse_turn(texts[-1]), Answer)
