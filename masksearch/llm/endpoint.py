"""Any OpenAI-compatible endpoint as a policy, through the official client (retries, time-outs and pools are its own).

A model turn is an assistant message, a tool's text a user message. The key is read from OPENAI_API_KEY and stands
in no log, error or file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from masksearch.errors import MissingExtraError, ModelError, UsageError
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.types import Hit


class EndpointPolicy:
    """Sessions with a model behind a URL such as http://127.0.0.1:8000/v1."""

    def __init__(self, model: str, url: str, timeout: float = 120.0, retries: int = 4) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--llm needs the base URL of an OpenAI-compatible endpoint (such as http://127.0.0.1:8000/v1), not '{url}'.")
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("openai", "llm", "A model behind a URL") from error
        self.model, self.url, self.name = model, url, f"openai:{model}"
        self.client = openai.AsyncOpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY") or "none", timeout=timeout, max_retries=retries)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> EndpointSession:
        """Starts a conversation; nothing is sent yet."""
        return EndpointSession(self, list(messages), sampling)

    async def complete(self, messages: Sequence[Message], stop: Sequence[str], max_tokens: int, sampling: Sampling) -> Generation:
        """One model turn. Raises ModelError, without the key, where the endpoint does not answer as it should."""
        import openai

        try:
            reply: Any = await self.client.chat.completions.create(
                model=self.model,
                messages=list(messages),  # type: ignore[arg-type]
                max_tokens=max_tokens,
                temperature=sampling.temperature,
                seed=sampling.seed,
                stop=list(stop) or None,
            )
            choice = reply.choices[0]
            text: str = choice.message.content or ""
        except openai.APIStatusError as error:
            raise ModelError(f"The endpoint {self.url} answered {error.status_code} for model '{self.model}'; check the URL, the name and the key.") from error
        except openai.APIConnectionError as error:
            raise ModelError(f"The endpoint {self.url} cannot be reached; check the URL, and that the server runs.") from error
        except (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
            raise ModelError(f"The endpoint {self.url} gave no usable answer ({type(error).__name__}).") from error
        text, finish = _restore_stop(text, stop, str(choice.finish_reason))
        used = getattr(reply.usage, "completion_tokens", None) if reply.usage else None
        return Generation(text, finish, used if used is not None else len(text.split()))  # type: ignore[arg-type]


def _restore_stop(text: str, stop: Sequence[str], reason: str) -> tuple[str, str]:
    """Servers leave the stop string out (some do not stop at all): puts back the one whose tag was opened last, or cuts behind it."""
    ends = [text.index(word) + len(word) for word in stop if word in text]
    if ends:
        return text[: min(ends)], "stop"
    if reason == "stop":
        open_ = [(text.rfind(opening), word) for word in stop if (opening := word.replace("</", "<")) != word and opening in text]
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
