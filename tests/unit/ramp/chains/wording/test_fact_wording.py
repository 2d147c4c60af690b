"""Questions, statements and descriptions of facts."""

import random

import pytest

from masksearch.ramp.chains.records import Fact, Relation
from masksearch.ramp.chains.wording.ask import ask
from masksearch.ramp.chains.wording.describe import describe
from masksearch.ramp.chains.wording.frames import frame
from masksearch.ramp.chains.wording.needs import need_of
from masksearch.ramp.chains.wording.plurals import plural


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
