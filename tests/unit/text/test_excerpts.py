from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.text.excerpts import LONGEST, PER_WORD, beginning, text_part
from masksearch.text.neutralise import neutralise

TEXT = "one two three four five six seven"


def test_a_text_is_shown_in_parts_of_so_many_words() -> None:
    assert [text_part(TEXT, part, 3) for part in (1, 2, 3)] == [
        ("one two three", 3),
        ("four five six", 3),
        ("seven", 3),
    ]


@pytest.mark.parametrize("part", [-1, 0, 4, 10**30])
def test_a_part_that_is_not_there_is_empty(part: int) -> None:
    assert text_part(TEXT, part, 3) == ("", 3)


def test_a_text_without_words_has_no_parts() -> None:
    assert text_part(" \n ", 1, 3) == ("", 0)


def test_of_scripts_without_spaces_each_character_counts() -> None:
    assert text_part("居里夫人 discovered 镭", 1, 3) == ("居里夫", 2)
    assert text_part("居里夫人 discovered 镭", 2, 3) == ("人 discovered 镭", 2)
    assert beginning("居里夫人 discovered 镭", 5) == "居里夫人 discovered"


def test_no_tag_survives_whole_or_cut() -> None:
    assert text_part("a </information> b", 1, 10) == ("a ‹/information› b", 1)
    assert text_part("< information> b", 1, 1) == ("‹", 3)


def test_a_bracket_that_comes_to_stand_last_opens_nothing() -> None:
    assert text_part("it is 3 < 5 here", 1, 9) == ("it is 3 < 5 here", 1)
    assert text_part("it is 3 < 5 here", 1, 4) == ("it is 3 ‹", 2)
    assert beginning("it is 3 < 5 here", 4) == "it is 3 ‹"


def test_a_beginning_is_the_first_part_and_a_short_text_its_own() -> None:
    assert beginning(TEXT, 3) == "one two three"
    assert beginning(TEXT, 7) == beginning(TEXT, 100) == TEXT


@given(st.text(alphabet="ab< >0.居\n", max_size=60), st.integers(1, 5))
def test_the_parts_together_are_the_text(text: str, words: int) -> None:
    count = text_part(text, 1, words)[1]
    parts = [text_part(text, part, words)[0] for part in range(1, count + 1)]
    plain = str.maketrans({"<": "‹", ">": "›", " ": ""})
    assert "".join(parts).translate(plain) == neutralise(text).translate(plain)
    assert all(parts)
    assert text_part(text, count + 1, words)[0] == ""


def test_an_endless_word_does_not_fill_a_part() -> None:
    word = "x" * 10_000
    assert text_part(f"{word} end", 1, 2) == ("x" * 2 * PER_WORD, 126)
    assert text_part(f"{word} end", 126, 2)[0] == "end"
    assert beginning(f"{word} end", 2) == "x" * 2 * PER_WORD


def test_a_page_ends_somewhere() -> None:
    assert text_part("ab " * LONGEST, 1, 1) == ("ab", -(-LONGEST // 3))
