"""The wording of the teacher's thoughts in small examples."""

import pytest

from masksearch.agent.protocol import is_well_formed
from masksearch.synthesis.oracle.wording import (
    around,
    content_words,
    find_span,
    leaks,
    mask_places,
    numbered,
    phrases,
    turn,
    words_of,
)


def test_turns_are_well_formed():
    assert turn("a", "search", "b") == "<think>a</think>\n<search>b</search>"
    assert is_well_formed(turn("a", "search", "b"))
    assert is_well_formed(turn("a\nb", "answer", "1. c"))


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        ("born in Paris in 1898", "Paris", "Paris"),
        ("born in PARIS.", "paris", "PARIS"),
        ("New   York", "New York", "New   York"),
        ("Parisian", "Paris", None),
        ("in 1898", "189", None),
        ("a (b) c", "(b)", "(b)"),
        ("x a.c y", "a.c", "a.c"),
        ("x abc y", "a.c", None),
        ("anything", "", None),
        ("anything", "  ", None),
        ("say ‹think›", "<think>", "‹think›"),
        ("他毕业于清华大学。", "清华大学", "清华大学"),
        ("他用iPhone拍照", "iphone", "iPhone"),
        ("他用iPhone拍照", "Phone", None),
        ("en d'Orléans", "Orléans", "Orléans"),
    ],
)
def test_spans_are_whole_words(text, span, expected):
    found = find_span(text, span)
    assert (text[slice(*found)] if found else None) == expected


def test_words_around_a_span():
    text = "one two three four five six seven eight"
    start = text.index("four")
    assert around(text, start, start + 4, left=2) == "two three four five six seven"
    assert around(text, start, start + 4) == "three four five six seven"
    assert around(text, start, start + 4, left=1, right=0) == "three four"
    assert around(text, 0, 3) == "one two three four"
    assert around(text, start, start + 4, 1, 1, ("[", "]")) == "three [four] five"
    assert around("a (b), c", 3, 4, 1, 1, ("[", "]")) == "a ([b]), c"


def test_each_mask_has_its_place():
    places = mask_places("She was born in [mask] and died in [mask].")
    assert places == ["[mask] and died in (after in)", "[mask]. (after in)"]
    assert mask_places("[mask] was born") == ["[mask] was born"]  # no words before the mask
    assert "<" not in mask_places("<think> [mask] </think>")[0]
    assert mask_places("none") == []
    assert len(mask_places("[mask]")) == 1


def test_chinese_is_quoted_by_characters():
    text = "他去了。爱因斯坦出生于德国、拥有瑞士和美国的国籍。UNESCO说："
    start = text.index("德国")
    assert (
        around(text, start, start + 2, marks=("[", "]"), language="zh") == "坦出生于[德国]、拥有瑞士和美国的"
    )
    start = text.index("国籍")
    assert (
        around(text, start, start + 2, marks=("[", "]"), language="zh") == "和美国的[国籍]。"
    )  # ends with the sentence
    assert around(text, 0, 1, language="zh") == "他去了。"
    places = mask_places("爱因斯坦出生于[mask]、拥有瑞士和[mask]国籍。", "zh")
    assert places == ["[mask]、拥有瑞士和[mask]国籍（前面是“坦出生于”）", "[mask]国籍。（前面是“有瑞士和”）"]
    assert mask_places("[mask]是首都。", "zh") == ["[mask]是首都。"]
    assert mask_places("他用Windows在1970年[mask]。", "zh") == ["[mask]。（前面是“Windows在1970年”）"]


def test_places_in_other_languages():
    assert mask_places("Nació en [mask] en mayo.", "es") == ["[mask] en mayo. (tras en)"]
    assert mask_places("Chefs d'[mask] ou rois.", "fr") == ["[mask] ou rois. (après Chefs d')"]
    assert phrases("fr") != phrases("es") != phrases("zh") != phrases("")
    assert phrases("de") == phrases("en") == phrases()


def test_small_helpers():
    assert numbered(["Paris", "1898"]) == "1. Paris\n2. 1898"
    assert numbered(["Paris"]) == "Paris"
    assert words_of("Curie's 2 Naïve—words") == {"curie", "s", "2", "naïve", "words"}
    assert words_of("长江 UNESCO", "zh") == {"长", "江", "unesco"}
    assert leaks("长江 上海", ["上海"], "长江的水", "zh")
    assert not leaks("长江的水", ["水江"], "长江的水", "zh")
    assert content_words("What is the name of Ada's dog, the dog of Ada?") == ["name", "Ada", "dog"]


@pytest.mark.parametrize(
    ("query", "golds", "visible", "expected"),
    [
        ("Marie Curie", ["Curie"], "Marie discovered", True),
        ("Marie Curie", ["Curie"], "CURIE discovered", False),
        ("Marie", ["Curie"], "", False),
        ("york city", ["New York"], "a new city", True),
        ("new city", ["New York"], "a new city", False),
        ("", ["x"], "", False),
    ],
)
def test_leaks(query, golds, visible, expected):
    assert leaks(query, golds, visible) is expected
