"""What a caller can watch of an episode while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from masksearch.types import Hit


@dataclass(frozen=True)
class Wrote:
    """The model wrote a piece of its turn. All pieces of a turn together are the turn's text."""

    text: str


@dataclass(frozen=True)
class Asked:
    """The model's turn asks for a tool, which runs now."""

    tool: str
    """`search` or `open`."""
    argument: str
    """The query, or the title of the page."""


@dataclass(frozen=True)
class Showed:
    """The tool's turn: the text that the model reads next."""

    text: str
    hits: tuple[Hit, ...] = ()
    """The results of a search. Their text is the corpus's own and not neutralised."""


@dataclass(frozen=True)
class Noted:
    """A sentence for the user about this question. The model does not read it."""

    text: str


Event = Wrote | Asked | Showed | Noted
Watch = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Watches nothing."""
