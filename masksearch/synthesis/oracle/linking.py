"""Why a passage speaks of a mask: the words that both can be seen to share, and a quote that holds them and the span.

    1 in [2]: Iris (plant) ... genus of [310] accepted species

A link is one of, the first that there is: the passage's title, where the task names it; a name of two words or more that stands in both, near
the span; two single things near the span that stand in both (a name of one word, a figure, a word beside the mask). Everything is read off what
is shown: the task's text with its masks, and the results as cut and made harmless. A word of the answer links nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from masksearch.synthesis.oracle.wording import beside, phrases
from masksearch.text.names import Name, name_words, names
from masksearch.text.words import BEFORE, STEM, base_title, folded, located_words, stop_words
from masksearch.types import MASK

NEAR = 10
"""Words on each side of a mask or a span that stand near it (of a Chinese text, characters, and twice as many)."""
FAR = 20
"""Words between a span and a name that links it, at most."""
TITLE_SHOWN = 8
"""Words quoted of a title."""
MERGED = 2
"""Words that are quoted rather than left out."""
RUN_ZH = 4
"""Characters that stand in both texts, so that they link by themselves."""


@dataclass(frozen=True)
class Shown:
    """A search result as the model sees it. `title` is the passage's own, `heading` as it is shown."""

    number: int
    passage_id: str
    doc_id: str
    title: str
    text: str
    heading: str = ""

    @cached_property
    def words(self) -> tuple[list[str], list[int], list[int]]:
        """Loose words of the text, where each begins and where it ends."""
        return located_words(self.text, "")


