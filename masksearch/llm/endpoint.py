"""Any OpenAI-compatible endpoint as a policy.

Requests go through the official client, with its retries, time-outs and connection pools. A model turn is an
assistant message, a tool's text a user message. The key comes from OPENAI_API_KEY and appears in no log,
error or file. Some servers separate a model's reasoning from its text. The policy joins both again: the
reasoning comes first, in `<think></think>`, as a model would write it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksearch.errors import MissingExtraError, ModelError
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.llm.settings import check_url
from masksearch.text.neutralise import CONTROL_TAGS
from masksearch.types import Hit

_TAG = re.compile(rf"<(/?(?:{'|'.join(CONTROL_TAGS)}))>")
# Words in the messages with which servers reject a field of a request, such as "Unsupported parameter:
# 'max_tokens'" or "Extra inputs are not permitted".
_UNKNOWN = re.compile(
    r"unsupported|not supported|does not support|unexpected|unrecogni[sz]ed|unknown|not permitted|not allowed"
    r"|extra_forbidden",
    re.IGNORECASE,
)
_OPTIONAL_FIELDS = ("max_tokens", "temperature", "seed")
BAD_REQUEST = (400, 422)
"""HTTP statuses with which servers reject a request that they do not understand."""


class EndpointError(ModelError):
    """An endpoint gave no usable answer.

    `status` is the HTTP status; 0 if no answer came, or if the answer could not be read.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """One chat completion. Fields that the server leaves out are empty."""

    text: str
    reasoning: str
    """Reasoning that the server separated from the text."""
    refusal: str
    """The model's refusal, if the server separates the refusal from the text."""
    calls: tuple[Mapping[str, Any], ...]
    """Native tool calls, as the server sent them."""
    finish: str
    """The server's finish reason; empty if the server does not send the reason."""
    tokens: int
    """Number of tokens of the completion; its number of words if the server does not count tokens."""
    total: int
    """Number of tokens of prompt and completion together; 0 if the server does not count tokens."""


class EndpointPolicy:
    """Sessions with a model behind a URL such as http://127.0.0.1:8000/v1."""

    def __init__(
        self,
        model: str,
        url: str,
        timeout: float = 120.0,
        retries: int = 4,
        flag: str = "--llm",
        keys: Sequence[str] = ("OPENAI_API_KEY",),
        connections: Any = None,
    ) -> None:
        """Opens a client for the endpoint.

        `timeout` is the number of seconds that one try may take. `flag` is the flag or setting that gave the
        URL, for error messages. `keys` are environment variables; the first that is set holds the key.
        `connections` is a pool from `open_connections` for many concurrent requests; the caller closes it.
        Raises UsageError for a wrong URL, MissingExtraError without openai.
        """
        check_url(url, flag)
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("openai", "llm", "A model behind a URL") from error
        self.model, self.url, self.name = model, url, f"openai:{model}"
        key = next((value for name in keys if (value := os.environ.get(name))), "none")
        self.client = openai.AsyncOpenAI(
            base_url=url, api_key=key, timeout=timeout, max_retries=retries, http_client=connections
        )
        self.left_out: set[str] = set()
        """Decoding settings that the server rejected; further requests leave them out."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> EndpointSession:
        """Starts a conversation without sending a request."""
        return EndpointSession(self, list(messages), sampling)

    async def complete(
        self, messages: Sequence[Message], stop: Sequence[str], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """Returns one model turn.

        Raises EndpointError, whose message omits the key, if the endpoint gives no usable answer.
        """
        extra = {"stop": list(stop)} if stop else {}
        reply = await self.ask(request(messages, max_tokens, sampling, **extra))
        text, finish = restore_stop(reply.text, stop, reply.finish)
        return Generation(with_reasoning(reply.reasoning, text), finish, reply.tokens)  # type: ignore[arg-type]

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Returns one chat completion; `body` is the request without the model's name.

        Raises EndpointError, whose message omits the key.
        """
        answer = await self.post(body)
        try:
            return _read(answer)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise EndpointError(
                f"The endpoint {self.url} gave no usable answer ({type(error).__name__})."
            ) from error

    async def post(self, body: Mapping[str, Any]) -> Any:
        """Returns the JSON answer to a chat completion. Raises EndpointError.

        Records in `left_out` every decoding setting that the server rejects as unknown, and sends the
        request again without this setting; a rejected `max_tokens` is sent under its new name,
        `max_completion_tokens`.
        """
        import openai

        while True:
            sent = self._without_left_out(body)
            try:
                # A raw post, because the client's typed call takes a third more CPU time and drops unknown
                # fields.
                return await self.client.post("/chat/completions", cast_to=object, body=sent)
            except openai.APIStatusError as error:
                if (unknown := _refused_field(error, sent)) is not None:
                    self.left_out.add(unknown)
                    continue
                status = error.status_code
                raise EndpointError(
                    f"The endpoint {self.url} answered {status} for model '{self.model}'; "
                    "check the URL, the name and the key.",
                    status,
                ) from error
            except openai.APITimeoutError as error:
                raise EndpointError(
                    f"The endpoint {self.url} cannot be reached, or does not answer in time; "
                    "check that the server runs."
                ) from error
            except openai.APIConnectionError as error:
                raise EndpointError(
                    f"The endpoint {self.url} cannot be reached; check the URL, and that the server runs."
                ) from error
            except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
                raise EndpointError(
                    f"The endpoint {self.url} gave no usable answer ({type(error).__name__})."
                ) from error

    def _without_left_out(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the body with the model's name, without the settings that the server rejected."""
        sent: dict[str, Any] = {"model": self.model}
        sent.update((name, value) for name, value in body.items() if name not in self.left_out)
        if "max_tokens" in self.left_out and "max_tokens" in body:
            sent["max_completion_tokens"] = body["max_tokens"]
        return sent


def open_connections(limit: int) -> Any:
    """Returns a connection pool that several policies can share, for up to `limit` concurrent requests.

    Further requests wait for a free connection. The caller closes the pool with `await
    connections.aclose()`. Raises MissingExtraError without openai.
    """
    try:
        import openai
    except ModuleNotFoundError as error:
        raise MissingExtraError("openai", "llm", "A model behind a URL") from error
    # For every request, httpx scans all connections of its pool. With aiohttp a request takes half the CPU
    # time.
    has_aiohttp = importlib.util.find_spec("aiohttp") is not None
    kind = openai.DefaultAioHttpClient if has_aiohttp else openai.DefaultAsyncHttpxClient
    # The client chooses its own HTTP library, so the class of the limits is taken from the client's default
    # limits.
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)
    return kind(limits=limits(max_connections=limit, max_keepalive_connections=limit))


