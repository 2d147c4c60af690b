"""Metrics against manually computed numbers, and properties that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.scoring.fills import paragraph_fills, parse_fills, task_fills
from masksearch.scoring.metrics import (
    contains,
    covers,
    fill_scores,
    free_recall,
    normalise,
    score_answer,
    score_task,
)
from masksearch.types import MaskedTask, Question, Score


def task(text: str, *answers: str) -> MaskedTask:
    original = text
    for answer in answers:
        original = original.replace("[mask]", answer, 1)
    return MaskedTask(
        id="t", doc_id="d", title="T", text=text, answers=answers, masks=len(answers), original=original
    )


def filled(prediction: str, *answers: str) -> Score:
    """Scores numbered fills against one gold per mask."""
    return score_task(prediction, task(" and ".join(["[mask]"] * len(answers)), *answers), "spans")


def values(score: Score) -> tuple[float, float, float, float]:
    return score.recall, score.precision, score.f1, score.em


BARTO = task(
    "Andrew Barto received his [mask] with distinction in [mask] from the University of Michigan in 1970.",
    "B.S.",
    "mathematics",
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Beatles!", "beatles"),
        ("U.S.A.", "usa"),
        ("a-the-b", "atheb"),  # punctuation is deleted before articles
        ("an A b The", "b"),
        ("the.", ""),
        ("Ålesund – Norway", "ålesund – norway"),  # only ASCII punctuation is deleted
        ("theatre", "theatre"),
        ("\tNew\nYork ", "new york"),
    ],
)
def test_normaliser(text: str, normal: str) -> None:
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("prediction", "golds", "expected"),
    [
        ("The Eiffel Tower", ["Eiffel Tower"], (1, 1, 1, 1)),
        ("the tower in Paris", ["Eiffel Tower"], (1 / 2, 1 / 3, 2 / 5, 0)),
        (
            "York York New",
            ["New York"],
            (1, 2 / 3, 4 / 5, 0),
        ),  # multiset intersection: "york" is counted only once
        ("York", ["York York"], (1 / 2, 1, 2 / 3, 0)),
        ("Boston", ["Paris"], (0, 0, 0, 0)),
        ("", ["Paris"], (0, 0, 0, 0)),
        ("yes", ["Yes."], (1, 1, 1, 1)),
        ("yes it is", ["yes"], (0, 0, 0, 0)),  # recall would be 1 without the rule
        ("no", ["no way"], (0, 0, 0, 0)),
        ("noanswer", ["no"], (0, 0, 0, 0)),
        ("A", ["A"], (1, 1, 1, 1)),  # both normalise to "": the raw texts are compared
        ("A", ["The"], (0, 0, 0, 0)),
        ("", ["The"], (0, 0, 0, 0)),
        ("", [""], (0, 0, 0, 0)),
        ("東京", ["東京"], (1, 1, 1, 1)),
        ("Łódź 1920", ["łódź"], (1, 1 / 2, 2 / 3, 0)),
        ("George Washington Bush", ["George Bush", "Washington"], (1, 2 / 3, 4 / 5, 0)),
        ("New York City", ["Boston", "New York"], (1, 2 / 3, 4 / 5, 0)),
    ],
)
def test_score_answer(prediction: str, golds: list[str], expected: tuple[float, ...]) -> None:
    assert values(score_answer(prediction, golds)) == pytest.approx(expected)


def test_each_measure_takes_its_own_best_gold() -> None:
    # Against "b c d": recall 2/3, precision 1; against "b": recall 1, precision 1/2.
    assert values(score_answer("b c", ["b c d", "b"])) == pytest.approx((1, 1, 4 / 5, 0))


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("es", "¡La  Ciudad de los Ángeles!", "ciudad de ángeles"),
        ("es", "«El Greco»", "greco"),
        ("es", "un a the", "a the"),  # articles of other languages stay
        ("fr", "L’Orléanais", "orléanais"),
        ("fr", "d'Orléans", "orléans"),
        ("fr", "la Guerre des Gaules…", "guerre gaules"),
        ("fr", "vitamine D", "vitamine d"),
        ("fr", "aujourd'hui", "aujourdhui"),
        ("zh", "北京大学。", "北 京 大 学"),
        ("zh", "“１９７０年”（ＷＨＯ）", "1970 年 who"),
        ("zh", "让-雅克·卢梭 the", "让 雅 克 卢 梭 the"),
        ("en", "¡La L'A!", "¡la la"),
        ("de", "The Ort", "ort"),
    ],
)
def test_normaliser_by_language(language: str, text: str, normal: str) -> None:
    assert normalise(text, language) == normal


def test_scores_by_language() -> None:
    assert values(score_answer("清华大学", ["北京大学"], "zh")) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 0))
    assert values(score_answer("北京大学。", ["北京大学"], "zh")) == (1, 1, 1, 1)
    assert values(score_answer("北京大学", ["清华大学"])) == (0, 0, 0, 0)  # one word, without a language
    assert values(score_answer("Orléans", ["d'Orléans"], "fr")) == (1, 1, 1, 1)
    assert values(score_answer("la Ciudad de México", ["Ciudad de Lima"], "es")) == pytest.approx(
        (2 / 3, 2 / 3, 2 / 3, 0)
    )
    assert values(score_answer("El", ["El"], "es")) == (
        1,
        1,
        1,
        1,
    )  # both normalise to "": the raw texts are compared
    chinese = task("他在[mask]毕业于[mask]。", "1970年", "北京大学").model_copy(update={"language": "zh"})
    assert values(score_task("1. 1970年\n2. 清华大学", chinese, "spans")) == pytest.approx(
        (3 / 4, 3 / 4, 3 / 4, 1 / 2)
    )
    assert values(score_task("1、1970年；2、北京大学。", chinese, "spans")) == (1, 1, 1, 1)
    assert values(score_task(chinese.original, chinese, "paragraph")) == (1, 1, 1, 1)
    assert paragraph_fills("他却在1970年毕业于北京大学。", chinese) == ["1970年", "北京大学"]
    assert free_recall("我想是北大", chinese) == pytest.approx((0 + 2 / 4) / 2)
    french = task("[mask] ou [mask]", "Orléans", "y").model_copy(update={"language": "fr"})
    assert score_task("1. d'Orléans\n2. x", french, "spans").em == pytest.approx(1 / 2)


def test_no_gold_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a gold"):
        score_answer("x", [])


@pytest.mark.parametrize(
    ("text", "masks", "fills"),
    [
        ("1. Boston\n2. 1970", 2, ["Boston", "1970"]),
        ("1) Boston\n2: 1970", 2, ["Boston", "1970"]),
        (" 2. 1970\n 1. Boston ", 2, ["Boston", "1970"]),
        ("1. Boston; 2. 1970", 2, ["Boston", "1970"]),
        (
            "1. Boston; Mass.; 3. x",
            2,
            ["Boston; Mass.; 3. x", ""],
        ),  # after a semicolon, only the next number in sequence counts
        ("2. 1970", 2, ["", "1970"]),
        ("Boston and 1970", 2, ["", ""]),
        ("1. a\n2. b\n3. c", 2, ["a", "b"]),
        ("1. first\n1. second", 1, ["first"]),  # guesses beyond the first earn nothing
        ("1. one\ntwo\n2. x", 2, ["one\ntwo", "x"]),
        ("Here they are:\n1. a\n2. b", 2, ["a", "b"]),
        ("Boston", 1, ["Boston"]),
        ("1. Boston", 1, ["Boston"]),
        ("1.5 million", 1, ["1.5 million"]),
        ("12:30", 1, ["12:30"]),
        ("12. August", 1, ["12. August"]),
        ("1970", 1, ["1970"]),
        ("1. 1.5 million", 1, ["1.5 million"]),
        ("1.\n2. b", 2, ["", "b"]),
        ("1、北京\n2．上海", 2, ["北京", "上海"]),
        ("1：北京；2）上海", 2, ["北京", "上海"]),
        ("", 1, [""]),
        ("", 3, ["", "", ""]),
    ],
)
def test_parse_fills(text: str, masks: int, fills: list[str]) -> None:
    assert parse_fills(text, masks) == fills


def test_fills_are_averaged_over_the_gold_masks() -> None:
    assert values(filled("1. Boston\n2. in 1970", "Boston", "1970")) == pytest.approx(
        (1, 3 / 4, 5 / 6, 1 / 2)
    )
    assert values(filled("2. 1970", "Boston", "1970")) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 1 / 2))
    assert filled("1. 1970\n2. Boston", "Boston", "1970").f1 == 0  # fills are aligned by number


def test_listing_every_guess_pays_in_precision() -> None:
    assert filled("1. Paris\nBoston\nRome\nOslo", "Boston").f1 == pytest.approx(2 / 5)


def test_paragraph_given_back_exactly() -> None:
    assert values(score_task(BARTO.original, BARTO, "paragraph")) == (1, 1, 1, 1)
    assert paragraph_fills("  " + BARTO.original.replace(" ", "\n"), BARTO) == ["B.S.", "mathematics"]


def test_copying_the_text_earns_nothing() -> None:
    assert values(score_task(BARTO.text, BARTO, "paragraph")) == (0, 0, 0, 0)
    wrong = BARTO.text.replace("[mask]", "degree", 1).replace("[mask]", "mathematics")
    assert values(score_task(wrong, BARTO, "paragraph")) == (1 / 2, 1 / 2, 1 / 2, 1 / 2)


def test_paragraph_with_small_deviations_is_aligned_by_words() -> None:
    written = (
        "andrew barto received B.S. with distinction in mathematics, from University of Michigan in 1970"
    )
    assert paragraph_fills(written, BARTO) == ["B.S.", "mathematics,"]
    assert values(score_task(written, BARTO, "paragraph")) == (1, 1, 1, 1)


def test_free_text_is_no_filled_paragraph() -> None:
    assert paragraph_fills("B.S. mathematics", BARTO) == ["", ""]
    assert paragraph_fills("", BARTO) == ["", ""]


def test_neighbouring_masks_split_where_the_gold_splits() -> None:
    near = task("[mask] [mask] was there.", "New York", "1970")
    assert paragraph_fills("New York 1970 was there.", near) == ["New York", "1970"]
    assert paragraph_fills("Los Angeles 1970 was there.", near) == ["Los", "Angeles 1970"]
    comma = task("In [mask], it rained in [mask]", "Paris, Texas", "May")
    assert paragraph_fills(comma.original, comma) == ["Paris, Texas", "May"]


def test_dispatch() -> None:
    question = Question(id="q", question="Where?", answers=("Paris", "City of Paris"))
    assert score_task("Paris", question, "spans").em == 1
    assert score_task("1. B.S.\n2. mathematics", BARTO, "spans").em == 1
    assert score_task(BARTO.original, BARTO, "paragraph").em == 1
    assert [score.em for score in fill_scores(task_fills("2. mathematics", BARTO, "spans"))] == [0, 1]
    with pytest.raises(ValueError, match="answer form 'verse'"):
        score_task("x", BARTO, "verse")


def test_free_recall() -> None:
    assert free_recall("I guess he studied Mathematics.", BARTO) == pytest.approx(1 / 2)
    assert free_recall("nothing", BARTO) == 0
    assert free_recall(
        "it was york", Question(id="q", question="?", answers=("New York", "Boston"))
    ) == pytest.approx(1 / 2)
    assert free_recall("the", task("[mask] x", "The")) == 0


TEXT = st.text(alphabet=st.sampled_from("ab c.\n12;)[mask]éyesno "), max_size=40) | st.text(max_size=30)


@given(TEXT, TEXT, st.sampled_from(["", "es", "fr", "zh"]))
def test_scores_are_bounded_symmetric_and_consistent(a: str, b: str, language: str) -> None:
    score, mirrored = score_answer(a, [b], language), score_answer(b, [a], language)
    assert all(0 <= value <= 1 for value in values(score))
    assert score.f1 == pytest.approx(mirrored.f1)
    assert score.recall == pytest.approx(mirrored.precision)
    assert score.em == mirrored.em
    if score.em == 1:
        assert score.f1 == score.recall == score.precision == 1


@given(TEXT, TEXT, st.sampled_from(["", "es", "fr", "zh"]))
def test_an_exact_match_covers_its_gold(a: str, b: str, language: str) -> None:
    for gold in (a, b):
        assert covers(a, [gold], language) >= (score_answer(a, [gold], language).em == 1)
        assert contains(a, [gold], language) >= covers(a, [gold], language)


@pytest.mark.parametrize(
    ("prediction", "gold", "cover", "sub"),
    [
        ("It was 1945.", "1945", True, True),
        ("19450", "1945", False, True),  # sub-EM takes any substring
        ("nothing", "no", False, True),
        ("no, it is not", "no", False, True),
        ("The", "The", True, True),  # both normalise to the empty string, and EM is 1
        ("Rome", "The", False, True),
        ("", "The", False, False),
        ("", "Rome", False, False),
    ],
)
def test_cover_em_and_sub_em(prediction: str, gold: str, cover: bool, sub: bool) -> None:
    assert (covers(prediction, [gold]), contains(prediction, [gold])) == (cover, sub)


@given(TEXT, st.sampled_from(["", "es", "fr", "zh"]))
def test_any_text_is_right_against_itself_or_empty(text: str, language: str) -> None:
    assert score_answer(text, [text], language).em == (1 if text.split() else 0)


@given(TEXT, st.integers(1, 4))
def test_any_text_has_as_many_fills_as_masks(text: str, masks: int) -> None:
    assert len(parse_fills(text, masks)) == masks


@given(TEXT, st.lists(st.sampled_from(["a", "b c", ". ", "12"]), min_size=2, max_size=5))
def test_any_text_is_read_as_a_paragraph(text: str, segments: list[str]) -> None:
    made = task("[mask]".join(segments), *("gold" for _ in segments[1:]))
    assert len(paragraph_fills(text, made)) == made.masks
    assert values(score_task(made.original, made, "paragraph")) == (1, 1, 1, 1)
