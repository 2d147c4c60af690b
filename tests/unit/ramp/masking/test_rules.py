"""The rules of masking, each alone, and all together on random texts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.ramp.masking.rules import mask_passage, most_masks, shown_text, too_short, usable_spans
from masksearch.text.words import folded, has_sequence, located_words, loose_words
from masksearch.types import MASK, Passage, Span


def passage(text, title="Andrew Barto", name="p", language=""):
    return Passage(id=name, doc_id=name, title=title, text=text, language=language)


def spans_of(text, *pieces, category="X"):
    """Returns a span for the first occurrence of each piece in the text."""
    return [
        Span(start=text.index(piece), end=text.index(piece) + len(piece), category=category)
        for piece in pieces
    ]


def allowed(text, *pieces, title="Andrew Barto", language="", **checks):
    return [
        text[span.start : span.end]
        for span in usable_spans(passage(text, title, language=language), spans_of(text, *pieces), **checks)
    ]


BARTO = (
    "Andrew Barto received his B.S. with distinction in mathematics from the University of Michigan in 1970."
)


def test_the_figure_of_the_paper():
    spans = spans_of(BARTO, "Andrew Barto", "B.S.", "mathematics", "University of Michigan", "1970")
    usable = usable_spans(passage(BARTO), spans)
    assert usable == spans[1:]
    task = mask_passage(passage(BARTO), usable, 4, Random(0))
    assert (
        task.text == "Andrew Barto received his [mask] with distinction in [mask] from the [mask] in [mask]."
    )
    assert task.answers == ("B.S.", "mathematics", "University of Michigan", "1970")
    assert (task.masks, task.id, task.original) == (4, "p:4", BARTO)


def fill(text, answers):
    """Fills the masks of a text with the answers, in order."""
    pieces = text.split(MASK)
    return pieces[0] + "".join(answer + piece for answer, piece in zip(answers, pieces[1:], strict=True))


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
    assert allowed(text, "Bank of Ohio State") == []  # each of its words occurs elsewhere
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
    film = "The film is from 1998." + FILLER
    assert usable_spans(passage(film, "The [mask]"), spans_of(film, "1998")) == []


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
    drawn = [
        answer
        for seed in range(1000)
        for answer in mask_passage(passage(text), spans, 2, Random(seed)).answers
    ]
    assert all(340 < drawn.count(name) < 460 for name in ("Alpha", "Bravo", "Charlie", "Delta", "Echo"))


PIECES = (
    "Paris Lyon the of and 1912 1,500 O'Neil Jean-Luc U.S. river Paris's (Rome) house, mountain. Zürich "
    "zurich 3.5 東京 [x] “quoted” Andrew Barto"
)
WORDS = st.sampled_from(PIECES.split())


@given(
    st.lists(WORDS, min_size=1, max_size=60).map(" ".join),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), max_size=25),
    st.integers(1, 4),
    st.integers(),
)
def test_every_task_keeps_every_rule(text, places, k, seed):
    spans = [
        Span(start=start % len(text), end=min(start % len(text) + size, len(text)), category="X")
        for start, size in places
    ]
    # Random places rarely coincide with words, so every word is a candidate as well.
    spans += [
        Span(start=text.index(word), end=text.index(word) + len(word), category="W")
        for word in set(text.split())
    ]
    usable = usable_spans(passage(text), spans)
    assert usable == usable_spans(passage(text), list(reversed(spans)))
    task = mask_passage(passage(text), usable, k, Random(seed))
    if task is None:
        return
    assert task == mask_passage(passage(text), usable, k, Random(seed))
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


# -- rules that can be switched off -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "piece", "unique", "inferable"),
    [
        ("It has 12 of them, or 12.", "12", False, False),
        # A part of the span occurs elsewhere.
        ("Once Albert Einstein taught. Einstein's work won.", "Albert Einstein", True, False),
        ("He saw Rome in May. Later Rome fell.", "Rome", False, False),
        ("Johnny Smith ran. So did Johnny, and Smithers.", "Johnny Smith", True, False),
        ("The body (NPO) is old.", "NPO", True, False),
        ("It has 422,000 km2 (163,000 sq mi) of land.", "422,000 km2", True, False),
        ("It grew in Hungary.", "Hungary", True, False),  # inferable from the title
        ("He lived in Vienna then.", "Vienna", True, True),
    ],
)
def test_rules_are_switched_off(text, piece, unique, inferable):
    def may(*checks):
        return allowed(text + FILLER, piece, title="Hungarian cuisine", checks=checks) == [piece]

    assert may()
    assert may("unique") is unique
    assert may("not-inferable") is inferable
    assert may("unique", "not-inferable") is (unique and inferable)


def test_what_always_holds():
    text = "The Barto Foundation (ABF) gave ANSI 3.5 of it to the Andrew Barto House." + FILLER
    assert allowed(text, "Barto Foundation", "Andrew Barto House", "3", "the", "Barto", checks=()) == [
        "Barto Foundation"
    ]
    assert allowed(text, "ABF", checks=()) == ["ABF"]


def test_only_the_given_occurrence_is_masked():
    text = "He saw Rome in May. Later Rome fell." + FILLER
    usable = usable_spans(passage(text), spans_of(text, "Rome"), checks=())
    assert mask_passage(passage(text), usable, 1, Random(0)).text.startswith(
        "Andrew Barto: He saw [mask] in May. Later Rome fell."
    )


# -- other languages ----------------------------------------------------------------------------------------


ES = " Después pasaron muchas más cosas a todos los que estaban allí en aquel tiempo."
FR = " Ensuite il arriva beaucoup d'autres choses à tous ceux qui vivaient là en ce temps."
ZH = "后来在那里又发生了许多别的事情，大家都记得很清楚。"


@pytest.mark.parametrize(
    ("language", "text", "title", "piece", "may"),
    [
        ("fr", "Il traversa l'Allemagne à pied.", "T", "Allemagne", True),
        ("fr", "La duchesse d'Orléans arriva.", "T", "Orléans", True),
        ("fr", "Il dit qu'Alger brûle.", "T", "Alger", True),
        ("fr", "Il vit O'Neil ici.", "T", "Neil", False),
        ("fr", "Il arriva aujourd'hui même.", "T", "hui", False),
        ("", "The duchess of d'Orléans came.", "T", "Orléans", False),  # not in English
        ("fr", "Ce lac a 344 400 km2 environ.", "T", "400 km2", False),
        ("fr", "Ce lac a 344 400 km2 environ.", "T", "344", False),
        ("fr", "Ce lac a 344 400 km2 environ.", "T", "344 400 km2", True),
        (
            "fr",
            "L'Organisation des Nations unies (ONU) siège là.",
            "T",
            "Organisation des Nations unies",
            False,
        ),
        ("fr", "L'Organisation des Nations unies (ONU) siège là.", "T", "ONU", False),
        ("fr", "Les Belges aiment la Belgique.", "T", "Belgique", False),
        ("fr", "Les Anglais aiment l'Angleterre.", "T", "Angleterre", False),
        ("fr", "Du XVIIIe siècle au XXe siècle.", "T", "XXe siècle", False),
        ("es", "Los ingleses aman Inglaterra.", "T", "Inglaterra", False),
        ("es", "Los polacos aman Polonia.", "T", "Polonia", False),
        ("es", "Desde el siglo XX hasta el siglo XXI.", "T", "siglo XXI", False),
        ("es", "La población es de 3 983 540 personas.", "T", "983", False),
        ("es", "Él vivía del río.", "T", "del", False),
        ("es", "La Constitución de España rige.", "Constitución española", "España", False),
        ("zh", "他在1970年毕业于清华大学。", "张三", "清华大学", True),
        ("zh", "他在1970年毕业于清华大学。", "张三", "1970年", True),
        ("zh", "他在1970年毕业于清华大学。", "张三", "1970", True),
        ("zh", "他在1970年毕业于清华大学。", "北京大学", "清华大学", False),  # half of it is in the title
        ("zh", "他二十三岁时到了维也纳。", "张三", "二十", False),  # in the middle of a figure
        ("zh", "他有3万本书。", "张三", "3", False),
        ("zh", "他用iPhone拍照。", "张三", "Phone", False),
        ("zh", "他用iPhone拍照。", "张三", "iPhone", True),
        ("zh", "北京大学在北京，大学里有湖。", "张三", "北京大学", False),  # its parts occur elsewhere
        ("zh", "他到过长安，又回到长安。", "张三", "长安", False),
        ("zh", "他到过长安，很安心。", "张三", "长安", True),  # a single character gives nothing away
        ("zh", "中国人口众多。", "中华人民共和国", "中国", False),
        ("zh", "总部在柏林（德语：Berlin）市中心。", "某公司", "柏林", False),
        ("zh", "总部在柏林（德语：Berlin）市中心。", "某公司", "Berlin", False),
        ("zh", "世界卫生组织（WHO）成立了。", "某公司", "世界卫生组织", False),
        ("zh", "体重为80至120公斤（176至265磅）。", "大熊猫", "80", False),
        ("zh", "体重为80至120公斤（176至265磅）。", "大熊猫", "265", False),
        ("zh", "始建于永乐四年（1406年），1420年建成。", "故宫", "1406年", True),
        ("zh", "人口为514819人（2023年）。", "某市", "514819", True),
        ("zh", "他是的了。", "张三", "的了", False),
        ("zh", "他姓李。", "张三", "李", False),
    ],
)
def test_rules_in_other_languages(language, text, title, piece, may):
    filler = {"es": ES, "fr": FR, "zh": ZH}.get(language, FILLER)
    assert allowed(text + filler, piece, title=title, language=language) == [piece] * may


def test_chinese_is_counted_by_characters():
    text = "他一八七九年生于德国乌尔姆，后来移居美国。"
    assert not too_short(passage(text, language="zh"))
    assert too_short(passage(text, language="en"))
    assert too_short(passage("他生于德国。", language="zh"))
    found = passage(text, "爱因斯坦", language="zh")
    assert shown_text(found) == ("爱因斯坦：" + text, 5)
    task = mask_passage(found, usable_spans(found, spans_of(text, "德国", "乌尔姆", "美国")), 2, Random(2))
    assert (task.language, task.masks) == ("zh", 2)
    assert fill(task.text, task.answers) == "爱因斯坦：" + text
    neighbours = usable_spans(found, spans_of(text, "德国", "乌尔姆"))
    assert most_masks(found, neighbours) == 1  # no word between them
    short = "他1879年生于德国的乌尔姆。"
    assert (
        mask_passage(passage(short, language="zh"), spans_of(short, "1879年", "德国", "乌尔姆"), 3, Random(0))
        is None
    )


def test_the_title_stands_before_a_text_as_its_language_has_it():
    assert (
        shown_text(passage("Il naquit ici.", "Louis XIV", language="fr"))[0] == "Louis XIV : Il naquit ici."
    )
    assert shown_text(passage("Nació aquí.", "Alfonso X", language="es"))[0] == "Alfonso X: Nació aquí."
    assert shown_text(passage("水星是行星。", "水星（行星）", language="zh"))[1] == 0


@given(st.text(max_size=80), st.sampled_from(["", "zh"]))
def test_words_keep_their_places(text, language):
    words, starts, ends = located_words(text, language)
    assert words == loose_words(text, language)
    assert starts == sorted(starts)
    for word, start, end in zip(words, starts, ends, strict=True):
        assert word in folded(text[start:end])


def test_places_where_folding_changes_the_length():
    text = "Die Straße zum Cafe\u0301 ½ km² ﬁn"
    words, starts, ends = located_words(text)
    assert words == ["die", "strasse", "zum", "cafe", "1", "2", "km2", "fin"]
    assert [text[start:end] for start, end in zip(starts, ends, strict=True)][:4] == [
        "Die",
        "Straße",
        "zum",
        "Cafe",
    ]


PARTS = [*"德国美国生于在的是，。（）", "爱因斯坦", "1879年", "UNESCO", "[", "·", "二十", " "]
CHINESE = st.lists(st.sampled_from(PARTS), min_size=5, max_size=40).map("".join)


@given(
    CHINESE,
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 6)), max_size=20),
    st.integers(1, 3),
    st.integers(),
)
def test_every_chinese_task_keeps_every_rule(text, places, k, seed):
    spans = [
        Span(start=start % len(text), end=min(start % len(text) + size, len(text)), category="X")
        for start, size in places
    ]
    found = passage(text, "爱因斯坦", language="zh")
    task = mask_passage(found, usable_spans(found, spans), k, Random(seed))
    if task is None:
        return
    assert fill(task.text, task.answers) == task.original
    pieces = [loose_words(piece, "zh") for piece in task.text.split(MASK)]
    assert all(pieces[1:-1])
    for answer in task.answers:
        words = loose_words(answer, "zh")
        assert not any(has_sequence(piece, words) for piece in pieces)
        assert not set(words) <= set("爱因斯坦")
