"""Any OpenAI-compatible endpoint as a policy, through the official client (retries, time-outs and pools are its own).

A model turn is an assistant message, a tool's text a user message. The key is read from OPENAI_API_KEY and stands
in no log, error or file. Where a server keeps a model's reasoning apart from its text, the two are put together again:
reasoning stands in `<think></think>` before the text, as a model would have written it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksearch.errors import MissingExtraError, ModelError, UsageError
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.text.neutralise import CONTROL_TAGS
from masksearch.types import Hit

_TAG = re.compile(rf"<(/?(?:{'|'.join(CONTROL_TAGS)}))>")
# What servers say of a field that they will not have: "Unsupported parameter: 'max_tokens'", "Extra inputs are not permitted".
_UNKNOWN = re.compile(
    r"unsupported|not supported|does not support|unexpected|unrecogni[sz]ed|unknown|not permitted|not allowed|extra_forbidden",
    re.IGNORECASE,
)
_MAY_BE_LEFT_OUT = ("max_tokens", "temperature", "seed")
BAD_REQUEST = (400, 422)
"""What servers answer to a request that they do not understand."""


class EndpointError(ModelError):
    """An endpoint gave no usable answer. `status` is that of HTTP; 0 where none came, or the answer could not be read."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """One chat completion, read leniently."""

    text: str
    reasoning: str
    """What the server kept apart as the model's thinking."""
    refusal: str
    """What the model said when it refused, where the server keeps that apart."""
    calls: tuple[Mapping[str, Any], ...]
    """Native tool calls as they came."""
    finish: str
    """The server's own word for how it ended; "" where it says nothing."""
    tokens: int
    """Written by the model; words where the server does not count."""
    total: int
    """Of prompt and completion together; 0 where the server does not count."""


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
        """`flag` is what users set the URL with; `keys` name the environment variables a key is looked for in, the first that is set.

        `connections`: those of `open_connections`, for many requests at a time; whoever opened them has to close them.
        """
        if not url.startswith(("http://", "https://")):
            raise UsageError(
                f"{flag} needs the base URL of an OpenAI-compatible endpoint (such as http://127.0.0.1:8000/v1), not '{url}'."
            )
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
        """Decoding settings that the server will not have, and that requests therefore lack."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> EndpointSession:
        """Starts a conversation; nothing is sent yet."""
        return EndpointSession(self, list(messages), sampling)

    async def complete(
        self, messages: Sequence[Message], stop: Sequence[str], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """One model turn. Raises ModelError, without the key, where the endpoint does not answer as it should."""
        reply = await self.ask(
            request(messages, max_tokens, sampling, stop=list(stop))
            if stop
            else request(messages, max_tokens, sampling)
        )
        text, finish = restore_stop(reply.text, stop, reply.finish)
        return Generation(with_reasoning(reply.reasoning, text), finish, reply.tokens)  # type: ignore[arg-type]

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion; `body` is the request without the model's name. Raises EndpointError, without the key."""
        answer = await self.post(body)
        try:
            return _read(answer)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise EndpointError(
                f"The endpoint {self.url} gave no usable answer ({type(error).__name__})."
            ) from error

    async def post(self, body: Mapping[str, Any]) -> Any:
        """The JSON that the endpoint answers a chat completion with. Raises EndpointError.

        What a server says it does not know of the decoding settings is left out from then on (`max_tokens` goes by its new name), and noted.
        """
        import openai

        while True:
            sent = self._without_left_out(body)
            try:
                # Posted as it is and read as plain JSON: the client's typed call costs a third more of a core, and loses fields it does not know.
                return await self.client.post("/chat/completions", cast_to=object, body=sent)
            except openai.APIStatusError as error:
                if (unknown := _refused_field(error, sent)) is not None:
                    self.left_out.add(unknown)
                    continue
                status = error.status_code
                raise EndpointError(
                    f"The endpoint {self.url} answered {status} for model '{self.model}'; check the URL, the name and the key.",
                    status,
                ) from error
            except openai.APITimeoutError as error:
                raise EndpointError(
                    f"The endpoint {self.url} cannot be reached, or does not answer in time; see that the server runs."
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
        sent = {
            "model": self.model,
            **{name: value for name, value in body.items() if name not in self.left_out},
        }
        if "max_tokens" in self.left_out and "max_tokens" in body:
            sent["max_completion_tokens"] = body["max_tokens"]
        return sent


def open_connections(limit: int) -> Any:
    """Connections to any endpoints for up to `limit` requests in flight, whichever policies make them; further ones wait for a free connection.

    To be closed with `await connections.aclose()`. Raises MissingExtraError.
    """
    try:
        import openai
    except ModuleNotFoundError as error:
        raise MissingExtraError("openai", "llm", "A model behind a URL") from error
    # The client's own pool looks through all its connections for every request: with aiohttp's a request costs half as much of a core.
    kind = (
        openai.DefaultAioHttpClient if importlib.util.find_spec("aiohttp") else openai.DefaultAsyncHttpxClient
    )
    # The client brings its own HTTP library, so the class is taken from its defaults.
    return kind(
        limits=type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=limit, max_keepalive_connections=limit)
    )


