"""Facts that patterns read off the words of a sentence about the article's subject.

An entity recogniser cuts a name with a rank or a land in two ("Henry Howard, 5th Earl of Suffolk"), and a
parse hangs what follows it on the wrong word. Lives of people are told in few and regular forms, so patterns
find what the parse misses: of 274 Wikipedia articles with "son of" or "daughter of" the parse found a parent
in 122, both together find one in 217.

X was the second son of Y, and his wife Z       parents
X married Y, X is the sister of Y               husband or wife, brother or sister
X died in Y, was buried in Y                    places
X was educated at Y, X taught at Y              school, employer
X won the Y Prize, X died of Y                  award, cause of death
a song by Y; the music was composed by Y        who made a work
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from masksearch.ramp.chains.reading.family import PARTNERS, RANKS, ROLES
from masksearch.ramp.chains.reading.life import DATE_PATTERN
from masksearch.ramp.chains.records import Relation
from masksearch.ramp.spans.dates import EN_MONTHS

_WORD = r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w’'.]*(?:-\s?[A-ZÀ-ÖØ-ÞĀ-Ž]\w*)*(?<!['’.]s)"
_NUMERAL = r"(?:[IVX]+\b)"
_PARTICLE = r"(?:of the|of|de la|de|della|di|da|von der|von|van der|van|zu|du|the|ibn|bin|bint|al|el|y|le|la)"
_RANK = "|".join(sorted((rank.capitalize() for rank in RANKS), key=len, reverse=True))
_LAND = rf"(?:(?:of|in) (?:the )?{_WORD}(?: {_WORD}){{0,2}})"
_NAME = (
    rf"{_WORD}(?: (?:{_PARTICLE} )?{_WORD}){{0,6}}"
    rf"(?:, (?:\d+(?:st|nd|rd|th) )?(?:{_RANK})(?: (?:{_RANK}))?(?: {_LAND}| {_WORD}))?"
)
_ADJECTIVES = r"(?:[a-z-]+ ){0,4}?"
_CHILD_OF = re.compile(rf"\b(?P<noun>son|daughter|child) of (?:the )?{_ADJECTIVES}(?P<name>{_NAME})")
_PARTNER = re.compile(
    rf",?(?: and| by| with)?(?: of)? (?:his|her) {_ADJECTIVES}(?P<noun>wife|husband|consort),? "
    rf"(?P<name>{_NAME})"
)
_AND = re.compile(rf"(?P<comma>,?) and (?P<name>{_NAME})")
_MARRIED = re.compile(
    rf"\b(?:married|(?:wife|husband|consort|widow) of)(?: to)? (?:his |her |the )?{_ADJECTIVES}"
    rf"(?P<name>{_NAME})"
)
_SIBLING = re.compile(rf"\b(?P<noun>brother|sister|sibling) of (?:the )?{_ADJECTIVES}(?P<name>{_NAME})")
_INSTITUTION = (
    rf"(?:{_WORD} ){{0,4}}(?:University|College|School|Institute|Academy|Conservatory|Conservatoire|"
    rf"Seminary|Polytechnic)(?: (?:of|for) (?:the )?{_WORD}(?: (?:and |of )?{_WORD}){{0,3}}"
    rf"|, {_WORD})?"
)
_PLACE = rf"{_WORD}(?:[ -](?:(?:of|upon|on|am|de|la|le|sur) )?{_WORD}){{0,2}}"
_DATED = r"(?:(?:on|in) )?(?:\d{1,2} \w+,? \d{4},? |\w+ \d{1,2},? \d{4},? |\d{4},? )?"
_WRITTEN = re.compile(
    rf"\b(?:music|score|soundtrack|songs)(?: (?:is|was|were|are|has been|has))?"
    rf"(?: (?:composed|written|scored|provided))? (?:by|composer) {_ADJECTIVES}(?P<name>{_NAME})"
)
_SUNG = re.compile(
    rf"\b(?:is|was) (?:an?|the) [^.;\"]{{0,80}}?"
    rf"\b(?:song|single|album|track|EP|mixtape|performed|recorded|sung)"
    rf" by (?:the )?(?:(?:{_WORD} )?(?:[a-z][\w/-]* ){{1,5}})?(?P<name>{_NAME})"
)
_AWARD = (
    rf"(?:{_WORD} (?:(?:of|for|de) )?){{1,5}}(?:Award|Prize|Medal)"
    rf"(?: (?:for|in|of) {_WORD}(?: {_WORD}){{0,3}})?"
)
_CAUSE = (
    r"(?P<name>(?!his|her|the|natural|unknown|wounds|injuries|an? unknown)"
    r"(?:an? )?(?:[a-z-]+ ){0,3}?[a-z]{4,})(?= (?:in|at|on|after|while|during)\b|[,.;])"
)
_OTHERS = re.compile(
    r"\b(?:married|wife|husband|consort|widow|widower|mother|father|parents?|brother|sister|sibling|son|daughter|"
    r"child|children|nephew|niece|uncle|aunt|cousin|grand\w+|who|whose|when|after|before|not|never|may|might|"
    r"possibly|probably|reportedly|allegedly)\b",
    re.IGNORECASE,
)
"""Words after which a fact may be another person's, or no fact."""
_NO_PLACE = re.compile(rf"(?:{'|'.join(EN_MONTHS)}|World|Battle|War|I|He|She|The|A|An)\b")
_NO_NAME = re.compile(rf"(?:{'|'.join(EN_MONTHS)}|I|He|She|The|A|An|His|Her|In|World|American|British)(?!\S)")
_STATED = re.compile(
    r"(?:(?:\b(?:is|was|as|being|became)|[,)]) (?:an? |the |his |her )?|^)(?:[a-z-]+ ){0,4}$"
)
"""What stands before the noun of a relative that is the subject's own."""
_PERSON_BETWEEN = re.compile(r"\b(?:of|to|with|by|for|on) (?:the )?[A-ZÀ-Þ]")
_CUT = frozenset(
    ["St", "St.", "Mt.", "Fort", "Dr.", "Mr.", "Mrs.", "Sir", "Lord", "Lady", "Saint", "Upper", "Lower"]
)
"""Words that no name ends with: the rest of it was cut off."""
LONGEST = 10
"""Maximum number of words of a name."""


