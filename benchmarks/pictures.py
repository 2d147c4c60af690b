"""Draws the pictures of README.md and docs/ as SVG files that are readable on light and on dark pages.

    python benchmarks/pictures.py                    # pipeline.svg, rooms.svg
    python benchmarks/pictures.py --run runs/demo    # also before-after.svg, from the run's own trajectories

`before-after.svg` shows the example that the run itself prints at its end: the first question, in the order
of the file, that was wrong before, is right after training, and whose answer occurs in the search results.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.conclusion.example import Account, Example, Part
from masksearch.report.load import load_run

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
CHARACTER, LINE = 7.25, 18
"""Width of a monospaced character and height of a line at a font size of 12, in pixels."""
STYLE = """
  .page { fill: #f6f8fa; stroke: #d0d7de; } .box { fill: #ffffff; stroke: #d0d7de; }
  text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
         font-size: 12px; fill: #1f2328; white-space: pre; }
  .big { font-size: 16px; font-weight: bold; } .dim { fill: #59636e; } .bold { font-weight: bold; }
  .think { fill: #0550ae; } .search { fill: #8250df; } .information { fill: #59636e; }
  .good { fill: #116329; font-weight: bold; } .bad { fill: #a40e26; font-weight: bold; }
  .mask { fill: #953800; font-weight: bold; } .arrow { stroke: #59636e; stroke-width: 1.5; fill: none; }
  .head { fill: #59636e; } .product { fill: #ddf4ff; stroke: #54aeff; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d; } .box { fill: #151b23; stroke: #3d444d; }
    text { fill: #e6edf3; } .dim, .information { fill: #9198a1; }
    .think { fill: #79c0ff; } .search { fill: #d2a8ff; } .good { fill: #56d364; } .bad { fill: #ff7b72; }
    .mask { fill: #ffa657; } .arrow { stroke: #9198a1; } .head { fill: #9198a1; }
    .product { fill: #121d2f; stroke: #1f6feb; }
  }
"""


def svg(width: int, height: int, title: str, body: Sequence[str]) -> str:
    """Returns the file's text, on a card of its own so that the page's colour does not matter."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, style: str = "box") -> str:
    return f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'


def arrow(*points: tuple[float, float]) -> str:
    """Returns a line through the points with a head at the last one."""
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    (x0, y0), (x, y) = points[-2:]
    back, side = (6, 4)
    if y == y0:
        sign = 1 if x > x0 else -1
        head = f"{x:g},{y:g} {x - sign * back:g},{y - side:g} {x - sign * back:g},{y + side:g}"
    else:
        sign = 1 if y > y0 else -1
        head = f"{x:g},{y:g} {x - side:g},{y - sign * back:g} {x + side:g},{y - sign * back:g}"
    return f'<path class="arrow" d="{path}"/><polygon class="head" points="{head}"/>'


def labelled(x: float, y: float, width: float, lines: Sequence[str], style: str = "box") -> list[str]:
    """Returns a box with centred lines; the first one is bold."""
    height = 16 + LINE * len(lines)
    rows = [
        text(x + width / 2, y + 21 + LINE * number, line, "bold" if number == 0 else "dim", "middle")
        for number, line in enumerate(lines)
    ]
    return [box(x, y, width, height, style), *rows]


def pipeline() -> str:
    """The stages from a corpus to a report."""
    top, low, width = 20, 120, 150
    x = [20 + 182 * number for number in range(5)]
    body = [
        *labelled(x[0], top, width, ("your texts", "any corpus")),
        *labelled(x[1], top, width, ("passages", "cut at sentences")),
        *labelled(x[2], top, width, ("RAMP tasks", "masked, verified")),
        *labelled(x[3], top, width, ("trajectories", "by a teacher")),
        *labelled(x[4], top, width, ("SFT", "imitates them")),
        *labelled(x[1], low, width, ("search index", "BM25, vectors")),
        *labelled(x[2], low, width, ("report", "with intervals")),
        *labelled(x[3], low, width, ("model", "that searches"), "product"),
        *labelled(x[4], low, width, ("DAPO", "live searches")),
    ]
    for left in range(4):
        body.append(arrow((x[left] + width, top + 26), (x[left + 1] - 2, top + 26)))
    body += [
        arrow((x[1] + 75, top + 52), (x[1] + 75, low - 2)),
        arrow((x[4] + 75, top + 52), (x[4] + 75, low - 2)),
        arrow((x[4], low + 26), (x[3] + width + 2, low + 26)),
        arrow((x[3], low + 26), (x[2] + width + 2, low + 26)),
        text(
            x[1],
            low + 76,
            "The index answers the searches of checks, teacher, DAPO and evaluation.",
            "dim",
        ),
    ]
    return svg(x[4] + width + 20, low + 94, "From your texts to a model that searches", body)


ROOMS = (
    "types errors protocols",
    "text",
    "runtime",
    "corpus",
    "search",
    "llm",
    "agent",
    "scoring",
    "ramp",
    "synthesis",
    "train",
    "evaluation",
    "evolve",
    "asking",
    "report",
    "serving",
    "interop",
    "recipe",
    "api",
    "cli",
)


def rooms() -> str:
    """The rooms of the package in import order, in rows of six."""
    body, width = [], 120
    rows = -(-len(ROOMS) // 6)
    for number, name in enumerate(ROOMS):
        row, column = divmod(number, 6)
        x, y = 20 + 144 * column, 20 + 62 * row
        lines = [name] if number else ["types, errors"]
        body += labelled(x, y, width, lines)
        if column < 5 and number < len(ROOMS) - 1:
            body.append(arrow((x + width, y + 17), (x + 142, y + 17)))
        elif number < len(ROOMS) - 1:
            turn = y + 48
            body.append(arrow((x + 60, y + 34), (x + 60, turn), (80, turn), (80, y + 60)))
    return svg(20 + 144 * 6, 18 + 62 * rows, "The rooms of the package in import order", body)


# -- one question before and after training ------------------------------------------------------------------

LABELS = {
    "think": "thought",
    "search": "search",
    "open": "open",
    "information": "results",
    "answer": "answer",
    "other": "wrote",
}
MOST = {"think": 3, "information": 3, "other": 5}
"""Lines shown of a part, by its kind; other kinds have two."""


@dataclass(frozen=True)
class Column:
    """Rows of one side of the picture: (label, words, style)."""

    rows: tuple[tuple[str, str, str], ...]


def before_after(found: Conclusion) -> str:
    """Draws the example of a run below its headline. Raises SystemExit without an evaluation before."""
    example = found.example
    if example is None or example.before is None:
        raise SystemExit("The run has no question that was wrong before training and is right after it.")
    width, half = 900, 425
    body, y = [], 34.0
    for line in wrapped(headline(found, example), (width - 40) / 9.7):
        body.append(text(20, y, line, "big"))
        y += 24
    body.append(text(20, y, "One of them, an article that the model was not trained on:", "dim"))
    asked = wrapped(" ".join(example.asked.split()), (width - 80) / CHARACTER)
    body.append(box(20, y + 12, width - 40, 20 + LINE * len(asked)))
    y += 34
    for line in asked:
        body.append(with_masks(36, y, line))
        y += LINE
    y += 22
    columns = [column(account, half - 100) for account in (example.before, example.after)]
    rows = max(len(side.rows) for side in columns)
    height = 42 + LINE * rows
    for number, (name, side) in enumerate(zip(("Before training", "After training"), columns, strict=True)):
        x = 20 + number * (half + 10)
        body += [box(x, y, half, height), text(x + 16, y + 24, name, "bold")]
        for row, (label, words, style) in enumerate(side.rows):
            place = y + 48 + LINE * row
            body += [text(x + 16, place, label, "dim"), text(x + 84, place, words, style)]
    return svg(width, round(y + height + 20), "The same question before and after training", body)


def headline(found: Conclusion, example: Example) -> str:
    """Returns the first sentence of the headline of the example's suite."""
    text = next(one.text for one in found.headlines if one.suite == example.suite)
    return text.partition(". ")[0].rstrip(".") + "."


def column(account: Account, width: float) -> Column:
    rows: list[tuple[str, str, str]] = []
    parts = list(account.parts)
    if parts and parts[-1].kind == "answer":
        parts.pop()
    for part in parts:
        rows += part_rows(part, width)
    style = "good" if account.right else "bad"
    verdict = "right" if account.right else "wrong" if account.valid else "not in the asked form"
    answer = f"{account.answer}  ({verdict})" if account.answer else f"({verdict})"
    for number, line in enumerate(wrapped(answer, width / CHARACTER)):
        rows.append(("answer" if number == 0 else "", line, style))
    return Column(tuple(rows))


def part_rows(part: Part, width: float) -> Iterator[tuple[str, str, str]]:
    lines = wrapped(" ".join(part.text.split()) or "(nothing)", width / CHARACTER)
    most = MOST.get(part.kind, 2)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: int(width / CHARACTER) - 4] + " ..."]
    for number, line in enumerate(lines):
        yield LABELS[part.kind] if number == 0 else "", line, part.kind


def wrapped(words: str, columns: float) -> list[str]:
    return textwrap.wrap(words, int(columns), break_long_words=True) or [""]


def with_masks(x: float, y: float, line: str) -> str:
    """Returns a line of text in which the masks have a colour."""
    inner = '<tspan class="mask">[mask]</tspan>'.join(escape(part) for part in line.split("[mask]"))
    return f'<text x="{x:g}" y="{y:g}">{inner}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="folder of a finished run, such as runs/demo")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the pictures")
    arguments = parser.parse_args()
    pictures = {"pipeline": pipeline(), "rooms": rooms()}
    if arguments.run:
        pictures["before-after"] = before_after(conclude(load_run(arguments.run)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, drawing in pictures.items():
        (arguments.out / f"{name}.svg").write_text(drawing, encoding="utf-8")
        print(arguments.out / f"{name}.svg")


if __name__ == "__main__":
    main()
