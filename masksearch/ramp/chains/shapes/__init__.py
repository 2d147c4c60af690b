"""The shapes of chained tasks, by name.

hop                 one fact of an article
chain               a fact of an article that another one describes: "Where was the director of A born?"
comparison          one relation of two articles of a kind: "Who was born first, A or B?"
bridge-comparison   one relation of the values of two facts: "Which film has the director born first?"
inference           a relation of relatives, said out loud: a parent's parent is a grandparent
intersection        one entity described from two passages: "Who starred in A and was born in B?"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.shapes.bridged import bridged_comparisons
from masksearch.ramp.chains.shapes.chain import chains
from masksearch.ramp.chains.shapes.comparison import comparisons
from masksearch.ramp.chains.shapes.hop import hops
from masksearch.ramp.chains.shapes.inference import inferences
from masksearch.ramp.chains.shapes.intersection import intersections

SHAPES: dict[str, tuple[tuple[int, ...], Callable[[Book, int, int], Iterator[Draft]]]] = {
    "hop": ((1,), hops),
    "chain": ((2, 3, 4), chains),
    "comparison": ((2,), comparisons),
    "bridge-comparison": ((4,), bridged_comparisons),
    "inference": ((2,), inferences),
    "intersection": ((2,), intersections),
}
"""Shape -> its numbers of hops, and the function (book, seed, most hops) that yields its drafts."""
