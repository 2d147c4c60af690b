"""The tag protocol: parses model turns into actions, and checks the form of turns and trajectories.

A turn is `<think>...</think>` followed by one `<search>...</search>` or `<answer>...</answer>`; the
tool's reply is `<information>...</information>`. With the tool `open`, a turn may also end with
`<open>title</open>`; without it, that tag is plain text. Every text can be parsed: a turn without an
action is `Invalid`, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from masksearch.types import SEARCH_ONLY, Tools, Turn

CONTROL = re.compile(r"</?(?:think|search|open|information|answer)>")
"""Every tag of the protocol."""
MAX_QUERY = 400
"""Maximum number of characters of a query or a title; the rest is cut off."""


def stops(tools: Tools = SEARCH_ONLY) -> tuple[str, ...]:
    """Returns the stop strings of a turn.

    One of them is `<information>`: it stops a model that starts to invent search results.
    """
    return (*(f"</{tool}>" for tool in tools), "</answer>", "<information>")


@cache
def _patterns(tools: Tools) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns two patterns for an agent with these tools: of a well-formed turn, and of any tag of the
    protocol."""
    actions = "|".join((*tools, "answer"))
    form = re.compile(
        rf"\s*<think>(?P<think>.+?)</think>\s*<(?P<action>{actions})>(?P<body>.+?)</(?P=action)>", re.DOTALL
    )
    return form, re.compile(rf"</?(?:think|information|{actions})>")


@dataclass(frozen=True)
class Search:
    """The turn asks for a search."""

    query: str


@dataclass(frozen=True)
class Open:
    """The turn asks for a page."""

    title: str


@dataclass(frozen=True)
class Answer:
    """The turn ends the trajectory."""

    text: str


@dataclass(frozen=True)
class Invalid:
    """The turn has no valid action."""

    reason: str


Action = Search | Open | Answer | Invalid


def parse_turn(text: str, tools: Tools = SEARCH_ONLY) -> Action:
    """Returns the first complete action of a turn; ignores the text after it."""
    forged = text.find("<information>")
    # (position, tag) for each kind of action: its first closing tag in the text
    closings = [(text.find(f"</{tag}>"), tag) for tag in (*tools, "answer") if f"</{tag}>" in text]
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
    if tag == "answer":
        return Answer(body)
    return Search(body[:MAX_QUERY]) if tag == "search" else Open(body[:MAX_QUERY])


def thought_of(text: str, tools: Tools = SEARCH_ONLY) -> str | None:
    """Returns the thought of a well-formed model turn, without its tags; None for any other turn."""
    form, control = _patterns(tools)
    match = form.match(text)
    if match is None or control.search(match["think"]) or control.search(match["body"]):
        return None
    return match["think"]


def is_well_formed(text: str, tools: Tools = SEARCH_ONLY) -> bool:
    """Whether a model turn is one thought and one action, without other control tags inside them."""
    return thought_of(text, tools) is not None


def is_valid(turns: Iterable[Turn], tools: Tools = SEARCH_ONLY) -> bool:
    """Whether every model turn is well-formed and the last one answers."""
    texts = [turn.text for turn in turns if turn.role == "model"]
    return (
        bool(texts)
        and all(is_well_formed(text, tools) for text in texts)
        and isinstance(parse_turn(texts[-1], tools), Answer)
    )
