"""Sentence ends in Spanish, French and Chinese; English is tested in `corpus/test_passages.py`."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.text.sentences import sentence_spans


def sentences(text, language):
    """Returns the sentences of a text as strings."""
    return [text[start:end] for start, end in sentence_spans(text, language)]


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        ("en", ["It was led by Brig. John Smith and Pvt. Ryan.", "He died."]),
        ("en", ["The word (lit. House) is old.", "The firm, est. 1900, grew to cap. 12 of it."]),
        ("en", ["It stood until 1990.", "The city grew."]),
        ("", ["दिल्ली भारत की राजधानी है।", "यह बड़ा शहर है॥", "और।"]),
        ("es", ["El Sr. Pérez y la Dra. Ruiz viven en EE. UU. desde 1970.", "Se fueron."]),
        ("es", ["Murió en el 44 a. C.", "Los romanos ganaron."]),
        ("es", ["Nació en el 100 a. C. y murió en el 20 d. C. en Roma.", "Fue rey."]),
        ("es", ["¿Por qué?", "¡Nadie lo sabe!", "Véase la p. 5 del vol. 3, p. ej. así."]),
        ("es", ["—¡Alto! —dijo él.", "Se paró."]),
        ("es", ["Viven en EE. UU.", "El resto es de D. Juan y de J. L. Borges."]),
        ("es", ["Tiene 3.5 km y 1.200.000 hab.", "Su capital es Lima."]),
        ("fr", ["« Arrête ! » cria-t-il.", "Il partit."]),
        ("fr", ["Il écrit : « Voilà ! »", "Puis rien."]),
        ("fr", ["« C'est fini. »", "Elle partit."]),
        ("fr", ["M. L'Herbier, Mme. Dupont et J.-J. Rousseau sont là.", "Est-ce vrai ?", "Oui !"]),
        ("fr", ["Il est mort en 44 av. J.-C. à Rome.", "Né en 100 av. J.-C.", "L'empire dura."]),
        ("fr", ["Des roses, des lys, etc.", "Le reste suit.", "Il naît en janv. 1950."]),
        ("zh", ["他生于1970年。", "她呢？", "不知道！"]),
        ("zh", ["他说：“你好！”", "然后走了；", "她没有。"]),
        ("zh", ["长3.5公里。", "北京(Beijing)是首都。", "她读了J. K. Rowling的书。"]),
        ("zh", ["真的?", "真的!", "好的（他走了。）", "再见。"]),
    ],
)
def test_sentence_ends(language, parts):
    assert sentences(("" if language == "zh" else " ").join(parts), language) == parts


def test_no_language_knows_no_chinese_semicolon():
    assert sentences("甲来了；乙走了。丙在。", "") == ["甲来了；乙走了。", "丙在。"]
    assert (
        sentences("« Arrête ! » cria-t-il.", "")
        == sentences("« Arrête ! » cria-t-il.", "en")
        == ["« Arrête !", "» cria-t-il."]
    )


@given(
    st.text(st.sampled_from("ab A.!?…»« \n“”。；！（）EU1字'-JC"), max_size=60) | st.text(max_size=60),
    st.sampled_from(["", "en", "es", "fr", "zh"]),
)
def test_sentences_cover_any_text_in_order(text, language):
    spans = list(sentence_spans(text, language))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


@pytest.mark.parametrize("language", ["en", "es", "fr", "zh"])
@pytest.mark.parametrize("unit", [".", "?!", "...)", '".'])
@pytest.mark.slow
def test_long_runs_of_marks_are_looked_at_once(language, unit):
    """Two million marks take a second at most when each is matched once; a search per mark takes days."""
    text = "So it began" + unit * (2_000_000 // len(unit)) + "x"
    assert list(sentence_spans(text, language)) == [(0, len(text))]


def test_marks_of_two_kinds_before_a_chinese_character():
    assert sentences("真的..!?好。", "zh") == ["真的..!?", "好。"]
