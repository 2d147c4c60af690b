"""The rules of masking, each on its own and together on random texts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.ramp import fill, mask_passage, usable_spans
from masksearch.ramp.masks import most_masks, shown_text
from masksearch.ramp.words import has_sequence, loose_words
from masksearch.types import MASK, Passage, Span


def passage(text, title="Andrew Barto", name="p"):
    return Passage(id=name, doc_id=name, title=title, text=text)


def spans_of(text, *pieces, category="X"):
    """A span for each occurrence named, the first one in the text."""
    return [Span(start=text.index(piece), end=text.index(piece) + len(piece), category=category) for piece in pieces]


def allowed(text, *pieces, title="Andrew Barto"):
    return [text[span.start : span.end] for span in usable_spans(passage(text, title), spans_of(text, *pieces))]


BARTO = "Andrew Barto received his B.S. with distinction in mathematics from the University of Michigan in 1970."


def test_the_figure_of_the_paper():
    spans = spans_of(BARTO, "Andrew Barto", "B.S.", "mathematics", "University of Michigan", "1970")
    task = mask_passage(passage(BARTO), spans, 4, Random(0))
    assert task.text == "Andrew Barto received his [mask] with distinction in [mask] from the [mask] in [mask]."
    assert task.answers == ("B.S.", "mathematics", "University of Michigan", "1970")
    assert (task.masks, task.id, task.original) == (4, "p:4", BARTO)


FILLER = " Then a good deal more happened to all of those who were there at that time."


@pytest.mark.parametrize(
    ("text", "title", "piece"),
    [
        ("Barto lived in Amherst.", "Andrew Barto", "Barto"),
        ("He met Andrew G. Barto in Amherst.", "Andrew Barto", "Andrew G. Barto"),
        ("The Barto Foundation was his.", "Andrew Barto", "Barto Foundation"),
        ("It grew in China.", "Chinese philosophy", "China"),
        ("It grew in Hungary.", "Hungarian cuisine", "Hungary"),
        ("Neon has the symbol Ne here.", "Neon", "Ne"),
        ("The planet Mercury is hot.", "Mercury (planet)", "planet"),
        ("He saw Rome. Later rome fell.", "T", "Rome"),
        ("São Paulo is not Sao Paulo.", "T", "São Paulo"),
        ("A Spanish-American war, a Spanish one.", "T", "Spanish one"),
        ("German troops reached Germany.", "T", "Germany"),
        ("The English saw England.", "T", "England"),
        ("John Smith came. So Smith left.", "T", "Smith"),
        ("The Spanish-American war.", "T", "American"),
        ("It was 3.5 then.", "T", "3"),
        ("The body (NPO) is old.", "T", "NPO"),
        ("The International Cricket Council (ICC) met.", "T", "International Cricket Council"),
        ("It has 422,000 km2 (163,000 sq mi) of land.", "T", "163,000 sq mi"),
        ("It has 422,000 km2 (163,000 sq mi) of land.", "T", "422,000 km2"),
        ("One of the two.", "T", "the"),
    ],
)
def test_spans_that_must_not_be_masked(text, title, piece):
    assert allowed(text + FILLER, piece, title=title) == []


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("It has 514,819 inhabitants (2023) now.", "514,819"),
        ("It is (1912) new.", "1912"),
        ("John Smith came.", "John Smith"),
        ("He (1588–1679) wrote.", "1588"),
        ("In Greece's hills.", "Greece"),
    ],
)
def test_spans_that_may(text, piece):
    assert allowed(text + FILLER, piece) == [piece]


def test_an_answer_inside_another_is_refused():
    text = "The Bank of Ohio State is not the State Ohio Bank." + FILLER
    assert allowed(text, "Bank of Ohio State") == []  # each of its words can be read
    text = "He met Ann de Groot, later Groot Ann, and left." + FILLER
    assert allowed(text, "Ann de Groot", "Groot Ann") == []


def test_title_is_made_to_stand_in_the_text():
    assert shown_text(passage("He was born in 1948.")) == ("Andrew Barto: He was born in 1948.", 14)
    assert shown_text(passage("ANDREW  BARTO was born.")) == ("ANDREW  BARTO was born.", 0)
    assert shown_text(passage("Mercury is hot.", "Mercury (planet)"))[1] == 0
    assert shown_text(passage("It is hot.", "Mercury (planet)"))[0] == "Mercury (planet): It is hot."
    assert shown_text(passage("Bartology is hot.", "Barto"))[1] == 7


def test_a_text_with_a_mask_of_its_own_is_refused():
    text = "The [mask] of Zorro is from 1998." + FILLER
    assert usable_spans(passage(text), spans_of(text, "1998")) == []
    assert usable_spans(passage("The film is from 1998." + FILLER, "The [mask]"), spans_of("The film is from 1998.", "1998")) == []


def test_neighbours_need_a_word_between():
    text = "He lived in Cleveland, Ohio, until 1987." + FILLER
    spans = usable_spans(passage(text), spans_of(text, "Cleveland", "Ohio", "1987"))
    assert len(spans) == 3
    assert most_masks(passage(text), spans) == 2
    assert mask_passage(passage(text), spans, 3, Random(0)) is None
    pairs = {mask_passage(passage(text), spans, 2, Random(seed)).answers for seed in range(40)}
    assert pairs == {("Cleveland", "1987"), ("Ohio", "1987")}


def test_every_span_is_drawn_equally_often():
    text = "At Alpha, then Bravo, then Charlie, then Delta and Echo he stayed." + FILLER
    spans = spans_of(text, "Alpha", "Bravo", "Charlie", "Delta", "Echo")
    drawn = [answer for seed in range(1000) for answer in mask_passage(passage(text), spans, 2, Random(seed)).answers]
    assert all(340 < drawn.count(name) < 460 for name in ("Alpha", "Bravo", "Charlie", "Delta", "Echo"))


def test_fill_refuses_a_wrong_number():
    assert fill("a [mask] c", ["b"]) == "a b c"
    with pytest.raises(ValueError, match="2 answers for 1 masks"):
        fill("a [mask] c", ["b", "d"])


WORDS = st.sampled_from(
    "Paris Lyon the of and 1912 1,500 O'Neil Jean-Luc U.S. river Paris's (Rome) house, mountain. Zürich zurich 3.5 東京 [x] “quoted” Andrew Barto".split()  # noqa: SIM905
)


@given(
    st.lists(WORDS, min_size=1, max_size=60).map(" ".join),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), max_size=25),
    st.integers(1, 4),
    st.integers(),
)
def test_every_task_keeps_every_rule(text, places, k, seed):
    spans = [Span(start=start % len(text), end=min(start % len(text) + size, len(text)), category="X") for start, size in places]
    # Random places hardly ever fall on words: every word is a candidate as well.
    spans += [Span(start=text.index(word), end=text.index(word) + len(word), category="W") for word in set(text.split())]
    task = mask_passage(passage(text), spans, k, Random(seed))
    if task is None:
        return
    assert task == mask_passage(passage(text), spans, k, Random(seed))
    assert fill(task.text, task.answers) == task.original
    assert task.original.endswith(text)
    assert task.masks == k == task.text.count(MASK) == len(task.answers) == len(task.categories)
    assert len({answer.casefold() for answer in task.answers}) == k
    pieces = [loose_words(piece) for piece in task.text.split(MASK)]
    assert all(pieces[1:-1])  # a word between any two masks
    for answer in task.answers:
        assert not any(has_sequence(piece, loose_words(answer)) for piece in pieces)
        assert not set(loose_words(answer)) <= {"andrew", "barto"}
    assert has_sequence(loose_words(task.text), ["andrew", "barto"])
    for before, after in zip(task.text.split(MASK), task.text.split(MASK)[1:], strict=False):
        assert not before[-1:].isalnum()
        assert not after[:1].isalnum()
