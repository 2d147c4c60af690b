"""Questions, statements and descriptions of facts."""

import random

import pytest

from masksearch.ramp.chains.records import Fact, Relation
from masksearch.ramp.chains.wording.ask import ask
from masksearch.ramp.chains.wording.describe import describe
from masksearch.ramp.chains.wording.frames import frame
from masksearch.ramp.chains.wording.lexicon import third_person
from masksearch.ramp.chains.wording.needs import VAGUE, need_of, verb_of
from masksearch.ramp.chains.wording.plurals import plural
from masksearch.synthesis.oracle.planned.sayings import needed
from masksearch.types import ChainStep


def fact(form, word, value="Ada Ray", prep="", kind="PERSON", shown="", tense="past", noun=""):
    return Fact("T", "d", "p", Relation(form, word, prep, tense, shown), value, 0, 1, kind, noun)


DIRECTED = fact("by", "direct", prep="by", shown="directed")
LOCATED = fact("passive", "locate", "Ohio", "in", "GPE", "located", "present")
SEAT = fact("noun", "seat", "Knox County", "of", "GPE", "the county seat", "present")
MEMBERS = fact("number", "have members", "12", kind="NUMBER", tense="present")


FATHER = fact("relative", "father", prep="of", shown="father")


def questions(one, subject, noun="", person=False):
    return {ask(one, subject, noun, person, random.Random(seed)) for seed in range(200)}


@pytest.mark.parametrize(
    ("one", "subject", "noun", "person", "expected"),
    [
        (DIRECTED, "the film Heat", "", False, "Who directed the film Heat?"),
        (DIRECTED, "the film Heat", "", False, "The film Heat was directed by whom?"),
        (DIRECTED, "the film Heat", "", False, "Who was the director of the film Heat?"),
        (fact("by", "write", prep="by", shown="written"), "the play X", "", False, "Who wrote the play X?"),
        (fact("by", "release", prep="by", kind="ORG", shown="released"), "the album X", "label", False,
         "Which label released the album X?"),
        (fact("born", "born", "3 May 1960", "on", "DATE"), "Ada Ray", "", True, "When was Ada Ray born?"),
        (fact("nationality", "nationality", "Irish", kind="NORP", tense="present"), "Ada Ray", "", True,
         "What nationality is Ada Ray?"),
        (LOCATED, "Vinton", "", False, "Where is Vinton located?"),
        (LOCATED, "Vinton", "county", False, "In which county is Vinton located?"),
        (SEAT, "Edina", "", False, "Edina is the county seat of which place?"),
        (MEMBERS, "the band X", "", False, "How many members does the band X have?"),
        (fact("noun", "niece", prep="of", shown="the niece", tense="present"), "Ada Ray", "", True,
         "Whose niece is Ada Ray?"),
        (FATHER, "Ada Ray", "", True, "Who is Ada Ray's father?"),
        (FATHER, "Ada Ray", "", True, "Who was the father of Ada Ray?"),
        (FATHER, "the director of Heat", "", True, "Who is the father of the director of Heat?"),
        (DIRECTED, "Heat", "", False, "Who was Heat's director?"),
    ],
)  # fmt: skip
def test_questions_read_like_a_persons(one, subject, noun, person, expected):
    assert expected in questions(one, subject, noun, person)


@pytest.mark.parametrize(
    "one",
    [
        fact("passive", "know", "Keri Lewis", "as", shown="known"),
        fact("active", "take", "May 1960", "during", "DATE", "took"),
        fact("active", "serve", "1995", "from", "YEAR", "served"),
        fact("nationality", "nationality", "Irish", kind="NORP"),
    ],
)
def test_a_fact_that_says_too_little_is_not_asked_for(one):
    assert questions(one, "the film Heat") == {""}


@pytest.mark.parametrize(
    ("one", "subject", "statement"),
    [
        (DIRECTED, "the film Heat", "The film Heat was directed by [mask]."),
        (LOCATED, "Vinton", "Vinton is located in [mask]."),
        (SEAT, "Edina", "Edina is the county seat of [mask]."),
        (MEMBERS, "the band X", "The band X has [mask] members."),
    ],
)
def test_statements_have_the_mask_in_the_values_place(one, subject, statement):
    assert frame(one, subject, False).masked == statement


