"""The endpoint policy against an OpenAI-compatible server, over real HTTP on loopback."""

import asyncio
import logging

import pytest
from kit.endpoint import Answer, Endpoint, cut_off, fail, late, say, too_many, truncated
from kit.waiting import LONG, nowhere

from masksearch.agent.loop import run_all, run_episode
from masksearch.agent.protocol import stops
from masksearch.agent.settings import AgentSettings
from masksearch.errors import ModelError, UsageError
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import EndpointError, EndpointPolicy, deactivate_tags, request, restore_stop
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.types import Passage, Question

pytest.importorskip("openai")
KEY = "sk-very-secret-4711"
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]

STOPS = stops()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as server:
        yield server


def ask(server, stop=STOPS, retries=0):
    async def run():
        policy = EndpointPolicy("m", server.url, timeout=LONG, retries=retries)
        session = await policy.open(MESSAGES, Sampling(temperature=0.3, seed=5))
        return await session.generate(stop, 64)

    return asyncio.run(run())


def test_a_normal_answer(server):
    server.replies = [say("Hello.", tokens=2)]
    generation = ask(server)
    assert (generation.text, generation.finish, generation.tokens) == ("Hello.", "end", 2)
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m",
        "messages": MESSAGES,
        "max_tokens": 64,
        "temperature": 0.3,
        "seed": 5,
        "stop": list(stops()),
    }


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("<think>a</think><search>radium", "stop", ("<think>a</think><search>radium</search>", "stop")),
        ("<think>a</think><answer>Paris", "stop", ("<think>a</think><answer>Paris</answer>", "stop")),
        (
            "<think>a <search> or</think><answer>Paris",
            "stop",
            ("<think>a <search> or</think><answer>Paris</answer>", "stop"),
        ),
        ("<search>a</search> junk <answer>", "stop", ("<search>a</search>", "stop")),
        ("<answer>a</answer><search>b</search>", "length", ("<answer>a</answer>", "stop")),
        ("<search>radiu", "length", ("<search>radiu", "length")),
        ("plain", "stop", ("plain", "end")),
        ("", "stop", ("", "end")),
        ("plain", "content_filter", ("plain", "end")),
    ],
)
def test_stop_strings_are_put_back(server, text, reason, expected):
    assert restore_stop(text, stops(), reason) == expected
    server.replies = [say(text, reason)]
    generation = ask(server)
    assert (generation.text, generation.finish) == expected


