"""Scores by parts against manual cases of the authors' rules, and properties that hold for any text."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.places import SHARED_DATA

from masksearch.scoring.list_answers import list_scores, normalise_part

REAL = SHARED_DATA / "fanoutqa" / "questions.jsonl.gz"


def parts(*texts: str) -> tuple[tuple[str, ...], ...]:
    return tuple((text,) for text in texts)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("1,234,567.5 people", "12345675 people"),  # first the commas in the number, then the point as a mark
        ("in 2006, 2012", "in 2006 2012"),
        ("2006,2012", "20062012"),  # a single number by the authors' rule
        ("J. K.  Rowling!", "j k rowling"),
        ("Abdul-Jabbar (b)", "abdul-jabbar (b)"),
        ("O’Brien “Pat”", 'o\'brien "pat"'),
        ("Cafe\u0301", "café"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise_part(text) == normal


@pytest.mark.parametrize(
    ("prediction", "gold", "expected"),
    [
        (
            "Agatha Christie was born in 1890, J. K. Rowling in 1965.",
            parts("Agatha Christie", "1890", "J. K. Rowling", "1965"),
            (1, 1),
        ),
        ("agatha christie: 1890", parts("Agatha Christie", "1890", "J. K. Rowling", "1965"), (1 / 2, 0)),
        ("", parts("a", "b"), (0, 0)),
        ("18901", parts("1890"), (0, 0)),  # whole words only
        ("population 6,568,750", parts("6568750"), (1, 1)),
        ("6568750", parts("6,568,750"), (1, 1)),
        ("1 and 2", parts("1", "2", "0", "2", "0"), (3 / 5, 0)),  # equal parts count separately
        ("about 5%", parts("5%"), (1, 1)),  # the authors' word boundary fails here
        ("15%", parts("5%"), (0, 0)),
        ("It is X Corp. today", parts("X Corp."), (1, 1)),
        ("New College (Harvard University), founded 1636", parts("New College (Harvard University)"), (1, 1)),
        ("students", parts("student"), (0, 0)),  # words are not lemmatised
        ("No.", (("false", "no"),), (1, 1)),  # any form counts
        ("why?", parts("?"), (1, 1)),
        ("why", parts("?"), (0, 0)),
        ("anything", parts(""), (0, 0)),
        ("a b c", parts("b c", "a c"), (1 / 2, 0)),  # a phrase, not a bag of words
        ("a.*b", parts("a.*b"), (1, 1)),
    ],
)
def test_list_scores(
    prediction: str, gold: tuple[tuple[str, ...], ...], expected: tuple[float, float]
) -> None:
    assert list_scores(prediction, gold) == pytest.approx(expected)


def test_without_parts() -> None:
    with pytest.raises(ValueError, match="without a part"):
        list_scores("a", ())


TEXT = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20).filter(
    str.strip
)


@given(st.lists(TEXT, min_size=1, max_size=5), st.text(max_size=30))
def test_any_answer_scores_within_bounds(texts: list[str], prediction: str) -> None:
    recall, whole = list_scores(prediction, parts(*texts))
    assert 0 <= recall <= 1
    assert whole == float(recall == 1)


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 .'()%-]{0,12}", fullmatch=True), min_size=1, max_size=6),
    st.randoms(),
)
def test_the_parts_themselves_in_any_order_score_one(texts: list[str], random) -> None:
    shuffled = list(texts)
    random.shuffle(shuffled)
    assert list_scores(" ; ".join(shuffled), parts(*texts)) == (1, 1)


@given(
    st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=5),
    st.from_regex(r"[a-z ]{0,20}", fullmatch=True),
)
def test_saying_more_never_scores_less(texts: list[str], more: str) -> None:
    assert list_scores(f"{texts[0]} {more}", parts(*texts))[0] >= list_scores(texts[0], parts(*texts))[0]


@pytest.mark.skipif(not REAL.exists(), reason="the evaluation data is not available")
def test_every_published_answer_holds_its_own_parts() -> None:
    with gzip.open(REAL, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    for row in rows:
        assert list_scores(row["answers"][0], parts(*row["answer_parts"])) == (1, 1), row["id"]
