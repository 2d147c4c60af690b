"""Marks in a trajectory: false quotes, sentences with the gold answer, and the gold passages found."""

from __future__ import annotations

from typing import Any

import pytest

from masksearch.evaluation.evidence import evidence_recall
from masksearch.report.marks import wanted
from masksearch.report.viewer import detail
from masksearch.types import Question, Trajectory, Turn, task_json

RESULTS = (
    "<information>\n[1] Ann Bell: She is an actor. She was born in Leeds, in 1940.\n"
    "[2] Bo Lund: He is a Swedish actor 🎭. He moved to Leeds.\n</information>"
)


def made(
    *thoughts: str, answers: tuple[str, ...] = ("Leeds",), results: str = RESULTS, **more: Any
) -> Trajectory:
    """Returns a trajectory with a search, then the thoughts, each in its own turn."""
    fields = {"id": "q", "question": "Where was Ann Bell born?", "answers": answers}
    task = Question(**fields, **{key: more.pop(key) for key in list(more) if key.startswith("supporting")})
    turns = [
        Turn(role="model", text="<think>I search.</think><search>Ann Bell</search>"),
        Turn(role="tool", text=results),
        *(Turn(role="model", text=f"<think>{thought}</think>") for thought in thoughts),
    ]
    return Trajectory(
        id="q", task=task_json(task), turns=tuple(turns), answer="Leeds", status="answered", **more
    )


def marked(trajectory: Trajectory, kind: str) -> list[tuple[str, str]]:
    """Returns (marked text, label) of every mark of a kind, with the offsets as JavaScript counts them."""
    found = []
    for segment in detail(trajectory, {}, {})["segments"]:
        for start, end, sort, label in segment[2] if len(segment) > 2 else ():
            units = segment[1].encode("utf-16-le")
            if sort == kind:
                found.append((units[2 * start : 2 * end].decode("utf-16-le"), label))
    return found


def test_a_false_quote_is_marked_where_it_stands() -> None:
    thought = 'I read [1]: "born in Leeds" and then 🎭 [2]: "a Danish actor". So Leeds.'
    assert marked(made(thought), "false") == [
        ("a Danish actor", "false quote: not in result 2, no result has it")
    ]


def test_a_quote_of_another_result_says_so() -> None:
    assert marked(made('[1]: "a Swedish actor"'), "false") == [
        ("a Swedish actor", "false quote: not in result 1, another result has it")
    ]


def test_the_second_of_two_equal_quotes_is_marked() -> None:
    thought = '[2]: "a Swedish actor" is true. [1]: "a Swedish actor" is false.'
    (segment,) = [
        one for one in detail(made(thought), {}, {})["segments"] if len(one) > 2 and one[0] == "think"
    ]
    ((start, _, _, _),) = segment[2]
    assert start == thought.rindex("a Swedish actor")


def test_quotes_of_several_turns() -> None:
    found = marked(made('[1]: "born in Leeds"', '[1]: "born in York"', '[9]: "nothing"'), "false")
    assert [text for text, _ in found] == ["born in York", "nothing"]


def test_sentences_that_hold_the_gold_answer() -> None:
    found = marked(made("So it is Leeds."), "holds")
    assert found == [
        ("She was born in Leeds, in 1940.", "holds the gold answer Leeds"),
        ("He moved to Leeds.", "holds the gold answer Leeds"),
    ]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("194",), []),  # 1940 is another number
        (("1",), []),  # the number of the result is no text
        (("yes",), []),
        (("York", "1940"), ["She was born in Leeds, in 1940."]),
        (("Ann Bell",), ["Ann Bell: She is an actor."]),
    ],
)
def test_the_rule_is_that_of_the_evidence(answers: tuple[str, ...], expected: list[str]) -> None:
    assert [text for text, _ in marked(made("x", answers=answers), "holds")] == expected


def test_a_trajectory_without_marks_has_plain_segments() -> None:
    plain = made("no quote", answers=("Oslo",))
    assert all(len(segment) == 2 for segment in detail(plain, {}, {})["segments"])


def test_an_invalid_task_has_no_marks() -> None:
    broken = made("x").model_copy(update={"task": {"kind": "question", "answers": ["Leeds"]}})
    assert marked(broken, "holds") == []
    assert wanted(broken) == []


def test_wanted_passages_by_title() -> None:
    trajectory = made("x", supporting_titles=("Ann Bell", "Cy Young"))
    assert detail(trajectory, {}, {})["wanted"] == [["Ann Bell", 1], ["Cy Young", 0]]


def test_wanted_passages_by_document_agree_with_the_evidence_recall() -> None:
    titles, ids = ("Ann Bell", "Leeds", "Cy Young"), ("s-001", "s-002", "s-003")
    trajectory = made(
        "x", supporting_titles=titles, supporting_passages=ids, retrieved=(("s-001#2", "s-009"), ("s-003",))
    )
    assert wanted(trajectory) == [["Ann Bell", 1], ["Leeds", 0], ["Cy Young", 1]]
    task = Question.model_validate(trajectory.task)
    assert evidence_recall(trajectory, task) == pytest.approx(2 / 3)
    unnamed = made("x", supporting_titles=titles[:2], supporting_passages=ids, retrieved=(("s-002",),))
    assert wanted(unnamed) == [["s-001", 0], ["s-002", 1], ["s-003", 0]]


def test_a_question_without_gold_passages_wants_nothing() -> None:
    assert "wanted" not in detail(made("x"), {}, {})