@dataclass(frozen=True)
class Asked:
    """What is known of the thing that is looked for."""

    text: str
    """All that may be shared: the task's visible text, and entities found on the way."""
    near: frozenset[str]
    """Stems of the content words near the mask, or of the question."""
    language: str = ""
    entities: tuple[str, ...] = ()
    """What was searched for: an article may turn the words of its title ("John, King of England")."""

    def names_it(self, name: str) -> bool:
        """Whether a name stands in the text: as it is written, or in any case where it is longer than a word."""
        plain, text = (name, self.text) if len(name.split()) == 1 else (folded(name), folded(self.text))
        if self.language == "zh":
            return plain in text
        return bool(plain) and bool(re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", text))


@dataclass(frozen=True)
class Link:
    """What links a passage to a task: its title, or pieces of its text as characters [start, end)."""

    titled: bool
    pieces: tuple[tuple[int, int], ...] = ()

    @property
    def is_named(self) -> bool:
        """Whether it is a title or a name of some length, not two single words."""
        return self.titled or len(self.pieces) == 1


def stems(text: str, language: str = "") -> frozenset[str]:
    """The first letters of the content words of a text; of a Chinese one, pairs of neighbours."""
    words = located_words(text.replace(MASK, " . "), language)[0]
    silent = stop_words(language)
    if language == "zh":
        return frozenset(
            first + second
            for first, second in itertools.pairwise(words)
            if not {first, second} & silent and first + second in text
        )
    return frozenset(word[:STEM] for word in words if len(word) > 1 and word not in silent)


def near_mask(text: str, index: int, language: str = "") -> frozenset[str]:
    """Stems of the content words near mask number `index` (from 0) of a text."""
    pieces = text.split(MASK)
    before, after = MASK.join(pieces[: index + 1]), MASK.join(pieces[index + 1 :])
    if language == "zh":
        return stems(before[-2 * NEAR :], "zh") | stems(after[: 2 * NEAR], "zh")
    return stems(" ".join(before.split()[-NEAR:]), language) | stems(" ".join(after.split()[:NEAR]), language)


def near_span(text: str, span: tuple[int, int], language: str = "", reach: int = NEAR) -> frozenset[str]:
    """Stems of the content words near characters [start, end) of a text, without those in it."""
    before, after = text[: span[0]], text[span[1] :]
    if language == "zh":
        return stems(before[-2 * reach :], "zh") | stems(after[: 2 * reach], "zh")
    return stems(" ".join(before.split()[-reach:]), language) | stems(
        " ".join(after.split()[:reach]), language
    )


# -- finding ----------------------------------------------------------------------------------------------------------


def find_link(
    asked: Asked, shown: Shown, span: tuple[int, int] | None, anywhere: bool = False
) -> Link | None:
    """The link of a passage to what is asked, seen from a span of its text; None where there is none.

    Without a span, or `anywhere`, all of the text is near.
    """
    taken = name_words(shown.text[slice(*span)]) if span else frozenset[str]()
    if title_links(asked, shown) and not name_words(base_title(shown.heading)) <= taken:
        return Link(titled=True)
    if asked.language == "zh":
        return _link_zh(asked, shown.text, span or (0, 0))
    span = None if anywhere else span
    near = [name for name in _shared_names(asked, shown, span) if not name.words <= taken]
    strong = next((name for name in near if name.is_long), None)
    if strong:
        return Link(titled=False, pieces=((strong.start, strong.end),))
    single = list(_singles(asked, shown, span, near, taken))
    return Link(titled=False, pieces=tuple(single[:2])) if len(single) > 1 else None


def title_links(asked: Asked, shown: Shown) -> bool:
    """Whether the task names a passage's title, or it is that of an entity searched for; a title of one word must look like a name."""
    base = base_title(shown.heading)
    words = name_words(base)
    if any(words == name_words(entity) for entity in asked.entities):
        return True
    # "Weymouth, Massachusetts" is named where Weymouth is.
    return any(
        _says_something(title, asked.language) and asked.names_it(title)
        for title in dict.fromkeys([base, base.split(", ")[0]])
    )


def _says_something(title: str, language: str) -> bool:
    if language == "zh":
        return len(title) > 1
    return len(name_words(title)) > 1 or (len(title) > 3 and (title[0].isupper() or title[0].isdigit()))


def _apart(text: str, span: tuple[int, int] | None, other: tuple[int, int]) -> int:
    """Words between two places of a text; -1 where they overlap."""
    if span is None:
        return 0
    if other[0] < span[1] and span[0] < other[1]:
        return -1
    return len(text[min(span[1], other[1]) : max(span[0], other[0])].split())


def _shared_names(asked: Asked, shown: Shown, span: tuple[int, int] | None) -> list[Name]:
    """Names near a span that the task has as well, the nearest first."""
    places = [
        (_apart(shown.text, span, (name.start, name.end)), name) for name in names(shown.text, asked.language)
    ]
    near = [(apart, name) for apart, name in places if 0 <= apart <= FAR and asked.names_it(name.text)]
    return [name for _, name in sorted(near, key=lambda pair: pair[0])]


def _singles(
    asked: Asked, shown: Shown, span: tuple[int, int] | None, shared: list[Name], answer: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Single things near a span that the task has as well, the nearest first, each once: names, figures, words beside the mask."""
    taken = {word[:STEM] for word in answer}
    places = {(name.start, name.end): name.text for name in shared}
    for match in re.finditer(rf"{BEFORE}\d[\d.,]*\d\d(?!\d)", shown.text):
        if asked.names_it(match[0]):
            places[match.span()] = match[0]
    for word, start, end in zip(*shown.words, strict=True):
        if (
            word[:STEM] in asked.near
            and len(word) > 2
            and not any(low <= start < high for low, high in places)
        ):
            places[start, end] = word
    told: set[str] = set()
    for place in sorted(places, key=lambda place: (_apart(shown.text, span, place), place)):
        stem = folded(places[place])[:STEM]
        if 0 <= _apart(shown.text, span, place) <= NEAR and stem not in told | taken:
            told.add(stem)
            yield place


def _link_zh(asked: Asked, text: str, span: tuple[int, int]) -> Link | None:
    """In Chinese: the longest run of characters near the span that stands in both texts; two short ones do as well."""
    low, high = max(0, span[0] - 4 * NEAR), min(len(text), span[1] + 4 * NEAR)
    runs: list[tuple[int, int]] = []
    for first, last in ((low, span[0]), (span[1], high)):
        start = first
        while start < last:
            end = start
            while end < last and text[end].isalnum() and text[start : end + 1] in asked.text:
                end += 1
            said = "".join(char for char in text[start:end] if char not in stop_words("zh"))
            if len(said) >= 2 and said not in text[slice(*span)]:
                runs.append((start, end))
            start = max(end, start + 1)
    runs.sort(key=lambda run: (run[0] - run[1], _apart_zh(span, run)))
    if runs and runs[0][1] - runs[0][0] >= RUN_ZH:
        # Of a long run, what stands nearest to the span.
        start, end = runs[0]
        return Link(
            titled=False,
            pieces=(
                (max(start, end - 2 * RUN_ZH), end)
                if end <= span[0]
                else (start, min(end, start + 2 * RUN_ZH)),
            ),
        )
    return Link(titled=False, pieces=tuple(runs[:2])) if len(runs) > 1 else None


def _apart_zh(span: tuple[int, int], other: tuple[int, int]) -> int:
    return max(other[0] - span[1], span[0] - other[1])


# -- quoting ----------------------------------------------------------------------------------------------------------


def quote(shown: Shown, span: tuple[int, int], link: Link, language: str = "", titled: bool = False) -> str:
    """A passage's number, its link, and the span in brackets with the words beside it, in the order of the passage.

    The title goes before where it is the link, or where it is asked for (`titled`).
    """
    parts = _merged(shown.text, [window(shown.text, span, language), *link.pieces], language)
    said = [_marked(shown.text, part, span) for part in parts]
    if link.titled or titled:
        said.insert(0, heading(shown))
    return f"[{shown.number}]: {phrases(language).gap.join(said)}"


def heading(shown: Shown) -> str:
    """The beginning of a title as it is shown."""
    return " ".join(shown.heading.split()[:TITLE_SHOWN])


def quote_pieces(shown: Shown, pieces: Sequence[tuple[int, int]], language: str = "") -> str:
    """Pieces of a text, each with the words beside it; what they share is said once."""
    parts = _merged(shown.text, [window(shown.text, piece, language) for piece in pieces], language)
    return phrases(language).gap.join(shown.text[slice(*part)].strip() for part in parts)


def window(text: str, span: tuple[int, int], language: str = "") -> tuple[int, int]:
    """A span with the words beside it."""
    head, tail = beside(text, *span, language=language)
    return span[0] - len(head), span[1] + len(tail)


def _marked(text: str, part: tuple[int, int], span: tuple[int, int]) -> str:
    start, end = part
    if not (start <= span[0] and span[1] <= end):
        return text[start:end].strip()
    return " ".join(f"{text[start : span[0]]}[{text[slice(*span)]}]{text[span[1] : end]}".split())


def _merged(text: str, parts: list[tuple[int, int]], language: str) -> list[tuple[int, int]]:
    """Pieces of a text in order; those that touch, or nearly, are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        between = text[merged[-1][1] : start] if merged else ""
        if merged and (
            start <= merged[-1][1]
            or (len(between) <= 2 * MERGED if language == "zh" else len(between.split()) <= MERGED)
        ):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
