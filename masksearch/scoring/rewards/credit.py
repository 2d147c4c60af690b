"""Per-mask credit: each mask is a separate sub-answer, and the search that first showed its gold is credited.

Each search turn has a *share*: of all masks, the share whose gold this search was the first to show. The
advantage of each token of the turn grows by weight * (share - mean share of the group's searches). Other
tokens are unchanged. The differences sum to 0 over the group's searches, so more searches alone earn no
reward. The method is ours; the paper has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from masksearch.types import Turn


def credit_by_turn(turns: Sequence[Turn], found: Sequence[int]) -> list[float | None]:
    """Returns the share (see the module) of each model turn, in [0, 1], in order.

    The share is None for a model turn that no information block follows. `found` has for each mask the number
    (from 1) of the tool turn that first showed its gold, or 0 (`components.first_shown`).
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
    """Returns the mean share (see the module) of all searches of a group's rollouts; 0 without searches.

    `groups_credits` has one entry per rollout: the result of `credit_by_turn`.
    """
    known = [credit for credits in groups_credits for credit in credits if credit is not None]
    return sum(known) / len(known) if known else 0.0


def token_credits(
    mask: Sequence[int], credits: Sequence[float | None], baseline: float, weight: float
) -> list[float]:
    """Returns the credit to add to the advantage of each token.

    The credit is weight * (share - baseline) at the tokens of a search turn and 0 elsewhere. `mask` is 1 at
    model tokens, and each sequence of adjacent ones is one model turn. The result has the length of `mask`.
    If a turn has no tokens, the turns cannot be matched with `mask`; then no token is credited.
    """
    # (mask value, number of tokens) of each sequence of adjacent equal values
    runs = [(key, len(list(run))) for key, run in groupby(mask)]
    if sum(key for key, _ in runs) != len(credits):
        return [0.0] * len(mask)
    column: list[float] = []
    rest = iter(credits)
    for key, length in runs:
        credit = next(rest) if key else None
        column += [0.0 if credit is None else weight * (credit - baseline)] * length
    return column
