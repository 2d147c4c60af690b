"""An OpenAI-compatible endpoint on loopback that answers from a script, and fails on demand.

    with Endpoint([too_many(0.01), say("Paris")]) as endpoint:
        EndpointPolicy("m", endpoint.url)

The script is a list of replies, whose last one repeats, or a function of (body, number of the request
from 0). A reply is JSON (a dict), text that is sent unchanged, or the result of a function below.
`requests` holds (path, headers in lower case, body); `most` is the largest number of concurrent requests.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kit.waiting import LONG

from masksearch.llm.needs import TRIAL


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    """Seconds before the server sends the answer; it sends it earlier if it is closed."""
    cut: bool = False
    """Whether to send half of the body and then close the connection."""


Reply = Answer | dict[str, Any] | str
Script = Callable[[dict[str, Any], int], Reply] | Sequence[Reply]


def say(text: str | None, finish: str = "stop", tokens: int | None = 7, **message: Any) -> dict[str, Any]:
    """Builds a chat completion.

    `message` adds fields such as `reasoning_content`, `refusal` and `tool_calls`. Without `tokens` the
    completion has no usage.
    """
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish,
    }
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    if tokens is not None:
        completion["usage"] = {
            "prompt_tokens": 3,
            "completion_tokens": tokens,
            "total_tokens": 3 + tokens,
        }
    return completion


def call(name: str, arguments: Any, id: str | None = "call_a") -> dict[str, Any]:
    """Builds a native tool call; `arguments` other than a string become JSON.

    Without `id` the call has none.
    """
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    made = {"type": "function", "function": {"name": name, "arguments": written}}
    return made if id is None else {"id": id, **made}


def calls(
    *made: dict[str, Any], text: str | None = None, finish: str = "tool_calls", **message: Any
) -> dict[str, Any]:
    """Builds a chat completion with native tool calls."""
    return say(text, finish, tool_calls=list(made), **message)


def verdict(word: str, reason: str = "r") -> dict[str, Any]:
    """Builds the reply of a judge."""
    return say(json.dumps({"reason": reason, "verdict": word}))


def fail(status: int, message: str = "no", **error: Any) -> Answer:
    """Builds an error in OpenAI's format."""
    return Answer({"error": {"message": message, **error}}, status)


def too_many(after: float) -> Answer:
    """Builds an answer with status 429 and the seconds to wait before another try."""
    return Answer(
        {"error": {"message": "slow down"}},
        429,
        {"retry-after-ms": str(int(after * 1000)), "Retry-After": str(after)},
    )


def late(reply: dict[str, Any] | None = None) -> Answer:
    """Builds an answer that comes after the client's time-out, however long the client stands still."""
    return Answer(reply or say("late"), wait=LONG)


def cut_off(reply: dict[str, Any] | None = None) -> Answer:
    """Builds an answer whose connection breaks in the middle."""
    return Answer(reply or say("a longer text, of which half arrives"), cut=True)


def truncated(reply: dict[str, Any] | None = None) -> str:
    """Returns JSON that ends in the middle, for a connection that stays intact."""
    whole = json.dumps(reply or say("a longer text"))
    return whole[: len(whole) // 2]


NO_CHOICES: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [],
}
REFUSAL = say(None, refusal="I can't help with that.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # With a shorter queue, the system drops connections of many concurrent clients, which try again a
    # second later.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints errors, except for lost connections: some tests kill their clients."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Endpoint:
    """A server that runs from its construction to `close`."""

    def __init__(
        self,
        script: Script = (),
        wait: float = 0.0,
        together: int = 0,
        models: Sequence[str] = ("m",),
        scripted_trials: bool = False,
    ) -> None:
        """`wait`: seconds before each answer. `together`: the first answers wait until so many requests are
        in flight. `models`: the names that the endpoint lists. The trial requests of the preflight are
        answered, and are no part of `requests`, unless `scripted_trials` gives them to the script."""
        self.script: Script = script
        self.models, self.scripted_trials = tuple(models), scripted_trials
        self.trials: list[dict[str, Any]] = []
        """Bodies of the trial requests so far."""
        self.replies: list[Reply] = []
        """A script that a test can set later; unless empty, it replaces `script`."""
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.most = 0
        self._wait, self._busy, self.together = wait, 0, together
        self._lock = threading.Condition()
        self._stop = threading.Event()
        self.http = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Bodies of the requests so far."""
        return [body for _, _, body in self.requests]

    def asked_with(self, key: str) -> list[dict[str, Any]]:
        """Bodies of the requests so far that came with this key."""
        return [body for _, headers, body in self.requests if headers.get("authorization") == f"Bearer {key}"]

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server and its pending answers."""
        self._stop.set()
        with self._lock:
            self._lock.notify_all()
        self.http.shutdown()
        self.http.server_close()

    def _gathered(self) -> bool:
        return self.most >= self.together or self._stop.is_set()

    def _reply(self, body: dict[str, Any], number: int) -> Answer:
        script = self.replies or self.script
        reply = script(body, number) if callable(script) else script[min(number, len(script) - 1)]
        return reply if isinstance(reply, Answer) else Answer(reply)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = LONG

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if body.get("messages") == [{"role": "user", "content": TRIAL}]:
                    outer.trials.append(body)
                    if not outer.scripted_trials:
                        self._send(Answer(say("OK")))
                        return
                with outer._lock:
                    outer._busy += 1
                    outer.most = max(outer.most, outer._busy)
                    number = len(outer.requests)
                    outer.requests.append(
                        (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                    )
                    outer._lock.notify_all()
                    outer._lock.wait_for(outer._gathered, LONG)
                answer = outer._reply(body, number)
                if answer.wait or outer._wait:
                    outer._stop.wait(answer.wait or outer._wait)
                with outer._lock:
                    outer._busy -= 1
                self._send(answer)

            def _send(self, answer: Answer) -> None:
                content = answer.content
                data = (content if isinstance(content, str) else json.dumps(content)).encode()
                headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
                headers.update(answer.headers)
                try:
                    self.send_response(answer.status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data[: len(data) // 2] if answer.cut else data)
                except OSError:  # the client has closed the connection
                    self.close_connection = True
                if answer.cut:
                    self.close_connection = True

            def do_GET(self) -> None:
                """Answers `/v1/models` with the list of models, and every other path with 404."""
                found = self.path == "/v1/models" and bool(outer.models)
                models = {"object": "list", "data": [{"id": name} for name in outer.models]}
                data = json.dumps(models if found else {}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
