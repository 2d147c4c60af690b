"""The service: a question in, its steps while they happen, a record of the whole at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from masksearch.asking.agent import Reply, checked
from masksearch.asking.settings import AskSettings
from masksearch.asking.sources import Source
from masksearch.errors import UsageError
from masksearch.llm.checkpoint import checkpoint_name
from masksearch.llm.settings import ENDPOINTS
from masksearch.serving.agent.host import Host
from masksearch.serving.agent.kept import Kept, new_id
from masksearch.serving.agent.steps import Step, Steps, joined, shortened
from masksearch.serving.metrics import Metrics
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused
from masksearch.text.display import encodable
from masksearch.text.neutralise import neutralise

Record = dict[str, Any]
"""A question, its steps, its answer and sources, as JSON values."""


class Answers:
    """Answers questions and keeps the records. All clients of a server share it."""

    def __init__(self, host: Host, settings: ServeSettings, metrics: Metrics | None = None) -> None:
        self.host, self.settings, self.metrics = host, settings, metrics
        self.kept = Kept(settings.kept_answers)
        self.model = model_name(settings.model)
        if metrics is not None:
            metrics.watch_questions(lambda: host.waiting, lambda: host.in_flight - host.waiting)

    async def ask(
        self, question: str, show: Callable[[Step], None], changed: AskSettings | None = None
    ) -> Record:
        """Answers a question and returns its record. `show` is called with each step as it happens.

        The first step is `{"step": "waiting", "ahead": N}` or `{"step": "started"}`; these two are no part of
        the record. Raises Refused: 422 for a question that is empty or too long, and as `Host.ask`.
        """
        question = checked_question(question)
        steps: list[Step] = []

        def add(step: Step) -> None:
            joined(steps, step)
            show(step)

        turn = Steps(add)
        begun = time.perf_counter()

        def started() -> None:
            show({"step": "started"})

        outcome = "gone"
        try:
            self.host.check()
            if self.host.in_flight >= self.settings.decode_slots:
                show({"step": "waiting", "ahead": self.host.waiting})
            reply = await self.host.ask(question, turn, started, changed)
            outcome = reply.trajectory.status
        except Refused as error:
            outcome = "timeout" if error.status == 504 else "refused"
            raise
        except Exception:
            outcome = "error"
            raise
        finally:
            if self.metrics is not None:
                self.metrics.question(outcome, time.perf_counter() - begun)
        record = record_of(question, steps, reply)
        if self.settings.kept_answers:
            self.kept.add(record)
        return record


def model_name(model: str) -> str:
    """Returns the name under which clients ask for a model."""
    return model if model.startswith(ENDPOINTS) else checkpoint_name(model)


def checked_question(question: str) -> str:
    """Returns the question. Raises Refused (422) if it is empty or too long."""
    try:
        return checked(encodable(question))
    except UsageError as error:
        raise Refused(422, str(error)) from None


def record_of(question: str, steps: list[Step], reply: Reply) -> Record:
    """Returns the record of a question that was answered, or that has no answer for the reason `fault`."""
    trajectory, found = reply.trajectory, reply.found
    usage = trajectory.usage
    return {
        "id": new_id(),
        "asked": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "question": question,
        "steps": steps,
        "answer": encodable(reply.answer),
        "status": trajectory.status,
        "fault": encodable(reply.fault),
        "timed_out": reply.timed_out,
        "notes": [encodable(note) for note in reply.notes],
        "grounded": found.grounded,
        "declined": found.declined,
        "false_quotes": found.false_quotes,
        "sources": [_source(source) for source in reply.sources],
        "searches": usage.searches,
        "seconds": round(reply.seconds, 2),
        "model": trajectory.model,
        "retriever": trajectory.retriever,
        "usage": {
            "prompt_tokens": usage.prompt_tokens + usage.tool_tokens,
            "completion_tokens": usage.model_tokens,
            "total_tokens": usage.prompt_tokens + usage.tool_tokens + usage.model_tokens,
        },
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "id": neutralise(source.passage_id),
        "title": source.title or neutralise(source.passage_id),
        "sentence": shortened(source.sentence),
        "text": shortened(source.text),
        "holds_answer": source.holds_answer,
        "quoted": source.quoted,
    }
