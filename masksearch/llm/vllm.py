"""The model that vLLM serves for a trainer, as a policy that takes and returns tokens.

    server      a native `vllm serve`; a turn is one request to /v1/completions
    colocated   a vLLM engine in this process, stepped from the event loop

Either way vLLM batches all rollouts that are ready, reuses the keys and values of a rollout's earlier
turns (prefix cache) and detects stop strings itself. The policy cuts the returned tokens once more, by
the rule of `llm.token_session`, so a token record does not depend on the positions at which vLLM checks for
stop strings. train/rl/decoders.py loads the weights. The requests and answers are those of TRL 1.16's own
client (trl/generation/vllm_client.py) and of vLLM 0.22 or newer.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from masksearch.errors import MissingExtraError, ModelError
from masksearch.llm.base import Message, Sampling
from masksearch.llm.token_session import TokenPolicy, TokenSession, Written, encode_prompt

if TYPE_CHECKING:
    import httpx

EXTRA = "vllm"
MAX_CONCURRENT = 256
"""Maximum number of concurrent requests of one process: about the batch size of vLLM by default.

Each request takes a connection.
"""
WAITS = (0.5, 2.0)
"""Seconds before each further try of a request that failed with a temporary error."""
RETRYABLE_STATUSES = frozenset({408, 429})
"""HTTP statuses, in addition to 5xx, after which a request is tried again."""
LONGEST_MESSAGE = 300
"""Maximum number of characters of a server's message that an error quotes."""


@dataclass(frozen=True)
class Stretch:
    """One stretch that vLLM generated: token ids and their log-probabilities, (tokens,) each."""

    ids: list[int]
    logprobs: list[float]
    reason: str
    """vLLM's reason for the end of the stretch: `stop` or `length`."""


