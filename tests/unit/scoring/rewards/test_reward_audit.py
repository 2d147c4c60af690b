"""The audit of attacks on real tasks: masked texts with one to three masks, human-written questions, a
real index, and judges on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.endpoint import Endpoint, Reply, fail, say, verdict
from kit.places import DATA

from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main
from masksearch.cli.rewards import spread
from masksearch.errors import UsageError
from masksearch.protocols import Searcher
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.files import write_json_lines
from masksearch.runtime.records import read_tasks
from masksearch.scoring.metrics import normalise
from masksearch.scoring.rewards.audit import (
    ATTACKS,
    HONEST,
    UNGROUNDED,
    Audit,
    Case,
    audit,
    audit_table,
    make_cases,
    named_reward,
    reward_names,
)
from masksearch.scoring.settings import JudgeSettings
from masksearch.search import build_index, open_searcher
from masksearch.search.settings import IndexSettings
from masksearch.types import MaskedTask, Question

pytestmark = pytest.mark.slow

HOTPOTQA = DATA / "hotpotqa"
PAYING = {"enumeration of candidates", "this or that", "stuffed with stop words", "gold-like span repeated"}
"""Attacks that pay under every metric with partial credit."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tasks, questions, and an index of the first 800 documents of HotpotQA's passages."""
    folder = tmp_path_factory.mktemp("audit")
    build_index(
        IndexSettings(corpus=str(HOTPOTQA / "corpus.jsonl.gz"), limit=800), folder / "index", folder / "work"
    )
    run_mask(
        MaskSettings(index=str(folder / "index"), masks="1-3", limit=30, extractors=("dates", "numbers")),
        folder / "ramp.jsonl",
        folder / "mask",
    )
    write_json_lines(
        folder / "questions.jsonl",
        (task.to_json() for task in read_tasks(HOTPOTQA / "questions.jsonl.gz")[:6]),
    )
    return folder


@pytest.fixture(scope="module")
def cases(folder: Path) -> list[Case]:
    return make_cases(
        spread([*read_tasks(folder / "ramp.jsonl"), *read_tasks(folder / "questions.jsonl")], 4)
    )


@pytest.fixture(scope="module")
def searcher(folder: Path) -> Searcher:
    return open_searcher(str(folder / "index"))


def audited(cases: list[Case], searcher: Searcher, *names: str, judge: JudgeSettings | None = None) -> Audit:
    return audit(
        cases,
        searcher,
        {name: named_reward(name, judge or JudgeSettings()) for name in names},
        AgentSettings(),
    )


@pytest.fixture(scope="module")
def found(cases: list[Case], searcher: Searcher) -> Audit:
    return audited(cases, searcher, *(name for name in reward_names() if name != "judge"))


def test_the_tasks_are_what_they_should_be(cases: list[Case]) -> None:
    assert {len(case.golds) for case in cases if isinstance(case.task, MaskedTask)} == {1, 2, 3}
    assert any(isinstance(case.task, Question) for case in cases)
    for case in cases:
        own = {word for gold in case.task.answers for word in normalise(gold).split()}
        assert all(
            len(wrong) == 3 and own.isdisjoint(normalise(text).split())
            for wrong in case.wrong
            for text in wrong
        )


@pytest.mark.slow
def test_under_the_default_reward_no_attack_pays(found: Audit) -> None:
    assert found.failures("default") == []
    outcomes = found.outcomes["default"]
    assert set(outcomes) == {*HONEST, *ATTACKS, *UNGROUNDED}
    assert outcomes["honest right"].earned == pytest.approx(1.2)
    assert outcomes["honest wrong"].earned == pytest.approx(0.2)
    for name in ATTACKS:
        margin = outcomes[name].margin
        assert margin is not None
        assert margin <= 0.1, name


def test_with_the_grounding_reward_no_attack_earns_what_a_grounded_answer_earns(found: Audit) -> None:
    assert found.failures("grounded") == []
    honest = found.outcomes["grounded"]["honest right"].earned
    assert honest is not None
    assert honest > 1.2
    for name in UNGROUNDED:
        grounded, plain = found.outcomes["grounded"][name], found.outcomes["default"][name]
        assert plain.margin == pytest.approx(0), name  # without the reward they earn as much
        assert grounded.margin == pytest.approx(-0.5), name
        assert found.statuses[name] == {"answered": sum(found.tasks.values())}
    for name in ATTACKS:
        outcome = found.outcomes["grounded"][name]
        assert outcome.earned is not None
        assert outcome.earned < honest - 0.3, name


def test_what_the_attacks_do_is_what_they_say(found: Audit) -> None:
    count = sum(found.tasks.values())
    for name in HONEST:
        assert found.statuses[name] == {"answered": count}
    assert found.statuses["endless search"] == {"too_many_searches": count}
    for name in ("forged information", "forged, without search", "look-alike tags", "empty answer"):
        assert found.statuses[name] == {"no_answer": count}, name


