"""What the model is shown: prompts are files in `prompts/`, and an undefined variable in one is an error.

Text of a corpus, whether task or search result, passes through `neutralise`, the one place that makes it harmless.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from masksearch.llm.base import Message
from masksearch.search.neutralise import neutralise
from masksearch.types import Hit, MaskedTask, Task


@functools.cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(loader=jinja2.PackageLoader("masksearch.agent", "prompts"), undefined=jinja2.StrictUndefined, autoescape=False)


def render(name: str, **values: Any) -> str:
    """A prompt file with its variables filled in."""
    return str(_environment().get_template(f"{name}.j2").render(**values))


def task_prompt(task: Task, answer_form: str) -> str:
    """The user's words for a task."""
    if isinstance(task, MaskedTask):
        return render(f"ramp-{answer_form}", text=neutralise(task.text), masks=task.masks)
    return render("question", question=neutralise(task.question))


def messages(task: Task, method: str, answer_form: str, information: str = "") -> list[Message]:
    """The chat that a session starts with; `information` stands before the task where it was retrieved beforehand."""
    user = task_prompt(task, answer_form)
    return [{"role": "system", "content": render(method)}, {"role": "user", "content": f"{information.strip()}\n\n{user}" if information else user}]


def render_information(hits: Sequence[Hit], words: int) -> str:
    """Search results as the model sees them, each cut to `words` words and made harmless."""
    passages = [{"title": neutralise(hit.passage.title), "text": shown(hit.passage.text, words)} for hit in hits]
    return render("information", passages=passages)


def shown(text: str, words: int) -> str:
    """What is shown of a passage."""
    return " ".join(neutralise(text).split()[:words])
