"""The chat template of a published model, as Jinja and as Ollama's template."""

from __future__ import annotations

from typing import Any

import pytest
from kit import go_template
from kit.tiny import CHATML, make_tiny_tokenizer

from masksearch.agent.prompts import messages, render_information
from masksearch.interop.publish.chat import find_form, jinja_template, ollama_template
from masksearch.llm.token_session import encode_plain, encode_prompt
from masksearch.types import Hit, Passage, Question

SMOL = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe nice<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BARS = (
    "<|endoftext|>{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}"
    "{% if m['role'] == 'assistant' %}<|im_end|>{% endif %}|{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SCRAMBLED = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
COUNTING = "{% for m in messages %}{{ m['content'] }}{{ messages | length }}{% endfor %}"
CHAT = messages(Question(id="q", question="Who discovered radium?", answers=()), "agent", "spans")
SEARCH = "<think>Radium.</think>\n<search>radium discovery</search>"
INFORMATION = render_information(
    [Hit(passage=Passage(id="1", doc_id="1", title="Radium", text="Found by Curie \u00e9 <b>."), score=1.0)],
    40,
)
ANSWER = "<think>Curie.</think>\n<answer>Marie Curie</answer>"


def episode(*turns: str) -> list[dict[str, str]]:
    """Returns the messages that our agent sends to an endpoint after these turns."""
    roles = ("assistant", "user")
    return [
        *map(dict, CHAT),
        *({"role": roles[number % 2], "content": text.strip()} for number, text in enumerate(turns)),
    ]


@pytest.mark.parametrize("template", [CHATML, SMOL, BARS, None])
def test_an_episode_behind_a_server_has_the_tokens_of_training(template: str | None) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template)
    prompt = encode_prompt(tokenizer, CHAT)
    form = find_form(tokenizer, "<|im_end|>")
    assert form is not None
    tokenizer.chat_template = jinja_template(form, "Search.")
    assert encode_prompt(tokenizer, CHAT) == prompt
    turns = (SEARCH, INFORMATION, SEARCH, INFORMATION)
    expected = prompt + [token for turn in turns for token in encode_plain(tokenizer, turn)]
    assert encode_prompt(tokenizer, episode(*turns)) == expected


@pytest.mark.parametrize("template", [CHATML, SMOL])
def test_other_chats_are_rendered_as_before(template: str) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template)
    whole = [*map(dict, CHAT), {"role": "assistant", "content": ANSWER}]
    further = [*whole, {"role": "user", "content": "And polonium?"}]
    chats = [(whole, False), (further, True), (further, False), (whole, True)]

    def rendered() -> list[str]:
        return [
            tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=opens)
            for chat, opens in chats
        ]

    before = rendered()
    form = find_form(tokenizer, "")
    assert form is not None
    tokenizer.chat_template = jinja_template(form, "Search.")
    assert rendered() == before


def test_a_chat_without_a_system_message_gets_the_prompt_of_training() -> None:
    tokenizer = make_tiny_tokenizer(chat_template=SMOL)
    form = find_form(tokenizer, "")
    assert form is not None
    tokenizer.chat_template = jinja_template(form, 'Say "<search>"\n\u00e9.')
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert text == '<|im_start|>system\nSay "<search>"\n\u00e9.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n'


@pytest.mark.parametrize("template", [SCRAMBLED, COUNTING])
def test_a_template_that_changes_messages_has_no_form(template: str) -> None:
    assert find_form(make_tiny_tokenizer(chat_template=template), "") is None


def test_a_template_that_refuses_messages_has_no_form() -> None:
    template = "{{ raise_exception('no system message') }}"
    assert find_form(make_tiny_tokenizer(chat_template=template), "") is None


@pytest.mark.parametrize("template", [CHATML, SMOL, BARS, None])
@pytest.mark.parametrize(
    "turns",
    [(), (SEARCH, INFORMATION), (SEARCH, INFORMATION, ANSWER, "And polonium?"), (ANSWER, "<info")],
)
def test_ollama_renders_the_same_text(template: str | None, turns: tuple[str, ...]) -> None:
    tokenizer: Any = make_tiny_tokenizer(chat_template=template)
    form = find_form(tokenizer, "<|im_end|>")
    assert form is not None
    chat = episode(*turns)
    tokenizer.chat_template = jinja_template(form, "Search.")
    expected = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert go_template.render(ollama_template(form), chat[0]["content"], chat) == expected
