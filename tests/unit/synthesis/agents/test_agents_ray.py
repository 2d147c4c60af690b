"""The teacher `agents` over Ray Data: the output of one process, with the same limits and the same errors."""

import warnings

import pytest
from kit.endpoint import Endpoint, fail
from kit.roles import Roles, town_of
from kit.waiting import LONG

from masksearch.errors import ModelError
from masksearch.llm.cost import Budget, Spent
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.synthesis.agents.ray import Meter
from masksearch.synthesis.agents.stage import REJECTS, run_agents
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import MaskedTask, Passage, Question

pytestmark = pytest.mark.slow

ray = pytest.importorskip("ray", reason="ray is not installed: pip install ray[data]")
pytest.importorskip("ray.data")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One cluster for all tests; a run without one starts its own and ends it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # More processors than the machine may have. Without the lower priority that Ray gives its
        # workers, so that a busy machine does not starve them.
        ray.init(
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _system_config={"worker_niceness": 0},
        )
        yield
        ray.shutdown()


@pytest.fixture
def folder(tmp_path):
    texts = (
        Passage(
            id=f"p{n}",
            doc_id=f"d{n}",
            title=f"Place {n}",
            text=f"Town{n} lies on the river Flow{n}. It is a town.",
        )
        for n in range(12)
    )
    build(texts, tmp_path / "index", IndexSettings())
    return tmp_path


def tasks(number):
    questions = [
        Question(id=f"q{n}", question=f"On which river does Town{n} lie?", answers=(f"Flow{n}",))
        for n in range(number - 1)
    ]
    text = f"Town{number} lies on the river [mask]."
    hidden = MaskedTask(
        id="t",
        doc_id="d3",
        title="Place 3",
        text=text,
        answers=("F",),
        masks=1,
        original=text.replace("[mask]", "F"),
        source_hidden=True,
    )
    return [*questions, hidden]


def run(folder, endpoint, number, output, engine="ray", **given):
    write_json_lines(folder / "tasks.jsonl", [task.to_json() for task in tasks(number)])
    values = {
        "tasks": str(folder / "tasks.jsonl"),
        "index": str(folder / "index"),
        "teacher": "agents",
        "llm": endpoint.url,
        "model": "m",
    }
    values |= {"agents": {"retries": 0, "timeout": LONG}, "engine": engine, "concurrency": 2, **given}
    return run_agents(
        SynthesizeSettings.model_validate(values), folder / f"{output}.jsonl", folder / f"{output}.work"
    )


def judged(body, number):
    """Judges one answer incorrect, so that the test compares rejects too."""
    if body["messages"][1]["content"].count("Town2") and "verdict" in str(body.get("response_format")):
        return {
            "choices": [
                {"message": {"content": '{"reason": "r", "verdict": "incorrect"}'}, "finish_reason": "stop"}
            ]
        }
    return Roles()(body, number)


def test_as_in_one_process(folder):
    with Endpoint(judged) as endpoint:
        here = run(folder, endpoint, 7, "local", "local")
        there = run(folder, endpoint, 7, "ray", workers=2)
    assert (folder / "ray.jsonl").read_bytes() == (folder / "local.jsonl").read_bytes()
    assert here == there
    assert here["kept"] == 6
    mine, theirs = (
        sorted(read_appended(folder / f"{name}.work" / REJECTS), key=lambda row: row["id"])
        for name in ("local", "ray")
    )
    assert mine == theirs
    assert [row["id"] for row in mine] == ["q2"]


def test_limits(folder):
    with Endpoint(Roles()) as endpoint:
        # A task takes 40 tokens. Tasks that run when the limit is reached still finish.
        summary = run(folder, endpoint, 9, "tokens", max_tokens=60, concurrency=1, workers=2)
        assert 2 <= summary["kept"] <= 4
        assert summary["tokens"] == 40 * summary["kept"]
        assert summary["unfinished"] == 9 - summary["kept"]
        assert f"the limit is reached: {summary['tokens']} tokens" in summary["text"]
        again = run(folder, endpoint, 9, "tokens", max_tokens=60)  # makes no further request
        assert again["tokens"] == summary["tokens"]
        assert len(endpoint.requests) == 4 * summary["kept"]
    with Endpoint(Roles()) as endpoint:
        summary = run(folder, endpoint, 9, "limit", limit=3, concurrency=1)
        assert (summary["kept"], summary["tried"], "unfinished" in summary) == (3, 3, False)
        assert len(endpoint.requests) == 12
    empty = Meter(Budget(max_tokens=5), None)
    assert not empty.add({"judge": Spent(1, 4, 1)}, True)
    assert not empty.goes_on()
    one = Meter(Budget(), 1)
    assert [one.add({}, kept) for kept in (False, True)] == [True, False]
    some = Meter(Budget(), None)
    some.leave_open(7)
    assert some.add({}, False)  # an answer ends the count of the outage
    some.leave_open(7)
    assert some.goes_on()
    some.leave_open(1)
    assert not some.goes_on()


def test_an_outage_stops_and_what_was_finished_is_kept(folder):
    def some(body, number):
        return (
            Roles()(body, number)
            if town_of(body["messages"][1]["content"]) in ("Town0", "Town1")
            else fail(503)
        )

    with Endpoint(some) as endpoint:
        summary = run(folder, endpoint, 12, "out", workers=2)
        assert (summary["kept"], summary["unfinished"]) == (2, 10)
    with Endpoint(Roles()) as endpoint:
        summary = run(folder, endpoint, 12, "out", "local")
        assert len(endpoint.requests) >= 40
    # No passage is about the town of the masked text, so its accepted answer cites no evidence.
    assert summary["kept"] == 11
    assert "unfinished" not in summary


def test_a_refusal_ends_with_a_sentence(folder):
    with Endpoint([fail(401)]) as endpoint, pytest.raises(ModelError, match="answered 401"):
        run(folder, endpoint, 3, "refused")
