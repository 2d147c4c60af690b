"""Renders tables as text, Markdown and LaTeX.

Cells contain text from outside (names of models and suites), so every renderer escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from masksearch.text.display import display_width, one_line, printable

LEFT, RIGHT = "l", "r"
Format = Literal["text", "markdown", "latex"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a number or a name, with marks such as a star."""

    text: str
    best: bool = False
    """Whether to show the cell's text in bold. The format `text` shows a `^` after it instead."""
    star: bool = False
    """Whether to show a `*` after the cell's text."""
    aside: str = ""
    """Smaller text after the cell's text: an interval, a spread or a difference."""


@dataclass(frozen=True)
class Table:
    """A table with its caption; every row has one cell for each header."""

    caption: str
    headers: tuple[str, ...]
    align: str
    """Alignment of the columns, one letter each: `l` or `r`."""
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """Text below the table."""
    breaks: frozenset[int] = frozenset()
    """Indices of the rows with a horizontal line above them."""


def cells(texts: Iterable[str]) -> tuple[Cell, ...]:
    """Returns one cell without marks for each text."""
    return tuple(Cell(text) for text in texts)


def render(tables: Sequence[Table], warnings: Sequence[str], form: Format) -> str:
    """Returns all tables, then the warnings, without a newline at the end."""
    render_table, render_warnings = _RENDERERS[form]
    first = [PREAMBLE] if form == "latex" and tables else []
    last = [render_warnings(warnings)] if warnings else []
    return "\n\n".join([*first, *map(render_table, tables), *last])


# -- Markdown -----------------------------------------------------------------------------------------------


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Returns a Markdown table with aligned columns.

    `align` has one letter for each column, `l` or `r`; if it is empty, all columns are left-aligned. A "|" in
    a cell is escaped; newlines become spaces.
    """
    return _grid([[_piped(cell) for cell in row] for row in (headers, *rows)], align or LEFT * len(headers))


def _grid(lines: Sequence[Sequence[str]], align: str) -> str:
    widths = [max(3, *(display_width(row[column]) for row in lines)) for column in range(len(align))]
    rule = [
        "-" * (width - 1) + ":" if side == RIGHT else "-" * width
        for width, side in zip(widths, align, strict=True)
    ]
    return "\n".join(
        "| " + " | ".join(_padded(row, widths, align)) + " |" for row in (lines[0], rule, *lines[1:])
    )


def _padded(row: Sequence[str], widths: Sequence[int], align: str) -> list[str]:
    spaces = [" " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)]
    return [
        space + cell if side == RIGHT else cell + space
        for cell, space, side in zip(row, spaces, align, strict=True)
    ]


def _clean(text: str) -> str:
    """Returns the text on one line, without control characters that a terminal would execute."""
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


# -- text ------------------------------------------------------------------------------------------------


def _text(table: Table) -> str:
    """Renders a table as plain text, with two spaces between columns.

    Within a column, all marks are padded to the same width, so that the numbers align.
    """
    columns = [
        [_clean(table.headers[number]), *_text_column([row[number] for row in table.rows])]
        for number in range(len(table.headers))
    ]
    widths = [max(map(display_width, column)) for column in columns]
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
    mark_width = max(map(len, marks), default=0)
    aside_width = max((len(cell.aside) + 1 for cell in column if cell.aside), default=0)
    asides = [(f" {_clean(cell.aside)}" if cell.aside else "").ljust(aside_width) for cell in column]
    return [
        _clean(cell.text) + mark.ljust(mark_width) + aside
        for cell, mark, aside in zip(column, marks, asides, strict=True)
    ]


def _text_warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f"Note: {_clean(warning)}" for warning in warnings)


# -- LaTeX ------------------------------------------------------------------------------------------------

COLUMN, PAGE = 46, 104
"""Number of characters that fit side by side into one column of a two-column page (in `\\small`), and into
both columns (in `\\footnotesize`)."""
GAP = 1.6
"""Width of the space between two columns of a table, in characters."""
NAME = 16
"""Width in characters to which the names of a table that is too wide are wrapped."""
PREAMBLE = "% Needs \\usepackage{booktabs} and \\usepackage{tabularx} in the preamble."
_ASIDE = 0.8  # size of the smaller text in a cell
_BREAKS = re.compile(r"(?<=[/_+\-])(?=\w)")
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
    """Escapes the characters that LaTeX would interpret, and `--`, which LaTeX would print as a dash.

    A hyphen before a number becomes a minus sign.
    """
    plain = "".join(_LATEX.get(char, char) for char in _clean(text)).replace("--", "-{}-")
    return re.sub(r"(?<![^\s(\[])-(?=\d)", "$-$", plain)


def _latex_cell(cell: Cell, breakable: bool = False) -> str:
    text = latex_text(cell.text)
    if breakable:
        text = "\\allowbreak{}".join(map(latex_text, _BREAKS.split(cell.text)))
    if cell.text == "-":
        text = "--"
    elif cell.best:
        text = f"\\textbf{{{text}}}"
    # LaTeX would read an opening bracket at the start of a row as an argument of the preceding `\\`.
    text = f"{{{text}}}" if text.startswith("[") else text
    return text + "$^{*}$" * cell.star + (f" {{\\scriptsize {latex_text(cell.aside)}}}" if cell.aside else "")


def _latex(table: Table) -> str:
    """Renders a table that fits its page.

    A table that fits neither one column of a two-column page nor both gets wrapped names, and is split into
    several tables, each with the columns that name its rows.
    """
    widths = [_width(table, number) for number in range(len(table.headers))]
    if _total(widths) <= PAGE:
        return _latex_part(table, range(len(widths)), "", wide=_total(widths) > COLUMN)
    names = _name_columns(table)
    wrapped = [min(widths[number], _wrapped(table, number)) for number in range(names)]
    parts: list[list[int]] = [[]]
    for number in range(names, len(widths)):
        if parts[-1] and _total([*wrapped, *(widths[one] for one in (*parts[-1], number))]) > PAGE:
            parts.append([])
        parts[-1].append(number)
    marks = [
        f" (part {place} of {len(parts)})" if len(parts) > 1 else "" for place in range(1, len(parts) + 1)
    ]
    return "\n\n".join(
        _latex_part(table, [*range(names), *part], mark, wide=True, wrap=True)
        for part, mark in zip(parts, marks, strict=True)
    )


def _total(widths: Sequence[float]) -> float:
    return sum(widths) + GAP * len(widths)


def _width(table: Table, column: int) -> float:
    """Returns the width of a column in characters. A header may be wrapped between its words."""
    header = max(map(display_width, _clean(table.headers[column]).split()), default=0)
    return max([header, *(_cell_width(row[column]) for row in table.rows)])


def _cell_width(cell: Cell) -> float:
    return (
        display_width(cell.text) + cell.star + (_ASIDE * display_width(cell.aside) + 1 if cell.aside else 0)
    )


def _wrapped(table: Table, column: int) -> float:
    """Returns the least width of a column of names: NAME, or its longest part that cannot be broken."""
    pieces = [
        piece for row in table.rows for word in row[column].text.split() for piece in _BREAKS.split(word)
    ]
    header = max(map(display_width, table.headers[column].split()), default=0)
    return max([min(NAME, _width(table, column)), header, *map(display_width, pieces)])


def _name_columns(table: Table) -> int:
    """Returns the number of columns that name a row: the first ones with text, and the row's `n`."""
    count = len(table.align) - len(table.align.lstrip(LEFT))
    named = count < len(table.headers) and table.headers[count] in ("n", "unit", "seeds")
    return max(1, count + named)


