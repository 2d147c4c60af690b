"""A small corpus whose articles name each other, and the facts and drafts that it gives."""

from __future__ import annotations

from functools import cache

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.reading.reader import read_documents
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes import SHAPES
from masksearch.ramp.spans.entities import load_parser
from masksearch.search import Bm25Searcher
from masksearch.types import Document, Passage

TEXTS = {
    "The Silver Lantern": "The Silver Lantern is a 1974 American drama film directed by Maria Holt. "
    "It was released on 3 May 1974.",
    "Maria Holt": "Maria Holt (born 12 March 1931 in Vienna) is an American film director. "
    "She attended Stanford University.",
    "Night Harbour": "Night Harbour is a 1981 Swedish thriller film directed by Lars Nyberg. "
    "It stars Anna Weiss and Peter Kroll.",
    "Lars Nyberg": "Lars Nyberg (4 June 1940 – 9 August 2001) was a Swedish film director.",
    "Anna Weiss": "Anna Weiss (born 7 July 1955) is a German actress.",
    "Peter Kroll": "Peter Kroll (born 2 February 1949) is a German actor.",
    "Blue Meridian": "Blue Meridian is the debut album by Tom Ashby. "
    "It was released in 1999 by Velvet Records.",
    "Tom Ashby": "Tom Ashby (born 1 April 1970) is an American singer. He is the son of Rose Ashby.",
    "Rose Ashby": "Rose Ashby (born 5 May 1945) is an American painter. She is the daughter of Edwin Marsh.",
    "Stanford University": "Stanford University is a university in California. It was founded in 1885.",
    "Velvet Records": "Velvet Records is a record label based in Chicago. It was founded by Ruth Cole.",
    "Ruth Cole": "Ruth Cole (born 11 November 1950) is an American businesswoman.",
}


def passages() -> list[Passage]:
    """Returns one passage for each article."""
    return [
        Passage(id=f"p{number}", doc_id=f"d{number}", title=title, text=text)
        for number, (title, text) in enumerate(TEXTS.items())
    ]


def documents() -> list[Document]:
    """Returns the articles as documents of a corpus."""
    return [
        Document(id=f"d{number}", title=title, text=text)
        for number, (title, text) in enumerate(TEXTS.items())
    ]


@cache
def facts() -> tuple[Fact, ...]:
    """Returns the facts that the parser reads in the corpus."""
    found = read_documents([[passage] for passage in passages()], load_parser())
    return tuple(fact for rows in found for fact in rows)


def facts_of(title: str, text: str) -> list[Fact]:
    """Returns the facts of one article."""
    passage = Passage(id="p", doc_id="d", title=title, text=text)
    return read_documents([[passage]], load_parser())[0]


def stated(title: str, text: str) -> set[tuple[str, str, str, str]]:
    """Returns the relations of an article as (form, word, preposition, value), without names, pronouns and
    nouns."""
    return {
        (*fact.relation.key, fact.value)
        for fact in facts_of(title, text)
        if fact.relation.form not in ("name", "pronoun", "isa")
    }


def drafts(shape: str, most: int = 4) -> list[Draft]:
    """Returns the drafts of a shape from the corpus."""
    return list(SHAPES[shape][1](Book(facts()), 1, most))


def searcher() -> Bm25Searcher:
    """Returns a search over the corpus."""
    return Bm25Searcher.in_memory(passages())