class VllmPolicy(TokenPolicy):
    """Sessions whose turns are requests to vLLM."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> VllmSession:
        """Starts a session without sending a request."""
        return VllmSession(self, encode_prompt(self.tokenizer, messages), sampling)

    @abstractmethod
    async def ask(self, ids: Sequence[int], parameters: Mapping[str, Any]) -> Stretch:
        """Returns the model's continuation of `ids` with vLLM's sampling parameters. Raises ModelError."""


class VllmSession(TokenSession):
    """One sequence of tokens. Every turn sends the whole sequence; vLLM computes only the tokens that are not
    in its prefix cache."""

    policy: VllmPolicy

    def __init__(self, policy: VllmPolicy, prompt: list[int], sampling: Sampling) -> None:
        super().__init__(policy, prompt, sampling)
        self.turns = 0

    async def write(self, limit: int, stop: Sequence[str]) -> Written:
        """Sends one request and cuts off the tokens after the end of the stretch."""
        # vLLM seeds every request separately: with one seed for all, every turn would draw the same
        # random numbers.
        seed = random.Random(f"{self.sampling.seed}:{self.turns}").getrandbits(62)
        self.turns += 1
        parameters = sampling_parameters(limit, stop, self.sampling.temperature, seed, self.policy.end_ids)
        stretch = await self.policy.ask([*self.record.prompt_ids, *self.record.ids], parameters)
        return cut(self.policy, stretch, limit, stop)

    def close(self) -> None:
        """Does nothing: vLLM evicts cached prefixes when it needs their memory."""


def sampling_parameters(
    limit: int, stop: Sequence[str], temperature: float, seed: int, end_ids: Iterable[int]
) -> dict[str, Any]:
    """Returns vLLM's parameters for a stretch of at most `limit` tokens.

    Sets every parameter that a model's generation_config.json may set. If one were missing, the server would
    use the model's own value (such as its top_p), and the log-probabilities would belong to another
    distribution.
    """
    return {
        "n": 1,
        "max_tokens": limit,
        "temperature": temperature,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": seed,
        "stop": list(stop),
        "include_stop_str_in_output": True,
        "stop_token_ids": sorted(end_ids),
        "logprobs": 0,
    }


def cut(policy: TokenPolicy, stretch: Stretch, limit: int, stop: Sequence[str]) -> Written:
    """Returns the stretch up to the end that `policy.ended` finds, at most `limit` tokens."""
    ids: list[int] = []  # (tokens,); their log-probabilities have the same shape
    for token in stretch.ids[:limit]:
        ids.append(token)
        if finish := policy.ended(ids, stop):
            return ids, stretch.logprobs[: len(ids)], finish
    logprobs = stretch.logprobs[: len(ids)]
    if stretch.reason == "stop" and len(stretch.ids) <= limit:
        return ids, logprobs, "end"  # vLLM found an end that `policy.ended` does not know
    if len(ids) == limit:
        return ids, logprobs, None
    return ids, logprobs, "full"  # vLLM's context is shorter than the session


def checked(who: str, ids: Any, logprobs: Any, reason: Any) -> Stretch:
    """Checks an answer of vLLM and returns it as a Stretch.

    Raises ModelError for missing token ids, an unknown end, and missing or non-finite log-probabilities: a
    trainer must not learn from invented values.
    """
    if not isinstance(ids, (list, tuple)) or not all(isinstance(token, int) for token in ids):
        raise ModelError(f"{who} returned no token ids (token_ids); training needs vLLM 0.22 or newer.")
    if reason not in ("stop", "length"):
        raise ModelError(f"{who} aborted a turn ({reason}); see its log.")
    if not isinstance(logprobs, (list, tuple)) or len(logprobs) != len(ids):
        count = len(logprobs) if isinstance(logprobs, (list, tuple)) else 0
        raise ModelError(
            f"{who} returned {len(ids)} tokens and {count} log-probabilities; "
            "training needs the log-probability of every token."
        )
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in logprobs):
        raise ModelError(
            f"{who} returned a log-probability that is not a finite number; "
            "check that the weights sent to it are finite."
        )
    return Stretch([int(token) for token in ids], [float(value) for value in logprobs], reason)


class ServerPolicy(VllmPolicy):
    """Sessions on a native vLLM server at a URL such as http://127.0.0.1:8000.

    `timeout` is in seconds, for one turn. Raises MissingExtraError without httpx, and ModelError if the
    server does not answer.
    """

    def __init__(
        self, url: str, tokenizer: Any, end_ids: Iterable[int], name: str, timeout: float = 300.0
    ) -> None:
        super().__init__(tokenizer, end_ids, name)
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise MissingExtraError("httpx", EXTRA, "A vLLM server") from error
        self.url, self.timeout = url.rstrip("/"), timeout
        self._context = httpx.create_ssl_context()
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self.model = self._served()

    async def ask(self, ids: Sequence[int], parameters: Mapping[str, Any]) -> Stretch:
        """Sends one request to /v1/completions; tries again after a temporary error."""
        body = {
            "model": self.model,
            "prompt": list(ids),
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            **parameters,
        }
        async with self._gate():
            answer = await self._complete(body)
        try:
            choice = answer["choices"][0]
            logprobs = (choice.get("logprobs") or {}).get("token_logprobs")
            return checked(self._who, choice.get("token_ids"), logprobs, choice.get("finish_reason"))
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ModelError(
                f"{self._who} answered with something other than a completion; "
                "check that vllm.url is the URL of a native vLLM server."
            ) from error

    @property
    def _who(self) -> str:
        """Returns the subject of error messages: the server and its URL."""
        return f"The vLLM server at {self.url}"

    def _gate(self) -> asyncio.Semaphore:
        """Returns the semaphore that limits concurrent requests; each event loop needs its own."""
        return self._gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MAX_CONCURRENT))

    async def _complete(self, body: Mapping[str, Any]) -> Any:
        """Returns the JSON of an answer. Raises ModelError."""
        failure = ""
        for wait in (0.0, *WAITS):
            await asyncio.sleep(wait)
            response = await self._post(body)
            if isinstance(response, str):
                failure = response
            elif response.status_code == 200:
                try:
                    return response.json()
                except ValueError as error:
                    raise ModelError(
                        f"{self._who} answered with something other than JSON; "
                        "check that vllm.url is the URL of a native vLLM server."
                    ) from error
            elif response.status_code in RETRYABLE_STATUSES or response.status_code >= 500:
                failure = f"answers {_status_message(response)}"
            else:
                raise ModelError(f"{self._who} refused a request ({_status_message(response)}).")
        raise ModelError(f"{self._who} {failure}, also after {len(WAITS)} further tries; check that it runs.")

    async def _post(self, body: Mapping[str, Any]) -> httpx.Response | str:
        """Returns the answer, or the reason why the connection failed.

        Raises ModelError after a time-out: another try would take too long as well.
        """
        import httpx

        try:
            # Each turn opens a new connection: a connection cannot outlive its event loop, and servers close
            # connections that idle during a search or a training step.
            async with httpx.AsyncClient(verify=self._context, timeout=self.timeout) as client:
                return await client.post(f"{self.url}/v1/completions", json=body)
        except httpx.TimeoutException as error:
            raise ModelError(
                f"{self._who} did not answer within {self.timeout:g} seconds; "
                "raise vllm.timeout, or lower prompts_per_step."
            ) from error
        except httpx.TransportError as error:
            return f"cannot be reached ({str(error) or type(error).__name__})"

    def _served(self) -> str:
        """Returns the model's name at the server. Raises ModelError if the server does not answer."""
        import httpx

        try:
            response = httpx.get(
                f"{self.url}/v1/models", verify=self._context, timeout=min(self.timeout, 30.0)
            )
            return str(response.raise_for_status().json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"{self._who} does not name its model ({error or type(error).__name__}); "
                "docs/scale.md describes how to start it."
            ) from error


