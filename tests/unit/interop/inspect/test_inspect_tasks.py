"""Our suites in Inspect with its mock model: every method, equal scores, logs that can be scored again."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("inspect_ai")
from inspect_ai import eval as inspect_eval
from inspect_ai import score as score_log
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)

from masksearch.errors import DataError, SearchError, UsageError
from masksearch.evaluation.rows import row
from masksearch.evaluation.settings import EvalSettings
from masksearch.interop.inspect.tasks import SAMPLE_FIELDS, STORED, masksearch_suite, measures
from masksearch.runtime.files import write_json_lines
from masksearch.scoring.fanoutqa import is_installed
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage, Trajectory

pytestmark = pytest.mark.slow

TEXTS = {
    "Marie Curie": "Marie Curie discovered radium in Paris in 1898.",
    "Ada Lovelace": "Ada Lovelace was born in London in 1815.",
}
QUESTIONS = [
    {
        "id": "q1",
        "question": "Where was radium discovered?",
        "answers": ["Paris"],
        "type": "bridge",
        "supporting_titles": ["Marie Curie"],
    },
    {
        "id": "q2",
        "question": "When was Ada Lovelace born?",
        "answers": ["1815"],
        "type": "date",
        "supporting_titles": ["Ada Lovelace"],
    },
]
TASKS = [
    {
        "id": "r1",
        "doc_id": "d",
        "title": "Marie Curie",
        "text": "[mask] discovered radium.",
        "answers": ["Marie Curie"],
        "masks": 1,
        "original": "x",
    }
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_json_lines(folder / "questions.jsonl", QUESTIONS)
    write_json_lines(folder / "tasks.jsonl", TASKS)
    passages = [Passage(id=title, doc_id=title, title=title, text=text) for title, text in TEXTS.items()]
    build(passages, folder / "index", IndexSettings())
    return folder


def reply_of(text, stop="stop"):
    return ModelOutput.from_content("mock", text, stop_reason=stop)


def by_turn(*turns):
    """Returns a model that replies with its turns in order, without stop strings, as a server does."""

    def reply(messages, tools, tool_choice, config):
        number = sum(message.role == "assistant" for message in messages)
        turn = turns[min(number, len(turns) - 1)]
        return turn if isinstance(turn, ModelOutput) else reply_of(turn)

    return reply


def mock(reply):
    """Returns Inspect's mock model with fixed token counts.

    To count tokens itself, it would load a tokenizer from the network.
    """

    def counted(*arguments):
        output = reply(*arguments)
        return output.model_copy(
            update={"usage": ModelUsage(input_tokens=3, output_tokens=7, total_tokens=10)}
        )

    return get_model("mockllm/model", custom_outputs=counted, memoize=False)


def evaluate(data, tmp_path, outputs, questions="questions.jsonl", **arguments):
    model = mock(outputs)
    arguments = {"index": str(data / "index"), **arguments}
    made = masksearch_suite(questions=str(data / questions), **arguments)
    (log,) = inspect_eval(made, model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    return log


def figures(log):
    return {
        one.name: {name: metric.value for name, metric in one.metrics.items()} for one in log.results.scores
    }


AGENT = by_turn("<think>I look.</think><search>radium discovered", "<think>There.</think><answer>in Paris")


def test_the_agent_searches_and_scores_as_ours_do(data, tmp_path):
    log = read_eval_log(evaluate(data, tmp_path, AGENT).location)
    first, second = log.samples
    trajectory = Trajectory.model_validate(first.store[STORED])
    assert trajectory.answer == "in Paris"
    assert [turn.role for turn in trajectory.turns] == ["model", "tool", "model"]
    assert "Marie Curie discovered radium" in trajectory.turns[1].text
    score = first.scores["measures"]
    expected = row(trajectory, EvalSettings(questions="q", model="m"))
    assert score.metadata == json.loads(json.dumps(expected))
    assert score.value == {
        "recall": 1,
        "precision": 0.5,
        "f1": pytest.approx(2 / 3),
        "em": 0,
        "cover": 1,
        "valid": 1,
    }
    assert first.metadata["retriever"].startswith("bm25-")
    assert (first.metadata["searches"], first.metadata["failure"], first.metadata["status"]) == (
        1,
        "",
        "answered",
    )
    assert second.metadata["failure"]
    assert [message.role for message in first.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    found = figures(log)
    assert next(iter(found["f1"])) == next(iter(found["recall"])) == "mean"
    assert log.eval.task == "questions-agent"  # the method is a part of the log's name
    assert "questions-agent" in log.location
    assert found["f1"]["mean"] == pytest.approx(1 / 3)
    assert found["f1"]["bootstrap_stderr"] > 0
    assert (found["f1"]["grouped_bridge"], found["f1"]["grouped_date"]) == (pytest.approx(2 / 3), 0)
    assert found["cover"]["mean"] == found["recall"]["mean"] == 0.5
    assert list(found)[-1] == "f1"  # its groups come after the means of all measures


def test_what_the_loop_sets_reaches_the_model(data, tmp_path):
    seen = []

    def reply(messages, tools, tool_choice, config):
        seen.append(config)
        return reply_of("<answer>Paris")

    evaluate(data, tmp_path, reply, turn_tokens=33, limit=1)
    assert (seen[0].stop_seqs, seen[0].max_tokens, seen[0].temperature) == (
        ["</search>", "</answer>", "<information>"],
        33,
        0.0,
    )


def test_reasoning_kept_apart_is_a_thought(data, tmp_path):
    parts = [ContentReasoning(reasoning="It is <search>x</search> known."), ContentText(text="<answer>Paris")]
    output = ModelOutput.from_message(ChatMessageAssistant(content=parts))
    log = evaluate(data, tmp_path, by_turn(output), limit=1)
    assert (
        log.samples[0].store[STORED]["turns"][0]["text"]
        == "<think>It is ‹search›x‹/search› known.</think>\n<answer>Paris</answer>"
    )
    assert log.samples[0].scores["measures"].value["valid"] == 1


def test_a_turn_cut_short_and_a_reply_that_failed(data, tmp_path):
    outputs = [reply_of("<think>I", "max_tokens"), ModelOutput(model="mock", error="overloaded")]
    log = evaluate(data, tmp_path, lambda messages, *rest: outputs["Ada" in messages[1].text])
    assert [sample.metadata["status"] for sample in log.samples] == ["too_long", "model_failed"]
    assert [sample.metadata["failure"] for sample in log.samples] == ["ran_out", "failed"]
    assert "overloaded" in log.samples[1].scores["measures"].explanation


@pytest.mark.parametrize(("method", "searches"), [("rag", 1), ("closed-book", 0)])
def test_the_methods_without_an_agent(data, tmp_path, method, searches):
    log = evaluate(data, tmp_path, lambda messages, *rest: reply_of("<answer>Paris"), method=method)
    sample = log.samples[0]
    assert sample.scores["measures"].value == dict.fromkeys(
        ("recall", "precision", "f1", "em", "cover", "valid"), 1
    )
    assert sample.metadata["searches"] == searches
    assert ("<information>" in sample.messages[1].text) == bool(searches)
    assert bool(sample.metadata["retriever"]) == bool(searches)


def test_the_prompted_agent(data, tmp_path):
    log = evaluate(data, tmp_path, AGENT, method="agent-prompted", limit=1)
    assert "You may search at most 4 times" in log.samples[0].messages[0].text
    assert log.samples[0].metadata["searches"] == 1
    assert log.samples[0].scores["measures"].value["recall"] == 1


def call(query):
    return ModelOutput.for_tool_call("mock", "search", {"query": query})


def test_native_tools(data, tmp_path):
    log = evaluate(data, tmp_path, by_turn(call("radium"), "Paris"), method="tools")
    sample = log.samples[0]
    trajectory = Trajectory.model_validate(sample.store[STORED])
    assert [turn.text.partition("\n")[2] or turn.text for turn in trajectory.turns if turn.role == "model"][
        -1
    ] == "<answer>Paris</answer>"
    assert "<search>radium</search>" in trajectory.turns[0].text
    assert "Marie Curie discovered radium" in trajectory.turns[1].text
    assert trajectory.retrieved == (("Marie Curie",),)
    assert sample.scores["measures"].value == dict.fromkeys(
        ("recall", "precision", "f1", "em", "cover", "valid"), 1
    )
    assert (sample.metadata["searches"], sample.metadata["evidence_recall"]) == (1, 1)


def test_native_tools_that_never_end(data, tmp_path):
    log = evaluate(data, tmp_path, by_turn(call("radium")), method="tools", max_searches=2, limit=1)
    sample = log.samples[0]
    assert (sample.metadata["searches"], sample.metadata["status"], sample.metadata["failure"]) == (
        2,
        "too_many_searches",
        "ran_out",
    )
    assert any(
        "No search is left" in str(message.error)
        for message in sample.messages
        if message.role == "tool" and message.error
    )


def test_a_search_that_fails_is_shown_and_counted(data, tmp_path, monkeypatch):
    async def broken(self, query, k):
        raise SearchError("The disk is gone.")

    monkeypatch.setattr("masksearch.search.index.bm25.Bm25Searcher.asearch", broken)
    for method, outputs in (("agent", AGENT), ("tools", by_turn(call("radium"), "Rome"))):
        log = evaluate(data, tmp_path, outputs, method=method)
        assert log.samples[1].metadata["failed_searches"] == 1
        assert log.samples[1].metadata["failure"] == "failed"


def test_the_parts_of_list_answers_are_measured(data, tmp_path):
    asked = {
        "id": "1",
        "question": "Who?",
        "answers": ["Marie Curie; Paris"],
        "parts": [["Marie Curie"], ["Rome"]],
    }
    (data / "lists.jsonl").write_text(json.dumps(asked) + "\n")
    outputs = by_turn(
        "<think>I look.</think><search>radium", "<think>So.</think><answer>Marie Curie</answer>"
    )
    log = evaluate(data, tmp_path, outputs, questions="lists.jsonl")
    found = figures(log)
    assert (found["parts"]["mean"], found["all_parts"]["mean"]) == (0.5, 0)
    if is_installed():
        assert (found["fanoutqa_loose"]["mean"], found["fanoutqa_strict"]["mean"]) == (0.5, 0)


def test_ramp_tasks_are_grouped_by_masks(data, tmp_path):
    log = evaluate(data, tmp_path, by_turn("<think>a</think><answer>1. Marie Curie"), questions="tasks.jsonl")
    assert figures(log)["f1"]["grouped_1 mask"] == 1


def test_limits_of_inspect_leave_a_score(data, tmp_path):
    made = masksearch_suite(questions=str(data / "questions.jsonl"), index=str(data / "index"))
    model = mock(AGENT)
    (log,) = inspect_eval(made, model=model, log_dir=str(tmp_path), display="none", token_limit=1)
    assert log.status == "success"
    assert [sample.metadata["status"] for sample in log.samples] == ["too_long", "too_long"]
    assert figures(log)["f1"]["mean"] == 0


def test_a_log_can_be_scored_again(data, tmp_path):
    log = evaluate(data, tmp_path, AGENT)
    again = score_log(log, measures(), action="overwrite", display="none")
    assert [sample.scores["measures"].value for sample in again.samples] == [
        sample.scores["measures"].value for sample in log.samples
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"method": "guess"},
            UsageError,
            "There is no method 'guess'; the methods are closed-book, rag, agent-prompted, agent, tools.",
        ),
        ({"index": ""}, UsageError, "needs an index"),
        ({"index": "", "method": "tools"}, UsageError, "needs an index"),
        ({"method": "tools", "max_opens": 1}, UsageError, "leave max_opens at 0"),
        ({"top_k": 0}, UsageError, "bad field 'top_k'"),
        ({"answer_form": "song"}, UsageError, "bad field 'answer_form'"),
        ({"limit": 0}, UsageError, "bad field 'limit'"),
        ({"questions": "nowhere.jsonl"}, DataError, "nowhere.jsonl"),
        ({"index": "nowhere"}, SearchError, "nowhere"),
    ],
)
def test_bad_arguments_are_one_sentence(data, arguments, error, message):
    with pytest.raises(error, match=message):
        masksearch_suite(
            **{"questions": str(data / "questions.jsonl"), "index": str(data / "index"), **arguments}
        )


def test_a_real_provider_over_loopback(data, tmp_path, monkeypatch):
    pytest.importorskip("openai")
    from kit.endpoint import Endpoint, say

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    turns = [say("<think>a</think><search>radium"), say("<think>b</think><answer>Paris")]
    with Endpoint(lambda body, number: turns[number % 2]) as server:
        made = masksearch_suite(questions=str(data / "questions.jsonl"), index=str(data / "index"), limit=1)
        (log,) = inspect_eval(
            made,
            model=get_model("openai/m", base_url=server.url, responses_api=False),
            log_dir=str(tmp_path),
            display="none",
        )
    assert log.status == "success", log.error
    assert log.samples[0].scores["measures"].value["em"] == 1
    body = server.requests[0][2]
    assert body["stop"] == ["</search>", "</answer>", "<information>"]


def test_the_package_does_not_import_inspect(tmp_path):
    code = (
        "import masksearch, masksearch.cli.main, masksearch.evaluation.run, sys\n"
        "print('inspect_ai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "False"
    assert set(SAMPLE_FIELDS) >= {"failure", "searches"}
