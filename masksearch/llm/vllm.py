"""The model that vLLM holds for a trainer, as a policy: token in, token out.

    server      a native `vllm serve`; a turn is one request to /v1/completions
    colocated   a vLLM engine in this process, stepped from the event loop

Either way vLLM decodes together whatever rollouts are ready, keeps what it has computed of a rollout for its next turn (prefix cache), and looks for
stop strings itself. What comes back is cut once more, by the rule of `llm.tokens`, so that a record does not depend on where vLLM looks. Who loads the
weights: train/decoders.py. What is asked and answered: as TRL 1.16's own client does (trl/generation/vllm_client.py), and vLLM from 0.22 on.
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
AT_A_TIME = 256
"""Requests under way from one process: about so many vLLM decodes together by default, and each takes a connection."""
WAITS = (0.5, 2.0)
"""Seconds before each further try of a request that failed in a way that may pass."""
MAY_PASS = frozenset({408, 429})
"""HTTP states besides 5xx after which another try makes sense."""
LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Stretch:
    """What vLLM wrote: token ids, their log-probabilities, and its own word for the end (`stop`, `length`)."""

    ids: list[int]
    logprobs: list[float]
    reason: str


class VllmPolicy(TokenPolicy):
    """Sessions whose turns are requests to vLLM."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> VllmSession:
        """Starts a session; nothing is asked yet."""
        return VllmSession(self, encode_prompt(self.tokenizer, messages), sampling)

    @abstractmethod
    async def ask(self, ids: Sequence[int], parameters: Mapping[str, Any]) -> Stretch:
        """What the model writes after `ids`, by vLLM's sampling parameters. Raises ModelError."""


class VllmSession(TokenSession):
    """One sequence of tokens; vLLM is sent all of it at every turn, and computes what is new."""

    policy: VllmPolicy

    def __init__(self, policy: VllmPolicy, prompt: list[int], sampling: Sampling) -> None:
        super().__init__(policy, prompt, sampling)
        self.turns = 0

    async def write(self, limit: int, stop: Sequence[str]) -> Written:
        """One request; what stands behind the end of the stretch is cut off."""
        # A request's random numbers begin anew: with one seed for all, every turn would draw the same ones.
        seed = random.Random(f"{self.sampling.seed}:{self.turns}").getrandbits(62)
        self.turns += 1
        parameters = sampling_parameters(limit, stop, self.sampling.temperature, seed, self.policy.end_ids)
        stretch = await self.policy.ask([*self.record.prompt_ids, *self.record.ids], parameters)
        return cut(self.policy, stretch, limit, stop)

    def close(self) -> None:
        """Nothing is held; vLLM forgets prefixes as it needs their room."""


