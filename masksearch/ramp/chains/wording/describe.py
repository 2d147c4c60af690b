"""Descriptions of a fact's value that do not name it: "the director of Free Radio"."""

from __future__ import annotations

from random import Random

from masksearch.ramp.chains.records import Fact
from masksearch.ramp.chains.wording.frames import be, frame
from masksearch.ramp.chains.wording.lexicon import AGENTS, MAKERS, NOUNS, PAST, PLACES, RELATIVES, possessive


def describe(fact: Fact, subject: str, noun: str, person: bool, rng: Random) -> str:
    """Returns a phrase for the value of a fact about `subject`; empty if no pattern fits.

    `noun` is what the value is ("band"), if known; `person` tells whether the subject is a person.
    """
    thing = noun or ("person" if fact.kind == "PERSON" else NOUNS.get(fact.kind, ""))
    if not thing or fact.kind in ("DATE", "YEAR", "NUMBER") or frame(fact, subject, person) is None:
        return ""
    rows = _phrases(fact, subject, thing)
    return rows[rng.randrange(len(rows))] if rows else ""


def _phrases(fact: Fact, subject: str, thing: str) -> list[str]:
    relation, verb = fact.relation, fact.relation.shown
    match relation.form:
        case "by":
            past = verb if verb.endswith("ed") else PAST.get(verb, "")
            agent = AGENTS.get(relation.word)
            rows = [f"the {agent} of {subject}"] * 2 if agent else []
            if agent and (whose := possessive(subject)):
                rows.append(f"{whose} {agent}")
            who = "who" if fact.kind == "PERSON" else "that"
            return [*rows, f"the {thing} {who} {past} {subject}"] if past else rows
        case "relative":
            whose = possessive(subject)
            rows = [f"the {relation.word} of {subject}"]
            return [*rows, f"{whose} {relation.word}"] if whose else rows
        case "passive" if relation.prep == "in" and fact.kind in PLACES:
            return [f"the {thing} where {subject} {be(fact)} {verb}"]
        case "passive" | "active":
            return [f"the {thing} that {subject} {_helper(fact)}{verb} {relation.prep}"]
        case "object":
            return [f"the {thing} that {subject} {verb}"]
        case "noun":
            return _noun(fact, subject, thing)
    return []


def _helper(fact: Fact) -> str:
    return f"{be(fact)} " if fact.relation.form == "passive" else ""


def _noun(fact: Fact, subject: str, thing: str) -> list[str]:
    relation = fact.relation
    if relation.prep == "of" and fact.kind == "PERSON":
        return [f"the person whose {relation.word} is {subject}"] if relation.word in RELATIVES else []
    if relation.prep == "by" and relation.word in MAKERS:
        return [f"the {MAKERS[relation.word]} of {subject}"]
    if relation.prep in ("of", "in"):
        return [f"the {thing} {relation.prep} which {subject} {be(fact)} {relation.shown}"]
    return []
