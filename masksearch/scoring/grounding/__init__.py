"""Grounding: whether the answers of a trajectory stand in what its tools showed, and its quotes too.

`check` has the function `ground` and its record, `quotes` reads the quotes in a thought, `shown` reads the
results in a tool's text, `inferred` holds the rules for answers that no text need hold.
"""

from masksearch.scoring.grounding.check import (
    FALSE_QUOTE,
    UNGROUNDED,
    CheckedQuote,
    Grounding,
    checked_quotes,
    ground,
    ground_answer,
    ground_fills,
)
from masksearch.scoring.grounding.shown import stands_in, texts_shown

__all__ = [
    "FALSE_QUOTE",
    "UNGROUNDED",
    "CheckedQuote",
    "Grounding",
    "checked_quotes",
    "ground",
    "ground_answer",
    "ground_fills",
    "stands_in",
    "texts_shown",
]
