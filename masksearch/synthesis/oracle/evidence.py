"""Decides which passages are evidence for a mask, for both versions of the scripted teacher.

A passage that merely contains the answer is not enough: the same words may mean something else there. Two
kinds of passages count. Known evidence is the passage that the masked text was made from, and the passage
that the check `elsewhere` found in another article (for tasks that hide their own passage). Any other
passage is evidence if it holds all the content words next to the mask.
"""

from __future__ import annotations

from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.wording import Place, surroundings, words_of
from masksearch.text.words import stop_words
from masksearch.types import MASK, MaskedTask


def known_evidence(task: MaskedTask, index: int) -> set[str]:
    """Returns the ids of the passages known to hold the evidence for mask number `index` (from 0)."""
    elsewhere = task.verdicts.get("elsewhere", {}).get("evidence", [])  # one passage id per mask
    return {task.passage_id, *elsewhere[index : index + 1]}


def is_about(task: MaskedTask, index: int, result: Shown) -> bool:
    """Whether there are at least two content words next to a mask, and a result holds all of them."""
    near = _words_near(surroundings(task.text, task.language)[index], task.language)
    return len(near) >= 2 and near <= words_of(result.text, task.language)


def _words_near(place: Place, language: str) -> set[str]:
    """Returns the content words next to a mask: words of four letters or more.

    For a Chinese text: the characters that are not stop words.
    """
    words = words_of(f"{place.before} {place.following.removeprefix(MASK)}", language)
    if language == "zh":
        return words - stop_words("zh") - {"mask"}
    return {word for word in words if len(word) > 3} - {"mask", "after"}
