"""Reads the quotes in a thought: a result's number in square brackets, then words of this result.

    [2]: "is a Swedish actor".                              a run of words between quotation marks
    [2] Ann Bell: "born in Leeds". [1] Leeds: "a city"      the same, with the title of the result
    1 in [2]: Iris (plant) ... genus of [310] accepted      without quotation marks: the rest of the line

Three dots divide a quote into pieces. Quotation marks inside a quote are paired; where they do not pair, the
quote may end at any closing mark. An opening mark without a closing one takes the rest of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from masksearch.agent.protocol import CONTROL

_TITLE = r"(?:(?!\[\d{1,3}\])[^\n]){1,400}?"
_MARKER = re.compile(rf'\[(?P<number>\d{{1,3}})\](?:\s?[:：]|\s(?P<title>{_TITLE})[:：](?=\s*["“„«「]))')
_NEXT_MARKER = re.compile(r"\s\[\d{1,3}\](?:\s?[:：]|\s)")
# What stands before the number where a scripted teacher quotes without quotation marks: "1 in [2]: ...".
_REST_OF_LINE = re.compile(r"(?:^|\s)(?:\d+ |Next |Sigue |Ensuite )(?:in|en|dans) $|(?:\d|接着查)\s?见?$")
_GAP = re.compile(r"\.\.\.+|…+")
_CLOSERS = '".,;:!?)]'
"""What stands after a closing quotation mark, besides white space."""
_PAIRS = {"“": "”", "„": "“", "«": "»", "「": "」"}
_CLAIM = re.compile(r"[A-Z\d\u00c0-\u024f\u3040-\u9fff]")


@dataclass(frozen=True)
class Quote:
    """A quote in a thought."""

    number: int
    """The number of the result that it names."""
    readings: tuple[str, ...]
    """Its text, without the quotation marks around it; several if it may end at several places."""
    title: str = ""
    """The title that stands beside the number; empty if there is none."""

    def pieces(self) -> Iterator[list[str]]:
        """Yields each reading as its pieces; a title is a piece of every reading."""
        for reading in self.readings:
            pieces = [piece for piece in _GAP.split(reading) if piece.strip()]
            yield [*pieces, self.title] if pieces and self.title else pieces


def thoughts_of(text: str) -> list[str]:
    """Returns the thoughts in a model's turn: each text between <think> and the next tag."""
    found, place = [], 0
    while (start := text.find("<think>", place)) >= 0:
        place = start + len("<think>")
        end = CONTROL.search(text, place)
        found.append(text[place : end.start() if end else len(text)])
    return found


def quotes_in(thought: str) -> Iterator[Quote]:
    """Yields the quotes in a thought, in order."""
    for line in thought.split("\n"):
        place = 0
        while match := _MARKER.search(line, place):
            number, rest = int(match["number"]), line[match.end() :]
            body = rest.lstrip()
            quoted = body[:1] == '"' or body[:1] in _PAIRS
            if match["title"] is None and (not quoted or _REST_OF_LINE.search(line[: match.start()])):
                yield Quote(number, (body.strip(),))
                break
            readings, length = _run(body)
            title = (match["title"] or "").strip()
            # Words such as "says" between number and quote are no title.
            yield Quote(number, readings, title if _CLAIM.search(title) else "")
            place = match.end() + len(rest) - len(body) + length


def _run(text: str) -> tuple[tuple[str, ...], int]:
    """Returns the readings of a quoted run at the start of a text, and where the longest of them ends."""
    if text[0] in _PAIRS:
        end = text.find(_PAIRS[text[0]], 1)
        ends = [end] if end > 0 else []
    else:
        ends = _ends(text)
    if not ends:
        return (text[1:],), len(text)
    return tuple(text[1:end] for end in ends), ends[-1] + 1


def _ends(text: str) -> list[int]:
    """Returns where a run in straight quotation marks may end: one place if its marks pair."""
    depth, closing = 1, []
    limit = _NEXT_MARKER.search(text)
    places = [place for place in range(1, limit.start() if limit else len(text)) if text[place] == '"']
    for place in places:
        before, after = text[place - 1], text[place + 1 : place + 2]
        opens = (before.isspace() or before in '"([') and after and not (after.isspace() or after in _CLOSERS)
        # A mark right after the first belongs to the text, unless it is the last: '"" Coco" is a film".'
        if opens or (place == 1 and place != places[-1]):
            depth += 1
            continue
        depth -= 1
        closing.append(place)
        if not depth:
            return [place]
    return closing
