"""Measures the diversity of a set of trajectories: distinct-n, query entropy, searches, lengths.

Distinct-n is the number of different n-grams divided by the number of all n-grams (Li et al. 2016, arXiv
1510.03055). It falls with the length of the text, so rounds that keep unequal numbers of trajectories
would not be comparable. We therefore depart from that paper and average distinct-n over blocks of 500
words. Query entropy is the entropy of the word frequencies in the search queries, in bits (plug-in
estimate). The metrics also give its maximum for the same number of words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from masksearch.evolve.patterns import language, queries, spoken
from masksearch.text.words import loose_words
from masksearch.types import Trajectory

BLOCK = 500
"""Words per block of distinct-n."""


def distinct(words: Sequence[str], size: int, block: int = BLOCK) -> float:
    """Returns distinct-n for n = `size`, in [0, 1], as the mean over the blocks of `block` words.

    An incomplete last block is ignored. A text shorter than one block is taken as one block. Returns 0 if
    there is no n-gram.
    """
    shares = []
    for part in _blocks(words, block):
        grams = list(zip(*(part[place:] for place in range(size)), strict=False))
        if grams:
            shares.append(len(set(grams)) / len(grams))
    return sum(shares) / len(shares) if shares else 0.0


def _blocks(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    if len(words) < size:
        yield words
    for start in range(0, len(words) - size + 1, size):
        yield words[start : start + size]


def entropy(terms: Sequence[str]) -> float:
    """Returns the entropy -sum p log2 p in bits, where p are the relative frequencies of the terms; 0
    without terms."""
    counts, total = Counter(terms), len(terms)
    return sum(count / total * math.log2(total / count) for count in counts.values())


def diversity(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Returns the diversity metrics of a set of trajectories; all 0 for an empty set.

    Lengths are in words (characters in Chinese).
    """
    words: list[str] = []
    terms: list[str] = []
    answer_words = 0
    for trajectory in trajectories:
        words += loose_words(spoken(trajectory), language(trajectory))
        for query in queries(trajectory):
            terms += loose_words(query, language(trajectory))
        answer_words += len(loose_words(trajectory.answer, language(trajectory)))
    count = max(1, len(trajectories))
    searches = sum(trajectory.usage.searches for trajectory in trajectories)
    model_tokens = sum(trajectory.usage.model_tokens for trajectory in trajectories)
    return {
        "distinct_1": round(distinct(words, 1), 4),
        "distinct_2": round(distinct(words, 2), 4),
        "query_entropy": round(entropy(terms), 3),
        "query_entropy_most": round(math.log2(len(terms)), 3) if terms else 0.0,
        "query_terms": len(terms),
        "searches": round(searches / count, 3),
        "answer_words": round(answer_words / count, 3),
        "model_tokens": round(model_tokens / count, 1),
    }