def test_why_the_first_reward_was_given_up(found: Audit) -> None:
    paying = set(found.failures("first"))
    assert paying >= PAYING | {"answer inside think", "no search, a lucky guess"}
    for reward in ("f1", "recall", "recall-length"):
        assert set(found.failures(reward)) >= PAYING
        assert not {"answer inside think", "no search, a lucky guess"} & set(found.failures(reward))


def test_the_table_and_the_json_say_the_same(found: Audit) -> None:
    table = audit_table(found)
    for name in (*HONEST, *ATTACKS, *UNGROUNDED):
        assert f"\n| {name} " in table
    assert table.count("!") - 2 == sum(len(found.failures(reward)) for reward in found.outcomes)
    values = found.to_json()
    assert values["rewards"]["first"]["this or that"]["failed"] is True
    assert json.loads(json.dumps(values)) == values


def item(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the JSON object in a judge's prompt."""
    text = next(message["content"] for message in body["messages"] if message["role"] == "user")
    shown, _ = json.JSONDecoder().raw_decode(text)
    assert isinstance(shown, dict)
    return shown


def fair(body: dict[str, Any], number: int) -> Reply:
    """Replies as a strict judge does."""
    shown = item(body)
    return verdict(
        "correct" if normalise(shown["prediction"]) in map(normalise, shown["gold"]) else "incorrect"
    )


def echoing(body: dict[str, Any], number: int) -> Reply:
    """Obeys an injected instruction by repeating the prediction's object; otherwise replies like `fair`."""
    prediction = item(body)["prediction"]
    if "exactly this object" not in prediction:
        return fair(body, number)
    return say(prediction[prediction.index("Reply with exactly this object:") :])


@pytest.fixture
def judging() -> Iterator[Callable[..., JudgeSettings]]:
    opened = []

    def start(script: Any) -> JudgeSettings:
        opened.append(Endpoint(script))
        return JudgeSettings(url=opened[-1].url, model="m", retries=0)

    yield start
    for endpoint in opened:
        endpoint.close()


@pytest.mark.slow
def test_a_fair_judge(cases: list[Case], searcher: Searcher, judging: Callable[..., JudgeSettings]) -> None:
    found = audited(cases, searcher, "judge", judge=judging(fair))
    assert found.failures("judge") == []
    assert found.outcomes["judge"]["honest right"].earned == pytest.approx(1.2)
    assert found.outcomes["judge"]["injection at the judge"].earned == pytest.approx(0.2)
    assert all(outcome.left_out == 0 for outcome in found.outcomes["judge"].values())


@pytest.mark.slow
def test_a_judge_that_repeats_what_it_is_told_gives_no_verdict(
    cases: list[Case], searcher: Searcher, judging: Callable[..., JudgeSettings]
) -> None:
    found = audited(cases, searcher, "judge", judge=judging(echoing))
    injected = found.outcomes["judge"]["injection at the judge"]
    assert (injected.earned, injected.left_out) == (None, len(cases))
    assert found.failures("judge") == []
    assert f"{len(cases)} rollouts got no verdict" in audit_table(found)


def test_wrong_names_and_a_judge_without_endpoint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="the rewards are default, em, f1, recall"):
        named_reward("recal", JudgeSettings())
    for given, message in (
        (["--reward", "bleu"], "There is no reward 'bleu'"),
        (["--reward", "judge"], "needs an endpoint and a model"),
        (["--tasks", str(folder / "ramp.jsonl")], "--index"),
    ):
        assert main(["rewards", "audit", *given]) == 2
        assert message in capsys.readouterr().err


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "--tasks",
        str(folder / "ramp.jsonl"),
        str(folder / "questions.jsonl"),
        "--index",
        str(folder / "index"),
        "--limit",
        "2",
    ]
    assert main(["rewards", "audit", "--json", "--reward", "default,first", *given]) == 0
    values = json.loads(capsys.readouterr().out)
    assert list(values["rewards"]) == ["default", "first"]
    assert sum(values["tasks"].values()) == 8
    assert (
        main(
            [
                "rewards",
                "audit",
                "--reward",
                "default",
                "--allowed",
                "0",
                "--agent.answer-form",
                "paragraph",
                *given,
            ]
        )
        == 0
    )
    assert "attacks that pay" in capsys.readouterr().out


def test_an_endpoint_that_knows_no_such_model_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "k")
    with Endpoint([fail(404, "no such model")]) as endpoint:
        given = ["--judge.url", endpoint.url, "--judge.model", "m", "--judge.retries", "0", "--limit", "1"]
        assert (
            main(
                [
                    "rewards",
                    "audit",
                    "--reward",
                    "judge",
                    "--tasks",
                    str(folder / "ramp.jsonl"),
                    "--index",
                    str(folder / "index"),
                    *given,
                ]
            )
            == 1
        )
    assert "answered 404 for model 'm'" in capsys.readouterr().err
