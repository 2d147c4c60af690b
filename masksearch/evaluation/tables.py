"""Plain-text tables that line up on a terminal and are valid Markdown at once."""

from __future__ import annotations

from collections.abc import Sequence

LEFT, RIGHT = "l", "r"


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """A table; `align` has one letter a column, `l` or `r` (empty: all left). A "|" in a cell is escaped, newlines become spaces."""
    align = align or LEFT * len(headers)
    cells = [[_clean(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(headers))]
    rule = ["-" * (width - 1) + ":" if side == RIGHT else "-" * width for width, side in zip(widths, align, strict=True)]
    return "\n".join(_line(row, widths, align) for row in (cells[0], rule, *cells[1:]))


def _clean(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")


def _line(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    padded = [cell.rjust(width) if side == RIGHT else cell.ljust(width) for cell, width, side in zip(row, widths, align, strict=True)]
    return "| " + " | ".join(padded) + " |"


def with_interval(value: float, interval: Sequence[float] | None, signed: bool = False) -> str:
    """`0.71 [0.62, 0.79]`; with `signed`, `+0.03 [-0.01, +0.07]`."""
    digits = "+.3f" if signed else ".2f"
    if not interval:
        return format(value, digits)
    return f"{value:{digits}} [{interval[0]:{digits}}, {interval[1]:{digits}}]"
