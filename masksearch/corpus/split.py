"""Which side of the train / held-out split an article is on: by a hash of its title alone.

No file has to be passed around: every stage, on every machine, comes to the same answer, and an article keeps its side when
the corpus grows. The split's seed is not the run's seed, so that runs with other seeds are measured on the same articles.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Side = Literal["train", "heldout"]


def normal_title(title: str) -> str:
    """Case and white space do not make another article: `" Alan  TURING"` -> `"alan turing"`."""
    return " ".join(title.casefold().split())


def side_of(title: str, heldout_share: float, seed: int = 0) -> Side:
    """The side of an article. Raising `heldout_share` only ever moves articles from train to held out."""
    digest = hashlib.sha256(f"{seed}:{normal_title(title)}".encode()).digest()
    return "heldout" if int.from_bytes(digest[:8], "big") / 2**64 < heldout_share else "train"
