"""The shapes, made from a small corpus: questions, answers, steps and withheld names."""

import pytest
from kit.chain_texts import drafts

from masksearch.ramp.chains.shapes.inference import inferred

pytest.importorskip("spacy")


def by_question(shape):
    return {draft.question: draft for draft in drafts(shape)}


def ending(shape, *steps):
    """Returns the drafts of a shape whose steps have these values."""
    return [draft for draft in drafts(shape) if tuple(step.value for step in draft.steps) == steps]


def test_a_chain_withholds_the_name_between():
    (draft,) = (one for one in ending("chain", "Maria Holt", "12 March 1931"))
    assert draft.answer == "12 March 1931"
    assert draft.hops == 2
    assert draft.bridges == ("Maria Holt",)
    assert "Maria Holt" not in draft.question
    assert "Maria Holt" not in draft.statement
    assert [step.subject for step in draft.steps] == ["the drama film The Silver Lantern", "Maria Holt"]
    assert draft.statement.endswith("was born on [mask].")


def test_chains_of_three_facts():
    (draft,) = ending("chain", "Velvet Records", "Ruth Cole", "11 November 1950")
    assert draft.hops == 3
    assert draft.bridges == ("Velvet Records", "Ruth Cole")


def test_no_chain_is_longer_than_asked_for():
    assert {draft.hops for draft in drafts("chain", 2)} == {2}


def test_a_chain_does_not_ask_for_the_way_back():
    assert not [draft for draft in drafts("chain") if draft.answer in draft.question]


def test_comparisons_name_both_and_say_how_the_answer_follows():
    for draft in drafts("comparison"):
        assert all(step.title.split(" (")[0] in draft.question for step in draft.steps)
        assert draft.verdict in ("before", "after", "same")
        assert not draft.bridges
        if draft.verdict == "same":
            same = len({step.value.replace("actress", "actor") for step in draft.steps}) == 1
            assert draft.answer == ("yes" if same else "no")


def test_as_many_yes_as_no():
    nationality = [one for one in drafts("comparison") if one.steps[0].need == "the nationality"]
    answers = [draft.answer for draft in nationality]
    assert answers.count("yes") == answers.count("no") > 0


def test_an_actor_and_an_actress_have_the_same_occupation():
    pairs = [one for one in drafts("comparison") if {s.value for s in one.steps} == {"actor", "actress"}]
    assert pairs
    assert all(draft.answer == "yes" for draft in pairs)


def test_a_comparison_over_a_bridge_names_neither_person():
    found = drafts("bridge-comparison")
    assert found
    for draft in found:
        assert draft.bridges == ("Maria Holt", "Lars Nyberg") or draft.bridges == (
            "Lars Nyberg",
            "Maria Holt",
        )
        assert not any(name in draft.question for name in draft.bridges)
        assert draft.hops == len(draft.steps) == 4
        # The steps may not know more than the question: it says "film", the article says "drama film".
        assert all("drama" not in step.subject for step in draft.steps)


def test_the_earlier_director_has_the_earlier_film():
    firsts = [one for one in drafts("bridge-comparison") if one.steps[1].need == "the date of birth"]
    expected = {"before": "The Silver Lantern", "after": "Night Harbour"}  # born 1931 and 1940
    assert firsts
    assert all(draft.answer == expected[draft.verdict] for draft in firsts)


def test_a_parents_parent_is_a_grandparent():
    (draft,) = drafts("inference")
    assert "Tom Ashby" in draft.question
    assert "maternal grandparent" in draft.question
    assert draft.answer == "Edwin Marsh"
    assert draft.verdict == "maternal grandparent"
    # Rose Ashby's article says "she"; nothing tells whether Edwin Marsh is a man.
    assert [step.need for step in draft.steps] == ["the mother", "the parent"]


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("father", "father", "paternal grandfather"),
        ("mother", "father", "maternal grandfather"),
        ("parent", "mother", "grandmother"),
        ("father", "brother", "uncle"),
        ("mother", "sister", "aunt"),
        ("wife", "father", "father-in-law"),
        ("spouse", "mother", "mother-in-law"),
        ("brother", "wife", "sister-in-law"),
        ("sister", "son", "nephew"),
        ("son", "daughter", "granddaughter"),
        ("child", "child", "grandchild"),
        ("father", "sibling", ""),
        ("father", "wife", ""),
    ],
)
def test_a_relative_of_a_relative_has_a_name(first, last, name):
    assert inferred(first, last) == name


def test_an_intersection_tries_the_list_in_its_order():
    (draft,) = (one for one in drafts("intersection") if one.answer == "Peter Kroll")
    assert "Night Harbour" in draft.question
    assert "2 February 1949" in draft.question
    assert [step.subject for step in draft.steps[1:]] == ["Anna Weiss", "Peter Kroll"]
    assert draft.hops == 2
    assert draft.verdict == "fits"


def test_an_article_is_identified_by_two_of_its_facts():
    found = [draft for draft in drafts("hop") if not draft.steps[0].subject]
    assert {draft.answer for draft in found} >= {"Lars Nyberg", "Velvet Records"}
    assert all(draft.answer not in draft.question for draft in found)


def test_no_question_shows_its_answer():
    for shape in ("hop", "chain", "inference", "intersection"):
        assert not [one for one in drafts(shape) if one.answer.lower() in one.question.lower()]


def test_the_same_drafts_every_time():
    for shape in ("hop", "chain", "comparison", "bridge-comparison"):
        assert drafts(shape) == drafts(shape)
