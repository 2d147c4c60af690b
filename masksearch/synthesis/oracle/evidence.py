"""Which passages are evidence for a mask, as both versions of the scripted teacher see it.

Evidence is matched by passage: the same words elsewhere may be another matter. Known are the text's own passage and, where that is hidden, the one
that the check found in another article; another one counts where it holds all the words beside the mask.
"""

from __future__ import annotations

from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.wording import Place, surroundings, words_of
from masksearch.text.words import stop_words
from masksearch.types import MASK, MaskedTask


def known_evidence(task: MaskedTask, index: int) -> set[str]:
    """Ids of the passages known to hold the evidence for a mask."""
    return {task.passage_id, *task.verdicts.get("elsewhere", {}).get("evidence", [])[index : index + 1]}


def speaks_of(task: MaskedTask, index: int, result: Shown) -> bool:
    """Whether a result holds all words beside a mask."""
    near = _words_near(surroundings(task.text, task.language)[index], task.language)
    return len(near) >= 2 and near <= words_of(result.text, task.language)


def _words_near(place: Place, language: str) -> set[str]:
    """The words beside a mask that tell what is spoken of: long ones; of a Chinese text, characters that are no stops."""
    words = words_of(f"{place.before} {place.following.removeprefix(MASK)}", language)
    return (
        words - stop_words("zh") - {"mask"}
        if language == "zh"
        else {word for word in words if len(word) > 3} - {"mask", "after"}
    )
