"""Clean spans: trimmed, at word boundaries, one of each overlap; and the registry of extractors."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import (
    EXTRACTORS,
    MOST_CHARACTERS,
    Failure,
    dropped_spans,
    extract_spans,
    extractor,
    make_extractors,
    resolve,
)
from masksearch.types import Passage, Span


def passage(text, language="", links=()):
    return Passage(id="p", doc_id="d", title="T", text=text, language=language, links=links)


def found(text, *names, language="", links=()):
    settings = MaskSettings(extractors=names)
    (spans,) = extract_spans([passage(text, language, links)], make_extractors(settings))
    return [text[span.start : span.end] for span in spans]


def one(text, start, end, category="PERSON", language="en"):
    return [
        text[span.start : span.end]
        for span in resolve(text, [Span(start=start, end=end, category=category)], language)
    ]


def test_trimming():
    text = "It is the \"Grand Palace\"'s hall, run by Anna's (old) friends of the U.S. and Martin Jr."
    assert one(text, text.index("the "), text.index(" hall")) == ["Grand Palace"]
    assert one(text, text.index("Anna"), text.index(" (old)")) == ["Anna"]
    assert one(text, text.index("the U.S."), text.index(" and Mar")) == ["U.S."]
    assert one(text, text.index("Martin"), len(text)) == ["Martin Jr."]
    assert one(text, text.index("Anna"), text.index(") fri")) == []  # an open parenthesis
    assert one(text, text.index("friends"), text.index(" the U.S.")) == []  # ends in "of"
    assert one(" , ", 0, 3) == one("x", 1, 1) == []


@pytest.mark.parametrize(
    ("language", "text", "span", "left"),
    [
        ("es", "capital de la República de Chile.", "la República de Chile", ["República de Chile"]),
        ("es", "nació en Los Ángeles", "Los Ángeles", ["Los Ángeles"]),  # the article is part of the name
        ("es", "hacia el 44 a. C., en Roma", "44 a. C.,", ["44 a. C."]),
        ("es", "la Guerra de", "Guerra de", []),
        ("fr", "capitale de l'Allemagne depuis", "l'Allemagne", ["Allemagne"]),
        ("fr", "dans le parc des Écrins", "le parc des Écrins", ["parc des Écrins"]),
        ("fr", "au Havre et à La Rochelle", "La Rochelle", ["La Rochelle"]),
        ("fr", "vers 52 av. J.-C., à Rome", "52 av. J.-C.,", ["52 av. J.-C."]),
        ("zh", "他写了《红楼梦》，后来", "《红楼梦》", ["红楼梦"]),
        ("zh", "他出生于德国乌尔姆。", "德国", ["德国"]),
        ("zh", "共有23人", "3", []),  # inside a figure
    ],
)
def test_trimming_by_language(language, text, span, left):
    start = text.index(span)
    assert one(text, start, start + len(span), language=language) == left


def test_lengths():
    words = "alpha beta gamma delta epsilon zeta eta"
    assert one(words, 0, len(words)) == []
    assert one(words, 0, words.index(" eta")) == [words[:-4]]
    assert one("国" * 30, 2, 27, language="zh") == []
    assert one("国" * 30, 2, 22, language="zh") == ["国" * 20]


def test_never_inside_a_word():
    text = "Spanish-American wars, 3.5 Bosnians"
    assert one(text, 0, 7) == one(text, 8, 16) == one(text, 23, 24) == one(text, 27, 33) == []
    assert one(text, 0, 16) == ["Spanish-American"]


def test_overlaps_go_to_the_whole_name():
    text = "the University of Michigan and the 1936 Summer Olympics in late July 1969 then"

    def span(piece, category):
        return Span(start=text.index(piece), end=text.index(piece) + len(piece), category=category)

    spans = [
        span("University of Michigan", "ORG"),
        span("Michigan", "GPE"),
        span("1936 Summer Olympics", "LINK"),
        span("1936", "DATE"),
        span("late July 1969", "LINK"),
        span("July 1969", "DATE"),
        span("July 1969 then", "OTHER"),
    ]
    expected = [
        span("University of Michigan", "ORG"),
        span("1936 Summer Olympics", "LINK"),
        span("July 1969", "DATE"),
    ]
    for order in itertools.islice(itertools.permutations(spans), 0, None, 50):
        assert resolve(text, order) == expected


def test_a_bare_figure_is_part_of_the_name_or_date_around_it():
    text = "the crew of Apollo 11 flew 384,400 km in a Boeing 747 on 4 July 1776 ago"
    apollo, jet = Span(start=12, end=21, category="PRODUCT"), Span(start=43, end=53, category="LINK")
    day, distance = Span(start=57, end=68, category="DATE"), Span(start=27, end=37, category="NUMBER")
    figures = [
        Span(start=place, end=place + size, category="NUMBER") for place, size in ((19, 2), (50, 3), (64, 4))
    ]
    assert resolve(text, [*figures, apollo, jet, day, distance]) == [apollo, distance, jet, day]
    assert resolve(text, figures[:2]) == []  # half a name, without a longer span around it
    # A quantity with its unit is a span everywhere.
    assert resolve(text, [distance, Span(start=27, end=68, category="OTHER")]) == [distance]


def test_the_same_place_goes_to_the_more_telling_category():
    text = "Born in Ulm in 1879 there"

    def winner(start, end, *categories):
        (span,) = resolve(text, [Span(start=start, end=end, category=category) for category in categories])
        return span.category

    assert winner(8, 11, "LINK", "GPE") == "GPE"
    assert winner(8, 11, "LINK", "TERM") == "TERM"
    assert winner(15, 19, "NUMBER", "DATE") == "DATE"


def test_links():
    text = "Marie Curie discovered radium in Paris in 1898 [1], A 17."
    places = [text.index(piece) for piece in ("radium", "Paris", "1898", "1]", "A 17", "17.")]
    links = [(place, place + size, "X") for place, size in zip(places, (6, 5, 4, 1, 1, 2), strict=True)]
    assert found(text, "links", links=(*links, (50, 900, "beyond"), (9, 9, "empty"))) == [
        "radium",
        "Paris",
        "1898",
    ]
    assert found("阿尔伯特出生于乌尔姆。", "links", language="zh", links=((7, 10, "乌尔姆"),)) == ["乌尔姆"]
    assert found(text, "links") == []


def linked(text, *pieces, rarity=3.75, language="en"):
    """Returns the links of a text that become spans; each piece is a link."""
    links = tuple((text.index(piece), text.index(piece) + len(piece), "X") for piece in pieces)
    settings = MaskSettings(extractors=("links",), rarity=rarity)
    (spans,) = extract_spans([passage(text, language, links)], make_extractors(settings))
    return [text[span.start : span.end] for span in spans]


def test_links_to_common_words_are_no_spans():
    pytest.importorskip("wordfreq")
    text = (
        "The bird preens in a vacuum; mathematics of 361° shows photosynthesis in Paris, and Mercury in 1898."
    )
    pieces = ("preens", "vacuum", "mathematics", "361°", "photosynthesis", "Paris", "Mercury", "1898")
    salient = ["photosynthesis", "Paris", "Mercury", "1898"]
    assert linked(text, *pieces) == salient
    assert linked(text, *pieces, rarity=0) == ["Paris", "Mercury", "1898"]
    assert linked(text, *pieces, rarity=8) == ["preens", "vacuum", "mathematics", *salient]
    assert linked("Mathematics is old. Euclid knew it.", "Mathematics", "Euclid") == ["Euclid"]


def test_links_without_frequencies_are_names(monkeypatch):
    monkeypatch.setattr("masksearch.ramp.spans.links.has_frequencies", lambda: False)
    assert linked("He saw photosynthesis in Paris.", "photosynthesis", "Paris") == ["Paris"]
    assert linked("阿尔伯特出生于乌尔姆。", "乌尔姆", language="zh") == ["乌尔姆"]


def test_code_is_no_span_unless_asked_for():
    text = "Set `Paris` or --city=London_Town with city_name in Berlin, see docs/Rome.md there."
    spans = [
        Span(start=text.index(piece), end=text.index(piece) + len(piece), category="GPE")
        for piece in ("Paris", "Berlin", "Rome")
    ]

    def cities(passages):
        yield from ([*spans] for _ in passages)

    def kept(code):
        (found,) = extract_spans([passage(text)], [cities], code=code)
        return [text[span.start : span.end] for span in found]

    assert kept(code=False) == ["Berlin"]
    assert kept(code=True)[:2] == ["Paris", "Berlin"]


def test_several_extractors_make_one_list():
    text = "It opened in Paris in July 1898 and cost $1.5 million."
    assert found(text, "numbers", "links", "dates", links=((13, 18, "Paris"), (22, 31, "1898"))) == [
        "Paris",
        "July 1898",
        "$1.5 million",
    ]
    assert list(extract_spans([passage("a"), passage("b")], [])) == [[], []]


def test_the_records_own_language_wins_over_the_setting():
    text = "Tiene 1.234.567 habitantes desde el siglo XX."
    extractors = make_extractors(MaskSettings(extractors=("dates", "numbers"), language="es"))
    spanish, english = extract_spans([passage(text), passage(text, "en")], extractors, "es")
    assert [text[span.start : span.end] for span in spanish] == ["1.234.567", "siglo XX"]
    assert [text[span.start : span.end] for span in english] == []


def test_a_failure_takes_the_passage_not_its_neighbours():
    def half(passages):
        for number, _ in enumerate(passages):
            yield Failure("the endpoint is down") if number else [Span(start=0, end=4, category="PERSON")]

    half.dropped = {"not in the text": 2}
    dates = extractor("dates", MaskSettings())
    first, second = extract_spans(
        [passage("Anna came in 1898."), passage("Anna left in 1899.")], [half, dates]
    )
    assert [span.category for span in first] == ["PERSON", "DATE"]
    assert second == Failure("the endpoint is down")
    assert dropped_spans([half, dates]) == {"not in the text": 2}


def test_unknown_extractor_names_the_known():
    with pytest.raises(UsageError, match="ner, links, dates, numbers, terms, llm"):
        extractor("nouns", MaskSettings())
    assert list(EXTRACTORS) == ["ner", "links", "dates", "numbers", "terms", "llm"]


@given(
    st.text(alphabet="aB1 .,'’\"()-–é[]$国年", max_size=80),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80), st.sampled_from(["X", "NUMBER"])), max_size=8),
    st.sampled_from(["en", "es", "fr", "zh", "xx"]),
)
def test_resolved_spans_are_clean(text, places, language):
    given_ = [
        Span(start=min(first, second, len(text)), end=min(max(first, second), len(text)), category=category)
        for first, second, category in places
    ]
    spans = resolve(text, given_, language)
    assert resolve(text, reversed(given_), language) == spans
    for span in spans:
        piece = text[span.start : span.end]
        assert piece == piece.strip()
        assert 0 < len(piece) <= MOST_CHARACTERS
        assert any(char.isalnum() for char in piece)
        if language != "zh":
            assert not (piece[0].isalnum() and text[: span.start][-1:].isalnum())
            assert not (piece[-1].isalnum() and text[span.end :][:1].isalnum())
    assert all(first.end <= second.start for first, second in itertools.pairwise(spans))