def sampling_parameters(
    limit: int, stop: Sequence[str], temperature: float, seed: int, end_ids: Iterable[int]
) -> dict[str, Any]:
    """vLLM's parameters of a stretch of at most `limit` tokens.

    None is left out that a model's generation_config.json may set: a server takes the model's own top_p or repetition penalty then, and the
    log-probabilities would be those of another distribution.
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
    """The stretch up to its end as `policy.ended` tells it, at most `limit` tokens."""
    ids: list[int] = []
    for token in stretch.ids[:limit]:
        ids.append(token)
        if finish := policy.ended(ids, stop):
            return ids, stretch.logprobs[: len(ids)], finish
    logprobs = stretch.logprobs[: len(ids)]
    if stretch.reason == "stop" and len(stretch.ids) <= limit:
        return ids, logprobs, "end"  # one of vLLM's own ends
    return ids, logprobs, None if len(ids) == limit else "full"  # full: vLLM has less room than the session


def checked(who: str, ids: Any, logprobs: Any, reason: Any) -> Stretch:
    """What vLLM answered, where all of it is there. Raises ModelError: nothing that is missing is made up."""
    if not isinstance(ids, (list, tuple)) or not all(isinstance(token, int) for token in ids):
        raise ModelError(f"{who} returned no token ids (token_ids); it takes vLLM 0.22 or newer.")
    if reason not in ("stop", "length"):
        raise ModelError(f"{who} broke a turn off ({reason}); see its log.")
    if not isinstance(logprobs, (list, tuple)) or len(logprobs) != len(ids):
        count = len(logprobs) if isinstance(logprobs, (list, tuple)) else 0
        raise ModelError(
            f"{who} returned {len(ids)} tokens and {count} log-probabilities; nothing can be learnt from a token without one."
        )
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in logprobs):
        raise ModelError(
            f"{who} returned a log-probability that is no finite number; see that the weights it was sent are finite."
        )
    return Stretch([int(token) for token in ids], [float(value) for value in logprobs], reason)


class ServerPolicy(VllmPolicy):
    """Sessions on a native vLLM server at a URL such as http://127.0.0.1:8000.

    `timeout` is in seconds, for one turn. Raises MissingExtraError without httpx, ModelError where the server does not answer.
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
        """One request to /v1/completions, tried again where what failed may pass."""
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
            ids, logprobs, reason = (
                choice.get("token_ids"),
                choice.get("logprobs") or {},
                choice.get("finish_reason"),
            )
            return checked(self._who, ids, logprobs.get("token_logprobs"), reason)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ModelError(
                f"{self._who} answered with something other than a completion; see that vllm.url is that of a native vLLM server."
            ) from error

    @property
    def _who(self) -> str:
        return f"The vLLM server at {self.url}"

    def _gate(self) -> asyncio.Semaphore:
        """What lets so many requests through at a time; every rollout of tasks has an event loop of its own."""
        return self._gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_A_TIME))

    async def _complete(self, body: Mapping[str, Any]) -> Any:
        """The JSON of an answer. Raises ModelError."""
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
                        f"{self._who} answered with something other than JSON; see that vllm.url is that of a native vLLM server."
                    ) from error
            elif response.status_code in MAY_PASS or response.status_code >= 500:
                failure = f"answers {_told(response)}"
            else:
                raise ModelError(f"{self._who} refused a request ({_told(response)}).")
        raise ModelError(f"{self._who} {failure}, also after {len(WAITS)} further tries; see that it runs.")

    async def _post(self, body: Mapping[str, Any]) -> httpx.Response | str:
        """An answer, or what kept it from coming. Raises ModelError where it did not come in time: then another try would not help either."""
        import httpx

        try:
            # A connection of its own for each turn: event loops come and go, and servers close those that idle while a search or a step of training lasts.
            async with httpx.AsyncClient(verify=self._context, timeout=self.timeout) as client:
                return await client.post(f"{self.url}/v1/completions", json=body)
        except httpx.TimeoutException as error:
            raise ModelError(
                f"{self._who} did not answer within {self.timeout:g} seconds; raise vllm.timeout, or lower prompts_per_step."
            ) from error
        except httpx.TransportError as error:
            return f"cannot be reached ({str(error) or type(error).__name__})"

    def _served(self) -> str:
        """The model's name at the server. Raises ModelError where the server does not answer."""
        import httpx

        try:
            response = httpx.get(
                f"{self.url}/v1/models", verify=self._context, timeout=min(self.timeout, 30.0)
            )
            return str(response.raise_for_status().json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"{self._who} does not say which model it has ({error or type(error).__name__}); how to start it: docs/scale.md."
            ) from error


def _told(response: httpx.Response) -> str:
    """A status and a server's words, on one line and not too long."""
    said = " ".join(response.text.split())
    return f"{response.status_code}: {said[:LONGEST_MESSAGE]}" if said else str(response.status_code)


class EnginePolicy(VllmPolicy):
    """Sessions on a vLLM engine in this process (`LLM(...).llm_engine`: add_request, step, has_unfinished_requests, abort_request).

    Between two steps of the engine the event loop goes round, so that sessions whose search is done continue, and join the next step.
    Raises MissingExtraError without vLLM.
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
        """One request to the engine, which this and all others that wait step together."""
        name, done = f"masksearch-{next(self._numbers)}", asyncio.get_running_loop().create_future()
        try:
            # With its type the prompt is what vLLM's own renderer would make of the ids, and nothing is tokenised.
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
            if self.waiting.pop(name, None) is not None:
                self.engine.abort_request([name])
        found = [
            entry[token].logprob
            for token, entry in zip(output.token_ids, output.logprobs or (), strict=False)
            if token in entry
        ]
        return checked("The vLLM engine", list(output.token_ids), found, output.finish_reason)

    async def _drive(self) -> None:
        while self.waiting:
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
        """One step, and the turns that it completed. Raises ModelError where the engine has lost a request: it would be waited for for ever."""
        if self.waiting and not self.engine.has_unfinished_requests():
            raise ModelError(
                f"The vLLM engine has lost {len(self.waiting)} requests; start the same command again."
            )
        for output in self.engine.step():
            if (
                output.finished
                and (done := self.waiting.pop(output.request_id, None)) is not None
                and not done.done()
            ):
                done.set_result(output.outputs[0])
