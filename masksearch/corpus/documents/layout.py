"""Puts the pieces of a printed page into reading order, and joins its lines to paragraphs.

PDFium gives pieces of text with their boxes, in the order of the file. Where a gap runs down the middle of
them, they are columns, and are read one after the other, between pieces that cross the gap.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

LEAST_ROWS: Final = 5
"""Smallest number of pieces of a column."""
LEAST_WIDTH: Final = 0.2
"""Smallest width of a column's usual piece, as a share of the page's text; cells of tables are narrower."""
CROSSING: Final = 0.2
"""Largest share of the pieces that cross the gap between two columns."""
STEPS: Final = 60
NEW_PARAGRAPH: Final = 1.4
"""Distance of two lines, as a multiple of the usual one, from which a paragraph ends between them."""
USUAL: Final = 0.9
"""Share of a column's pieces that end at its right edge or before: a wide heading is no edge."""
SHORT: Final = 0.12
"""Share of a column's width by which the last line of a paragraph is shorter."""
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad\ufffe\x02]\s*\Z")
_CONTROL = re.compile("[\u00ad\ufffe\0-\x08]")
_BEFORE_CLOSING = re.compile(r" ([,.)\]’”])(?!\w)")
_AFTER_OPENING = re.compile(r"(?<!\w)([(\[‘“]) ")
_SPACE = re.compile(r"[\s\u00a0]+")
_ENDED = re.compile(r"[.!?:;。！？][\"'”’)\]]*\Z")


class Piece(NamedTuple):
    """A piece of text on a page, with its box in points; the origin is at the bottom left."""

    left: float
    bottom: float
    right: float
    top: float
    text: str

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)


class Line(NamedTuple):
    """A line of a column; `row` marks one of several pieces far apart, as in a table."""

    left: float
    right: float
    top: float
    text: str
    row: bool
    column: tuple[float, float]
    """Left and right edge of the usual lines of its column."""


def ordered(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Returns the pieces of a page as columns, in reading order."""
    rows = [piece for piece in _merged(pieces) if piece.text.strip()]
    if not rows:
        return []
    gap = _gap(rows)
    if gap is None:
        return [rows]
    crossing = sorted(
        (piece for piece in rows if piece.left < gap < piece.right), key=lambda piece: -piece.top
    )
    columns: list[list[Piece]] = []
    upper = float("inf")
    for piece in [*crossing, None]:
        lower = piece.top if piece else float("-inf")
        part = [other for other in rows if other not in crossing and lower < _middle(other) <= upper]
        for column in ([p for p in part if p.right <= gap], [p for p in part if p.left >= gap]):
            if column:
                columns += ordered(column) if len(column) < len(rows) else [column]
        if piece:
            columns.append([piece])
            upper = _middle(piece)
    return columns


def _middle(piece: Piece) -> float:
    return (piece.top + piece.bottom) / 2


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Joins pieces that follow each other on a line: a change of the font starts a new piece."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if last is None or not _same_line(last, piece) or not _near(last, piece):
            merged.append(piece)
            continue
        space = "" if piece.left - last.right < 0.12 * max(last.height, piece.height) else " "
        merged[-1] = Piece(
            min(last.left, piece.left),
            min(last.bottom, piece.bottom),
            max(last.right, piece.right),
            max(last.top, piece.top),
            last.text + space + piece.text,
        )
    return merged


def _same_line(a: Piece, b: Piece) -> bool:
    shared = min(a.top, b.top) - max(a.bottom, b.bottom)
    return shared > 0.3 * min(a.height, b.height)


def _near(a: Piece, b: Piece) -> bool:
    height = max(a.height, b.height)
    return -height < b.left - a.right < 1.3 * height


def _gap(rows: Sequence[Piece]) -> float | None:
    """Returns where a gap between two columns of prose runs down; None if there is none."""
    low, high = min(piece.left for piece in rows), max(piece.right for piece in rows)
    width = high - low
    if len(rows) < 2 * LEAST_ROWS or width <= 0:
        return None
    best: tuple[int, float] | None = None
    for step in range(STEPS // 5, STEPS - STEPS // 5 + 1):
        at = low + width * step / STEPS
        crossing = sum(piece.left < at < piece.right for piece in rows)
        sides = [[p for p in rows if p.right <= at], [p for p in rows if p.left >= at]]
        if crossing > CROSSING * len(rows) or any(len(side) < LEAST_ROWS for side in sides):
            continue
        if any(median(p.right - p.left for p in side) < LEAST_WIDTH * width for side in sides):
            continue
        if best is None or (crossing, abs(at - low - width / 2)) < best:
            best = (crossing, abs(at - low - width / 2))
            found = at
    return found if best else None


def lines_of(columns: Iterable[list[Piece]]) -> list[Line]:
    """Returns the lines of columns; pieces of one line that are far apart are one row."""
    lines: list[Line] = []
    for column in columns:
        ends = sorted(piece.right for piece in column)
        edges = (min(piece.left for piece in column), ends[int(USUAL * (len(ends) - 1))])
        last: Piece | None = None
        for piece in column:
            text = _SPACE.sub(" ", piece.text).strip()
            if last is not None and _same_line(last, piece) and piece.left > last.right:
                row = lines[-1]
                lines[-1] = row._replace(text=f"{row.text} {text}", right=piece.right, row=True)
            else:
                lines.append(Line(piece.left, piece.right, piece.top, text, False, edges))
            last = piece
    return lines


def joined(pages: Iterable[Sequence[Line]]) -> str:
    """Returns the text of pages: lines are joined to paragraphs, also over pages and columns, and words that
    a hyphen divides at the end of a line are joined."""
    lines = [line for page in pages for line in page]
    steps = [a.top - b.top for a, b in itertools.pairwise(lines) if a.top > b.top]
    usual = median(steps) if steps else 0.0
    paragraphs: list[str] = []
    last: Line | None = None
    for line in lines:
        if last is None or _new_paragraph(last, line, usual):
            paragraphs.append(line.text)
        elif _HYPHEN.search(paragraphs[-1]) and line.text[:1].islower():
            paragraphs[-1] = _HYPHEN.sub("", paragraphs[-1]) + line.text
        else:
            paragraphs[-1] += " " + line.text
        last = line
    return "\n\n".join(part for paragraph in paragraphs if (part := _cleaned(paragraph)))


def _cleaned(text: str) -> str:
    """Returns a paragraph without control characters, and without spaces that a change of the font leaves
    before a closing mark or after an opening one."""
    text = _SPACE.sub(" ", _CONTROL.sub("", text)).strip()
    return _AFTER_OPENING.sub(r"\1", _BEFORE_CLOSING.sub(r"\1", text))


def _new_paragraph(last: Line, line: Line, usual: float) -> bool:
    """Whether a paragraph ends between two lines."""
    if last.row or line.row:
        return True
    starts_small = line.text[:1].islower()
    if line.top >= last.top or last.column != line.column:
        # Another column or page: a sentence that has not ended goes on.
        return bool(_ENDED.search(last.text)) or not starts_small
    if usual and last.top - line.top > NEW_PARAGRAPH * usual:
        return True
    width = last.column[1] - last.column[0]
    is_short = last.right < last.column[1] - SHORT * width
    return is_short and not starts_small and (bool(_ENDED.search(last.text)) or len(last.text.split()) < 12)
