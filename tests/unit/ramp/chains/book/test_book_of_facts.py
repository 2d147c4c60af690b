"""Names that mean one article, kinds of articles, and dates that sort."""

import pytest

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.dates import order, sortable
from masksearch.ramp.chains.records import Fact, Relation


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
