"""Stage eval with scripted and tiny models: rejected settings, resuming, and the rows of its results."""

import pytest

from masksearch.agent.settings import AgentSettings
from masksearch.errors import DataError, ModelError, SearchError, UsageError
from masksearch.evaluation import run
from masksearch.evaluation.results import load_results
from masksearch.evaluation.rows import row
from masksearch.evaluation.run import (
    check_not_trained_on,
    load_policy,
    make_job,
    retrieval_query,
    roll_out_resumably,
    run_eval,
    with_number_format,
)
from masksearch.evaluation.settings import EvalSettings
from masksearch.llm import device
from masksearch.llm.device import NumberFormat
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.runtime.files import append_json_lines, read_appended, write_json_lines
from masksearch.search import Bm25Searcher, build
from masksearch.search.settings import IndexSettings
from masksearch.types import MaskedTask, Passage, Question, Trajectory

PASSAGES = [
    Passage(
        id=f"p{number}",
        doc_id=f"d{number}",
        title=f"Town{number}",
        text=f"Town{number} lies on the river Flow{number}.",
    )
    for number in range(8)
]
SEARCHER = Bm25Searcher.in_memory(PASSAGES)
TASKS = [
    MaskedTask(
        id=f"t{number}",
        doc_id=f"d{number}",
        title=f"Town{number}",
        text=f"Town{number} lies on the river [mask].",
        answers=(f"Flow{number}",),
        masks=1,
        original="x",
    )
    for number in range(8)
]
QUESTIONS = [
    Question(id="q0", question="Is it so?", answers=("yes",), type="comparison"),
    Question(id="q1", question="Which river?", answers=("Flow1",), type="bridge"),
]


def eval_settings(**given):
    return EvalSettings.model_validate({"questions": "q", "model": "m", "bootstrap": 100, **given})


class Counting(ScriptedPolicy):
    """Searches for the town, then answers with its river; records the towns that it was asked about."""

    def __init__(self, fail=()):
        super().__init__(self._script)
        self.opened, self.fail = [], fail

    def _script(self, messages):
        user = messages[-1]["content"]
        town = next((number for number in range(8) if f"Town{number} lies" in user.split("\n")[-1]), None)
        self.opened.append(town)
        if town in self.fail:
            raise ModelError("The endpoint is gone.")
        answer = f"<think>it is there</think>\n<answer>1. Flow{town}</answer>"
        if "<information>" in user:
            return [answer]
        return [f"<think>look</think>\n<search>Town{town} river</search>", answer]


def without_time(results):
    """Returns the results without wall times, which differ between runs."""
    rows = [{name: value for name, value in one.items() if name != "seconds"} for one in results.per_question]
    return {
        **results.to_json(),
        "per_question": rows,
        "metrics": {name: value for name, value in results.metrics.items() if name != "seconds"},
    }


def job(policy, settings, searcher=SEARCHER):
    return make_job(policy, searcher, settings)


def test_articles_that_were_trained_on_are_refused(tmp_path):
    write_json_lines(tmp_path / "train.jsonl", [task.to_json() for task in TASKS[3:5]])
    check_not_trained_on(TASKS[:3], [str(tmp_path / "train.jsonl")])
    check_not_trained_on(QUESTIONS, [str(tmp_path / "train.jsonl")])
    with pytest.raises(
        DataError,
        match=r"2 of the 8 tasks to evaluate on .* file .*train.jsonl uses too \(such as 'Town3'\)",
    ):
        check_not_trained_on(TASKS, [str(tmp_path / "train.jsonl")])
    write_json_lines(tmp_path / "q.jsonl", [task.to_json() for task in TASKS])
    with pytest.raises(DataError, match="are about articles that the training file"):
        run_eval(
            eval_settings(
                questions=str(tmp_path / "q.jsonl"), not_trained_on=(str(tmp_path / "train.jsonl"),)
            ),
            tmp_path / "r.json",
            tmp_path,
        )
    assert not (tmp_path / "r.json").exists()


def test_methods(tmp_path):
    for method, searches in (("agent", 1), ("rag", 1)):
        settings = eval_settings(method=method)
        found = roll_out_resumably(TASKS, job(Counting(), settings), settings, tmp_path / method, "scripted")
        assert [one.trajectory.id for one in found] == [task.id for task in TASKS]
        assert all(
            one.trajectory.scores["em"] == 1.0 and one.trajectory.usage.searches == searches for one in found
        )
    settings = eval_settings(method="closed-book")
    policy = ScriptedPolicy(lambda messages: ["I think Flow2"])
    found = roll_out_resumably(
        TASKS, job(policy, settings, None), settings, tmp_path / "closed-book", "scripted"
    )
    rows = [row(one.trajectory, settings, one.seconds) for one in found]
    assert [one["free_recall"] for one in rows] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert all(one["valid"] == 0 and one["status"] == "no_answer" and one["searches"] == 0 for one in rows)
    with pytest.raises(UsageError, match="needs an index"):
        make_job(policy, None, eval_settings())
    with pytest.raises(UsageError, match="give one with --index"):
        run.load_searcher(eval_settings(method="rag"), TASKS)


