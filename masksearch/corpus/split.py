"""Assigns articles to the train or held-out side by a hash of their title alone.

The split needs no file: every stage on every machine computes the same side, and an article keeps its
side when the corpus grows. The split's seed is not the run's seed, so that runs with different seeds are
measured on the same articles.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Side = Literal["train", "heldout"]


def normal_title(title: str) -> str:
    """Returns a title in lower case, without surplus white space: `" Alan  TURING"` -> `"alan turing"`."""
    return " ".join(title.casefold().split())


def side_of(title: str, heldout_share: float, seed: int = 0) -> Side:
    """Returns the side of an article. A higher `heldout_share` only moves articles from train to held-out."""
    digest = hashlib.sha256(f"{seed}:{normal_title(title)}".encode()).digest()
    return "heldout" if int.from_bytes(digest[:8], "big") / 2**64 < heldout_share else "train"
