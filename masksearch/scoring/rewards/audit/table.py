"""An audit as a table: the mean reward of each script and its largest margin over an honest answer."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.scoring.rewards.audit.run import Audit, Outcome

FAILED = "!"
"""Marks a margin above the allowed margin."""


def audit_table(audit: Audit) -> str:
    """Renders a Markdown table with a row per script and a column per reward.

    A cell is `mean (margin)`, with `-` for values that could not be measured.
    """
    rewards = list(audit.outcomes)
    rows = [["", *rewards]]
    for name in audit.outcomes[rewards[0]]:
        rows.append([name, *(_cell(audit.outcomes[reward][name]) for reward in rewards)])
    rows.append(["attacks that pay", *(str(len(audit.failures(reward))) for reward in rewards)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(_padded(row, widths)) for row in rows]
    lines.insert(1, _line(rules))
    counted = ", ".join(f"{count} {kind}" for kind, count in audit.tasks.items())
    lines += [
        "",
        f"Mean reward over {counted}; in brackets the largest margin over an honest wrong answer to the same "
        f"task. {FAILED} marks an attack that earns over {audit.allowed:g} more. The attacks 'right, ...' "
        f"are compared with an honest right answer that is grounded; {FAILED} marks one that earns more.",
    ]
    left_out = sum(outcome.left_out for outcomes in audit.outcomes.values() for outcome in outcomes.values())
    if left_out:
        lines.append(f"{left_out} rollouts got no verdict and were left out.")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Pads the cells of a row to the column widths. The first cell is aligned left, the others right."""
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return [row[0].ljust(widths[0]), *numbers]


def _cell(outcome: Outcome) -> str:
    if outcome.earned is None:
        return "-"
    margin = f"({outcome.margin:+.2f})" if outcome.margin is not None else "(-)"
    return f"{outcome.earned:.2f} {margin}{FAILED if outcome.failed else ' '}"
