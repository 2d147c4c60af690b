"""An OpenAI-compatible endpoint, by real HTTP on loopback."""

import asyncio
import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from masksearch.agent.loop import run_all, run_episode
from masksearch.agent.protocol import stops
from masksearch.errors import ModelError, UsageError
from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import EndpointPolicy, _restore_stop
from masksearch.search.bm25 import Bm25Searcher
from masksearch.settings import AgentSettings
from masksearch.types import Passage, Question

pytest.importorskip("openai")
KEY = "sk-very-secret-4711"
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]

STOPS = stops()


def completion(text, finish="stop", tokens=7):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens},
    }


class Server:
    """Answers with `replies` in order, the last one for ever; notes the requests."""

    def __init__(self):
        self.replies, self.requests = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                status, content = reply if isinstance(reply, tuple) else (200, reply)
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if status == 429:
                    self.send_header("retry-after-ms", "10")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def ask(server, stop=STOPS, retries=0):
    async def run():
        policy = EndpointPolicy("m", server.url, timeout=5, retries=retries)
        session = await policy.open(MESSAGES, Sampling(temperature=0.3, seed=5))
        return await session.generate(stop, 64)

    return asyncio.run(run())


def test_a_normal_answer(server):
    server.replies = [completion("Hello.", tokens=2)]
    generation = ask(server)
    assert (generation.text, generation.finish, generation.tokens) == ("Hello.", "end", 2)
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "m", "messages": MESSAGES, "max_tokens": 64, "temperature": 0.3, "seed": 5, "stop": list(stops())}


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("<think>a</think><search>radium", "stop", ("<think>a</think><search>radium</search>", "stop")),
        ("<think>a</think><answer>Paris", "stop", ("<think>a</think><answer>Paris</answer>", "stop")),
        ("<think>a <search> or</think><answer>Paris", "stop", ("<think>a <search> or</think><answer>Paris</answer>", "stop")),
        ("<search>a</search> junk <answer>", "stop", ("<search>a</search>", "stop")),
        ("<answer>a</answer><search>b</search>", "length", ("<answer>a</answer>", "stop")),
        ("<search>radiu", "length", ("<search>radiu", "length")),
        ("plain", "stop", ("plain", "end")),
        ("", "stop", ("", "end")),
        ("plain", "content_filter", ("plain", "end")),
    ],
)
def test_stop_strings_are_put_back(server, text, reason, expected):
    assert _restore_stop(text, stops(), reason) == expected
    server.replies = [completion(text, reason)]
    generation = ask(server)
    assert (generation.text, generation.finish) == expected


def test_a_refused_key_is_one_sentence_without_the_key(server, caplog):
    server.replies = [(401, {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}})]
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError, match="answered 401") as caught:
        ask(server)
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


def test_too_many_requests_are_tried_again(server):
    server.replies = [(429, {"error": {"message": "slow down"}}), completion("ok")]
    assert ask(server, retries=2).text == "ok"
    assert len(server.requests) == 2
    server.replies = [(429, {"error": {"message": "slow down"}})]
    with pytest.raises(ModelError, match="answered 429"):
        ask(server, retries=0)


@pytest.mark.parametrize(
    "reply", ["{ no json", "[]", "null", '"text"', {"choices": []}, {"choices": None}, {"choices": [{"index": 0, "finish_reason": "stop"}]}, {"error": "x"}]
)
def test_an_answer_that_is_none(server, reply):
    server.replies = [(200, reply)]
    with pytest.raises(ModelError, match="gave no usable answer"):
        ask(server)


def test_a_missing_text_is_empty(server):
    server.replies = [completion(None)]
    assert ask(server).text == ""


def test_no_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    class Nowhere:
        pass

    Nowhere.url = url
    with pytest.raises(ModelError, match="cannot be reached"):
        ask(Nowhere)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x"])
def test_a_wrong_url(url):
    with pytest.raises(UsageError, match="--llm needs the base URL"):
        EndpointPolicy("m", url)


def test_an_episode_over_http(server, caplog):
    searcher = Bm25Searcher.in_memory([Passage(id="p", doc_id="d", title="Radium", text="Radium was discovered by Marie Curie.")])
    question = Question(id="q", question="Who discovered radium?", answers=("Marie Curie",))
    server.replies = [completion("<think>a</think>\n<search>radium"), completion("<think>b</think>\n<answer>Marie Curie")]
    policy = EndpointPolicy("m", server.url, retries=0)
    with caplog.at_level(logging.DEBUG):
        [episode] = run_all([run_episode(question, policy, searcher, AgentSettings(), Sampling())])
    trajectory = episode.trajectory
    assert (trajectory.status, trajectory.answer, trajectory.model) == ("answered", "Marie Curie", "openai:m")
    assert trajectory.usage.model_tokens == 14
    assert [message["role"] for message in server.requests[1][2]["messages"]] == ["system", "user", "assistant", "user"]
    assert server.requests[1][2]["messages"][2]["content"].endswith("</search>")
    assert server.requests[1][2]["messages"][3]["content"].startswith("<information>\n[1] Radium")
    assert KEY not in trajectory.model_dump_json()
    assert KEY not in caplog.text


def test_a_failing_endpoint_is_a_status_of_the_episode(server):
    server.replies = [(500, {"error": {"message": KEY}})]
    policy = EndpointPolicy("m", server.url, retries=0)
    question = Question(id="q", question="Who?", answers=("x",))
    searcher = Bm25Searcher.in_memory([Passage(id="p", doc_id="d", title="T", text="x")])
    [episode] = run_all([run_episode(question, policy, searcher, AgentSettings(), Sampling())])
    assert episode.trajectory.status == "model_failed"
    assert KEY not in episode.trajectory.model_dump_json()
