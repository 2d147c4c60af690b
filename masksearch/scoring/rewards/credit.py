"""Per-mask credit: each mask is a free sub-answer, and the search whose results were the first to show its gold may be credited with it.

A search turn's share is that of the masks it was the first to show; it moves the advantages of that turn's tokens alone, by weight * (share - mean share
of the group's searches). So a search that brings nothing loses what one that brings something gains, and searching more for its own sake earns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from masksearch.types import Turn


def credit_by_turn(turns: Sequence[Turn], found: Sequence[int]) -> list[float | None]:
    """For each model turn the share of the masks, in [0, 1], whose gold the reply was the first to show; None where the reply is no information.

    `found` names for each mask a tool's turn by its number from 1, or 0 (`components.first_shown`).
    """
    credits: list[float | None] = []
    replies = 0
    for turn in turns:
        if turn.role == "model":
            credits.append(None)
            continue
        replies += 1
        if credits and turn.text.lstrip().startswith("<information>"):
            credits[-1] = sum(number == replies for number in found) / len(found)
    return credits


def group_baseline(groups_credits: Sequence[Sequence[float | None]]) -> float:
    """The mean share over all searches of a group's rollouts; 0 without any."""
    known = [credit for credits in groups_credits for credit in credits if credit is not None]
    return sum(known) / len(known) if known else 0.0


def token_credits(
    mask: Sequence[int], credits: Sequence[float | None], baseline: float, weight: float
) -> list[float]:
    """What is added to the advantage of each token (as many as `mask` has): weight * (share - baseline) at the tokens of a search turn, elsewhere 0.

    A run of ones in `mask` is a model turn. Where there are not as many runs as turns (one of them has no tokens), no token is credited.
    """
    runs = [(key, len(list(run))) for key, run in groupby(mask)]
    if sum(key for key, _ in runs) != len(credits):
        return [0.0] * len(mask)
    column: list[float] = []
    rest = iter(credits)
    for key, length in runs:
        credit = next(rest) if key else None
        column += [0.0 if credit is None else weight * (credit - baseline)] * length
    return column
