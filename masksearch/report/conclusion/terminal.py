"""The conclusion as lines of a terminal, at most `width` columns wide; coloured where the terminal is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masksearch.evaluation.tables import percent
from masksearch.report.conclusion.build import Conclusion
from masksearch.report.conclusion.example import Account, Example, Part
from masksearch.report.conclusion.headline import Headline
from masksearch.report.conclusion.score_rows import ScoreRow
from masksearch.runtime import colour
from masksearch.text.display import clipped, display_width, printable, wrapped

WIDTH = 100
"""Number of terminal columns."""
HEADLINES, SENTENCES, ROWS = 6, 8, 16
"""Maximum numbers of headlines, of sentences under "Not shown", and of rows of the table."""
EXAMPLE_LINES = 25
"""Maximum number of lines of the example."""
_LABEL = 10
"""Columns of the labels to the left of the example's lines."""
_PARTS = {
    "think": ("thought", ("blue",)),
    "search": ("search", ("cyan",)),
    "open": ("open", ("cyan",)),
    "information": ("results", ("dim",)),
    "answer": ("answer", ("bold",)),
    "other": ("wrote", ("yellow",)),
}
"""Kind of a part -> its label, and the styles of its text."""


def lines(found: Conclusion, more: str, width: int = WIDTH) -> list[str]:
    """Returns the headlines, what is not shown, the example and the table.

    `more` names the place of what is left out, such as "see the report".
    """
    blocks = [
        _headlines(found.headlines, more, width),
        _not_shown(found.not_shown, more, width),
        list(_example(found.example, width)) if found.example else [],
        _table(found.scores, more, width),
    ]
    return [line for block in blocks if block for line in ("", *block)]


def _headlines(found: Sequence[Headline], more: str, width: int) -> list[str]:
    lines = []
    for one in found[:HEADLINES]:
        head, *rest = _clean_wrapped(f"{one.suite}: {one.text}", width)
        name = printable(one.suite)
        head = head.replace(f"{name}:", colour.style(f"{name}:", "bold", *(["green"] if one.good else [])), 1)
        lines += [head, *(f"  {line}" for line in _clean_wrapped(" ".join(rest), width - 2))]
    return lines + _left_out(len(found) - HEADLINES, "suites", more)


def _not_shown(found: Sequence[str], more: str, width: int) -> list[str]:
    if not found:
        return []
    lines = [colour.style("Not shown", "bold", "yellow")]
    for sentence in found[:SENTENCES]:
        first, *rest = _clean_wrapped(sentence, width - 2)
        lines += [f"- {first}", *(f"  {line}" for line in rest)]
    return lines + _left_out(len(found) - SENTENCES, "differences", more)


def _left_out(number: int, things: str, more: str) -> list[str]:
    return [colour.dim(f"  and {number} more {things}: {more}")] if number > 0 else []


# -- the example ------------------------------------------------------------------------------------------


def _example(example: Example, width: int) -> Iterator[str]:
    """Yields at most EXAMPLE_LINES lines: long texts are shortened first, then the last parts left out."""
    for thought, result in ((2, 2), (2, 1), (1, 1)):
        found = list(_example_lines(example, width, thought, result, None))
        if len(found) <= EXAMPLE_LINES:
            break
    parts = len(example.after.parts)
    while len(found) > EXAMPLE_LINES and parts > 1:
        parts -= 1
        found = list(_example_lines(example, width, 1, 1, parts))
    yield from found


def _example_lines(
    example: Example, width: int, thought: int, result: int, parts: int | None
) -> Iterator[str]:
    yield colour.bold("One question, before and after") if example.before else colour.bold("One question")
    for line in _clean_wrapped(f"{example.suite}; {example.rule}.", width - 2):
        yield colour.dim(f"  {line}")
    yield from _labelled("asked", example.asked, 3, width, ())
    yield from _labelled("gold", example.gold, 1, width, ("bold",))
    for name, account in (("Before", example.before), ("After", example.after)):
        if account is not None:
            yield colour.bold(clipped(f"{name}  {_clean(account.model)}", width))
            yield from _account(account, width, thought, result, parts)


