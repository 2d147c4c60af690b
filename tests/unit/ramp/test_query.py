"""Queries of visible words, and spans that count as evidence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.ramp_texts import evidence_ranks

from masksearch.ramp.checks.retrievable import contains_span
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.search import Bm25Searcher
from masksearch.search.settings import IndexSettings
from masksearch.types import MaskedTask, Passage

TEXT = (
    "Andrew Barto received his [mask] with distinction in mathematics from the University of [mask] in 1970. "
    "His advisor's name was Bernard Zeigler, and the thesis dealt with cellular automata."
)


def test_title_then_nearest_words_in_text_order():
    assert (
        visible_query(TEXT, 0, "Andrew Barto")
        == "Andrew Barto received distinction mathematics University 1970 advisor"
    )
    assert (
        visible_query(TEXT, 1, "Andrew Barto")
        == "Andrew Barto distinction mathematics University 1970 advisor name"
    )
    assert visible_query(TEXT, 1, "Andrew Barto", max_words=4) == "Andrew Barto distinction mathematics"
    with pytest.raises(IndexError):
        visible_query(TEXT, 2, "Andrew Barto")


def test_alternatives_differ():
    others = alternative_queries(TEXT, 1, "Andrew Barto")
    assert len(others) == 3
    assert others[1] == "Andrew Barto"
    assert "Barto" not in others[2].split()
    assert len(others[0].split()) > len(visible_query(TEXT, 1, "Andrew Barto").split())


def test_only_the_visible_part_of_a_title():
    assert visible_query("Mercury is [mask] away.", 0, "Mercury (planet)") == "Mercury away"
    assert (
        visible_query("Mercury (planet): it is [mask] away.", 0, "Mercury (planet)") == "Mercury planet away"
    )
    assert visible_query("It is [mask] away.", 0, "Mercury (planet)") == "away"
    assert visible_query("The [mask] House stood.", 0, "The House") == "House stood"
    assert (
        visible_query("The Hitchhiker's Guide is [mask] long.", 0, "The Hitchhiker's Guide")
        == "The Hitchhiker's Guide long"
    )


def test_content_words():
    text = "[mask]: who was the author of Barto's 1,500-page book, the author?"
    assert visible_query(text, 0, "") == "author Barto 1,500-page book"


WORDS = st.sampled_from(
    "Andrew Barto [mask] the of Paris, 1970. it's O'Neil 1,500 (x) mask [Mask] Straße".split()  # noqa: SIM905
)


@given(st.lists(WORDS, max_size=40).map(" ".join), st.integers(1, 15))
def test_only_visible_words_no_repetition(text, most):
    for index in range(text.count("[mask]")):
        queries = [
            visible_query(text, index, "Andrew Barto (actor)", most),
            *alternative_queries(text, index, "Andrew Barto (actor)", most),
        ]
        assert len(queries[0].split()) <= most
        assert queries[0] not in queries[1:] or not queries[0]
        for query in queries:
            assert query == visible_query(text, index, "Andrew Barto (actor)", most) or query
            assert "[mask]" not in query
            words = query.split()
            assert len({word.casefold() for word in words}) == len(words)
            visible = text.replace("[mask]", " ")
            assert all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", visible) for word in words)


@pytest.mark.parametrize(
    ("text", "span", "there"),
    [
        ("Born in ANN ARBOR.", "Ann  Arbor", True),
        ("Born in Ann\nArbor's centre", "Ann Arbor", True),
        ("Hannibal", "Ann", False),
        ("Spanish-American", "American", False),
        ("1914–1918", "1918", True),
        ("It is 13.5 m", "3.5 m", False),
        ("3.5", "3", False),
        ("in the U.S. then", "U.S.", True),
        ("cost $30 today", "$3", False),
        ("cost $3 today", "$3", True),
        ("", "x", False),
        ("x", "", False),
    ],
)
def test_contains_span(text, span, there):
    assert contains_span(text, span) is there


@pytest.mark.parametrize(
    ("language", "text", "span", "there"),
    [
        ("fr", "la ville d'Orléans", "Orléans", True),
        ("", "la ville d'Orléans", "Orléans", False),
        ("fr", "près de 344 400 km2", "400 km2", False),
        ("fr", "en 1990, 300 km", "300 km", True),
        ("zh", "他毕业于清华大学。", "清华大学", True),
        ("zh", "他有二十三本书。", "三本书", False),
        ("zh", "他有1970本书。", "197", False),
        ("zh", "生于1970年。", "1970", True),
        ("zh", "使用iPhone拍照", "iphone", True),
    ],
)
def test_contains_span_in_other_languages(language, text, span, there):
    assert contains_span(text, span, language) is there


ZH = (
    "阿尔伯特·爱因斯坦（1879年—1955年）是物理学家。他出生于[mask]，1921年因解释光电效应而获得了诺贝尔物理学奖，"
    "爱因斯坦在[mask]任教。"
)


def test_chinese_queries_are_runs_without_stop_characters():
    assert (
        visible_query(ZH, 0, "阿尔伯特·爱因斯坦", language="zh")
        == "阿尔伯特 爱因斯坦 1955年 物理学家 出生 1921年 因解释光电效应"
    )
    query = visible_query(ZH, 1, "阿尔伯特·爱因斯坦", language="zh")
    assert query == "阿尔伯特 爱因斯坦 因解释光电效应 获得 诺贝尔物理学奖 任教"
    assert visible_query("长江在[mask]注入东海。", 0, "长江（河流）", language="zh") == "长江 注入东海"
    assert visible_query("它在[mask]注入东海。", 0, "长江", language="zh") == "注入东海"
    assert (
        "长江"
        not in alternative_queries("长江在[mask]注入东海，全长6300公里。", 0, "长江", language="zh")[-1]
    )
    text = "[mask]法国传教士谭卫道（Armand David）以及一个以色列人"
    assert visible_query(text, 0, "", language="zh") == "法国传教士谭卫道 Armand David 以色列人"


@given(
    st.lists(
        st.sampled_from([*"在的是，。长江北京注入东海", "[mask]", "UNESCO", "1970年", " "]), max_size=50
    ).map("".join),
    st.integers(1, 15),
)
def test_chinese_queries_hold_visible_text_only(text, most):
    for index in range(text.count("[mask]")):
        query = visible_query(text, index, "长江", most, "zh")
        assert len(query.split()) <= most
        assert all(word in text for word in query.split())
        assert not set(query) & set("在的是，。[]")


def test_spanish_and_french_queries():
    text = "La ville d'Orléans est célèbre pour l'[mask] de Jeanne d'Arc, qu'elle fête."
    assert visible_query(text, 0, "Orléans", language="fr") == "Orléans ville célèbre Jeanne Arc fête"
    text = "También fue durante el siglo XX la capital del [mask] según todos."
    assert visible_query(text, 0, "Cuzco", language="es") == "siglo XX capital"


def passage(name, text):
    return Passage(id=name, doc_id=name, title=name, text=text)


def task(text, *answers):
    return MaskedTask(
        id="t", doc_id="d", title="Radium", text=text, answers=answers, masks=len(answers), original=""
    )


def test_verify_needs_evidence_for_every_mask():
    searcher = Bm25Searcher.in_memory(
        [
            passage("Radium", "Radium was discovered by Marie Curie in 1898."),
            passage("Element", "Radium and radium: an element."),
            passage("X", "Unrelated 1911 text."),
        ]
    )
    both = task("Radium was discovered by [mask] in [mask].", "Marie Curie", "1898")
    assert evidence_ranks(both, searcher, 5) == (1, 1)
    half = task("Radium was discovered by [mask] in [mask].", "Marie Curie", "1911")
    assert evidence_ranks(half, searcher, 5) is None
    # The passage with the answer is second, behind one that repeats the words of the query.
    far = task("An element, [mask], is radium.", "Marie Curie")
    assert evidence_ranks(far, searcher, 1) is None
    assert evidence_ranks(far, searcher, 2) == (2,)


def test_evidence_is_found_in_every_language():
    def found(language, *texts):
        passages = [
            Passage(id=str(number), doc_id=str(number), title=title, text=text, language=language)
            for number, (title, text) in enumerate(texts)
        ]
        return Bm25Searcher.in_memory(passages, IndexSettings(language=language))

    chinese = found(
        "zh",
        ("长江", "长江发源于青藏高原，在上海注入东海。"),
        ("黄河", "黄河发源于青海，注入渤海。"),
        ("北京", "北京是中国的首都。"),
    )
    masked = MaskedTask(
        id="t",
        doc_id="d",
        title="长江",
        text="长江发源于青藏高原，在[mask]注入东海。",
        answers=("上海",),
        masks=1,
        original="",
        language="zh",
    )
    assert evidence_ranks(masked, chinese, 1) == (1,)
    assert evidence_ranks(masked.model_copy(update={"answers": ("海",)}), chinese, 1) == (1,)
    assert evidence_ranks(masked.model_copy(update={"answers": ("南京",)}), chinese, 3) is None
    french = found(
        "fr",
        ("Jeanne d'Arc", "Jeanne d'Arc libéra la ville d'Orléans en mai."),
        ("Paris", "Paris est une ville."),
    )
    text = "Jeanne d'Arc libéra d'[mask]."
    masked = MaskedTask(
        id="t",
        doc_id="d",
        title="Jeanne d'Arc",
        text=text,
        answers=("Orléans",),
        masks=1,
        original="",
        language="fr",
    )
    assert evidence_ranks(masked, french, 1) == (1,)
