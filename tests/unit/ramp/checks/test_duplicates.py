"""Near-copies: the first of similar passages is kept, for any number of workers and any size of the parts."""

import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from masksearch.ramp.checks import duplicates
from masksearch.ramp.checks.duplicates import band_bytes, find_duplicates, shingles, sketch
from masksearch.types import Passage

VOCABULARY = [f"w{number}" for number in range(2000)]


def passages(texts):
    return [Passage(id=str(number), doc_id="d", title="T", text=text) for number, text in enumerate(texts)]


@cache
def runs(text):
    return frozenset(shingles(text))


def jaccard(first, second):
    shared = len(runs(first) & runs(second))
    return shared / (len(runs(first)) + len(runs(second)) - shared)


def some_texts(seed, count=200):
    """Returns random texts; many are earlier texts with some words replaced."""
    rng = Random(seed)
    texts = []
    for _ in range(count):
        if texts and rng.random() < 0.6:
            words = rng.choice(texts).split()
            for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 5, 8])):
                words[rng.randrange(len(words))] = rng.choice(VOCABULARY)
        else:
            words = [rng.choice(VOCABULARY) for _ in range(rng.randint(20, 90))]
        texts.append(" ".join(words))
    return texts


def test_words_not_their_looks():
    same = [
        "The café, in Paris: it is OPEN today!",
        "Something else altogether is said here.",
        "the cafe in paris it is open today",
    ]
    assert find_flags([*same, "Two words", "two WORDS.", "?", "!"]) == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def find_flags(texts, threshold=0.8, workers=1):
    with tempfile.TemporaryDirectory() as work:
        flags = find_duplicates(passages(texts), threshold, Path(work), workers).tolist()
        assert not list(Path(work).iterdir())
    return flags


@pytest.mark.parametrize("seed", range(3))
def test_against_exact_similarity(seed):
    texts = some_texts(seed)
    flags = find_flags(texts)
    assert not flags[0]
    similar = copies = 0
    for row, text in enumerate(texts):
        to_earlier = [(jaccard(text, texts[other]), other) for other in range(row)]
        to_kept = max((value for value, other in to_earlier if not flags[other]), default=0.0)
        if flags[row]:
            assert to_kept >= 0.65, "dropped although no similar passage is kept"
        else:
            assert to_kept < 1, "an exact copy of a kept passage"
            similar += to_kept >= 0.9
        copies += flags[row]
    assert similar == 0
    assert copies > 30


def test_parts_rounds_and_workers_change_nothing(monkeypatch):
    texts = some_texts(7)
    whole = find_flags(texts)
    assert find_flags(texts, workers=2) == whole
    monkeypatch.setattr(duplicates, "PART", 50)
    monkeypatch.setattr(duplicates, "_BLOCK", 64)
    monkeypatch.setattr(duplicates, "_PAIRS", 16)
    monkeypatch.setattr(duplicates, "_BATCH", 90)
    assert find_flags(texts) == whole


def test_likeness_is_not_handed_on_along_a_chain():
    words = VOCABULARY[:100]
    chain = [
        " ".join([*words[: 100 - 4 * step], *(f"x{place}" for place in range(4 * step))])
        for step in range(12)
    ]
    flags = find_flags(chain)
    for row, flag in enumerate(flags):
        if flag:
            assert max(jaccard(chain[row], chain[other]) for other in range(row) if not flags[other]) > 0.65
    assert 2 <= flags.count(False) <= 6


def test_copies_of_one_that_goes_are_still_found():
    base = VOCABULARY[:120]
    near = [*base[:110], *VOCABULARY[500:510]]  # like base
    far = [*near[12:], *VOCABULARY[600:612]]  # like near, less like base
    texts = [" ".join(words) for words in (base, near, far, far, far)]
    assert jaccard(texts[0], texts[1]) > 0.8 > jaccard(texts[0], texts[2])
    assert find_flags(texts)[2:] == [False, True, True]


def test_thresholds():
    words = VOCABULARY[:80]
    texts = [" ".join(words), " ".join([*words[:40], "x", *words[41:]])]
    assert 0.8 < jaccard(*texts) < 0.95
    assert find_flags(texts, 1.0) == [False, False]
    assert find_flags([*texts, texts[1]], 1.0) == [False, False, True]
    assert find_flags(texts, 0.5) == [False, True]
    assert find_flags([]) == []
    assert [band_bytes(value) for value in (1.0, 0.8, 0.6, 0.3, 0.1)] == [8, 8, 4, 2, 1]


def test_chinese_runs_are_of_characters():
    assert shingles("居里夫人发现镭", "zh") == ["居 里 夫 人 发", "里 夫 人 发 现", "夫 人 发 现 镭"]
    assert sketch([("居里夫人发现镭", "zh")]).shape == (1, 128)
    assert np.array_equal(sketch([("a b", "")]), sketch([("A, b!", "")]))
