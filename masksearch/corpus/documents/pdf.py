"""Reads PDF files with PDFium: the text of each page in reading order (layout.py), as one document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from masksearch.corpus.documents.layout import Line, Piece, joined, lines_of, ordered
from masksearch.corpus.skipped import BadRecord, SkipCount

MOST_PAGES = 20_000
"""Largest number of pages of a file."""
EDGES = 2
"""Number of lines at the top and at the bottom of a page that may be a running head or foot."""
REPEATED = 2
"""Number of pages from which the same line at an edge is a running head or foot."""
NO_TEXT = "a PDF without text, such as a scan (recognise its text first, for example with ocrmypdf)"
_NUMBER = re.compile(r"\A(?:page\s+)?(?:\d+|[ivxlc]+)\b|\b(?:\d+|[ivxlc]+)\Z", re.IGNORECASE)
_AROUND = " .-–—|"
_MADE_TITLE = re.compile(
    r"untitled|microsoft (word|powerpoint)|\.(docx?|pptx?|tex|dvi|indd|qxd|pdf|odt)\s*\Z|\A[\W\d_]*\Z",
    re.IGNORECASE,
)
GAP = 1.2
"""Width of a gap, as a multiple of the height of the characters, from which it parts two pieces of a line."""
_LINE_END, _BLANKS = frozenset(b"\r\n"), frozenset((32, 160))
PASSWORD, DAMAGED = 4, 3
"""PDFium's errors for a file with a password, and for one that is no PDF."""


class Char(NamedTuple):
    """A character of a page: its number, and its box in points."""

    place: int
    left: float
    bottom: float
    right: float
    top: float


def read_pdf(path: str, skipped: SkipCount) -> tuple[str, str]:
    """Returns title and text of a file; the title is the one that its maker gave, or else empty.

    Pages without text are counted in `skipped` as used in part. Raises BadRecord if the file cannot be read.
    """
    import pypdfium2

    try:
        file = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        with_password = getattr(error, "err_code", None) == PASSWORD or "password" in str(error).lower()
        raise BadRecord(
            "a PDF with a password (save it without)" if with_password else "a damaged PDF"
        ) from error
    try:
        if len(file) > MOST_PAGES:
            raise BadRecord(f"a PDF of more than {MOST_PAGES:,} pages (split it)")
        pages, empty = [], 0
        for number in range(len(file)):
            lines = lines_of(ordered(_pieces(file, number)))
            empty += not lines
            pages.append(lines)
        title = str(file.get_metadata_value("Title") or "").replace("\0", "")
    finally:
        file.close()
    text = joined(without_edges(pages))
    if not text:
        raise BadRecord(NO_TEXT)
    if empty > 1:
        skipped.repair("a PDF of which some pages have no text", path)
    return ("" if _MADE_TITLE.search(title) else " ".join(title.split())), text


def _pieces(file: Any, number: int) -> list[Piece]:
    """Returns the pieces of a page's text in the order of the file; none of a damaged page."""
    import pypdfium2

    try:
        text = file[number].get_textpage()
        runs = [_piece(text, run) for run in _runs(text)]
    except pypdfium2.PdfiumError:
        return []
    return [piece for piece in runs if piece.text.strip()]


def _runs(text: Any) -> Iterator[list[Char]]:
    """Yields the runs of characters that stand together in a line: PDFium ends a line with a line feed, and a
    gap wider than the line is high parts two cells or columns.

    The characters are taken by number, not by the box of the run: boxes overlap where letters are set close
    to each other ("fo", "fi", "Wra"), and the text in a box then has the letters of its neighbours as well.
    """
    from pypdfium2.raw import FPDFText_GetUnicode

    run: list[Char] = []
    for place in range(text.count_chars()):
        shown = FPDFText_GetUnicode(text, place)
        if shown in _LINE_END:
            if run:
                yield run
            run = []
            continue
        if shown in _BLANKS:
            continue
        char = Char(place, *text.get_charbox(place))
        if run and _is_apart(run[-1], char):
            yield run
            run = []
        run.append(char)
    if run:
        yield run


def _is_apart(before: Char, char: Char) -> bool:
    """Whether a character does not follow another in its line."""
    height = max(before.top - before.bottom, char.top - char.bottom, 1.0)
    return char.left - before.right > GAP * height or char.left < before.left - 2 * height


def _piece(text: Any, run: list[Char]) -> Piece:
    words = text.get_text_range(run[0].place, run[-1].place - run[0].place + 1)
    return Piece(
        min(char.left for char in run),
        min(char.bottom for char in run),
        max(char.right for char in run),
        max(char.top for char in run),
        words,
    )


def without_edges(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """Returns the pages without running heads and feet: lines at an edge that several pages have, but for
    their numbers."""
    counts = Counter(key for lines in pages for key in {_key(line) for line in _edges(lines)})
    return [
        [
            line
            for line in lines
            if line not in _edges(lines) or (_key(line) and counts[_key(line)] < REPEATED)
        ]
        for lines in pages
    ]


def _edges(lines: list[Line]) -> list[Line]:
    by_height = sorted(lines, key=lambda line: -line.top)
    return [*by_height[:EDGES], *by_height[-EDGES:]] if len(lines) > 2 * EDGES else []


def _key(line: Line) -> str:
    """Returns a line without the number of its page."""
    return _NUMBER.sub("", line.text.strip(_AROUND)).strip(_AROUND)
