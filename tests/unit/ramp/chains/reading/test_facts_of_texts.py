"""Facts read off real parses: what a sentence states about its article, and what it does not."""

import pytest
from kit.chain_texts import facts_of, stated

pytestmark = pytest.mark.slow

pytest.importorskip("spacy")


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        (
            "Heat",
            "Heat is a 1995 American crime film written and directed by Michael Mann.",
            {
                ("by", "write", "by", "Michael Mann"),
                ("by", "direct", "by", "Michael Mann"),
                ("passive", "release", "in", "1995"),
                ("nationality", "nationality", "", "American"),
            },
        ),
        (
            "Lance Krall",
            "Lance Krall (born April 8, 1970) is an American comedian. He attended Boston University.",
            {
                ("born", "born", "on", "April 8, 1970"),
                ("nationality", "nationality", "", "American"),
                ("object", "attend", "", "Boston University"),
            },
        ),
        (
            "Gilda Radner",
            "Gilda Radner (June 28, 1946 – May 20, 1989) was an American comedian.",
            {
                ("born", "born", "on", "June 28, 1946"),
                ("died", "died", "on", "May 20, 1989"),
                ("nationality", "nationality", "", "American"),
            },
        ),
        (
            "Maria Holt",
            "Maria Holt (born 12 March 1931 in Vienna) is a painter.",
            {("born", "born", "on", "12 March 1931"), ("passive", "bear", "in", "Vienna")},
        ),
    ],
)
def test_what_is_stated(title, text, expected):
    assert stated(title, text) == expected


def test_the_value_is_where_the_fact_says():
    text = "Sleuth is a 1972 film directed by Joseph L. Mankiewicz."
    fact = next(fact for fact in facts_of("Sleuth", text) if fact.relation.form == "by")
    assert text[fact.start : fact.end] == fact.value == "Joseph L. Mankiewicz"


def test_a_sentence_about_something_else_states_nothing_of_the_article():
    text = "Harbour Street is a street in Cork. The theatre was opened by Queen Victoria. It burned in 1920."
    words = {fact.relation.word for fact in facts_of("Harbour Street", text)}
    assert not words & {"open", "burn"}


def test_a_negated_verb_states_nothing():
    assert not [
        fact for fact in facts_of("Tom Ashby", "Tom Ashby was not educated at Oxford University.")
        if fact.relation.word == "educate"
    ]  # fmt: skip


def test_a_verb_with_an_object_is_not_asked_for_its_date():
    facts = facts_of("Tom Ashby", "Tom Ashby released his first album in 1990.")
    assert not [fact for fact in facts if fact.relation.word == "release" and fact.kind == "YEAR"]


def test_a_part_of_a_longer_name_is_no_value():
    facts = facts_of("Blue Arcade", "Blue Arcade is a shop located in Washington, D.C.")
    assert "Washington" not in {fact.value for fact in facts}


def test_two_nationalities_are_no_single_one():
    facts = facts_of("Bamboo Diaz", "Bamboo Diaz is a Filipino American musician.")
    assert not [fact for fact in facts if fact.relation.form == "nationality" and fact.value == "American"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Jim Brown is an American former professional football player.", "football player"),
        ("Jim Brown is a Dutch singer-songwriter.", "singer-songwriter"),
        ("Jim Brown is an English actor.", "actor"),
        ("Jim Brown is a 1999 Dutch comedy film.", "film"),
    ],
)
def test_an_occupation_is_whole_and_a_kind_is_a_noun(text, value):
    assert value in {fact.value for fact in facts_of("Jim Brown", text) if fact.relation.form == "isa"}


@pytest.mark.parametrize("title", ["List of rivers", "Mercury (disambiguation)", "Sunset (Thai: something"])
def test_lists_and_cut_titles_are_not_read(title):
    assert facts_of(title, f"{title} is a river in France.") == []


def test_without_a_title_the_subject_of_a_sentence_is_its_own():
    facts = facts_of("", "Marie Curie was born in Warsaw. The handbook is old.")
    assert {(fact.title, fact.value) for fact in facts if fact.relation.word == "bear"} == {
        ("Marie Curie", "Warsaw")
    }


def test_a_link_over_a_value_names_its_target():
    from masksearch.ramp.chains.reading.reader import read_documents
    from masksearch.ramp.spans.entities import load_parser
    from masksearch.types import Passage

    text = "Heat is a film directed by Michael Mann."
    start = text.index("Michael")
    links = ((start, start + len("Michael Mann"), "Michael Mann (director)"),)
    passage = Passage(id="p", doc_id="d", title="Heat", text=text, links=links)
    (facts,) = read_documents([[passage]], load_parser())
    assert [fact.target for fact in facts if fact.relation.form == "by"] == ["Michael Mann (director)"]


def test_facts_go_through_json():
    from masksearch.ramp.chains.records import Fact

    for fact in facts_of("Heat", "Heat is a 1995 film directed by Michael Mann."):
        assert Fact.from_json(fact.to_json()) == fact


def test_who_sings_a_films_song_does_not_perform_the_film():
    text = "The Tide is a 1950 film. The song is a popular song by Maria Holt."
    assert not [fact for fact in facts_of("The Tide", text) if fact.relation.word == "perform"]
