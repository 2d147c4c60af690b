"""Checks of the inputs before the work starts, correctness of rollouts, the mixture with the seed data."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kit.endpoint import Endpoint, fail, say, verdict
from kit.evolve_helpers import evolve_settings, masked, question, seed_trajectory, trajectory, write_inputs
from pydantic import ValidationError

from masksearch.errors import DataError, ModelError, UsageError
from masksearch.evolve.acceptance import judge_rollouts
from masksearch.evolve.inputs import mixture, read_inputs
from masksearch.evolve.stage import best_round, run_evolve, taken_round, why_stop
from masksearch.runtime.files import write_json_lines
from masksearch.types import Turn


@pytest.fixture
def place(tmp_path):
    write_inputs(tmp_path)
    return tmp_path


def test_each_round_has_tasks_of_its_own_in_a_seeded_order(place):
    settings = evolve_settings(place, rounds=3)
    plan = read_inputs(settings)
    taken = [task.id for number in (1, 2, 3) for task in plan.tasks(number, settings)]
    assert len(set(taken)) == 12
    assert taken == [task.id for task in read_inputs(settings).fresh]
    assert taken != [task.id for task in read_inputs(settings.model_copy(update={"seed": 2})).fresh]


def test_too_few_fresh_tasks_are_told_before_the_work_begins(place):
    with pytest.raises(
        DataError,
        match=r"4 rounds of 4 tasks need 16 fresh tasks, but .*tasks\.jsonl hold 12 that are not in the seed "
        "data",
    ):
        run_evolve(evolve_settings(place, rounds=4, model=place / "none"), place / "out", place / "work")
    write_json_lines(place / "seed.jsonl", (seed_trajectory(number).to_json() for number in range(3)))
    with pytest.raises(DataError, match="hold 9 that are not in the seed data"):
        read_inputs(evolve_settings(place, rounds=3))
    assert not (place / "work").exists()


def test_held_out_tasks_must_stand_nowhere_else(place):
    heldout = str(place / "heldout.jsonl")
    write_json_lines(place / "heldout.jsonl", [question(3).to_json(), question(600).to_json()])
    with pytest.raises(
        DataError,
        match=r"1 of the 2 held-out tasks, or their articles, are also in .*tasks\.jsonl \(such as 'q3'\)",
    ):
        read_inputs(evolve_settings(place, heldout=heldout))
    write_json_lines(place / "heldout.jsonl", [question(1001).to_json()])
    with pytest.raises(DataError, match=r"seed\.jsonl"):
        read_inputs(evolve_settings(place, heldout=heldout))
    write_json_lines(
        place / "tasks.jsonl",
        (masked(number, document=f"d{number}", title=f"T{number}").to_json() for number in range(8)),
    )
    write_json_lines(place / "heldout.jsonl", [masked(99, title="T2").to_json()])
    with pytest.raises(DataError, match="such as 'T2'"):
        read_inputs(evolve_settings(place, heldout=heldout))


def test_a_task_twice_is_refused(place):
    paths = (str(place / "tasks.jsonl"), str(place / "again.jsonl"))
    write_json_lines(place / "again.jsonl", [question(1).to_json()])
    with pytest.raises(DataError, match=r"'q1' of .*again\.jsonl"):
        read_inputs(evolve_settings(place, tasks=paths))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"accept": "judge"}, "the judge has no endpoint"),
        ({"judge": {"model": "m"}}, "the judge has no endpoint"),
        ({"judge": {"url": "http://127.0.0.1:1/v1", "model": "m"}, "accept": "f1"}, "would not ask it"),
        ({"judge": {"url": "http://127.0.0.1:1/v1"}}, "needs the name of a model"),
        ({"judge": {"url": "nonsense", "model": "m"}}, "judge.url"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_told_before_the_work_begins(place, given, message):
    pytest.importorskip("openai")
    with pytest.raises(UsageError, match=message):
        read_inputs(evolve_settings(place, **given))


@pytest.mark.parametrize(
    "given",
    [
        {"trajectories": ()},
        {"tasks": ()},
        {"rounds": 0},
        {"samples": 0},
        {"mix": 1.0},
        {"temperature": 0.0},
        {"round": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, given):
    with pytest.raises(ValidationError):
        evolve_settings(tmp_path, **given)


@given(st.integers(1, 20), st.integers(0, 200), st.floats(0, 0.9))
@example(1, 1, 0.8)
def test_the_seed_data_are_at_least_their_share_and_everything_is_in(seeds, evolved, share):
    seed_data, own = [f"s{number}" for number in range(seeds)], [f"e{number}" for number in range(evolved)]
    rows = mixture(seed_data, own, share, 1)
    counts = [rows.count(name) for name in seed_data]
    assert all(rows.count(name) == 1 for name in own)
    assert min(counts) >= 1
    assert max(counts) - min(counts) <= 1
    assert sum(counts) / len(rows) >= share - 1e-9
    assert (
        sum(counts) == seeds or (sum(counts) - 1) / (len(rows) - 1) < share + 1e-9
    )  # no more repetitions than needed


def test_without_a_judge_the_span_metric_and_the_form_decide(tmp_path):
    right = trajectory(question(1), answer="sea")
    broken = right.model_copy(update={"turns": (Turn(role="model", text="<answer>sea</answer>"),)})
    cases = {
        "": right,
        "answer wrong": right.model_copy(update={"scores": {"f1": 0.79}}),
        "not in valid form": broken,
        "too long": right.model_copy(update={"status": "too_long"}),
        "search failed": right.model_copy(update={"search_errors": ("time-out",)}),
        "model failed": right.model_copy(update={"status": "model_failed"}),
    }
    found = judge_rollouts(list(cases.values()), evolve_settings(tmp_path, min_f1=0.8), tmp_path)
    assert [outcome.reason for outcome in found] == list(cases)
    assert [outcome.correct for outcome in found] == [True, False, False, False, None, None]
    noisy = evolve_settings(tmp_path, search={"noise": {"fail": 0.1}})
    assert judge_rollouts([cases["search failed"]], noisy, tmp_path)[0].correct  # the search fails on purpose


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with Endpoint() as server:
        yield server


def test_a_judge_decides_and_an_unreadable_verdict_is_neither_right_nor_wrong(tmp_path, server):
    def answer(body, number):
        prompt = body["messages"][1]["content"]
        if "yes" in prompt:
            return verdict("correct")
        return verdict("incorrect") if "wrong" in prompt else say("I like it")

    server.script = answer
    answers = ["yes it is", "wrong it is", "who knows"]
    rows = [trajectory(question(1), answer=text, scores={"f1": 0.0}) for text in answers]
    unasked = trajectory(question(1), answer="yes", status="too_long")
    settings = evolve_settings(tmp_path, judge={"url": server.url, "model": "m", "retries": 0})
    found = judge_rollouts([*rows, unasked], settings, tmp_path)
    assert [(outcome.correct, outcome.reason) for outcome in found] == [
        (True, ""),
        (False, "judged incorrect"),
        (None, "no readable verdict"),
        (False, "too long"),
    ]
    assert len(server.requests) == 4  # only the strict mode is asked, with one repair
    judge_rollouts([*rows, unasked], settings, tmp_path)
    assert len(server.requests) == 4  # verdicts are cached


def test_a_judge_that_is_away_stops_the_run(tmp_path, server):
    server.replies = [fail(500)]
    settings = evolve_settings(tmp_path, judge={"url": server.url, "model": "m", "retries": 0})
    with pytest.raises(ModelError, match="start the same command again"):
        judge_rollouts([trajectory(question(1), answer="sea")], settings, tmp_path)


def manifest(number, difference=None, correct=3, kept=2):
    gain = (
        {}
        if difference is None
        else {"gain": {"difference": difference, "against": 1, "low": 0, "high": 1, "metric": "f1"}}
    )
    return {"round": number, "counts": {"correct": correct, "kept": kept, "rollouts": 9}, **gain}


def test_when_to_stop_and_which_model_to_take(tmp_path):
    settings = evolve_settings(tmp_path, rounds=5, heldout="h", patience=2, min_gain=0.01)
    rounds = [manifest(1), manifest(2, 0.2), manifest(3, 0.005), manifest(4, -0.1)]
    assert [best_round(rounds[:count], settings) for count in range(5)] == [0, 1, 2, 2, 2]
    assert [why_stop(rounds[:count], settings) for count in (1, 2, 3)] == ["", "", ""]
    assert why_stop(rounds, settings) == "Stopped: no gain in f1 on the held-out tasks for 2 rounds."
    assert why_stop(rounds, settings.model_copy(update={"patience": 0})) == ""
    assert (
        taken_round(rounds, settings),
        taken_round(rounds, settings.model_copy(update={"take": "last"})),
    ) == (2, 4)
    assert taken_round(rounds, settings.model_copy(update={"heldout": ""})) == 4
    assert why_stop([*rounds[:3], manifest(4, 0.5), manifest(5, 0.1)], settings) == "All 5 rounds are done."
    assert "none of the 9 rollouts in round 1 was accepted" in why_stop(
        [manifest(1, correct=0, kept=0)], settings
    )
    assert "none of the 3 correct rollouts in round 1 passed the selection; its manifest" in why_stop(
        [manifest(1, kept=0)], settings
    )
