"""Reads presentations (.pptx): the texts of the slides and their notes, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from masksearch.corpus.documents.archives import DAMAGED, only_xml
from masksearch.corpus.documents.word import named_title
from masksearch.corpus.skipped import BadRecord

DEPTH = 20
"""Deepest group of shapes that is read."""


def read_pptx(path: str) -> tuple[str, str]:
    """Returns title and text of a presentation: that of its first slide with a title, or else the one in its
    properties. Raises BadRecord if it cannot be read.
    """
    import pptx

    copy = only_xml(path, ".pptx")
    try:
        presentation = pptx.Presentation(copy)
        titles, paragraphs = list[str](), list[str]()
        for slide in presentation.slides:
            shape = slide.shapes.title
            if shape is not None and (words := " ".join(shape.text_frame.text.split())):
                titles.append(words)
            paragraphs += _texts(slide.shapes, 0)
            if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
                paragraphs += _lines(slide.notes_slide.notes_text_frame)
        named = presentation.core_properties.title or ""
    except Exception as error:  # python-pptx raises errors of several packages
        raise BadRecord(f"{DAMAGED} (.pptx)") from error
    if not paragraphs:
        raise BadRecord("a presentation without text")
    return (titles[0] if titles else named_title(named)), "\n\n".join(paragraphs)


def _texts(shapes: Any, depth: int) -> Iterator[str]:
    """Yields the paragraphs of shapes, also inside groups and tables."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < DEPTH:
                yield from _texts(shape.shapes, depth + 1)
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                for cell in row.cells:
                    yield from _lines(cell.text_frame)
        elif shape.has_text_frame:
            yield from _lines(shape.text_frame)


def _lines(frame: Any) -> list[str]:
    return [text for paragraph in frame.paragraphs if (text := " ".join(paragraph.text.split()))]