def _status_message(response: httpx.Response) -> str:
    """Returns the HTTP status and the server's message, cut to one line of `LONGEST_MESSAGE` characters."""
    message = " ".join(response.text.split())
    return f"{response.status_code}: {message[:LONGEST_MESSAGE]}" if message else str(response.status_code)


class EnginePolicy(VllmPolicy):
    """Sessions on a vLLM engine in this process.

    The engine is `LLM(...).llm_engine`; this class calls its methods `add_request`, `step`,
    `has_unfinished_requests` and `abort_request`. Other coroutines run between two steps of the engine, so
    sessions whose search has finished join the next step. Raises MissingExtraError without vLLM.
    """

    def __init__(self, engine: Any, tokenizer: Any, end_ids: Iterable[int], name: str) -> None:
        super().__init__(tokenizer, end_ids, name)
        try:
            from vllm import SamplingParams
            from vllm.sampling_params import RequestOutputKind
        except ModuleNotFoundError as error:
            raise MissingExtraError("vllm", EXTRA, "A vLLM engine in this process") from error
        self.engine = engine
        self._parameters, self._kind = SamplingParams, RequestOutputKind.FINAL_ONLY
        self._numbers = itertools.count()
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.driver: asyncio.Task[None] | None = None

    async def ask(self, ids: Sequence[int], parameters: Mapping[str, Any]) -> Stretch:
        """Adds one request to the engine; all waiting requests share its steps."""
        name = f"masksearch-{next(self._numbers)}"
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            # The key `type` gives the prompt the form that vLLM's own renderer gives to token ids, so vLLM
            # does not tokenise the prompt.
            self.engine.add_request(
                name,
                {"type": "token", "prompt_token_ids": list(ids)},
                self._parameters(**parameters, output_kind=self._kind),
            )
        except ValueError as error:
            raise ModelError(f"The vLLM engine refused a request ({error}).") from error
        self.waiting[name] = done
        if self.driver is None or self.driver.done():
            self.driver = asyncio.get_running_loop().create_task(self._drive())
        try:
            output = await done
        finally:
            # A cancelled rollout must not keep its place in the engine's batch.
            if self.waiting.pop(name, None) is not None:
                self.engine.abort_request([name])
        # Each entry maps the drawn token, and perhaps the likeliest token, to its log-probability.
        logprobs = [
            entry[token].logprob
            for token, entry in zip(output.token_ids, output.logprobs or (), strict=False)
            if token in entry
        ]
        return checked("The vLLM engine", list(output.token_ids), logprobs, output.finish_reason)

    async def _drive(self) -> None:
        """Runs steps of the engine until no request waits. If a step fails, all waiting requests get its
        error."""
        while self.waiting:
            # Sessions that just got their turn can search and send the next request before the engine
            # steps again.
            for _ in range(3):
                await asyncio.sleep(0)
            try:
                self._step()
            except Exception as error:
                failed, self.waiting = self.waiting, {}
                for done in failed.values():
                    if not done.done():
                        done.set_exception(error)
                return

    def _step(self) -> None:
        """Runs one step of the engine and gives the completed turns to the requests that wait for them.

        Raises ModelError if the engine has lost a request, because that request would wait for ever.
        """
        if self.waiting and not self.engine.has_unfinished_requests():
            raise ModelError(
                f"The vLLM engine has lost {len(self.waiting)} requests; start the same command again."
            )
        for output in self.engine.step():
            if not output.finished:
                continue
            done = self.waiting.pop(output.request_id, None)
            if done is not None and not done.done():
                done.set_result(output.outputs[0])