def request(
    messages: Sequence[Mapping[str, Any]], max_tokens: int, sampling: Sampling, **extra: Any
) -> dict[str, Any]:
    """Returns the body of a chat completion, without the model's name."""
    return {
        "messages": list(messages),
        "max_tokens": max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        **extra,
    }


def _refused_field(error: Any, sent: Mapping[str, Any]) -> str | None:
    """Returns the decoding setting that a server rejects as unknown; None for any other error."""
    if error.status_code not in BAD_REQUEST:
        return None
    message = f"{error.body!r} {error.message}"
    if not _UNKNOWN.search(message):
        return None
    for name in _OPTIONAL_FIELDS:
        if name in sent and re.search(rf"\b{name}\b", message):
            return name
    return None


def _read(answer: Any) -> Reply:
    """Reads a chat completion from the server's JSON. JSON of another form raises a lookup or type error."""
    choice = answer["choices"][0]
    message = choice["message"]
    text, thought = _contents(message.get("content"))
    reasoning = message.get("reasoning_content") or message.get("reasoning") or thought
    usage = answer.get("usage") or {}
    used, total = usage.get("completion_tokens"), usage.get("total_tokens")
    return Reply(
        text=text,
        reasoning=str(reasoning).strip(),
        refusal=str(message.get("refusal") or ""),
        calls=tuple(call for call in message.get("tool_calls") or () if isinstance(call, dict)),
        finish=str(choice.get("finish_reason") or ""),
        tokens=used if isinstance(used, int) else len(f"{reasoning} {text}".split()),
        total=total if isinstance(total, int) else 0,
    )


def _contents(content: Any) -> tuple[str, str]:
    """Returns the text and the thoughts of a message's content. Some servers send the content as a list of
    parts."""
    if not isinstance(content, list):
        return str(content or ""), ""
    parts = [part for part in content if isinstance(part, dict)]
    texts = [str(part.get("text") or "") for part in parts if part.get("type") == "text"]
    thoughts = [_contents(part.get("thinking"))[0] for part in parts if part.get("type") == "thinking"]
    return "".join(texts), "\n".join(thoughts)


def deactivate_tags(text: str) -> str:
    """Makes the protocol's tags in a model's text inert: `<search>` -> `‹search›`. Keeps all other text."""
    return _TAG.sub(r"‹\1›", text)


def with_reasoning(reasoning: str, text: str) -> str:
    """Returns a turn that starts with the reasoning that the server separated from it. The reasoning becomes
    a thought, and the protocol's tags in it are made inert."""
    if not reasoning or text.lstrip().startswith("<think>"):
        return text
    return f"<think>{deactivate_tags(reasoning)}</think>\n{text.lstrip()}"


def restore_stop(text: str, stop: Sequence[str], reason: str) -> tuple[str, str]:
    """Returns a turn that includes its stop string, and its finish (`stop`, `length` or `end`).

    Servers leave the stop string out of the text, and some servers ignore stop strings. `reason` is the
    server's finish reason. A text that contains stop strings is cut after the first one. Otherwise, if
    `reason` is `stop`, the closing tag of the last opened tag is added.
    """
    ends = [text.index(word) + len(word) for word in stop if word in text]
    if ends:
        return text[: min(ends)], "stop"
    if reason == "stop":
        opened = []  # (position, stop string) for each opening tag in the text
        for word in stop:
            opening = word.replace("</", "<")
            if opening != word and opening in text:
                opened.append((text.rfind(opening), word))
        if opened:
            return text + max(opened)[1], "stop"
    return text, "length" if reason == "length" else "end"


class EndpointSession:
    """A conversation as a growing list of messages."""

    record: TokenRecord | None = None

    def __init__(self, policy: EndpointPolicy, messages: list[Message], sampling: Sampling) -> None:
        self.policy, self.messages, self.sampling = policy, messages, sampling

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Requests the next assistant message."""
        generation = await self.policy.complete(self.messages, stop, max_tokens, self.sampling)
        self.messages.append({"role": "assistant", "content": generation.text})
        return generation

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as the next user message. Returns its number of words."""
        self.messages.append({"role": "user", "content": text.strip()})
        return len(text.split())

    def close(self) -> None:
        """Does nothing: the server keeps no state for a session."""
