"""The chat template of a published model: one assistant message for a whole episode.

Training puts the results of a search into the model's own turn: the text after `</search>` is
`<information>...`, then the model continues. A server's protocol has messages instead, so our agent sends
the results as a user message. The published template renders such a message inside the assistant's turn, so
that a server computes the tokens that the model was trained on. All other messages are rendered as by the
base model's template, whose literal texts are found by rendering sample messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksearch.llm.token_session import encode_prompt

SHOWN = "<information>"
"""A message that starts with this tag after an assistant message continues the assistant's turn."""
_SYSTEM, _USER, _MODEL, _NEXT = "sys7tem7text", "use7r7text", "mod7el7text", "nex7t7text"
"""Sample texts of messages, which occur in no template."""


@dataclass(frozen=True)
class ChatForm:
    """The literal texts of a chat template, between the texts of the messages."""

    start: str
    """Before the system message's text."""
    system_end: str
    """Between the texts of the system and the first user message."""
    user_end: str
    """Between the text of a user message and the model's."""
    user_close: str
    """After the text of a user message that is the last, without the opening of the model's turn."""
    model_end: str
    """After the model's text, if its message is the last."""
    between: str
    """Between the model's text and that of the next user message."""

    @property
    def opening(self) -> str:
        """The opening of the model's turn, after a message that is closed already."""
        return self.user_end.removeprefix(self.user_close)


def find_form(tokenizer: Any, end: str) -> ChatForm | None:
    """Returns the literal texts of a tokenizer's chat template; None for a template that does more than to
    put texts around the messages.

    `end` is the token that ends a message, for a tokenizer without a template (see `encode_prompt`).
    """
    chat = [_message("system", _SYSTEM), _message("user", _USER)]
    longer = [*chat, _message("assistant", _MODEL)]
    whole = [*longer, _message("user", _NEXT)]
    if not tokenizer.chat_template:
        return ChatForm("", "\n\n", "\n\n", "\n\n", end, f"{end}\n\n")
    try:
        opened, closed = _render(tokenizer, chat, True), _render(tokenizer, chat, False)
        ended, next_opened = _render(tokenizer, longer, False), _render(tokenizer, whole, True)
    except Exception:  # a template refuses messages with an error of its own
        return None
    start, _, rest = opened.partition(_SYSTEM)
    system_end, _, user_end = rest.partition(_USER)
    form = ChatForm(
        start,
        system_end,
        user_end,
        user_close=closed.rpartition(_USER)[2],
        model_end=ended.rpartition(_MODEL)[2],
        between=next_opened.rpartition(_MODEL)[2].partition(_NEXT)[0],
    )
    head = f"{start}{_SYSTEM}{system_end}{_USER}{user_end}"
    agrees = (
        (opened, ended) == (head, f"{head}{_MODEL}{form.model_end}")
        and next_opened == f"{head}{_MODEL}{form.between}{_NEXT}{user_end}"
        and all(text in opened for text in (_SYSTEM, _USER))
        and user_end.startswith(form.user_close)
    )
    return form if agrees else None


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _render(tokenizer: Any, chat: Sequence[Mapping[str, str]], opens: bool) -> str:
    return str(tokenizer.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=opens))


def jinja_template(form: ChatForm, system: str) -> str:
    """Returns the form as a Jinja template; `system` is the system message of chats without one."""
    q = _quoted
    return "".join(
        (
            "{%- if messages[0]['role'] == 'system' -%}",
            "{%- set system = messages[0]['content'] -%}{%- set rest = messages[1:] -%}",
            f"{{%- else -%}}{{%- set system = {q(system)} -%}}{{%- set rest = messages -%}}{{%- endif -%}}",
            "{%- set ns = namespace(last='system') -%}",
            f"{{{{- {q(form.start)} + system -}}}}",
            "{%- for message in rest -%}{%- set text = message['content'] -%}",
            "{%- if ns.last == 'assistant' and "
            f"(message['role'] == 'tool' or text[:{len(SHOWN)}] == {q(SHOWN)}) -%}}",
            "{{- '\\n' + text.strip() + '\\n' -}}{%- set ns.last = 'tool' -%}",
            "{%- elif message['role'] == 'assistant' -%}",
            f"{{%- if ns.last in ['user', 'system'] -%}}{{{{- {q(form.user_end)} -}}}}{{%- endif -%}}",
            "{{- text -}}{%- set ns.last = 'assistant' -%}",
            "{%- else -%}",
            f"{{%- if ns.last == 'system' -%}}{{{{- {q(form.system_end)} -}}}}",
            f"{{%- else -%}}{{{{- {q(form.between)} -}}}}{{%- endif -%}}",
            "{{- text -}}{%- set ns.last = 'user' -%}",
            "{%- endif -%}{%- endfor -%}",
            "{%- if ns.last in ['user', 'system'] -%}",
            f"{{%- if add_generation_prompt -%}}{{{{- {q(form.user_end)} -}}}}",
            f"{{%- else -%}}{{{{- {q(form.user_close)} -}}}}{{%- endif -%}}",
            f"{{%- elif ns.last == 'assistant' -%}}{{{{- {q(form.model_end)} -}}}}",
            f"{{%- if add_generation_prompt -%}}{{{{- {q(form.opening)} -}}}}{{%- endif -%}}",
            "{%- endif -%}",
        )
    )


def ollama_template(form: ChatForm) -> str:
    """Returns the form as a template of Ollama, in the language of Go's text/template."""
    q, size = _quoted, len(SHOWN)
    shown = f"(and (ge (len .Content) {size}) (eq (slice .Content 0 {size}) {q(SHOWN)}))"
    return "".join(
        (
            f'{{{{ $last := "system" }}}}{{{{ {q(form.start)} }}}}{{{{ .System }}}}',
            "{{ range .Messages }}",
            f'{{{{ if and (eq $last "assistant") (or (eq .Role "tool") {shown}) }}}}',
            '{{ "\\n" }}{{ .Content }}{{ "\\n" }}{{ $last = "tool" }}',
            '{{ else if eq .Role "assistant" }}',
            f'{{{{ if or (eq $last "user") (eq $last "system") }}}}{{{{ {q(form.user_end)} }}}}{{{{ end }}}}',
            '{{ .Content }}{{ $last = "assistant" }}',
            '{{ else if ne .Role "system" }}',
            f'{{{{ if eq $last "system" }}}}{{{{ {q(form.system_end)} }}}}',
            f"{{{{ else }}}}{{{{ {q(form.between)} }}}}{{{{ end }}}}",
            '{{ .Content }}{{ $last = "user" }}',
            "{{ end }}{{ end }}",
            f'{{{{ if or (eq $last "user") (eq $last "system") }}}}{{{{ {q(form.user_end)} }}}}',
            f'{{{{ else if eq $last "assistant" }}}}{{{{ {q(form.model_end + form.opening)} }}}}',
            "{{ end }}",
        )
    )


def _quoted(text: str) -> str:
    """Returns a text as a string literal, which Jinja and Go read alike."""
    return json.dumps(text, ensure_ascii=False)


def same_prompts(before: Any, after: Any, chats: Sequence[Sequence[dict[str, str]]]) -> bool:
    """Whether two tokenizers encode these chats alike, up to the model's turn."""
    return all(encode_prompt(before, chat) == encode_prompt(after, chat) for chat in chats)  # type: ignore[arg-type]
