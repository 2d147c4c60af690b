"""How varied a set of trajectories is: distinct-n, query entropy, searches, lengths.

Distinct-n is the number of different n-grams over that of all (Li et al. 2016, arXiv 1510.03055). It falls with the length of the text, so it is the mean
over blocks of 500 words here: rounds that keep unequal numbers of trajectories can be compared. The entropy of the query terms is the plug-in
estimate in bits; beside it stands the most that so many terms could have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from masksearch.evolve.patterns import language, queries, spoken
from masksearch.text.words import loose_words
from masksearch.types import Trajectory

BLOCK = 500
"""Words."""


def distinct(words: Sequence[str], size: int, block: int = BLOCK) -> float:
    """Share of different n-grams among all, in [0, 1]: the mean over full blocks of words (of a shorter text over the whole). 0 where there is no n-gram."""
    blocks = list(_blocks(words, block))
    shares = [
        len(set(grams)) / len(grams)
        for part in blocks
        if (grams := list(zip(*(part[place:] for place in range(size)), strict=False)))
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _blocks(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    if len(words) < size:
        yield words
    for start in range(0, len(words) - size + 1, size):
        yield words[start : start + size]


def entropy(terms: Sequence[str]) -> float:
    """-sum p log2 p of the terms' frequencies, in bits; 0 without terms."""
    counts, total = Counter(terms), len(terms)
    return sum(count / total * math.log2(total / count) for count in counts.values())


def diversity(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """The figures of a set of trajectories. Lengths are in words (in Chinese, characters); all 0 for an empty set."""
    words, terms = [], []
    for trajectory in trajectories:
        words += loose_words(spoken(trajectory), language(trajectory))
        terms += [word for query in queries(trajectory) for word in loose_words(query, language(trajectory))]
    count = max(1, len(trajectories))
    return {
        "distinct_1": round(distinct(words, 1), 4),
        "distinct_2": round(distinct(words, 2), 4),
        "query_entropy": round(entropy(terms), 3),
        "query_entropy_most": round(math.log2(len(terms)), 3) if terms else 0.0,
        "query_terms": len(terms),
        "searches": round(sum(trajectory.usage.searches for trajectory in trajectories) / count, 3),
        "answer_words": round(
            sum(len(loose_words(trajectory.answer, language(trajectory))) for trajectory in trajectories)
            / count,
            3,
        ),
        "model_tokens": round(sum(trajectory.usage.model_tokens for trajectory in trajectories) / count, 1),
    }
