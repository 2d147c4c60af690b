"""Characters of documents: invisible ones, composed letters, line ends."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.text.plain import plain, plain_with_spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19\u200b87", "1987"),
        ("Mass\u00adachu\u00adsetts", "Massachusetts"),
        ("San\u2060 Francisco\ufeff", "San Francisco"),
        ("\u200eArabic\u200f name\u202c", "Arabic name"),
        ("Beyonce\u0301", "Beyonc\u00e9"),
        ("one\r\ntwo\rthree\u2028four\x0cfive", "one\ntwo\nthree\nfour\nfive"),
        ("auf\u200clage", "auflage"),
        # In Persian a joiner without width belongs to the word.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("plain text\nof two lines", "plain text\nof two lines"),
    ],
)
def test_one_word_has_one_spelling(text, expected):
    assert plain(text) == expected


def test_links_move_with_their_words():
    text = "In 19\u200b87 Beyonce\u0301 sang.\r\nThen \u200b left."
    spans = [
        (text.index("Beyonc"), text.index(" sang"), "Beyoncé"),
        (text.index("\u200b left"), text.index(" left"), "x"),
    ]
    found, moved = plain_with_spans(text, spans)
    assert found == "In 1987 Beyonc\u00e9 sang.\nThen  left."
    assert [(found[start:end], name) for start, end, name in moved] == [("Beyonc\u00e9", "Beyoncé")]


def test_a_joiner_after_an_accent_is_removed_at_once():
    assert plain("a\u0301\u200c1") == "\u00e11"


@given(st.text(st.sampled_from("ae\u0301\u00e9\u200b\u200c\u00ad\r\n \u2028ی19")))
def test_a_second_time_changes_nothing(text):
    once = plain(text)
    assert plain(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\r" not in once
    assert "\u200b" not in once
