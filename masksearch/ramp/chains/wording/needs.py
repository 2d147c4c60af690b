"""What a step needs, in words for the teacher: "the director", "the date of birth"."""

from __future__ import annotations

from masksearch.ramp.chains.records import Fact
from masksearch.ramp.chains.wording.frames import be
from masksearch.ramp.chains.wording.lexicon import AGENTS, MAKERS, NOUNS, PLACES, RELATIVES

_FIXED = {
    "born": "the date of birth",
    "died": "the date of death",
    "nationality": "the nationality",
    "isa": "the occupation",
    "cause": "the cause of death",
}
_PLACES = {
    "locate": "the location", "base": "the base", "headquarter": "the headquarters",
    "bear": "the place of birth", "hold": "the place", "set": "the setting", "situate": "the location",
    "bury": "the place of burial", "film": "the place of filming", "educate": "the place of education",
}  # fmt: skip
_DATES = {
    "release": "release", "found": "foundation", "form": "formation", "establish": "establishment",
    "publish": "publication", "open": "opening", "build": "construction", "air": "airing", "die": "death",
    "premiere": "premiere", "broadcast": "broadcast", "hold": "the event", "create": "creation",
    "launch": "launch", "record": "recording", "bear": "birth", "complete": "completion",
}  # fmt: skip


_VERBS = {
    ("die", "in"): "place of death", ("bury", "in"): "place of burial", ("bury", "at"): "place of burial",
    ("educate", "at"): "school", ("work", "at"): "employer",
}  # fmt: skip
"""(verb, preposition) -> what a place or an organization is to the subject."""


VAGUE = frozenset(f"the {noun}" for noun in (*NOUNS.values(), "person", "date", "year", "name"))
"""Needs that say too little without the verb of the fact."""


def verb_of(fact: Fact) -> str:
    """Returns the words of a fact between its subject and its value: "plays for", "was a member of"."""
    relation = fact.relation
    match relation.form:
        case "noun":
            article = relation.shown if relation.shown.split(" ")[0] in ("a", "an", "the") else ""
            return f"{be(fact)} {article or f'a {relation.shown}'} {relation.prep}"
        case "by" | "passive":
            return f"{be(fact)} {relation.shown} {relation.prep}".rstrip()
        case "active" | "object":
            return f"{relation.shown} {relation.prep}".rstrip()
    return ""


def need_of(fact: Fact, noun: str) -> str:
    """Returns what a fact tells, as a noun phrase; `noun` is what its value is ("band"), if known."""
    relation, kind = fact.relation, fact.kind
    if relation.form in _FIXED:
        return _FIXED[relation.form]
    if relation.form == "number":
        return f"the number of {relation.word.split(' ', 1)[1]}"
    if kind in ("DATE", "YEAR"):
        event = _DATES.get(relation.word, "")
        period = "year" if kind == "YEAR" else "date"
        return f"the {period} of {event}" if event else f"the {period}"
    return f"the {_named(fact, noun)}"


def _named(fact: Fact, noun: str) -> str:
    relation, kind = fact.relation, fact.kind
    if relation.form == "by" and relation.word in AGENTS:
        return AGENTS[relation.word]
    if relation.form == "noun" and relation.prep == "by" and relation.word in MAKERS:
        return MAKERS[relation.word]
    if relation.form == "noun" and relation.prep == "of" and relation.word in RELATIVES:
        return "relative"
    if relation.form == "relative":
        return relation.word
    if relation.form == "passive" and relation.prep == "in" and kind in PLACES and relation.word in _PLACES:
        return _PLACES[relation.word].removeprefix("the ")
    if relation.form in ("passive", "active") and kind in (*PLACES, "ORG"):
        known = _VERBS.get((relation.word, relation.prep))
        if known:
            return known
    return noun or ("person" if kind == "PERSON" else NOUNS.get(kind, "name"))
