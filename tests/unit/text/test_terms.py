"""Index terms in the four languages."""

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.search import Bm25Searcher
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import STOP_CHARACTERS, Tokeniser, highlight
from masksearch.types import Passage


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("en", "The Café's running dogs of 東京", ["cafe", "run", "dog", "東", "京"]),
        ("en", "Beyoncé, beyonce", ["beyonc", "beyonc"]),
        ("en", "Łódź Søren Æthel Đỗ", ["lodz", "soren", "aethel", "do"]),
        ("en", "Ford's Model T and they'll take Vitamin D", ["ford", "model", "t", "take", "vitamin", "d"]),
        ("en", "AT&T's", ["t"]),
        ("en", "It’s rock 'n' roll", ["rock", "n", "roll"]),
        ("es", "Las canciones de España", ["cancion", "espan"]),
        ("es", "espana", ["espan"]),
        ("fr", "Le plan D des élèves, eleves", ["plan", "d", "elev", "elev"]),
        ("fr", "L'animal d'Orléans qu'il mange", ["animal", "orlean", "mang"]),
        ("zh", "长江在上海。", ["长", "长江", "江", "上", "上海", "海"]),
        ("zh", "是以色列的首都", ["以", "以色", "色", "色列", "列", "首", "首都", "都"]),
        ("zh", "他用iPhone15和ＡＢＣ拍照", ["用", "iphone15", "和", "abc", "拍", "拍照", "照"]),
        ("zh", "的了在是", []),
    ],
)
def test_terms(language, text, terms):
    assert Tokeniser(language).terms(text) == terms


@given(st.text(max_size=60) | st.text(st.sampled_from("长江的在上海aB1 。é"), max_size=40))
def test_chinese_terms_stand_where_they_are_said_to(text):
    tokeniser = pickle.loads(pickle.dumps(Tokeniser("zh")))
    located = list(tokeniser.located(text))
    assert {term for term, _, _ in located} <= set(tokeniser.terms(text))
    assert all(first[2] <= second[1] for first, second in itertools.pairwise(located))
    assert not any(term in STOP_CHARACTERS for term, _, _ in located)


def test_pairs_decide_between_passages_of_the_same_characters():
    texts = ["他来自上海的海边", "海上有一条船", "山上有一座庙"]
    searcher = Bm25Searcher.in_memory(
        [
            Passage(id=str(number), doc_id=str(number), title="", text=text)
            for number, text in enumerate(texts)
        ],
        IndexSettings(language="zh"),
    )
    assert [hit.passage.id for hit in searcher.search(["海上"], 3)[0]] == ["1", "0", "2"]
    assert [hit.passage.id for hit in searcher.search(["上海"], 1)[0]] == ["0"]
    assert highlight("长江在上海", "上海市", "zh", "<", ">") == "长江在<上><海>"