def _latex_part(table: Table, columns: Sequence[int], mark: str, wide: bool, wrap: bool = False) -> str:
    """Renders some columns of a table. `wide`: over both columns of the page; `wrap`: with wrapped names."""
    kind, width = ("table*", r"\textwidth") if wide else ("table", r"\columnwidth")
    align = [table.align[number] for number in columns]
    if wrap:
        align = [r">{\raggedright\arraybackslash}X" if side == LEFT else side for side in align]
    wrap = wrap and LEFT in table.align
    begin = f"\\begin{{tabularx}}{{{width}}}" if wrap else "\\begin{tabular}"
    caption = f"{latex_text(table.caption)}{mark}. {latex_text(table.note)}".rstrip()
    lines = [
        f"\\begin{{{kind}}}[t]",
        "\\centering",
        "\\footnotesize" if wide else "\\small",
        "\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{caption}}}",
        f"{begin}{{{''.join(align)}}}",
        "\\toprule",
        " & ".join(_latex_header(table.headers[number], table.align[number]) for number in columns) + " \\\\",
        "\\midrule",
    ]
    for place, row in enumerate(table.rows):
        lines += ["\\midrule"] if place in table.breaks else []
        cells = [_latex_cell(row[number], wrap and table.align[number] == LEFT) for number in columns]
        lines.append(" & ".join(cells) + " \\\\")
    end = "tabularx" if wrap else "tabular"
    return "\n".join([*lines, "\\bottomrule", f"\\end{{{end}}}", f"\\end{{{kind}}}"])


def _latex_header(header: str, side: str) -> str:
    """Renders a header; that of a column of numbers has one line for each word."""
    words = _clean(header).split()
    if side == LEFT or len(words) < 2:
        return latex_text(header)
    lines = r"\\".join(map(latex_text, words))
    return f"\\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{lines}\\end{{tabular}}"


def _latex_warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f"% Note: {_clean(warning)}" for warning in warnings)


_RENDERERS: dict[str, tuple[Callable[[Table], str], Callable[[Sequence[str]], str]]] = {
    "text": (_text, _text_warnings),
    "markdown": (_markdown, _markdown_warnings),
    "latex": (_latex, _latex_warnings),
}


def percent(share: float, signed: bool = False) -> str:
    """Formats a share in percent, without the sign: `71.4`; with `signed`, `+3.0`."""
    # Adding 0.0 turns a negative zero into a positive zero, so that "-0.0" is never shown.
    return f"{round(100 * share, 1) + 0.0:{'+' if signed else ''}.1f}"


def with_interval(value: float, interval: Sequence[float] | None, signed: bool = False) -> str:
    """Formats a share with its interval in percent.

    The form is `71.4 [62.0, 79.3]`; with `signed`, `+3.0 [-1.0, +7.0]`.
    """
    if not interval:
        return percent(value, signed)
    low, high = (percent(bound, signed) for bound in interval)
    return f"{percent(value, signed)} [{low}, {high}]"
