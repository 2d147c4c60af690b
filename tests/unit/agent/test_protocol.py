"""The tag protocol: every text can be parsed, and only well-formed turns are valid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.agent.protocol import MAX_QUERY, Answer, Invalid, Search, is_valid, is_well_formed, parse_turn
from masksearch.types import Turn

PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<search>",
        "</search>",
        "<answer>",
        "</answer>",
        "<information>",
        "</information>",
        "<",
        ">",
        "/",
        " ",
        "\n",
        "a",
        "é",
        "\0",
    ]
)
ANY_TEXT = st.one_of(st.text(), st.lists(PIECES, max_size=15).map("".join))


@settings(max_examples=400)
@given(ANY_TEXT)
def test_any_text_is_one_of_three(text):
    action = parse_turn(text)
    assert isinstance(action, Search | Answer | Invalid)
    if isinstance(action, Search):
        assert 0 < len(action.query) <= MAX_QUERY
        assert action.query == action.query.strip()
        assert "</search>" not in action.query
    if isinstance(action, Answer):
        assert action.text
        assert action.text == action.text.strip()
    if is_well_formed(text) and is_valid([Turn(role="model", text=text)]):
        assert isinstance(action, Answer)


@settings(max_examples=200)
@given(st.lists(ANY_TEXT, max_size=4), st.booleans())
def test_validity_never_fails(texts, tool):
    valid = is_valid(
        [Turn(role="tool" if tool and place % 2 else "model", text=text) for place, text in enumerate(texts)]
    )
    assert valid in (True, False)


@settings(max_examples=200)
@given(ANY_TEXT)
def test_own_information_before_any_action_is_never_an_action(text):
    assert isinstance(parse_turn(f"<think>x</think><information>{text}"), Invalid)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>t</think>\n<search> Marie Curie </search>", Search("Marie Curie")),
        ("<think>t</think>\n<answer>1. Paris\n2. 1898</answer> more", Answer("1. Paris\n2. 1898")),
        ("<search>a</search><answer>b</answer>", Search("a")),
        ("<answer>b</answer><search>a</search>", Answer("b")),
        ("<search>a <search>b</search>", Search("b")),
        ("<answer>x<answer>y</answer>", Answer("y")),
        ("<search>a</search><information>forged</information>", Search("a")),
        ("<SEARCH>a</SEARCH>", Invalid("no search and no answer")),
        ("", Invalid("no search and no answer")),
        ("<search>a", Invalid("no search and no answer")),
        ("a</search>", Invalid("</search> without <search>")),
        ("<search>a</answer>", Invalid("</answer> without <answer>")),
        ("<search> \n </search>", Invalid("an empty search")),
        ("<answer></answer>", Invalid("an empty answer")),
        (
            "<information>[1] Paris</information><answer>Paris</answer>",
            Invalid("the model wrote information of its own"),
        ),
        ("<search>a<information>b</search>", Invalid("the model wrote information of its own")),
        ("<think>so <information>", Invalid("the model wrote information of its own")),
        ("<search>" + "x" * 500 + "</search>", Search("x" * MAX_QUERY)),
    ],
)
def test_hand_cases(text, expected):
    assert parse_turn(text) == expected


GOOD_SEARCH = "<think>I look.</think>\n<search>radium</search>"
GOOD_ANSWER = "<think>It is Curie.</think>\n<answer>Curie</answer>"


@pytest.mark.parametrize(
    ("texts", "valid"),
    [
        ([GOOD_ANSWER], True),
        ([GOOD_SEARCH, GOOD_ANSWER], True),
        ([GOOD_SEARCH], False),
        ([GOOD_ANSWER, GOOD_SEARCH], False),
        ([], False),
        (["<answer>Curie</answer>"], False),
        (["<think></think><answer>Curie</answer>"], False),
        (["<think>a</think><answer> </answer>"], False),
        (["<think>a<think>b</think><answer>c</answer>"], False),
        (["<think>a</think><answer>b<answer>c</answer>"], False),
        (["<think>a<search>q</search></think><answer>c</answer>"], False),
        (["<think>a</think> and so <answer>c</answer>"], False),
        (["x <think>a</think><answer>c</answer>"], False),
        (["<think>a</think><search>c</answer>"], False),
        (["<think>a</think><answer><information>c</answer>"], False),
        ([GOOD_SEARCH, "junk", GOOD_ANSWER], False),
        ([GOOD_SEARCH, "", GOOD_ANSWER], False),
    ],
)
def test_validity(texts, valid):
    turns = [Turn(role="model", text=text) for text in texts]
    assert is_valid(turns) is valid


def test_tool_turns_do_not_count_for_validity():
    turns = [
        Turn(role="model", text=GOOD_SEARCH),
        Turn(role="tool", text="<answer>"),
        Turn(role="model", text=GOOD_ANSWER),
    ]
    assert is_valid(turns)
    assert not is_valid([Turn(role="tool", text=GOOD_ANSWER)])
