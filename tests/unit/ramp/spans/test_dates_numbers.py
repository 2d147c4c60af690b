"""Dates and figures by pattern, in four languages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.corpus.packaged import read_summaries
from masksearch.errors import MissingExtraError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import extract_spans, make_extractors
from masksearch.types import Passage


def spans_of(text, names, language):
    extractors = make_extractors(MaskSettings(extractors=names, language=language))
    (spans,) = extract_spans(
        [Passage(id="p", doc_id="d", title="T", text=text, language=language)], extractors
    )
    return [(text[span.start : span.end], span.category) for span in spans]


def found(text, name, language):
    return [piece for piece, _ in spans_of(text, (name,), language)]


@pytest.mark.parametrize(
    ("language", "text", "dates"),
    [
        ("en", "It was adopted on July 4, 1776, in Philadelphia.", ["July 4, 1776"]),
        (
            "en",
            "On 14 July 1789 and in July 1790, on 3 May and May 5.",
            ["14 July 1789", "July 1790", "3 May", "May 5"],
        ),
        ("en", "From 1914 to 1918, or (1914–1918).", ["1914", "1918", "1914", "1918"]),
        (
            "en",
            "In the late 1960s, by the early 19th century and in the tenth century BC.",
            ["late 1960s", "early 19th century", "tenth century BC"],
        ),
        (
            "en",
            "In 146 BC and AD 79, from 51 to 30 BC, some 10,000 BCE.",
            ["146 BC", "AD 79", "51", "30 BC", "10,000 BCE"],
        ),
        ("en", "It has 1500 people and cost $1900; a 2000-seat hall, page 12345, 1800 km.", []),
        ("en", "The 1998-99 season of March, from 1942–43 on.", ["1998-99", "1942–43"]),
        (
            "es",
            "Nació el 7 de abril de 1953 y murió en enero de 1879.",
            ["7 de abril de 1953", "enero de 1879"],
        ),
        (
            "es",
            "Del siglo XIX, los siglos XV y XVI, en los años 1960 y la década de 1970.",
            ["siglo XIX", "siglos XV y XVI", "años 1960", "década de 1970"],
        ),
        ("es", "Desde el año 521 al 486 a. C., y en 1974.", ["521", "486 a. C.", "1974"]),
        ("es", "Una superficie de 1441 km² y 1500 habitantes a los 90 años.", []),
        (
            "fr",
            "Né le 1er janvier 1800, mort le 3 mars 1847, dans les années 1930.",
            ["1er janvier 1800", "3 mars 1847", "années 1930"],
        ),
        (
            "fr",
            "Au XIXe siècle, aux XIVe et XVe siècles, en novembre 1972.",
            ["XIXe siècle", "XIVe et XVe siècles", "novembre 1972"],
        ),
        (
            "fr",
            "Vers 234 av. J.-C., puis au Ve siècle av. J.-C., en 1882.",
            ["234 av. J.-C.", "Ve siècle av. J.-C.", "1882"],
        ),
        ("fr", "Plus de 1150 espèces et 1500 m.", []),
        (
            "zh",
            "成立于1949年10月1日，1879年3月14日－1955年4月18日。",
            ["1949年10月1日", "1879年3月14日", "1955年4月18日"],
        ),
        ("zh", "秦朝（公元前221年－公元前207年）持续了15年，有1500年历史。", ["公元前221年", "公元前207年"]),
        (
            "zh",
            "20世纪60年代、二十世纪初、一九三七年七月七日和5月29日。",
            ["20世纪60年代", "二十世纪初", "一九三七年七月七日", "5月29日"],
        ),
    ],
)
def test_dates(language, text, dates):
    assert found(text, "dates", language) == dates


@pytest.mark.parametrize(
    ("language", "text", "numbers"),
    [
        (
            "en",
            "It covers 44.62 square kilometers with 352,381 people, 12% of them rich.",
            ["44.62 square kilometers", "352,381", "12%"],
        ),
        (
            "en",
            "It cost $1.5 billion and 3 of 19 left; version 2.13.5, a 1-0 win, .200 average, COVID-19, 50th.",
            ["$1.5 billion"],
        ),
        ("en", "About 20 million speakers in 114 chapters.", ["20 million", "114"]),
        ("en", "He is 6 feet tall, flew a Boeing 747 and read Article 50.", ["6 feet"]),
        (
            "es",
            "Tiene 150 977 habitantes, el 29,9 % del total, y 1.234.567 euros.",
            ["150 977", "29,9 %", "1.234.567 euros"],
        ),
        ("es", "Unos 9 millones de hablantes, a 24 km; la 24.ª ciudad, 3 de 7.", ["9 millones", "24 km"]),
        ("fr", "Une superficie de 21 218 km2 et 3,1 millions d'habitants.", ["21 218 km2", "3,1 millions"]),
        ("fr", "Près de 50 millions de kilomètres carrés.", ["50 millions de kilomètres carrés"]),
        ("fr", "À l'âge de 101 ans, 12 € et 2 700 km de côtes, la 21e.", ["101 ans", "12 €", "2 700 km"]),
        ("zh", "面积约960万平方公里，人口约14.1亿，占23.5%。", ["960万平方公里", "14.1亿", "23.5%"]),
        (
            "zh",
            "全长6300余公里，城墙长三千公里，约百分之三十，共30集，民国26年，持续三个月。",
            ["6300余公里", "三千公里", "百分之三十", "30"],
        ),
    ],
)
def test_numbers(language, text, numbers):
    assert found(text, "numbers", language) == numbers


@pytest.mark.parametrize(
    ("language", "text", "spans"),
    [
        (
            "en",
            "On 4 July 1776, some 352,381 people in 1900 km.",
            [("4 July 1776", "DATE"), ("352,381", "NUMBER"), ("1900 km", "NUMBER")],
        ),
        (
            "es",
            "El 7 de abril de 1953 había 150 977.",
            [("7 de abril de 1953", "DATE"), ("150 977", "NUMBER")],
        ),
        ("fr", "Le 3 mars 1847, 21 218 km2.", [("3 mars 1847", "DATE"), ("21 218 km2", "NUMBER")]),
        ("zh", "20世纪60年代投资了3.5亿美元。", [("20世纪60年代", "DATE"), ("3.5亿美元", "NUMBER")]),
    ],
)
def test_a_date_is_not_torn_apart_by_its_figures(language, text, spans):
    assert spans_of(text, ("numbers", "dates"), language) == spans


def test_a_language_without_patterns_has_no_spans():
    assert spans_of("Am 4. Juli 1776 waren es 352.381.", ("dates", "numbers"), "en") != []
    extractors = make_extractors(MaskSettings(extractors=("dates", "numbers")))
    assert list(
        extract_spans(
            [Passage(id="p", doc_id="d", title="T", text="Am 4. Juli 1776", language="de")], extractors
        )
    ) == [[]]


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_real_paragraphs(language):
    """Spans of real texts contain whole figures: no digit precedes or follows one."""
    try:
        texts = [
            " ".join(record["text"].split())
            for _, record in list(read_summaries(f"wiki-summaries:{language}"))[:300]
        ]
    except MissingExtraError as error:
        pytest.skip(str(error))
    extractors = make_extractors(MaskSettings(extractors=("dates", "numbers")))
    passages = [
        Passage(id=str(number), doc_id="d", title="T", text=text, language=language)
        for number, text in enumerate(texts)
    ]
    rows = list(extract_spans(passages, extractors))
    assert sum(map(len, rows)) > 150
    categories = {span.category for row in rows for span in row}
    assert categories == {"DATE", "NUMBER"}
    for passage, row in zip(passages, rows, strict=True):
        for span in row:
            piece = passage.text[span.start : span.end]
            assert any(char.isdigit() for char in piece) or span.category == "DATE", json.dumps(piece)
            if any(char.isdigit() for char in piece):
                around = (
                    passage.text[max(0, span.start - 1) : span.start],
                    passage.text[span.end : span.end + 1],
                )
                assert not any(char.isdigit() for char in around), passage.text[
                    max(0, span.start - 20) : span.end + 20
                ]


@given(
    st.text(alphabet="0123 .,年月日世纪万一百公元前siècleañoJuly$%-º", max_size=60),
    st.sampled_from(["en", "es", "fr", "zh"]),
)
def test_any_text_is_survived(text, language):
    for piece, category in spans_of(text, ("dates", "numbers"), language):
        assert piece
        assert category in ("DATE", "NUMBER")