def test_a_refused_key_is_one_sentence_without_the_key(server, caplog):
    server.replies = [fail(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key")]
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError, match="answered 401") as caught:
        ask(server)
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


def test_too_many_requests_are_tried_again(server):
    server.replies = [too_many(0.01), say("ok")]
    assert ask(server, retries=2).text == "ok"
    assert len(server.requests) == 2
    server.replies = [too_many(0.01)]
    with pytest.raises(ModelError, match="answered 429"):
        ask(server, retries=0)


@pytest.mark.parametrize(
    "reply",
    [
        "{ no json",
        "[]",
        "null",
        '"text"',
        {"choices": []},
        {"choices": None},
        {"choices": [{"index": 0, "finish_reason": "stop"}]},
        {"error": "x"},
    ],
)
def test_an_answer_that_is_none(server, reply):
    server.replies = [Answer(reply)]
    with pytest.raises(ModelError, match="gave no usable answer"):
        ask(server)


def test_a_missing_text_is_empty(server):
    server.replies = [say(None)]
    assert ask(server).text == ""


def test_no_server():
    class Nowhere:
        url = f"{nowhere()}/v1"

    with pytest.raises(ModelError, match="cannot be reached"):
        ask(Nowhere)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x"])
def test_a_wrong_url(url):
    with pytest.raises(UsageError, match="--llm needs the base URL"):
        EndpointPolicy("m", url)


def test_an_episode_over_http(server, caplog):
    searcher = Bm25Searcher.in_memory(
        [Passage(id="p", doc_id="d", title="Radium", text="Radium was discovered by Marie Curie.")]
    )
    question = Question(id="q", question="Who discovered radium?", answers=("Marie Curie",))
    server.replies = [say("<think>a</think>\n<search>radium"), say("<think>b</think>\n<answer>Marie Curie")]
    policy = EndpointPolicy("m", server.url, retries=0)
    with caplog.at_level(logging.DEBUG):
        [episode] = run_all([run_episode(question, policy, searcher, AgentSettings(), Sampling())])
    trajectory = episode.trajectory
    assert (trajectory.status, trajectory.answer, trajectory.model) == ("answered", "Marie Curie", "openai:m")
    assert trajectory.usage.model_tokens == 14
    assert [message["role"] for message in server.requests[1][2]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert server.requests[1][2]["messages"][2]["content"].endswith("</search>")
    assert server.requests[1][2]["messages"][3]["content"].startswith("<information>\n[1] Radium")
    assert KEY not in trajectory.model_dump_json()
    assert KEY not in caplog.text


def test_a_failing_endpoint_is_a_status_of_the_episode(server):
    server.replies = [fail(500, KEY)]
    policy = EndpointPolicy("m", server.url, retries=0)
    question = Question(id="q", question="Who?", answers=("x",))
    searcher = Bm25Searcher.in_memory([Passage(id="p", doc_id="d", title="T", text="x")])
    [episode] = run_all([run_episode(question, policy, searcher, AgentSettings(), Sampling())])
    assert episode.trajectory.status == "model_failed"
    assert KEY not in episode.trajectory.model_dump_json()


@pytest.mark.parametrize(
    ("reply", "message", "status"),
    [
        (late(), "does not answer in time", 0),
        (cut_off(), "cannot be reached", 0),
        (truncated(), "gave no usable answer", 0),
        (fail(503), "answered 503", 503),
        (fail(404, "no such model"), "answered 404", 404),
    ],
)
def test_what_goes_wrong_is_told_with_its_status(server, reply, message, status):
    server.replies = [reply]

    async def run():
        policy = EndpointPolicy("m", server.url, timeout=0.5 if reply == late() else LONG, retries=0)
        return await policy.ask(request(MESSAGES, 8, Sampling()))

    with pytest.raises(EndpointError, match=message) as caught:
        asyncio.run(run())
    assert caught.value.status == status


def test_a_broken_connection_is_tried_again(server):
    server.replies = [cut_off(), say("ok")]
    assert ask(server, retries=1).text == "ok"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_kept_apart_comes_back_as_the_thought(server, field):
    server.replies = [say("<search>radium", **{field: " I could <search>x</search>. "})]
    generation = ask(server)
    assert (generation.text, generation.finish) == (
        "<think>I could ‹search›x‹/search›.</think>\n<search>radium</search>",
        "stop",
    )
    server.replies = [say("<think>own</think><answer>a", **{field: "apart"})]
    assert ask(server).text == "<think>own</think><answer>a</answer>"


def test_content_in_parts(server):
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    server.replies = [
        say(
            [
                thinking,
                {"type": "text", "text": "Hel"},
                {"type": "text", "text": "lo"},
                {"type": "image_url"},
                "?",
            ]
        )
    ]
    assert ask(server).text == "<think>hm</think>\nHello"


def test_settings_a_server_does_not_know_are_left_out_and_noted(server):
    def script(body, number):
        if "max_tokens" in body:
            return fail(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                param="max_tokens",
            )
        if body.get("temperature") != 1 and "temperature" in body:
            return fail(400, "Unsupported value: 'temperature' does not support 0.3 with this model.")
        if "seed" in body:
            return Answer(
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "seed"],
                            "msg": "Extra inputs are not permitted",
                        }
                    ]
                },
                422,
            )
        return say("ok")

    server.script = script

    async def run():
        policy = EndpointPolicy("m", server.url, timeout=LONG, retries=0)
        for _ in range(2):
            assert (await policy.complete(MESSAGES, (), 64, Sampling(temperature=0.3))).text == "ok"
        return policy.left_out

    assert asyncio.run(run()) == {"max_tokens", "temperature", "seed"}
    assert len(server.requests) == 5
    assert server.bodies[-1] == {"model": "m", "messages": MESSAGES, "max_completion_tokens": 64}


@pytest.mark.parametrize(
    "message",
    [
        "'max_tokens' is too large: 5000. The model's maximum context length is 4096 tokens.",
        "seed is odd",
        "Unsupported parameter: 'stop'",
    ],
)
def test_other_bad_requests_stay_errors(server, message):
    server.replies = [fail(400, message)]
    with pytest.raises(ModelError, match="answered 400"):
        ask(server)
    assert len(server.requests) == 1


def test_the_key_can_come_from_another_variable(server, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "other")
    server.replies = [say("ok")]

    async def run():
        for keys in (("OTHER_KEY", "OPENAI_API_KEY"), ("UNSET_KEY", "OPENAI_API_KEY"), ("UNSET_KEY",)):
            await EndpointPolicy("m", server.url, keys=keys).complete(MESSAGES, (), 8, Sampling())

    asyncio.run(run())
    assert [headers["authorization"] for _, headers, _ in server.requests] == [
        "Bearer other",
        f"Bearer {KEY}",
        "Bearer none",
    ]


def test_softened_text_keeps_everything_but_the_tags():
    assert (
        deactivate_tags("a <b> </think> < search > <SEARCH>\n<answer>")
        == "a <b> ‹/think› < search > <SEARCH>\n‹answer›"
    )
