"""Reads the commands of README.md and docs/ and compares printed output with a page's.

Two kinds of fenced blocks hold commands:

    sh        every line is a command (`#` starts a comment, a backslash continues a line)
    console   lines after `$ ` are commands; the lines below a command are its output

In an output, a line `...` matches any number of lines, and `...` within a line matches any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.places import REPOSITORY

COMMANDS = ("sh", "console")
PROGRAMS = ("masksearch", "make", "pip", "python", "accelerate", "vllm", "inspect")
"""Programs whose commands are allowed only in blocks with a language of COMMANDS."""
HISTORY = "log.md"
"""The dated log keeps old commands as they were."""
_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,}) *(\S*)")
_TYPED = re.compile(rf"^\s*(\$ )?([A-Z_]+=\S+ )*({'|'.join(PROGRAMS)}) [\w.\[\"'-]")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `line` is the line of its first row in the page."""

    language: str
    line: int
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command of a page.

    `output` holds the rows below it; None in `sh` blocks and in `console` blocks without output. The output
    occupies the page's lines `first` to `last` (exclusive, counted from 0).
    """

    text: str
    line: int
    output: tuple[str, ...] | None
    first: int
    last: int


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """Yields the fenced blocks of a page."""
    fence, language, start, rows = "", "", 0, []  # type: ignore[var-annotated]
    for number, row in enumerate(text.splitlines(), 1):
        found = _FENCE.match(row)
        if fence:
            if found and found[2].startswith(fence) and not found[3]:
                yield Block(language, start, tuple(rows))
                fence = ""
            else:
                rows.append(row)
        elif found:
            fence, language, start, rows = found[2], found[3], number + 1, []
    if fence:
        raise ValueError(f"The block that starts before line {start} has no end.")


def outside(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line number, row) of the page outside its command blocks, other blocks included."""
    inside = {
        block.line + number
        for block in blocks(text)
        if block.language in COMMANDS
        for number in range(len(block.rows))
    }
    for number, row in enumerate(text.splitlines(), 1):
        if number not in inside:
            yield number, row


def unlabelled(text: str) -> list[int]:
    """Lines with a command that no test would run: in a block of another language, or in an indented one."""
    fenced = {
        block.line + number
        for block in blocks(text)
        if block.language not in COMMANDS
        for number in range(len(block.rows))
    }
    return [
        number
        for number, row in outside(text)
        if _TYPED.match(row) and (number in fenced or row.startswith("    "))
    ]


def inline(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line number, code) of the inline code of a page."""
    fenced = {block.line + number for block in blocks(text) for number in range(len(block.rows))}
    for number, row in enumerate(text.splitlines(), 1):
        if number not in fenced:
            for code in _INLINE.findall(row):
                yield number, code


def commands(text: str) -> Iterator[Command]:
    """Yields the commands of a page in order."""
    for block in blocks(text):
        if block.language in COMMANDS:
            yield from _commands(block)


def _commands(block: Block) -> Iterator[Command]:
    prompts, position = block.language == "console", 0
    while position < len(block.rows):
        line, row = block.line + position, block.rows[position]
        position += 1
        if prompts and not row.startswith("$ "):
            raise ValueError(f"Line {line}: the first line of a console block starts with `$ `.")
        row = row.removeprefix("$ ") if prompts else row
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        position, text = _whole(block.rows, position, row, prompts)
        end = position
        while prompts and end < len(block.rows) and not block.rows[end].startswith("$ "):
            end += 1
        output = block.rows[position:end]
        first = block.line - 1 + position
        yield Command(text, line, output or None, first, first + len(output))
        position = end


def _whole(rows: Sequence[str], position: int, text: str, prompts: bool) -> tuple[int, str]:
    """Returns a command with its continuation lines and here-document, and the position after it."""
    while text.endswith("\\") and position < len(rows):
        text = text[:-1] + (rows[position].removeprefix("> ") if prompts else rows[position]).lstrip()
        position += 1
    if heredoc := re.search(r"<<'?(\w+)'?", text):
        while position < len(rows):
            row = rows[position].removeprefix("> ") if prompts else rows[position]
            text, position = f"{text}\n{row}", position + 1
            if row == heredoc[1]:
                break
    return position, text


def matches(expected: Sequence[str], printed: str) -> bool:
    """Whether an output is the page's, with `...` for parts that the page leaves out."""
    pattern = ""
    for row in expected:
        if row.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            parts = [re.escape(part) for part in row.rstrip().split("...")]
            pattern += r"[^\n]*".join(parts) + r"\n"
    text = "".join(f"{row.rstrip()}\n" for row in printed.splitlines())
    return re.fullmatch(pattern, text) is not None