def _account(account: Account, width: int, thought: int, result: int, most: int | None) -> Iterator[str]:
    parts = list(account.parts)
    if parts and parts[-1].kind == "answer":
        parts.pop()
    dropped = max(0, len(parts) - most) if most is not None else 0
    for part in parts[: len(parts) - dropped]:
        yield from _part(part, width, thought, result)
    if dropped:
        yield colour.dim(f"  {'':<{_LABEL}}({dropped} more parts)")
    verdict = "right" if account.right else "wrong"
    if not account.valid:
        verdict += ", not in the asked form"
    tone = "green" if account.right else "red"
    answer = clipped(_clean(account.answer) or "(none)", width - 2 - _LABEL - len(verdict) - 4)
    yield f"  {'answer':<{_LABEL}}{colour.style(answer, 'bold', tone)}  ({colour.style(verdict, tone)})"


def _part(part: Part, width: int, thought: int, result: int) -> Iterator[str]:
    label, styles = _PARTS[part.kind]
    most = {"think": thought, "other": thought, "information": result}.get(part.kind, 1)
    yield from _labelled(label, part.text or "(nothing)", most, width, styles)


def _labelled(label: str, text: str, most: int, width: int, styles: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(_clean_wrapped(text, width - 2 - _LABEL, most) or ["(nothing)"]):
        yield f"  {label if number == 0 else '':<{_LABEL}}{colour.style(line, *styles) if styles else line}"


# -- the table ----------------------------------------------------------------------------------------------


def _table(rows: Sequence[ScoreRow], more: str, width: int) -> list[str]:
    """Returns the table; names of models and suites are shortened so that it fits."""
    if not rows:
        return []
    shown = rows[:ROWS]
    seeds = any(row.seeds > 1 for row in shown)
    evidence = any(row.evidence is not None for row in shown)
    headers = ["n", *(["seeds"] if seeds else []), "F1 %", "95% interval", "EM %", "valid %"]
    headers += ["evidence %"] if evidence else []
    body = [_figures(row, seeds, evidence) for row in shown]
    widths = [max(map(len, column)) for column in zip(headers, *body, strict=True)]
    room = width - sum(widths) - 2 * len(widths)
    above = ["", *(row.suite for row in shown)]
    suites = ["" if row.suite == last else row.suite for row, last in zip(shown, above, strict=False)]
    suite_width, model_width = _name_widths(suites, [row.model for row in shown], room - 2)
    lines = [_row("suite", "model", headers, (suite_width, model_width, *widths))]
    lines[0] = colour.bold(lines[0])
    for suite, row, figures in zip(suites, shown, body, strict=True):
        lines.append(_row(suite, row.model, figures, (suite_width, model_width, *widths)))
    return lines + _left_out(len(rows) - ROWS, "rows", more)


def _figures(row: ScoreRow, seeds: bool, evidence: bool) -> list[str]:
    def share(value: float | None) -> str:
        return "-" if value is None else percent(value)

    interval = f"[{percent(row.interval[0])}, {percent(row.interval[1])}]" if row.interval else "-"
    figures = [str(row.n), *([str(row.seeds)] if seeds else []), share(row.f1), interval]
    figures += [share(row.em), share(row.valid)]
    return [*figures, share(row.evidence)] if evidence else figures


def _name_widths(suites: Sequence[str], models: Sequence[str], room: int) -> tuple[int, int]:
    """Shares `room` columns between the suites and the models: each gets what it needs, or else at least
    40%."""
    suite = max(map(display_width, (*suites, "suite")))
    model = max(map(display_width, (*models, "model")))
    if suite + model <= room:
        return suite, model
    suite = min(suite, max(room - model, 2 * room // 5))
    return suite, room - suite


def _row(suite: str, model: str, figures: Sequence[str], widths: Sequence[int]) -> str:
    names = [_padded(_clean(name), width) for name, width in zip((suite, model), widths, strict=False)]
    return "  ".join([*names, *(text.rjust(width) for text, width in zip(figures, widths[2:], strict=True))])


def _padded(text: str, width: int) -> str:
    text = clipped(text, width)
    return text + " " * (width - display_width(text))


def _clean(text: str) -> str:
    """Returns the text on one line, without characters that control a terminal."""
    return printable(" ".join(text.split()))


def _clean_wrapped(text: str, width: int, most: int | None = None) -> list[str]:
    return wrapped(_clean(text), width, most)
