"""The scripted (oracle) teacher as a policy: it knows the gold answer, but must find the evidence.

It searches through the ordinary agent loop, and reads the results as a model sees them (cut and
neutralised). It quotes the evidence that it finds. If it finds none, it gives up and the task is dropped. A
query may hold a word of the gold answer only after that word is visible in the task or a result. The modules
`first` and `second` write the turns of the two versions; `versions` chooses between them.
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
"""The teacher's turns as a generator. It yields a turn, then reads the results in `Oracle.results`."""
Plan = Callable[["Oracle"], Turns]
"""A function that writes the turns of one task."""


class Oracle:
    """A policy for one task. It has only one session, so it is its own session too."""

    record: TokenRecord | None = None

    def __init__(self, task: Task, settings: AgentSettings, name: str, plan: Plan) -> None:
        """`name` is the model name on the trajectory; `plan` writes the turns."""
        self.task, self.settings, self.name = task, settings, name
        self.visible = self.visible_before = task_prompt(task, settings.answer_form)
        """All text that a model would have seen: up to now, and (`visible_before`) before the last search."""
        self.results: list[Shown] = []
        """Results of the last search."""
        self.gave_up = ""
        """Reason why the teacher gave up. Always empty in the first version, which has only one reason."""
        self.hidden = False
        """Whether the searches hide evidence of the task on purpose (see `SynthesizeSettings.not_found`)."""
        self.unlinked = False
        """Whether any result was known evidence but had no link to the task."""
        self.hops: list[bool] = []
        """For each search for an entity, whether the search found evidence."""
        self.turns = plan(self)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> Oracle:
        """Returns the teacher itself, which is its own session."""
        return self

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Returns the next turn; an empty turn if the teacher gives up."""
        text = next(self.turns, "")
        return Generation(text, "stop" if text else "end", len(text.split()))

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Reads the results of a search, cut as the agent loop shows them; returns the number of words."""
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
        """Does nothing: the teacher holds no resources."""

    def may_ask(self, query: str) -> bool:
        """Whether a query is not empty and holds no word of the gold answer that is not visible yet."""
        golds = self.task.answers
        return bool(query.strip()) and not leaks(query, golds, self.visible, task_language(self.task))