def test_rag_searches_for_the_visible_words():
    assert retrieval_query(TASKS[0]) == "Town0 lies on the river  ."
    assert retrieval_query(QUESTIONS[0]) == "Is it so?"


def test_rows():
    settings = eval_settings()
    policy = Counting()
    from masksearch.agent.loop import run_all

    [episode] = run_all([job(policy, settings)(TASKS[2])])
    scored = episode.trajectory.model_copy(
        update={"scores": {"recall": 1.0, "precision": 1.0, "f1": 1.0, "em": 1.0}}
    )
    found = row(scored, settings, 1.5)
    expected = {
        "id": "t2",
        "prediction": "1. Flow2",
        "answers": ["Flow2"],
        "recall": 1.0,
        "precision": 1.0,
        "f1": 1.0,
        "em": 1.0,
        "valid": 1,
    }
    expected |= {"free_recall": 1.0, "status": "answered", "searches": 1, "masks": 1}
    assert {name: found[name] for name in expected} == expected
    assert {"model_tokens", "tool_tokens", "prompt_tokens"} <= found.keys()
    assert (
        found["cover_em"],
        found["answer_tokens"],
        found["evidence_recall"],
        found["evidence"],
        found["failure"],
    ) == (1, 1, 1.0, 1, "")
    assert found["seconds"] == 1.5
    [episode] = run_all(
        [job(ScriptedPolicy(lambda messages: ["<answer>yes</answer>"]), settings)(QUESTIONS[0])]
    )
    found = row(Trajectory.model_validate(run.scored(episode, QUESTIONS[0], settings)), settings)
    assert (found["answer_kind"], found["said_yes_no"], found["failure"], found["cover_em"]) == (
        "yes_no",
        1,
        "",
        1,
    )
    assert "evidence" not in found  # a yes/no question without gold passages names no evidence
    # Not valid, because the turn has no thought.
    expected = {"type": "comparison", "guessable": 1, "status": "answered", "valid": 0}
    assert {name: found[name] for name in expected} == expected
    assert "masks" not in found


def test_an_in_process_model_goes_on_by_whole_chunks(tmp_path):
    settings = eval_settings(chunk=3)
    whole = roll_out_resumably(TASKS, job(Counting(), settings), settings, tmp_path / "a", "scripted")
    # `run_eval` deletes the log only after it has written the results.
    assert len(read_appended(tmp_path / "a" / "episodes.jsonl")) == len(TASKS)
    # The log of a killed run: the first chunk, one line of the second chunk, and a torn line.
    rows = [one.trajectory.to_json() for one in whole]
    append_json_lines(tmp_path / "b" / "episodes.jsonl", rows[:4])
    with open(tmp_path / "b" / "episodes.jsonl", "a") as stream:
        stream.write('{"id": "t4", "tor')
    policy = Counting()
    again = roll_out_resumably(TASKS, job(policy, settings), settings, tmp_path / "b", "scripted")
    assert policy.opened == [3, 4, 5, 6, 7]
    assert [one.trajectory for one in again] == [one.trajectory for one in whole]
    assert read_appended(tmp_path / "a" / "trajectories.jsonl") == read_appended(
        tmp_path / "b" / "trajectories.jsonl"
    )


class Broken:
    """A searcher that fails for some towns."""

    fingerprint = "broken"

    def __init__(self, towns):
        self.towns = towns

    async def asearch(self, query, k):
        if any(f"Town{town} " in query for town in self.towns):
            raise SearchError("The network is gone.")
        return SEARCHER.search([query], k)[0]


@pytest.mark.parametrize("model", ["m", "openai:m"])
def test_questions_whose_searches_failed_are_asked_again(tmp_path, model):
    settings = eval_settings(model=model, chunk=4)
    policy = Counting()
    with pytest.raises(
        SearchError, match=r"The network is gone\. \(2 of 8 questions failed; start the same command again"
    ):
        roll_out_resumably(TASKS, job(policy, settings, Broken({1, 2})), settings, tmp_path, "scripted")
    again = Counting()
    found = roll_out_resumably(TASKS, job(again, settings), settings, tmp_path, "scripted")
    assert again.opened == ([0, 1, 2, 3] if model == "m" else [1, 2])
    assert [one.trajectory.search_errors for one in found] == [()] * 8
    allowed = eval_settings(model=model, allow_failed=0.25)
    found = roll_out_resumably(
        TASKS, job(Counting(), allowed, Broken({1, 2})), allowed, tmp_path / "b", "scripted"
    )
    assert [row(one.trajectory, allowed)["failed_searches"] for one in found] == [0, 1, 1, 0, 0, 0, 0, 0]
    noisy = eval_settings(model=model, search={"noise": {"fail": 0.1}})
    assert (
        len(
            roll_out_resumably(
                TASKS, job(Counting(), noisy, Broken({1, 2})), noisy, tmp_path / "c", "scripted"
            )
        )
        == 8
    )


