"""A model that never answers: one sentence after `llm_timeout`, in `ask`, in Python and from a server."""

import asyncio
import json
import socket

import httpx
import pytest
from kit.agent_server import TURNS, asking, events, scripted, settings
from kit.endpoint import Answer, Endpoint, say
from kit.serving_fakes import index
from kit.waiting import LONG

from masksearch.asking import Agent, AskSettings, open_agent
from masksearch.asking.agent import open_model
from masksearch.asking.command import ask_once
from masksearch.asking.patience import PatientPolicy
from masksearch.errors import ModelError, UsageError
from masksearch.llm.base import Sampling

SENTENCE = (
    "openai:m did not answer within 0.3 seconds; check that the endpoint runs, or allow more time "
    "(llm_timeout)."
)


@pytest.fixture
def silent():
    """The URL of an endpoint that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def patient(url, seconds=0.3):
    return AskSettings(model="openai:m", llm=url, llm_timeout=seconds)


def test_a_silent_endpoint_ends_in_a_sentence(silent, capsys):
    settings = patient(silent)
    agent = Agent(open_model(settings), index(), settings)
    reply = asyncio.run(agent.ask("Who discovered radium?"))
    assert (reply.answer, reply.fault, reply.timed_out) == ("", SENTENCE, True)
    assert reply.trajectory.status == "model_failed"
    ask_once(agent, "Who discovered radium?")
    assert capsys.readouterr().out == f"\n{SENTENCE}\n"


def test_a_second_turn_that_never_comes_keeps_the_first():
    first = say(TURNS[0].replace("</search>", ""))
    with Endpoint([first, Answer(say("late"), wait=LONG)]) as endpoint:
        settings = patient(endpoint.url, 2.0)
        reply = asyncio.run(Agent(open_model(settings), index(), settings).ask("Who discovered radium?"))
    assert "did not answer within 2 seconds" in reply.fault
    assert reply.trajectory.usage.searches == 1


def test_an_endpoint_that_fails_otherwise_did_not_time_out():
    with Endpoint([Answer({"error": "no"}, status=401)]) as endpoint:
        settings = patient(endpoint.url, LONG)
        reply = asyncio.run(Agent(open_model(settings), index(), settings).ask("Who?"))
    assert reply.fault.startswith(f"The endpoint {endpoint.url} answered 401 for model 'm'")
    assert not reply.timed_out


def test_one_try_has_the_same_time(silent):
    assert open_model(patient(silent, 77)).client.timeout == 77


def test_an_error_of_the_model_passes_through():
    class Failing:
        record = None

        async def generate(self, stop, max_tokens):
            raise TimeoutError("the model's own")

    class Policy:
        name = "m"

        async def open(self, messages, sampling):
            return Failing()

    async def turn(policy):
        session = await policy.open([], Sampling())
        await session.generate((), 1)

    policy = PatientPolicy(Policy(), LONG)
    with pytest.raises(TimeoutError, match="the model's own"):
        asyncio.run(turn(policy))
    assert not policy.expired


@pytest.fixture
def server(silent):
    wanted = settings(model="openai:m", llm=silent, llm_timeout=0.3)
    with asking(lambda: open_model(wanted), wanted) as server:
        yield server


def test_the_page_gets_the_sentence(server):
    name, record = events(server, "Who?")[-1]
    assert (name, record["status"], record["fault"]) == ("record", "model_failed", SENTENCE)


def completion(server, stream):
    body = {"messages": [{"role": "user", "content": "Who?"}], "stream": stream}
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=LONG)


def test_openais_protocol_answers_504(server):
    response = completion(server, stream=False)
    assert (response.status_code, response.json()["error"]["message"]) == (504, SENTENCE)


def test_a_stream_ends_with_an_event_of_the_error(server):
    response = completion(server, stream=True)
    assert response.status_code == 200
    last = response.text.strip().split("\n\n")[-1].removeprefix("data: ")
    assert json.loads(last)["error"]["message"] == SENTENCE


def test_a_model_in_this_process_has_no_such_limit():
    with asking(scripted(*TURNS), settings(llm_timeout=1e-9)) as server:
        assert events(server, "Who?")[-1][1]["answer"] == "Marie Curie"


def test_a_wrong_model_is_refused_before_the_index_opens(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_agent(str(tmp_path / "no index"), AskSettings(model=str(tmp_path)))
    with pytest.raises(UsageError, match="--llm needs the base URL"):
        open_agent(str(tmp_path / "no index"), AskSettings(model="openai:m"))
