"""The judge's second question: whether the passages that were shown support the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kit.endpoint import Endpoint, Reply, fail, verdict
from kit.grounding import answered, question, searched, shown, trajectory

from masksearch.errors import ModelError
from masksearch.evaluation.judgements import asked_modes, judge_all
from masksearch.evaluation.provenance import judge_hashes
from masksearch.evaluation.settings import EvalSettings
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Trajectory

pytest.importorskip("openai")
DANE = "Bo Dahl: Bo Dahl, born in Odense {a town}."
ASKED = question("Where was Bo Dahl born?", "Odense")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def rolled(answer: str, *results: str) -> Trajectory:
    return trajectory(ASKED, searched("I search."), shown(*results), answered("So.", answer))


def reply(body: dict[str, Any], number: int) -> Reply:
    """Calls every answer right, and supports what stands in the passages."""
    item = json.loads(body["messages"][1]["content"].split("\n")[0])
    if "passages" not in item:
        return verdict("correct")
    assert "gold" not in item
    return verdict("correct" if item["prediction"] in " ".join(item["passages"]) else "incorrect")


def settings(endpoint: Endpoint, **more: Any) -> JudgeSettings:
    given = {"url": endpoint.url, "model": "m", "modes": ("strict",), "retries": 0, **more}
    return JudgeSettings.model_validate(given)


def test_answers_that_the_passages_support(tmp_path: Path) -> None:
    rows = [rolled("Odense", DANE), rolled("Rome", DANE), rolled("Odense"), rolled("Odense", DANE)]
    rows[3] = rows[3].model_copy(update={"answer": "", "status": "no_answer"})
    with Endpoint(reply) as endpoint:
        columns = judge_all(rows, settings(endpoint, support=True), tmp_path)
        asked = [json.dumps(body) for _, _, body in endpoint.requests]
    assert columns == [
        {"judge_strict": 1, "supported": 1},
        {"judge_strict": 1, "supported": 0},
        {"judge_strict": 1, "supported": 0},  # no passages: not asked
        {"judge_strict": 0},
    ]
    assert sum("Bo Dahl, born in Odense" in body for body in asked) == 2
    assert not any("{a town}" in body for body in asked)


def test_the_question_is_asked_only_where_it_is_wanted(tmp_path: Path) -> None:
    with Endpoint(reply) as endpoint:
        plain = judge_all([rolled("Odense", DANE)], settings(endpoint), tmp_path / "a")
        blind = judge_all([rolled("Odense", DANE)], settings(endpoint, support=True), tmp_path / "b", False)
    assert plain == blind == [{"judge_strict": 1}]
    assert asked_modes(settings(endpoint)) == ("strict",)
    assert asked_modes(settings(endpoint, support=True)) == ("strict", "support")


def test_a_missing_verdict_is_an_error_as_for_the_other_modes(tmp_path: Path) -> None:
    def failing(body: dict[str, Any], number: int) -> Reply:
        return fail(500) if "passages" in body["messages"][1]["content"] else verdict("correct")

    with (
        Endpoint(failing) as endpoint,
        pytest.raises(ModelError, match="1 of 1 support verdicts are missing"),
    ):
        judge_all([rolled("Odense", DANE)], settings(endpoint, support=True), tmp_path)
    with Endpoint(failing) as endpoint:
        lenient = settings(endpoint, support=True, allow_failed=1.0)
        [columns] = judge_all([rolled("Odense", DANE)], lenient, tmp_path)
    assert columns["judge_strict"] == 1
    assert "supported" not in columns
    assert columns["judge_error"].startswith("support: ")


def test_the_prompts_of_the_other_modes_keep_their_hashes() -> None:
    judge = {"url": "http://127.0.0.1:1/v1", "model": "m"}
    hashes = [
        judge_hashes(
            EvalSettings.model_validate({"questions": "q", "model": "m", "judge": {**judge, **more}})
        )
        for more in ({}, {"support": True})
    ]
    assert list(hashes[0]) == ["strict", "relaxed"]
    assert list(hashes[1]) == ["strict", "relaxed", "support"]
    assert hashes[0].items() <= hashes[1].items()
    assert {mode: found[:12] for mode, found in hashes[0].items()} == {
        "strict": STRICT,
        "relaxed": RELAXED,
    }
    assert len(set(hashes[1].values())) == 3


STRICT, RELAXED = "a8e595d22028", "6bdc0350ccf6"
"""The beginnings of the hashes before the mode `support` was added: cached verdicts stay valid."""
