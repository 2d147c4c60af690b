"""The model in a thread: it loads there, and answers a limited number of questions at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future

from masksearch.agent.watch import Event
from masksearch.asking.agent import Agent, Reply
from masksearch.asking.settings import AskSettings
from masksearch.errors import UsageError
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused

STOP_SECONDS = 5.0
"""Seconds that `close` waits for the thread, which may be in a forward pass."""


class Host:
    """An agent with a thread and an event loop of its own. All methods but `close` may be called from any one
    other event loop."""

    def __init__(
        self,
        load: Callable[[], Agent],
        settings: ServeSettings,
        on_failure: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """`load` opens the agent, in the host's thread. `on_failure` is called there with its error."""
        self.settings = settings
        self.agent: Agent | None = None
        self.in_flight = 0
        """Number of questions that wait or are answered."""
        self._load, self._on_failure = load, on_failure
        self._loaded: Future[Agent] = Future()
        self._loop = asyncio.new_event_loop()
        self._slots = asyncio.Semaphore(settings.decode_slots)
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def start(self) -> None:
        """Starts to load the model."""
        self._thread.start()

    def close(self) -> None:
        """Ends all episodes and the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # the loop may end meanwhile
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.agent is not None

    @property
    def waiting(self) -> int:
        """Number of questions that wait for a slot."""
        return max(0, self.in_flight - self.settings.decode_slots)

    async def wait_until_ready(self) -> None:
        """Waits until the model is loaded. Raises the error of a model that cannot be loaded."""
        await asyncio.shield(asyncio.wrap_future(self._loaded))

    def check(self) -> None:
        """Raises Refused (503) while the model loads, and if too many questions wait."""
        if self.agent is None:
            raise Refused(503, "The model is loading; try again in a few seconds.", {"retry-after": "3"})
        most = self.settings.decode_slots + self.settings.max_questions
        if self.in_flight >= most:
            sentence = f"The server has {self.in_flight:,} of at most {most:,} questions; try again later."
            raise Refused(503, sentence, {"retry-after": "5"})

    async def ask(
        self,
        question: str,
        watch: Callable[[Event], None],
        started: Callable[[], None],
        changed: AskSettings | None = None,
    ) -> Reply:
        """Answers a question, after those that came before it.

        `watch` and `started` are called on the caller's event loop: `started` when the question has a slot,
        then `watch` with each event. `changed` are settings that replace those of the server. Cancelling the
        coroutine ends the episode and frees its slot. Raises Refused: 503 while the model loads or if too
        many questions wait, 504 if the model does not answer in time.
        """
        self.check()
        caller = asyncio.get_running_loop()
        deadline = asyncio.timeout(None)

        def begin() -> None:
            if running:
                deadline.reschedule(caller.time() + self.settings.question_timeout)
                started()

        def call(function: Callable[..., None], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop may have ended
                caller.call_soon_threadsafe(function, *arguments)

        running = True
        self.in_flight += 1
        try:
            async with deadline:
                episode = self._episode(
                    question, lambda event: call(watch, event), lambda: call(begin), changed
                )
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(episode, self._loop))
        except TimeoutError:
            if not deadline.expired():
                raise
            raise Refused(
                504,
                f"The model did not answer within {self.settings.question_timeout:g} seconds; ask again, or "
                "let the server allow more time (question_timeout).",
            ) from None
        finally:
            running = False
            self.in_flight -= 1

    async def _episode(
        self,
        question: str,
        watch: Callable[[Event], None],
        started: Callable[[], None],
        changed: AskSettings | None,
    ) -> Reply:
        agent = self.agent
        assert agent is not None
        async with self._slots:
            started()
            if changed is not None:
                agent = Agent(agent.policy, agent.searcher, changed)
            try:
                return await agent.ask(question, watch)
            except UsageError as error:
                raise Refused(422, str(error)) from error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            agent = self._load()
        except BaseException as error:  # the thread that waits for the model raises it
            self._loaded.set_exception(error)
            self._on_failure(error)
            return
        self.agent = agent
        self._loaded.set_result(agent)
        self._loop.run_forever()
        open_tasks = asyncio.all_tasks(self._loop)
        for task in open_tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*open_tasks, return_exceptions=True))
        self._loop.close()