@pytest.mark.parametrize(
    ("one", "subject", "noun", "expected"),
    [
        (
            DIRECTED,
            "the film Heat",
            "",
            {
                "the director of the film Heat",
                "the film Heat's director",
                "the person who directed the film Heat",
            },
        ),
        (FATHER, "Ada Ray", "", {"the father of Ada Ray", "Ada Ray's father"}),
        (FATHER, "the director of Heat", "", {"the father of the director of Heat"}),
        (LOCATED, "Vinton", "county", {"the county where Vinton is located"}),
        (SEAT, "Edina", "county", {"the county of which Edina is the county seat"}),
    ],
)
def test_descriptions_do_not_name_their_value(one, subject, noun, expected):
    person = one.relation.form == "relative"
    found = {describe(one, subject, noun, person, random.Random(seed)) for seed in range(100)}
    assert found == expected


@pytest.mark.parametrize(
    ("one", "noun", "need"),
    [
        (DIRECTED, "", "the director"),
        (LOCATED, "", "the location"),
        (fact("passive", "release", "1990", "in", "YEAR", "released"), "", "the year of release"),
        (fact("passive", "bear", "Ohio", "in", "GPE", "born"), "", "the place of birth"),
        (fact("object", "attend", "MIT", kind="ORG", shown="attended"), "university", "the university"),
        (MEMBERS, "", "the number of members"),
        (FATHER, "", "the father"),
        (fact("noun", "niece", prep="of", shown="the niece"), "", "the relative"),
    ],
)
def test_what_a_step_needs(one, noun, need):
    assert need_of(one, noun) == need


@pytest.mark.parametrize(
    ("noun", "many"),
    [("film", "films"), ("city", "cities"), ("play", "plays"), ("series", "series"), ("man", "men"),
     ("church", "churches"), ("person", "people"), ("genus", "genera")],
)  # fmt: skip
def test_plurals(noun, many):
    assert plural(noun) == many


DIED_IN = fact("active", "die", "Rome", "in", "GPE", "died")
SCHOOL = fact("passive", "educate", "Eton College", "at", "ORG", "educated")
AWARD = fact("object", "win", "Pessoa Prize", kind="AWARD", shown="won")
CAUSE = fact("cause", "die", "cancer", "of", "NOUN", "died")
BURIED = fact("passive", "bury", "Westminster Abbey", "in", "FAC", "buried")
CLUB = fact("active", "play", "Ulster Rugby", "for", "ORG", "plays", "present")
MEMBER = fact("noun", "member", "House of Lords", "of", "ORG", "a member")
INDUCTED = fact("passive", "induct", "1998", "in", "YEAR", "inducted")


@pytest.mark.parametrize(
    ("one", "need", "question"),
    [
        (DIED_IN, "the place of death", "Where was the place of death of Ada Ray?"),
        (SCHOOL, "the school", "Where did Ada Ray graduate from?"),
        (AWARD, "the award", "Which award did Ada Ray receive?"),
        (CAUSE, "the cause of death", "Why did Ada Ray die?"),
        (BURIED, "the place of burial", "Where was Ada Ray buried?"),
    ],
)
def test_lives_are_asked_for_by_what_they_tell(one, need, question):
    assert need_of(one, "") == need
    assert question in questions(one, "Ada Ray", person=True)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (CLUB, "the organization that Ada Ray plays for"),
        (MEMBER, "the organization that Ada Ray was a member of"),
        (INDUCTED, "the year in which Ada Ray was inducted"),
    ],
)
def test_a_vague_need_is_said_with_its_verb(one, said):
    need = need_of(one, "")
    step = ChainStep(
        subject="Ada Ray",
        need=need,
        title="T",
        passage_id="p",
        value=one.value,
        kind=one.kind,
        verb=verb_of(one) if need in VAGUE else "",
    )
    assert needed(step) == said


@pytest.mark.parametrize(
    ("verb", "third"),
    [("encompass", "encompasses"), ("carry", "carries"), ("play", "plays"), ("have", "has"), ("go", "goes")],
)
def test_the_third_person_of_a_verb(verb, third):
    assert third_person(verb) == third
