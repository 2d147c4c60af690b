"""Tables as text, Markdown and LaTeX; what stands in them is text of others (names of models and suites), so it is escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

LEFT, RIGHT = "l", "r"
Format = Literal["text", "markdown", "latex"]

from masksearch.text.display import one_line, printable


@dataclass(frozen=True)
class Cell:
    """One figure or name."""

    text: str
    best: bool = False
    """Bold, or `^` where there is no bold."""
    star: bool = False
    """A `*` behind it."""
    aside: str = ""
    """Smaller text behind it: an interval, a spread, a loss."""


@dataclass(frozen=True)
class Table:
    """A table with its caption; every row has a cell for each header."""

    caption: str
    headers: tuple[str, ...]
    align: str
    """One letter a column, `l` or `r`."""
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    breaks: frozenset[int] = frozenset()
    """Rows above which there is a rule."""


def cells(texts: Iterable[str]) -> tuple[Cell, ...]:
    """Plain cells."""
    return tuple(Cell(text) for text in texts)


def render(tables: Sequence[Table], warnings: Sequence[str], form: Format) -> str:
    """All tables, then the warnings, without a newline at the end."""
    one, warn = _FORMS[form]
    return "\n\n".join([*map(one, tables), *([warn(warnings)] if warnings else [])])


# -- Markdown ----------------------------------------------------------------------------------------------------------


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """A Markdown table that lines up; `align` has one letter a column (empty: all left). A "|" in a cell is escaped, newlines become spaces."""
    return _grid([[_piped(cell) for cell in row] for row in (headers, *rows)], align or LEFT * len(headers))


def _grid(lines: Sequence[Sequence[str]], align: str) -> str:
    widths = [max(3, *(_width(row[column]) for row in lines)) for column in range(len(align))]
    rule = [
        "-" * (width - 1) + ":" if side == RIGHT else "-" * width
        for width, side in zip(widths, align, strict=True)
    ]
    return "\n".join(
        "| " + " | ".join(_padded(row, widths, align)) + " |" for row in (lines[0], rule, *lines[1:])
    )


def _padded(row: Sequence[str], widths: Sequence[int], align: str) -> list[str]:
    spaces = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
    return [
        space + cell if side == RIGHT else cell + space
        for cell, space, side in zip(row, spaces, align, strict=True)
    ]


def _width(text: str) -> int:
    """Columns on a terminal: two for a wide character, none for a combining one."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _clean(text: str) -> str:
    """On one line, and without characters that do things to a terminal."""
    return printable(one_line(text), "\N{REPLACEMENT CHARACTER}")


def _piped(text: str) -> str:
    return _clean(text).replace("|", "\\|")


def _marked_down(text: str) -> str:
    return re.sub(r"([\\`*<|])", r"\\\1", _clean(text))


def _markdown_cell(cell: Cell) -> str:
    text = f"**{_marked_down(cell.text)}**" if cell.best else _marked_down(cell.text)
    return text + "\\*" * cell.star + (f" {_marked_down(cell.aside)}" if cell.aside else "")


def _markdown(table: Table) -> str:
    lines = [
        [_marked_down(header) for header in table.headers],
        *([_markdown_cell(cell) for cell in row] for row in table.rows),
    ]
    note = f"\n\n{_marked_down(table.note)}" if table.note else ""
    return f"{_marked_down(table.caption)}:\n\n{_grid(lines, table.align)}{note}"


def _markdown_warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f"- Note: {_marked_down(warning)}" for warning in warnings)


# -- text --------------------------------------------------------------------------------------------------------------


def _text(table: Table) -> str:
    """Columns two spaces apart; marks of a column take the same room in every row, so that its figures line up."""
    columns = [
        [_clean(table.headers[number]), *_text_column([row[number] for row in table.rows])]
        for number in range(len(table.headers))
    ]
    widths = [max(map(_width, column)) for column in columns]
    lines = [_text_line(row, widths, table.align) for row in zip(*columns, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    body = [
        line
        for number, line in enumerate(lines[1:])
        for line in ([rule, line] if number in table.breaks else [line])
    ]
    best = "^ best of its column." if any(cell.best for row in table.rows for cell in row) else ""
    note = " ".join(filter(None, [best, _clean(table.note)]))
    return "\n".join([f"{_clean(table.caption)}:", "", lines[0], rule, *body, *(["", note] if note else [])])


def _text_line(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    return "  ".join(_padded(row, widths, align)).rstrip()


def _text_column(column: Sequence[Cell]) -> list[str]:
    marks = ["^" * cell.best + "*" * cell.star for cell in column]
    room, most = (
        max(map(len, marks), default=0),
        max((len(cell.aside) + 1 for cell in column if cell.aside), default=0),
    )
    asides = [f" {_clean(cell.aside)}".ljust(most) if cell.aside else " " * most for cell in column]
    return [
        _clean(cell.text) + mark.ljust(room) + aside
        for cell, mark, aside in zip(column, marks, asides, strict=True)
    ]


def _text_warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f"Note: {_clean(warning)}" for warning in warnings)


# -- LaTeX -------------------------------------------------------------------------------------------------------------

WIDE = 9
"""Columns beyond which a table runs over both columns of a page, in small print."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    **{char: f"\\{char}" for char in "{}$&#_%"},
}


def latex_text(text: str) -> str:
    """Text in which nothing is a command, nor a ligature (`--` would become a dash); the hyphen before a number is a minus."""
    plain = "".join(_LATEX.get(char, char) for char in _clean(text)).replace("--", "-{}-")
    return re.sub(r"(?<![^\s(\[])-(?=\d)", "$-$", plain)


def _latex_cell(cell: Cell) -> str:
    text = (
        "--"
        if cell.text == "-"
        else f"\\textbf{{{latex_text(cell.text)}}}"
        if cell.best
        else latex_text(cell.text)
    )
    # An opening bracket at the start of a row would be read as an argument of the line break before it.
    text = f"{{{text}}}" if text.startswith("[") else text
    return text + "$^{*}$" * cell.star + (f" {{\\scriptsize {latex_text(cell.aside)}}}" if cell.aside else "")


def _latex(table: Table) -> str:
    caption = f"{latex_text(table.caption)}. {latex_text(table.note)}".rstrip()
    wide = len(table.headers) > WIDE
    kind = "table*" if wide else "table"
    lines = [
        f"\\begin{{{kind}}}[t]",
        "\\centering",
        *(["\\scriptsize"] if wide else []),
        f"\\caption{{{caption}}}",
    ]
    lines += [
        f"\\begin{{tabular}}{{{table.align}}}",
        "\\toprule",
        " & ".join(map(latex_text, table.headers)) + " \\\\",
        "\\midrule",
    ]
    for number, row in enumerate(table.rows):
        lines += ["\\midrule"] if number in table.breaks else []
        lines.append(" & ".join(map(_latex_cell, row)) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", f"\\end{{{kind}}}"])


def _latex_warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f"% Note: {_clean(warning)}" for warning in warnings)


_FORMS: dict[str, tuple[Callable[[Table], str], Callable[[Sequence[str]], str]]] = {
    "text": (_text, _text_warnings),
    "markdown": (_markdown, _markdown_warnings),
    "latex": (_latex, _latex_warnings),
}


def with_interval(value: float, interval: Sequence[float] | None, signed: bool = False) -> str:
    """`0.71 [0.62, 0.79]`; with `signed`, `+0.03 [-0.01, +0.07]`."""
    digits = "+.3f" if signed else ".2f"
    if not interval:
        return format(value, digits)
    return f"{value:{digits}} [{interval[0]:{digits}}, {interval[1]:{digits}}]"
