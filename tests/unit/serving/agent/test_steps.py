"""The steps that clients see hold no tag, whatever the corpus or the model wrote."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from kit.places import REPOSITORY

from masksearch.agent.watch import Asked, Noted, Showed, Wrote
from masksearch.serving.agent.openai_wire import reasoning
from masksearch.serving.agent.steps import LONGEST_TEXT, Step, Steps
from masksearch.serving.agent.stream import event
from masksearch.types import Hit, Passage

FILE = REPOSITORY / "tests" / "data" / "attacks.jsonl"
ATTACKS = [json.loads(line) for line in FILE.read_text(encoding="ascii").splitlines()]
TAG = re.compile(r"</?(?:think|search|information|answer|open)>", re.IGNORECASE)


def steps_of(*events: Any) -> list[Step]:
    found: list[Step] = []
    steps = Steps(found.append)
    for one in events:
        steps(one)
    return found


@pytest.mark.parametrize("attack", ATTACKS, ids=[row["id"] for row in ATTACKS])
def test_an_attack_becomes_plain_text_of_one_event(attack: dict[str, str]) -> None:
    passage = Passage(id=attack["title"], doc_id="d", title=attack["title"], text=attack["text"])
    (step,) = steps_of(Showed("", (Hit(passage=passage, score=1.0),)))
    for text in (*step["hits"][0].values(), reasoning(step)):
        assert not TAG.search(text)
    sent = event(step, "step")
    assert sent.count(b"\n") == 3, "no line break of a text ends the event"
    assert json.loads(sent.decode("ascii").split("data: ", 1)[1]) == step


def test_a_model_with_half_characters_and_long_passages_is_still_json() -> None:
    long = Passage(id="x", doc_id="d", title="", text="word " * 10_000_000)
    steps = steps_of(
        Wrote("<think>\ud800"), Asked("search", "\udfff"), Showed("", (Hit(passage=long, score=1.0),))
    )
    assert [step["step"] for step in steps] == ["thought", "search", "results"]
    assert json.dumps(steps, ensure_ascii=False).encode()
    assert len(steps[2]["hits"][0]["text"]) <= LONGEST_TEXT + 1
    assert steps[2]["hits"][0]["title"] == "x"


def test_a_note_between_two_thoughts_does_not_end_the_thought() -> None:
    steps = steps_of(Noted("A sentence."), Wrote("<think>I "), Wrote("look</think>"))
    assert steps[0] == {"step": "note", "text": "A sentence."}
    assert reasoning(steps[0]) == "Note: A sentence.\n\n"
    assert [step["text"] for step in steps[1:]] == ["I ", "look"]


def test_an_opened_page_and_a_failure_are_shown_as_what_was_read() -> None:
    steps = steps_of(Asked("open", "Radium"), Showed("\n<information>\nRadium glows.\n</information>\n"))
    assert steps == [
        {"step": "open", "title": "Radium"},
        {"step": "results", "hits": [], "text": "Radium glows."},
    ]