def request(
    messages: Sequence[Mapping[str, Any]], max_tokens: int, sampling: Sampling, **extra: Any
) -> dict[str, Any]:
    """The body of a chat completion, without the model's name."""
    return {
        "messages": list(messages),
        "max_tokens": max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        **extra,
    }


def _refused_field(error: Any, sent: Mapping[str, Any]) -> str | None:
    """The decoding setting that a server says it does not know; None where the request fails for another reason."""
    if error.status_code not in BAD_REQUEST:
        return None
    said = f"{error.body!r} {error.message}"
    if not _UNKNOWN.search(said):
        return None
    return next((name for name in _MAY_BE_LEFT_OUT if name in sent and re.search(rf"\b{name}\b", said)), None)


def _read(answer: Any) -> Reply:
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
    """Text and thinking of a message, which some servers send as a list of parts."""
    if not isinstance(content, list):
        return str(content or ""), ""
    parts = [part for part in content if isinstance(part, dict)]
    thought = [_contents(part.get("thinking"))[0] for part in parts if part.get("type") == "thinking"]
    return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text"), "\n".join(
        thought
    )


def soften(text: str) -> str:
    """Text of a model in which no tag of the protocol acts any more: `<search>` -> `‹search›`. All else stays as it was written."""
    return _TAG.sub(r"‹\1›", text)


def with_reasoning(reasoning: str, text: str) -> str:
    """A turn with the thinking that the server had taken out of it; a tag in there is no action."""
    if not reasoning or text.lstrip().startswith("<think>"):
        return text
    return f"<think>{soften(reasoning)}</think>\n{text.lstrip()}"


def restore_stop(text: str, stop: Sequence[str], reason: str) -> tuple[str, str]:
    """Servers leave the stop string out (some do not stop at all): puts back the one whose tag was opened last, or cuts behind it."""
    ends = [text.index(word) + len(word) for word in stop if word in text]
    if ends:
        return text[: min(ends)], "stop"
    if reason == "stop":
        open_ = [
            (text.rfind(opening), word)
            for word in stop
            if (opening := word.replace("</", "<")) != word and opening in text
        ]
        if open_:
            return text + max(open_)[1], "stop"
    return text, "length" if reason == "length" else "end"


class EndpointSession:
    """A growing list of messages."""

    record: TokenRecord | None = None

    def __init__(self, policy: EndpointPolicy, messages: list[Message], sampling: Sampling) -> None:
        self.policy, self.messages, self.sampling = policy, messages, sampling

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Asks for the next assistant message."""
        generation = await self.policy.complete(self.messages, stop, max_tokens, self.sampling)
        self.messages.append({"role": "assistant", "content": generation.text})
        return generation

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """A tool's text is the next user message."""
        self.messages.append({"role": "user", "content": text.strip()})
        return len(text.split())

    def close(self) -> None:
        """Nothing is held on the server."""
