"""Retrieved text is data: nothing in it may act as a tag or a special token."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from masksearch.search import neutralise

DANGEROUS = re.compile(r"[<＜﹤][\s\W_]*(?:think|search|information|answer|open)(?![^\W_])|<\||<｜|<</?SYS|</?s>|\[\s*/?\s*INST\s*\]|<[a-z_/]", re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "<think>", "</think>", "<ANSWER >", "< answer>", "<\t/ search\n>", "<information id='1'>", "＜think＞",
        "＜／answer＞", "<thi\u200bnk>", "<\u202ethink>",
        "<\x00answer>", "<<think>think>", "<thi<think>nk>", "<|im_start|>", "<|endoftext|>", "<s>", "</s>",
        "[INST]", "[/INST]", "[ inst ]", "<<SYS>>", "<</SYS>>",
        "<｜begin▁of▁sentence｜>", "<start_of_turn>", "<unk>", "<0x0A>", "<\u00adopen>", "<_think>",
        "< | answer | >", "<think", "[[INST]INST]", "<\ufe0fsearch>",
        "[TOOL_CALLS]", "<\u2066/\u2069answer>", "<answer/>", "<0x<think>",
    ],
)  # fmt: skip
def test_tags_and_special_tokens_lose_their_brackets(text):
    for shown in (text, f"before {text} after", text * 3):
        safe = neutralise(shown)
        assert not DANGEROUS.search(safe), safe
        assert neutralise(safe) == safe


@pytest.mark.parametrize(
    "text",
    ["a < b", "x > y", "1<2", "a <= b", "5 > 3 and 2 < 4", "He wrote [sic] there [1].", "F = m·a → “quoted” (c) ½", "naïve 東京 مرحبا", "[mask]", "‹think›"],
)
def test_ordinary_text_stays(text):
    assert neutralise(text) == text


def test_white_space_and_invisible_characters():
    assert neutralise(" a\n\n\tb\u00a0c\u2028d ") == "a b c d"
    assert neutralise("a\x07b\u200bc\u202ed\ufeff\ud800") == "abcd"
    assert neutralise("x <think> y </think> z") == "x ‹think› y ‹/think› z"


PIECES = st.sampled_from(
    ["<", ">", "＜", "＞", "/", "|", "｜", "think", "search", "Answer", "information", "open", "im_start", "s", "SYS", "INST", "[", "]", " ", "\n",
     "\u200b", "\x00", "0x", "0", "=", "‹", "›", "a", "_", "\u202e", "﹤", "\x1c", "\x85"]
)  # fmt: skip


@settings(max_examples=500)
@given(st.one_of(st.lists(PIECES, max_size=20).map("".join), st.text(max_size=60)))
@example("<<think>think>")
@example("< <think>")
def test_any_text_comes_out_harmless(text):
    safe = neutralise(text)
    assert neutralise(safe) == safe
    assert not DANGEROUS.search(safe)
    assert safe == " ".join(safe.split())
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", safe)