def test_a_failed_search_is_reported_before_what_the_model_did_afterwards(tmp_path):
    settings = eval_settings()
    lost = ScriptedPolicy(
        lambda messages: ["<think>look</think>\n<search>Town1 river</search>", "I give up."]
    )
    with pytest.raises(SearchError, match=r"^The network is gone\. \(1 of 1 questions failed"):
        roll_out_resumably(TASKS[1:2], job(lost, settings, Broken({1})), settings, tmp_path, "scripted")


def test_another_models_episodes_are_not_used(tmp_path):
    settings = eval_settings()
    append_json_lines(tmp_path / "episodes.jsonl", [{"id": task.id, "model": "other"} for task in TASKS])
    policy = Counting()
    roll_out_resumably(TASKS, job(policy, settings), settings, tmp_path, "scripted")
    assert len(policy.opened) == len(TASKS)


def test_an_endpoint_is_asked_only_for_what_is_open(tmp_path):
    settings = eval_settings(model="openai:scripted")
    whole = roll_out_resumably(TASKS, job(Counting(), settings), settings, tmp_path / "a", "scripted")
    append_json_lines(
        tmp_path / "b" / "episodes.jsonl", [whole[place].trajectory.to_json() for place in (1, 6)]
    )
    policy = Counting()
    again = roll_out_resumably(TASKS, job(policy, settings), settings, tmp_path / "b", "scripted")
    assert [one.trajectory for one in again] == [one.trajectory for one in whole]
    assert sorted(policy.opened) == [0, 2, 3, 4, 5, 7]


def test_an_endpoint_that_never_answers_is_an_error(tmp_path):
    settings = eval_settings(model="openai:scripted")
    with pytest.raises(ModelError, match="The endpoint is gone"):
        roll_out_resumably(TASKS, job(Counting(fail=range(8)), settings), settings, tmp_path, "scripted")
    assert not (tmp_path / "trajectories.jsonl").exists()
    assert read_appended(tmp_path / "episodes.jsonl") == []


@pytest.mark.parametrize("method", ["agent", "rag", "closed-book"])
def test_a_tiny_model_from_end_to_end(tmp_path, tiny_checkpoint, method):
    build(PASSAGES, tmp_path / "index", IndexSettings(corpus="x"))
    write_json_lines(tmp_path / "towns.jsonl", [task.to_json() for task in TASKS[:5]])
    agent = AgentSettings(max_tokens=12, turn_tokens=6)
    settings = eval_settings(
        questions=str(tmp_path / "towns.jsonl"),
        model=str(tiny_checkpoint),
        method=method,
        agent=agent,
        limit=4,
        chunk=2,
        decode_slots=2,
        index="" if method == "closed-book" else str(tmp_path / "index"),
    )
    summary = run_eval(settings, tmp_path / "r.json", tmp_path / "work")
    results = load_results(tmp_path / "r.json")
    assert summary["n"] == results.n == 4
    assert (results.suite, results.method, results.model) == ("towns", method, str(tiny_checkpoint))
    assert results.retriever == ("" if method == "closed-book" else SEARCHER.fingerprint)
    assert [one["id"] for one in results.per_question] == ["t0", "t1", "t2", "t3"]
    assert all(one["model_tokens"] > 0 and one["prompt_tokens"] > 0 for one in results.per_question)
    trajectories = read_appended(tmp_path / "work" / "trajectories.jsonl")
    assert [one["id"] for one in trajectories] == ["t0", "t1", "t2", "t3"]
    run_eval(settings, tmp_path / "again.json", tmp_path / "work")
    assert without_time(load_results(tmp_path / "again.json")) == without_time(results)
    assert results.settings["method"] == method
    assert results.provenance["decoding"]["dtype"] in ("float32", "bfloat16")
    assert results.provenance["number_format"]["dtype"] == results.settings["dtype"]
    assert {"masksearch", "torch", "bm25s"} <= results.provenance["versions"].keys()
    assert all(
        len(results.provenance[name]) == 64 for name in ("prompt_hash", "questions_hash", "model_hash")
    )
    assert sum(results.failures.values()) == 4


