"""Width of texts on a terminal: shortening and wrapping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masksearch.text.display import clipped, display_width, wrapped


def test_wide_characters_take_two_columns() -> None:
    assert display_width("abc") == 3
    assert display_width("中文") == 4
    assert display_width("e\u0301") == 1


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert clipped("short", 5) == "short"
    assert clipped("longer text", 8) == "longer…"
    assert clipped("中文字符", 5) == "中文…"


def test_lines_break_at_spaces_between_wide_characters_and_in_long_words() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("中文字符测试", 5) == ["中文", "字符", "测试"]
    assert wrapped("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert wrapped("one two three four", 7, 2) == ["one two", "three…"]
    assert wrapped("  ", 7) == []


@given(st.text(), st.integers(4, 40))
def test_no_line_is_wider_than_asked_and_no_word_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(display_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(display_width(line) <= width for line in wrapped(text, width, 2))
    assert display_width(clipped(text, width)) <= width
