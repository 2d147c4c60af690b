"""An audit as a table: what each script earned, on average, and how far above an honest wrong answer at most."""

from __future__ import annotations

from masksearch.scoring.rewards.audit.run import Audit, Outcome

FAILED = "!"
"""Stands behind a margin that is more than was allowed."""


def audit_table(audit: Audit) -> str:
    """Plain text with a row for each script and a column for each reward: `mean (margin)`. Not measured: `-`."""
    rewards = list(audit.outcomes)
    rows = [["", *rewards]] + [
        [name, *(_cell(audit.outcomes[reward][name]) for reward in rewards)]
        for name in audit.outcomes[rewards[0]]
    ]
    rows.append(["attacks that pay", *(str(len(audit.failures(reward))) for reward in rewards)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(
            _fit(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    lines.insert(
        1,
        "| "
        + " | ".join(
            "-" * width if not place else "-" * (width - 1) + ":" for place, width in enumerate(widths)
        )
        + " |",
    )
    counted = ", ".join(f"{count} {kind}" for kind, count in audit.tasks.items())
    told = (
        f"Mean reward over {counted}; in brackets the most above an honest wrong answer to the same task, with {FAILED} "
        f"where an attack earns over {audit.allowed:g} more."
    )
    left_out = sum(outcome.left_out for found in audit.outcomes.values() for outcome in found.values())
    return "\n".join(
        [*lines, "", told, *([f"{left_out} rollouts got no verdict and were left out."] if left_out else [])]
    )


def _cell(outcome: Outcome) -> str:
    if outcome.earned is None:
        return "-"
    margin = f"({outcome.margin:+.2f})" if outcome.margin is not None else "(-)"
    return f"{outcome.earned:.2f} {margin}{FAILED if outcome.failed else ' '}"


def _fit(text: str, width: int, place: int) -> str:
    return text.rjust(width) if place else text.ljust(width)
