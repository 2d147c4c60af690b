"""POST /v1/chat/completions with OpenAI's own client and with Inspect, plain and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kit.agent_server import ANSWER, SEARCH, TURNS, Slow, asking, scripted, settings
from kit.serving_fakes import Server
from kit.waiting import LONG, wait_for

from masksearch.errors import ModelError

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed: pip install masksearch[llm]")

QUESTION = [{"role": "user", "content": "Who discovered radium?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asking(scripted(*TURNS)) as server:
        yield server


def client(server: Server, **options: Any) -> Any:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=LONG, max_retries=0, **options)


def test_the_official_client_gets_answer_reasoning_sources_and_usage(server: Server) -> None:
    answer = client(server).chat.completions.create(model="scripted", messages=QUESTION)
    message = answer.choices[0].message
    assert (message.role, message.content) == ("assistant", "Marie Curie")
    assert answer.choices[0].finish_reason == "stop"
    assert "I look it up." in message.reasoning_content
    assert "Search: who discovered radium" in message.reasoning_content
    assert "Found: Marie Curie" in message.reasoning_content
    assert "<" not in message.reasoning_content
    first = message.annotations[0]
    assert first.type == "url_citation"
    cited = first.url_citation
    assert (cited.title, cited.passage_id, cited.grounded) == ("Marie Curie", "p0", True)
    assert cited.sentence == "Marie Curie discovered radium in Paris in 1898."
    assert message.content[cited.start_index : cited.end_index] == "Marie Curie"
    assert cited.url.startswith(f"{server.url}/#t=")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.masksearch["grounded"] is True
    assert httpx.get(f"{server.url}/answers/{answer.masksearch['id']}", timeout=LONG).status_code == 200


def test_a_note_is_reasoning_and_in_the_extension(server: Server) -> None:
    asked = [{"role": "user", "content": "Кто открыл радий?"}]
    answer = client(server).chat.completions.create(model="masksearch", messages=asked)
    (note,) = answer.masksearch["notes"]
    assert note.startswith("The index has no word of this question")
    assert answer.choices[0].message.reasoning_content.startswith(f"Note: {note}\n\nI look it up.")
    assert answer.choices[0].message.content == "Marie Curie"
    stream = client(server).chat.completions.create(model="masksearch", messages=asked, stream=True)
    pieces = [getattr(chunk.choices[0].delta, "reasoning_content", "") or "" for chunk in stream]
    assert "".join(pieces).startswith(f"Note: {note}\n\n")


def test_the_official_client_streams_it(server: Server) -> None:
    stream = client(server).chat.completions.create(
        model="masksearch", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    plain = client(server).chat.completions.create(model="masksearch", messages=QUESTION)
    assert thoughts.strip() == plain.choices[0].message.reasoning_content
    assert "".join(delta.content or "" for delta in deltas) == "Marie Curie"
    assert deltas[-1].annotations[0]["url_citation"]["title"] == "Marie Curie"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_ends_with_done_and_has_usage_only_if_asked(server: Server) -> None:
    body = {"model": "scripted", "messages": QUESTION, "stream": True}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=LONG)
    assert response.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in response.text
    assert all(json.loads(line[6:]) for line in response.text.split("\n\n")[:-2])


def test_the_models_are_listed(server: Server) -> None:
    assert [model.id for model in client(server).models.list()] == ["scripted"]
    assert client(server).models.retrieve("scripted").object == "model"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        client(server).models.retrieve("gpt")


def test_the_last_message_of_the_user_is_the_question() -> None:
    asked = []

    class Listening:
        name = "listening"

        async def open(self, messages: Any, sampling: Any) -> Any:
            asked.append((messages[-1]["content"], sampling.temperature, sampling.seed))
            return await scripted(*TURNS).open(messages, sampling)

    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who discovered polonium?"},
        {"role": "assistant", "content": "Marie Curie"},
        {"role": "user", "content": [{"type": "text", "text": "And radium?"}]},
    ]
    with asking(Listening()) as server:
        client(server).chat.completions.create(model="masksearch", messages=chat, temperature=0.5, seed=7)
    ((text, temperature, seed),) = asked
    assert "And radium?" in text
    assert "polonium" not in text
    assert (temperature, seed) == (0.5, 7)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"messages": []}, 400, "no question"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "no question"),
        ({"messages": [{"role": "user", "content": "  "}]}, 422, "empty"),
        ({"messages": [{"role": "user", "content": None}]}, 422, "empty"),
        ({"messages": [{"role": "user", "content": "x" * 2001}]}, 422, "2,001 characters"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "only text"),
        ({"messages": "hello"}, 422, "messages"),
        ({"model": "gpt"}, 404, "no model 'gpt'"),
        ({"n": 2}, 400, "one answer"),
        ({"tools": [{"type": "function"}]}, 400, "own search"),
        ({"response_format": {"type": "json_object"}}, 400, "text"),
        ({"logprobs": True}, 400, "log-probabilities"),
        ({"temperature": -1}, 422, "temperature"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_refused_in_openais_form(
    server: Server, changes: dict[str, Any], status: int, words: str, stream: bool
) -> None:
    body = {"model": "scripted", "messages": QUESTION, "stream": stream, **changes}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=LONG)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert words in response.json()["error"]["message"]
    assert response.json()["error"]["message"].endswith(".")


def test_ten_megabytes_and_no_json_and_unknown_paths_are_refused_in_openais_form(server: Server) -> None:
    url = f"{server.url}/v1/chat/completions"
    big = httpx.post(url, content=b"x" * 10_000_000, timeout=LONG)
    assert (big.status_code, big.json()["error"]["type"]) == (413, "invalid_request_error")
    assert "8,000,000 bytes" in big.json()["error"]["message"]
    assert "not JSON" in httpx.post(url, content=b"{", timeout=LONG).json()["error"]["message"]
    assert "message" in httpx.get(f"{server.url}/v1/embeddings", timeout=LONG).json()["error"]
    assert httpx.get(url, timeout=LONG).status_code == 405


def test_a_limit_of_tokens_holds_and_ends_with_length() -> None:
    with asking(scripted(SEARCH, SEARCH, ANSWER)) as server:
        answer = client(server).chat.completions.create(model="masksearch", messages=QUESTION, max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert "limit of tokens" in answer.choices[0].message.content


class Failing:
    """A model behind an endpoint that is down."""

    name = "failing"

    async def open(self, messages: Any, sampling: Any) -> Any:
        raise ModelError("The endpoint cannot be reached.")


def test_a_model_that_fails_is_an_error_of_the_server() -> None:
    with asking(Failing()) as server:
        with pytest.raises(openai.InternalServerError, match="cannot be reached") as caught:
            client(server).chat.completions.create(model="masksearch", messages=QUESTION)
        assert caught.value.status_code == 502
        with pytest.raises(openai.APIError, match="cannot be reached"):
            list(client(server).chat.completions.create(model="masksearch", messages=QUESTION, stream=True))


def test_a_model_that_never_answers_is_ended() -> None:
    slow = Slow()
    with asking(slow, settings(question_timeout=0.2)) as server:
        with pytest.raises(openai.APIStatusError, match=r"did not answer within 0\.2 seconds") as caught:
            client(server).chat.completions.create(model="masksearch", messages=QUESTION)
        assert caught.value.status_code == 504
        wait_for(lambda: slow.running == 0)
        assert server.metric('masksearch_questions_total{outcome="timeout"}') == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_slot(stream: bool) -> None:
    slow = Slow()
    body = {"model": "masksearch", "messages": QUESTION, "stream": stream}
    data = json.dumps(body).encode()
    with asking(slow, settings(decode_slots=1)) as server:
        with server.connect() as connection:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)
            wait_for(lambda: slow.running == 1)
        wait_for(lambda: slow.running == 0)
        wait_for(lambda: server.metric('masksearch_questions_total{outcome="gone"}') == 1)
        slow.gate.set()
        answer = client(server).chat.completions.create(model="masksearch", messages=QUESTION)
        assert answer.choices[0].message.content == "Marie Curie"


@pytest.mark.slow
def test_a_library_of_others_asks_and_reads_the_reasoning(server: Server) -> None:
    model = pytest.importorskip("inspect_ai.model", reason="Inspect is not installed: pip install inspect-ai")
    asked = model.get_model("openai-api/masksearch/scripted", base_url=f"{server.url}/v1", api_key="none")

    async def generate() -> Any:
        return await asked.generate("Who discovered radium?")

    output = asyncio.run(generate())
    assert output.completion == "Marie Curie"
    content = output.choices[0].message.content
    parts = {part.type: part for part in content}
    assert "Search: who discovered radium" in parts["reasoning"].reasoning
    assert output.usage.total_tokens > 0
