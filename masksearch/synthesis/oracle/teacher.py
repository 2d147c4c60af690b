"""The scripted (oracle) teacher as a policy: it knows the gold answer, but must find the evidence.

It searches through the ordinary agent loop with visible words only, reads the results as a model sees them (cut and
neutralised), quotes the evidence, and gives up where the evidence was not found; the task is then dropped. It never sends a
query that would hold a gold word not visible by then. `first` and `second` write its turns; `versions` chooses between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from masksearch.agent.prompts import TITLE_WORDS, task_language, task_prompt
from masksearch.agent.settings import AgentSettings
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.wording import leaks
from masksearch.text.excerpts import beginning
from masksearch.types import Hit, Task

Turns = Iterator[str]
"""The teacher's turns, written as a generator: it reads `Oracle.results` after each search."""
Plan = Callable[["Oracle"], Turns]
"""Writes the turns of one task."""


class Oracle:
    """A policy for one task; its own only session."""

    record: TokenRecord | None = None

    def __init__(self, task: Task, settings: AgentSettings, name: str, plan: Plan) -> None:
        """`name` goes into the trajectory; `plan` writes the turns."""
        self.task, self.settings, self.name = task, settings, name
        self.visible = self.visible_before = task_prompt(task, settings.answer_form)
        self.results: list[Shown] = []
        self.gave_up = ""
        """Why there is no answer; empty in the first version, which knows one reason."""
        self.unlinked = False
        """Whether known evidence was shown that nothing visible links to the task."""
        self.hops: list[bool] = []
        """Of each search for an entity, whether it brought what was looked for."""
        self.turns = plan(self)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> Oracle:
        """The teacher is its own session."""
        return self

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """The next turn; an empty one where the teacher gives up."""
        text = next(self.turns, "")
        return Generation(text, "stop" if text else "end", len(text.split()))

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Reads results."""
        self.visible_before = self.visible
        self.visible += text
        passages, words = [hit.passage for hit in hits], self.settings.passage_words
        self.results = [
            Shown(
                number,
                passage.id,
                passage.doc_id,
                passage.title,
                beginning(passage.text, words),
                beginning(passage.title, TITLE_WORDS),
            )
            for number, passage in enumerate(passages, 1)
        ]
        return len(text.split())

    def close(self) -> None:
        """Nothing is held."""

    def may_ask(self, query: str) -> bool:
        """Whether a query gives nothing away."""
        golds = self.task.answers
        return bool(query.strip()) and not leaks(query, golds, self.visible, task_language(self.task))
