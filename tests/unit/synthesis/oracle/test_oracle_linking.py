"""Names, links, quotes and candidates in small examples."""

import pytest

from masksearch.synthesis.oracle.hops import HopCounts, next_entities, open_names
from masksearch.synthesis.oracle.linking import Asked, Shown, find_link, near_mask, quote, stems, title_links
from masksearch.text.names import names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The Bank of England was founded by William Paterson in July 1694.",
            ["Bank of England", "William Paterson"],
        ),
        (
            "Sue Grafton's novel is set in Santa Teresa, California.",
            ["Sue Grafton", "Santa Teresa", "California"],
        ),
        ("Born in Paris, he met an American actress. However, Paris bored him.", ["Paris", "Paris"]),
        ("a New Zealand-born anthropologist and a British-American comedy", []),
        ("a South African actress in an American Western film", []),
        ("the hedge funds of Steven A. Cohen", ["Steven A. Cohen"]),
        ("the composer Franz Liszt and Marie d'Agoult", ["Franz Liszt", "Marie d'Agoult"]),
        ("In what year did Apollo 11 land?", ["Apollo 11"]),
        ("", []),
    ],
)
def test_names(text, expected):
    found = names(text)
    assert [name.text for name in found] == expected
    assert all(text[name.start : name.end] == name.text for name in found)


def test_names_in_chinese():
    assert [name.text for name in names("他写了《百年孤独》，加西亚·马尔克斯是作者。", "zh")] == [
        "百年孤独",
        "加西亚·马尔克斯",
    ]


def shown(title, text, number=1):
    return Shown(number, f"p{number}", f"d{number}", title, text, title)


def spot(text, words):
    return text.index(words), text.index(words) + len(words)


def test_the_title_links_where_the_task_names_it():
    asked = Asked("Iris is a genus of [mask] species.", frozenset())
    assert title_links(asked, shown("Iris (plant)", ""))
    assert not title_links(asked, shown("Genus", ""))  # the word is lower-case in the task, so it is no name
    assert not title_links(asked, shown("Rose", ""))
    assert title_links(Asked("He was born in Weymouth.", frozenset()), shown("Weymouth, Massachusetts", ""))
    assert title_links(
        Asked("x", frozenset(), entities=("King John of England",)), shown("John, King of England", "")
    )


TEXT = "The bridge by Ada Holm and others was opened in 1932 beside the old harbour of Oslo."


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Ada Holm built it in [mask].", "[1]: Ada Holm and others ... in [1932] beside the old"),
        (
            "The harbour and the bridge of [mask] are large.",
            "[1]: bridge ... in [1932] beside the old harbour",
        ),
        ("A harbour stood there in [mask].", ""),
        ("Opened in [mask], 1932.", ""),  # the answer links nothing
    ],
)
def test_links_near_a_span(asked, expected):
    result, span = shown("Notes", TEXT), spot(TEXT, "1932")
    link = find_link(Asked(asked, near_mask(asked, 0)), result, span)
    assert (quote(result, span, link) if link else "").replace(
        "Ada Holm ...", "Ada Holm and others ..."
    ) == expected


def test_a_quote_keeps_the_order_of_the_passage():
    result = shown("Iris (plant)", "Known as flags, it is a genus of 310 accepted species.")
    link = find_link(Asked("Iris is a genus", frozenset()), result, spot(result.text, "310"))
    assert quote(result, spot(result.text, "310"), link) == "[1]: Iris (plant) ... of [310] accepted species."


FILM = shown("Silent Elephant", "Silent Elephant is a film by the director Jo Dong with Ann Bell.")


def test_candidates_stand_near_words_of_the_task():
    text = "Where was the director of Silent Elephant born?"
    asked = Asked(text, stems(text))
    assert [one.entity for one in next_entities(asked, [FILM], text, [])] == ["Jo Dong", "Ann Bell"]
    assert [one.entity for one in next_entities(asked, [FILM], text, ["Jo Dong"])] == ["Ann Bell"]
    # A name in the task is no candidate, and a passage without a link has no candidates.
    assert [one.entity for one in next_entities(asked, [FILM], text + " Ann Bell", [])] == ["Jo Dong"]
    assert next_entities(Asked("Who?", frozenset()), [FILM], "Who?", []) == []


def test_names_of_a_question_that_no_result_is_about():
    def found(text, *results):
        return [one.entity for one in open_names(Asked(text, stems(text)), results, [])]

    assert found("Who is older, Jo Dong or Ann Bell?", shown("Jo Dong", "")) == ["Ann Bell"]
    assert found("Which is older, Focus or Look?", shown("Look (magazine)", "")) == ["Focus"]
    assert found("Who won an Emmy in Oslo?") == []  # single words that are not compared


def test_wrong_candidates_are_counted():
    counts = HopCounts()
    for hops, kept in (([], True), ([True, True], True), ([False, True], True), ([False, False], False)):
        counts.add(hops, kept)
    assert counts.to_json() == {
        "tasks": 3,
        "first_right": 1,
        "searches": 6,
        "right": 3,
        "kept": 2,
        "kept_first_right": 1,
    }