def test_a_resumed_evaluation_keeps_its_number_format(tmp_path, tiny_checkpoint, monkeypatch):
    settings = eval_settings(model=str(tiny_checkpoint), dtype="auto")
    seen = []

    def choose(asked="auto", model="", use="training"):
        seen.append((asked, model, use))
        return NumberFormat("bfloat16", "measured", {"float32": 166.0, "bfloat16": 324.0})

    monkeypatch.setattr(device, "choose_format", choose)
    first, record = with_number_format(settings, tmp_path)
    assert (first.dtype, record["gflops"]["bfloat16"]) == ("bfloat16", 324.0)
    assert seen == [("auto", str(tiny_checkpoint), "decoding")]
    monkeypatch.setattr(device, "choose_format", lambda **given: NumberFormat("float32", "features"))
    assert with_number_format(settings, tmp_path) == (first, record)
    monkeypatch.undo()
    asked, record = with_number_format(settings.model_copy(update={"dtype": "float32"}), tmp_path)
    assert (asked.dtype, record) == ("float32", {"dtype": "float32", "reason": "asked"})


def test_an_endpoint_has_no_number_format(tmp_path):
    settings = eval_settings(model="openai:x")
    assert with_number_format(settings, tmp_path) == (settings, {})


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    write_json_lines(tmp_path / "q.jsonl", [task.to_json() for task in TASKS])
    with pytest.raises(SearchError, match="is not an index folder"):
        run_eval(
            eval_settings(questions=str(tmp_path / "q.jsonl"), index=str(tmp_path)),
            tmp_path / "r.json",
            tmp_path,
        )
    with pytest.raises(ModelError, match="There is no model"):
        load_policy(eval_settings(model=str(tmp_path / "none")))
    with pytest.raises(UsageError, match="--llm needs"):
        load_policy(eval_settings(model="openai:x"))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert load_policy(eval_settings(model="openai:x", llm="http://127.0.0.1:1/v1")).name == "openai:x"


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"url": "http://127.0.0.1:1/v1"}, "needs the name of a model"),
        ({"url": "127.0.0.1:1", "model": "j"}, "--judge.url needs the base URL"),
        (
            {"url": "http://127.0.0.1:1/v1", "model": "j", "prompts": "nowhere"},
            "holds no prompt for the judge",
        ),
    ],
)
def test_unusable_judge_settings_are_rejected_before_the_first_rollout(tmp_path, monkeypatch, judge, message):
    # The corrected command has other settings, so it could not reuse trajectories rolled out before the
    # error.
    write_json_lines(tmp_path / "q.jsonl", [question.to_json() for question in QUESTIONS])
    policy = Counting()
    monkeypatch.setattr(run, "load_policy", lambda settings: policy)
    with pytest.raises(UsageError, match=message):
        run_eval(
            eval_settings(questions=str(tmp_path / "q.jsonl"), method="closed-book", judge=judge),
            tmp_path / "r.json",
            tmp_path,
        )
    assert policy.opened == []


def test_gold_passages_are_hidden(tmp_path):
    build(PASSAGES, tmp_path / "index", IndexSettings(corpus="x"))
    settings = eval_settings(index=str(tmp_path / "index"), hide_gold=True)
    searcher = run.load_searcher(settings, TASKS)
    assert searcher.fingerprint == f"{SEARCHER.fingerprint}-without-gold"
    asked = [
        Question(id="a", question="Which river?", answers=("Flow1",), supporting_titles=("Town1",)),
        Question(id="b", question="Which river?", answers=("Flow2",), supporting_passages=("d2",)),
    ]
    policy = ScriptedPolicy(
        lambda messages: [
            "<think>look</think>\n<search>Town1 Town2 river Flow1 Flow2</search>",
            "<think>so</think><answer>Flow1</answer>",
        ]
    )
    found = roll_out_resumably(
        asked, job(policy, settings, searcher), settings, tmp_path / "work", "scripted"
    )
    shown = [one.trajectory.turns[1].text for one in found]
    assert ["Town1:" in text for text in shown] == [False, True]
    assert ["Town2:" in text for text in shown] == [True, False]
    assert {one.trajectory.retriever for one in found} == {searcher.fingerprint}
    assert [row(one.trajectory, settings)["evidence_recall"] for one in found] == [0.0, 0.0]
    found = roll_out_resumably(
        TASKS[:1], job(Counting(), settings, searcher), settings, tmp_path / "ramp", "scripted"
    )
    assert "Town0:" not in found[0].trajectory.turns[1].text
    with pytest.raises(UsageError, match=r"The question 'q0' of q names no gold passages"):
        run.load_searcher(settings, QUESTIONS)