@dataclass(frozen=True)
class Phrase:
    """A fact that a pattern reads: the value is characters [start, end) of the sentence."""

    relation: Relation
    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    relation: Relation
    kind: str


def _rule(pattern: str, relation: Relation, kind: str) -> _Rule:
    return _Rule(re.compile(pattern), relation, kind)


_BORN = Relation("passive", "bear", "in", "past", "born")
_DIED = Relation("active", "die", "in", "past", "died")
_LIFE = (
    _rule(rf"\bdied (?:[a-z]+ )?{_DATED}(?:in|at) (?P<name>{_PLACE})",
          _DIED, "GPE"),
    _rule(rf"\bborn {_DATED}(?:in|at) (?P<name>{_PLACE})", _BORN, "GPE"),
    _rule(rf"\((?P<name>{_PLACE}),? {DATE_PATTERN}", _BORN, "GPE"),
    _rule(rf"\(\s?(?:born )?{DATE_PATTERN},? in (?P<name>{_PLACE})", _BORN, "GPE"),
    _rule(rf"[–-]\s?(?P<name>{_PLACE}),? {DATE_PATTERN}\s?\)", _DIED, "GPE"),
    _rule(rf"[–-]\s?{DATE_PATTERN},? in (?P<name>{_PLACE})", _DIED, "GPE"),
    _rule(rf"\b(?:buried|interred) {_DATED}(?:in|at) (?:the )?(?P<name>{_NAME})",
          Relation("passive", "bury", "in", "past", "buried"), "FAC"),
    _rule(rf"\b(?:educated at|graduated from|graduate of|studied at|alumn[aiu]s? of|attended) (?:the )?"
          rf"(?P<name>{_INSTITUTION})",
          Relation("passive", "educate", "at", "past", "educated"), "ORG"),
    _rule(rf"\b(?:professor|lecturer|researcher|fellow|teacher|taught|works|worked)\b[^.;,]{{0,40}}? at "
          rf"(?:the )?(?P<name>{_INSTITUTION})", Relation("active", "work", "at", "past", "worked"), "ORG"),
    _rule(rf"\b(?:won|received|awarded|recipient of) (?:the |an? )?(?:\d{{4}} )?(?P<name>{_AWARD})",
          Relation("object", "win", "", "past", "won"), "AWARD"),
    _rule(rf"\bdied {_DATED}(?:of|from) {_CAUSE}", Relation("cause", "die", "of", "past", "died"), "NOUN"),
)  # fmt: skip
_MADE = (
    _Rule(_WRITTEN, Relation("by", "compose", "by", "past", "composed"), "PERSON"),
    _Rule(_SUNG, Relation("by", "perform", "by", "past", "performed"), "PERSON"),
)


