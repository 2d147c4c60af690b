"""Renders prompts from the files in `prompts/LANGUAGE/`; an undefined variable in a file is an error.

A task that names its language gets all prompts in that language, the system prompt included: `zh/` holds the
Chinese version of each file in `en/`. Tasks without a language get the English files. The tags are the same
in all languages.

The system prompt has one of three styles: as in training (`agent`), with rules and an example that
explain the protocol (`agent-prompted`, for models that were never trained on it), or for a model that
calls tools natively (`agent-tools`).

All corpus text, whether from a task or a search result, passes through `text.neutralise`, which makes
tags and special tokens in it inert.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from masksearch.llm.base import Message
from masksearch.text.excerpts import beginning, text_part
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit, MaskedTask, Page, Task, Tools

TRANSLATED = ("es", "fr", "zh")
"""Languages of the prompts in addition to English."""
TITLE_WORDS = 40
"""Maximum number of words shown of a title."""
Style = Literal["agent", "agent-prompted", "agent-tools"]
"""Style of the system prompt that describes the protocol and the tools."""


FOLDER = Path(__file__).parent / "prompts"


def _source(name: str) -> str | None:
    """Returns the text of the prompt file with this flat name; None if the file does not exist.

    A flat name writes the language into the name: `agent.zh.j2` is the file `zh/agent.j2`. Prompt files name
    the files that they extend by flat names. This must stay so, because results contain hashes of the files'
    texts.
    """
    stem, _, language = name.removesuffix(".j2").partition(".")
    file = FOLDER / (language or "en") / f"{stem}.j2"
    return file.read_text(encoding="utf-8") if file.is_file() else None


@functools.cache
def _environment() -> Any:
    """Returns the Jinja environment that loads the prompt files by their flat names (see `_source`)."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )


def render(name: str, language: str = "", **values: Any) -> str:
    """Renders a prompt file in the given language, or in English if TRANSLATED lacks the language."""
    file = f"{name}.{language}.j2" if language in TRANSLATED else f"{name}.j2"
    return str(_environment().get_template(file).render(**values))


def task_prompt(task: Task, answer_form: str) -> str:
    """Renders the user message of a task."""
    if isinstance(task, MaskedTask):
        return render(f"ramp-{answer_form}", task.language, text=neutralise(task.text), masks=task.masks)
    return render("question", question=neutralise(task.question))


def messages(
    task: Task, method: str, answer_form: str, information: str = "", **limits: int
) -> list[Message]:
    """Returns the messages that a session starts with: a system message and a user message.

    `method` is the name of the system prompt's file. `information` holds search results that are shown before
    the task. `limits` are `max_searches` and `max_opens`; only the prompts of the styles agent-prompted and
    agent-tools mention them.
    """
    user = task_prompt(task, answer_form)
    system = render(method, task_language(task), **limits)
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": f"{information.strip()}\n\n{user}" if information else user},
    ]


def method_prompt(tools: Tools, style: Style = "agent") -> str:
    """Returns the name of the prompt file for an agent with these tools.

    The style agent-tools has one file for all tools, because the request to the server describes the tools.
    """
    return f"{style}-open" if "open" in tools and style != "agent-tools" else style


def prompts_hash() -> str:
    """Returns the SHA-256, as hex, of the names and contents of all prompt files."""
    digest = hashlib.sha256()
    files = {_flat_name(file): file for file in FOLDER.glob("*/*.j2")}
    for name, file in sorted(files.items()):
        content = file.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _flat_name(file: Path) -> str:
    """Returns the flat name of a prompt file: `zh/agent.j2` -> `agent.zh.j2`.

    Results contain hashes of the flat names, so the flat names must be the same in all versions of this
    package.
    """
    language = file.parent.name
    return file.name if language == "en" else f"{file.stem}.{language}.j2"


@functools.cache
def templates_hash() -> str:
    """Returns the first 16 digits of `prompts_hash`, which trajectories record as the version of the
    prompts."""
    return prompts_hash()[:16]


def messages_hash(chat: Sequence[Message]) -> str:
    """Returns the first 16 hex digits of the SHA-256 of rendered messages."""
    text = json.dumps([[message["role"], message["content"]] for message in chat], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def task_language(task: Task) -> str:
    """Returns the language of a RAMP task; empty for a question, whose prompts are English."""
    return task.language if isinstance(task, MaskedTask) else ""


def render_information(hits: Sequence[Hit], words: int, language: str = "") -> str:
    """Renders search results for the model, each cut to `words` words and neutralised."""
    passages = [
        {"title": beginning(hit.passage.title, TITLE_WORDS), "text": beginning(hit.passage.text, words)}
        for hit in hits
    ]
    return _information(passages, "nothing", language)


def render_correction(tools: Tools, language: str = "", style: Style = "agent") -> str:
    """Renders the message that answers an invalid turn.

    The message is always the same and does not repeat any text of the turn.
    """
    if style == "agent-tools":
        name = "correction-tools"
    elif "open" in tools:
        name = "correction-open"
    else:
        name = "correction"
    return f"\n{render(name, language)}\n"


def render_failure(language: str = "") -> str:
    """Renders the information block of a failed search."""
    return _information([], "failed", language)


def render_page(page: Page | None, part: int, words: int, language: str = "") -> str:
    """Renders one part of an opened page. `part` counts from 1; a page is divided into parts of `words`
    words.

    If the page or the part does not exist, renders a notice instead.
    """
    if page is None:
        return _information([], "no-page", language)
    text, parts = text_part(page.text, part, words)
    if not text:
        return _information([], "page-end", language)
    title = f"{beginning(page.title, TITLE_WORDS)} ({part}/{parts})"
    return _information([{"title": title, "text": text}], "", language)


def _information(passages: Sequence[dict[str, str]], otherwise: str, language: str) -> str:
    """Renders an information block that holds these passages. Without passages, the block holds the text
    of the prompt file `otherwise`."""
    return render("information", passages=passages, nothing=render(otherwise, language) if otherwise else "")
