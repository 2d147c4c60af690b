"""Names that mean one article, kinds of articles, and dates that sort."""

import pytest

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.dates import order, sortable
from masksearch.ramp.chains.book.family import first_name
from masksearch.ramp.chains.records import Fact, Relation
from masksearch.ramp.chains.shapes.base import gives_away


def fact(title, form, word, value, prep="", kind="PERSON", shown="", target=""):
    relation = Relation(form, word, prep, "past", shown or word)
    return Fact(title, f"doc {title}", f"p {title}", relation, value, 0, len(value), kind, "", target)


def isa(title, noun):
    return fact(title, "isa", noun, noun, kind="NOUN", shown=f"a {noun}")


def film(title, director, **more):
    return [isa(title, "film"), fact(title, "by", "direct", director, "by", shown="directed", **more)]


def test_a_value_names_the_article_of_its_name():
    book = Book([*film("Heat", "Michael Mann"), isa("Michael Mann", "director")])
    (directed,) = (one for one in book.articles["Heat"].facts if one.relation.form == "by")
    found = book.target(directed)
    assert found is not None
    assert found.title == "Michael Mann"
    assert found.person


def test_a_name_of_two_articles_names_none():
    facts = [*film("Heat", "Michael Mann"), isa("Michael Mann", "director")]
    book = Book(facts, ["Heat", "Michael Mann", "Michael Mann (politician)"])
    assert all(book.target(one) is None for one in book.articles["Heat"].facts)
    assert "Michael Mann" not in {article.title for article in book.usable()}


def test_a_link_decides_between_articles_of_one_name():
    facts = [*film("Heat", "Mann", target="Michael Mann"), isa("Michael Mann", "director")]
    book = Book(facts)
    assert book.target(book.articles["Heat"].facts[1]).title == "Michael Mann"


def test_another_person_of_the_name_has_another_occupation():
    book = Book([*film("Camille", "Tom McGrath"), isa("Tom McGrath", "footballer")])
    assert book.target(book.articles["Camille"].facts[1]) is None


def test_a_full_name_is_a_person_whatever_the_recogniser_says():
    facts = [*film("Heat", "Maria Holt", kind="ORG"), isa("Maria Holt", "director")]
    book = Book(facts)
    directed = book.articles["Heat"].facts[1]
    assert book.target(directed) is not None
    assert book.with_kind(directed).kind == "PERSON"


def test_a_single_word_of_another_kind_is_another_thing():
    facts = [fact("Fred", "passive", "bear", "Houston", "in", kind="GPE"), isa("Houston", "singer")]
    book = Book(facts)
    assert book.target(book.articles["Fred"].facts[0]) is None


def test_two_values_of_a_relation_are_not_single():
    article = Book([*film("Heat", "A B"), *film("Heat", "C D")]).articles["Heat"]
    assert [article.is_single(one) for one in article.facts if one.relation.form == "by"] == [False, False]


@pytest.mark.parametrize(
    ("title", "noun", "subject"),
    [("Heat (1995 film)", "film", "the film Heat"), ("The Late Show", "show", "The Late Show")],
)
def test_the_subject_says_what_it_is_unless_its_name_does(title, noun, subject):
    assert Book([isa(title, noun), fact(title, "by", "host", "A B", "by")]).articles[title].subject == subject


def test_a_vague_noun_is_left_out():
    assert (
        Book([isa("Ostara", "name"), fact("Ostara", "by", "use", "A B", "by")]).articles["Ostara"].subject
        == "Ostara"
    )


def test_a_verb_that_is_rare_in_a_large_corpus_is_left_out():
    many = [one for number in range(3000) for one in film(f"Film {number}", "A B")]
    book = Book([*many, fact("Film 1", "by", "goulding", "X Y", "by")])
    assert "goulding" not in {one.relation.word for one in book.articles["Film 1"].facts}


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("3 May 1960", (1960, 5, 3)),
        ("May 3, 1960", (1960, 5, 3)),
        ("May 1960", (1960, 5)),
        ("1960", (1960,)),
        ("yesterday", None),
        ("5 May", None),
    ],
)
def test_dates_sort(text, date):
    assert sortable(text) == date


def test_a_year_is_in_the_same_period_as_its_days():
    assert order((1960,), (1960, 5, 3)) == 0
    assert order((1959,), (1960, 5, 3)) == -1
    assert order((1960, 6), (1960, 5, 3)) == 1


def relative(title, value, shown="son"):
    return fact(title, "relative", "parent", value, "of", shown=shown)


def person(title, noun="nobleman"):
    return isa(title, noun)


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ("Rupert of Germany", "Rupert of Germany"),
        ("King Rupert of Germany", "Rupert of Germany"),
        ("Grand Duke Rupert of Germany", "Rupert of Germany"),
        ("Henry IV, Prince of Anhalt- Bernburg", "Henry IV, Prince of Anhalt-Bernburg"),
        ("Prince Harald of Denmark", "Prince Harald of Denmark"),
        ("Rupert", None),
    ],
)
def test_a_name_is_found_without_its_rank(value, title):
    names = ["Rupert of Germany", "Henry IV, Prince of Anhalt-Bernburg", "Prince Harald of Denmark"]
    book = Book([*map(person, names), person("Stephen"), relative("Stephen", value)])
    (stated,) = (one for one in book.articles["Stephen"].facts if one.relation.form == "relative")
    found = book.target(stated)
    assert (found.title if found is not None else None) == title


def test_a_parent_is_the_father_if_only_men_have_his_first_name():
    men = [fact(f"Henry {n}", "pronoun", "he", "") for n in "ABC"]
    women = [fact(f"Mary {n}", "pronoun", "she", "") for n in "ABC"]
    both = [fact("Kim A", "pronoun", "he", ""), *(fact(f"Kim {n}", "pronoun", "she", "") for n in "BC")]
    parents = [
        relative("One", "King Henry Howard"),
        relative("Two", "Mary Stewart"),
        relative("Three", "Kim Holt"),
    ]
    book = Book([*men, *women, *both, *map(person, ("One", "Two", "Three")), *parents])
    words = [one.relation.word for name in ("One", "Two", "Three") for one in book.articles[name].facts]
    assert [word for word in words if word != "nobleman"] == ["father", "mother", "parent"]


@pytest.mark.parametrize(
    ("name", "first"),
    [("King Eric XIV of Sweden", "Eric"), ("Sir Mordaunt Martin", "Mordaunt"), ("Maria", "Maria"), ("", "")],
)
def test_the_first_name_stands_behind_the_rank(name, first):
    assert first_name(name) == first


def test_of_relatives_only_the_first_name_gives_a_person_away():
    father = relative("Edward Howard", "Henry Howard, 5th Earl of Suffolk")
    assert not gives_away("Who is the father of Edward Howard, 8th Earl of Suffolk?", father)
    assert gives_away("Who is the father of Henry Howard?", father)
    director = fact("Heat", "by", "direct", "Henry Howard", "by")
    assert gives_away("Who directed Howard?", director)