def of_person(sentence: str) -> Iterator[Phrase]:
    """Yields the facts of a sentence whose subject is a person."""
    yield from _family(sentence)
    for rule in _LIFE:
        yield from _read(rule, sentence)


def of_work(sentence: str) -> Iterator[Phrase]:
    """Yields who made a work, from a sentence of its article."""
    for rule in _MADE:
        yield from _read(rule, sentence)


def _read(rule: _Rule, sentence: str) -> Iterator[Phrase]:
    match = rule.pattern.search(sentence)
    if match is None or _OTHERS.search(sentence[: match.start()]):
        return
    start, end = match.span("name")
    text = match["name"]
    place = rule.kind in ("GPE", "FAC")
    if (_NO_PLACE if place else _NO_NAME).match(text):
        return
    if place and text.split()[-1] in sentence[: match.start()].split():
        return  # the subject's full name: "John Lennon (John Winston Lennon, 9 October 1940"
    if text.split()[-1] in _CUT or (rule.kind == "PERSON" and not _is_name(text)):
        return
    yield Phrase(rule.relation, start, _without_stop(text, start, end), rule.kind)


def _family(sentence: str) -> Iterator[Phrase]:
    child = _CHILD_OF.search(sentence)
    if child is not None and _is_own(sentence[: child.start()]) and _is_name(child["name"]):
        yield _relative("parent", "of", child["noun"], child)
        yield from _other_parent(sentence, child)
        return
    for pattern, role, noun in ((_MARRIED, "spouse", ""), (_SIBLING, "sibling", "")):
        match = pattern.search(sentence)
        if match is None or not _is_name(match["name"]):
            continue
        before = sentence[: match.start()]
        verb = match[0].startswith("married")
        if _is_own(before) if not verb else not _OTHERS.search(before):
            yield _relative(role, "of", match.groupdict().get("noun") or noun, match)
            return


def _is_own(before: str) -> bool:
    """Whether a noun after these words says what the sentence's subject is: not another person named between
    them."""
    if _OTHERS.search(before) or not _STATED.search(before):
        return False
    verb = re.search(r"\b(?:is|was|became)\b", before)
    if verb is None or re.search(r"\b(?:is|was|as|being|became) (?:an? |the )?(?:[a-z-]+ ){0,4}$", before):
        return True
    return _PERSON_BETWEEN.search(before, verb.end()) is None


def _other_parent(sentence: str, child: re.Match[str]) -> Iterator[Phrase]:
    """Yields Z of "son of Y and his wife Z", "son of Y and Z"."""
    end = child.end("name")
    partner = _PARTNER.match(sentence, end)
    if partner is not None:
        if _is_name(partner["name"]):
            called = PARTNERS.get(partner["noun"], "")
            yield _relative("parent", "poss" if called else "of", called, partner)
        return
    second = _AND.match(sentence, end)
    if second is None or not _is_name(second["name"]):
        return
    # After "Duke of Upper" and without a comma, "and Lower Lorraine" belongs to the first name.
    if " of " not in child["name"] or second["comma"] or second["name"].split(" ")[0].lower() in RANKS:
        yield _relative("parent", "of", child["noun"], second)


def _relative(role: str, prep: str, noun: str, match: re.Match[str]) -> Phrase:
    start, end = match.span("name")
    end = _without_stop(match["name"], start, end)
    shown = noun if noun in ROLES or prep == "poss" else ""
    return Phrase(Relation("relative", role, prep, "past", shown), start, end, "PERSON")


def _is_name(text: str) -> bool:
    words = text.split()
    return 2 <= len(words) <= LONGEST and not _NO_NAME.match(text) and words[-1] not in _CUT


def _without_stop(text: str, start: int, end: int) -> int:
    """Returns the end of a value without the full stop of its sentence; an initial keeps its own."""
    return end - 1 if text.endswith(".") and len(text.split()[-1]) > 3 else end
