"""What the model is shown: prompts are files in `prompts/`, and an undefined variable in one is an error.

A task that names its language is put in that language, the system's words included: `ramp-spans.zh.j2` is what `ramp-spans.j2` is in Chinese.
English, and a task without a language, have the files without a code. The tags are the same in all.

An agent is spoken to in one of three styles: as it was trained (`agent`), with the protocol explained by rules and an example (`agent-prompted`, for
models that were never trained on it), or as a model that calls tools natively (`agent-tools`).

Text of a corpus, whether task or search result, passes through `neutralise`, the one place that makes it harmless.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from masksearch.llm.base import Message
from masksearch.text.excerpts import beginning, part_of
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit, MaskedTask, Page, Task, Tools

TRANSLATED = ("es", "fr", "zh")
"""Languages that the prompts exist in, beside English."""
TITLE_WORDS = 40
"""Words shown of a title."""
Style = Literal["agent", "agent-prompted", "agent-tools"]
"""How an agent is told what it can do."""


@functools.cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("masksearch.agent", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )


def render(name: str, language: str = "", **values: Any) -> str:
    """A prompt file with its variables filled in, in a language that it exists in, otherwise in English."""
    file = f"{name}.{language}.j2" if language in TRANSLATED else f"{name}.j2"
    return str(_environment().get_template(file).render(**values))


def task_prompt(task: Task, answer_form: str) -> str:
    """The user's words for a task."""
    if isinstance(task, MaskedTask):
        return render(f"ramp-{answer_form}", task.language, text=neutralise(task.text), masks=task.masks)
    return render("question", question=neutralise(task.question))


def messages(
    task: Task, method: str, answer_form: str, information: str = "", **limits: int
) -> list[Message]:
    """The chat that a session starts with; `information` stands before the task where it was retrieved beforehand.

    `limits` are `max_searches` and `max_opens`, which the prompts of the styles agent-prompted and agent-tools name.
    """
    user = task_prompt(task, answer_form)
    system = render(method, task_language(task), **limits)
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": f"{information.strip()}\n\n{user}" if information else user},
    ]


def method_prompt(tools: Tools, style: Style = "agent") -> str:
    """The prompt file of the agent that is offered these tools. Native tools are described by the request, so they have one file."""
    return f"{style}-open" if "open" in tools and style != "agent-tools" else style


def prompts_hash() -> str:
    """SHA-256 of all prompt files, names and contents, as hex: equal prompts, equal hash."""
    digest = hashlib.sha256()
    for file in sorted((Path(__file__).parent / "prompts").glob("*.j2")):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@functools.cache
def templates_hash() -> str:
    """The first 16 digits of `prompts_hash`: the version of the prompt files, as trajectories record it."""
    return prompts_hash()[:16]


def messages_hash(chat: Sequence[Message]) -> str:
    """The first 16 hex digits of the SHA-256 of a rendered prompt: equal messages, equal hash."""
    text = json.dumps([[message["role"], message["content"]] for message in chat], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def task_language(task: Task) -> str:
    """The language a task names; questions are English."""
    return task.language if isinstance(task, MaskedTask) else ""


def render_information(hits: Sequence[Hit], words: int, language: str = "") -> str:
    """Search results as the model sees them, each cut to `words` words and made harmless."""
    passages = [
        {"title": beginning(hit.passage.title, TITLE_WORDS), "text": beginning(hit.passage.text, words)}
        for hit in hits
    ]
    return _information(passages, "nothing", language)


def render_correction(tools: Tools, language: str = "", style: Style = "agent") -> str:
    """What an agent is told whose turn asked for nothing that can be done; the same words each time, nothing of the turn among them."""
    name = (
        "correction-tools"
        if style == "agent-tools"
        else "correction-open"
        if "open" in tools
        else "correction"
    )
    return f"\n{render(name, language)}\n"


def render_failure(language: str = "") -> str:
    """What the model sees of a search that failed."""
    return _information([], "failed", language)


def render_page(page: Page | None, part: int, words: int, language: str = "") -> str:
    """The `part`-th part (from 1) of an opened page, `words` words long; or that there is no such page, or part."""
    if page is None:
        return _information([], "no-page", language)
    text, parts = part_of(page.text, part, words)
    if not text:
        return _information([], "page-end", language)
    return _information(
        [{"title": f"{beginning(page.title, TITLE_WORDS)} ({part}/{parts})", "text": text}], "", language
    )


def _information(passages: Sequence[dict[str, str]], otherwise: str, language: str) -> str:
    """An information block with these passages, or with the words of the prompt file `otherwise`."""
    return render("information", passages=passages, nothing=render(otherwise, language) if otherwise else "")
