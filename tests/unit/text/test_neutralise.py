"""Retrieved text is data: it must not act as a tag or a special token."""

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from masksearch.text.neutralise import neutralise

DANGEROUS = re.compile(
    r"[<＜﹤][\s\W_]*(?:think|search|information|answer|open)(?![^\W_])"
    r"|<\||<｜|<</?SYS|</?s>|\[\s*/?\s*INST\s*\]|<[a-z_/]",
    re.IGNORECASE,
)

# Joiners, fillers and variation selectors that count as letters or marks.
FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


@pytest.mark.parametrize(
    "text",
    [
        "<think>", "</think>", "<ANSWER >", "< answer>", "<\t/ search\n>", "<information id='1'>",
        "＜think＞", "＜／answer＞", "<thi\u200bnk>", "<\u202ethink>",
        "<\x00answer>", "<<think>think>", "<thi<think>nk>", "<|im_start|>", "<|endoftext|>", "<s>", "</s>",
        "[INST]", "[/INST]", "[ inst ]", "<<SYS>>", "<</SYS>>",
        "<｜begin▁of▁sentence｜>", "<start_of_turn>", "<unk>", "<0x0A>", "<\u00adopen>", "<_think>",
        "< | answer | >", "<think", "[[INST]INST]", "<\ufe0fsearch>",
        "[TOOL_CALLS]", "<\u2066/\u2069answer>", "<answer/>", "<0x<think>",
    ],
)  # fmt: skip
def test_tags_and_special_tokens_lose_their_brackets(text: str) -> None:
    for shown in (text, f"before {text} after", text * 3):
        safe = neutralise(shown)
        assert not DANGEROUS.search(safe), safe
        assert neutralise(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "x > y",
        "1<2",
        "a <= b",
        "5 > 3 and 2 < 4",
        "He wrote [sic] there [1].",
        "F = m·a → “quoted” (c) ½",
        "naïve 東京 مرحبا",
        "[mask]",
        "‹think›",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert neutralise(text) == text


def test_white_space_and_invisible_characters() -> None:
    assert neutralise(" a\n\n\tb\u00a0c\u2028d ") == "a b c d"
    assert neutralise("a\x07b\u200bc\u202ed\ufeff\ud800") == "abcd"
    assert neutralise("x <think> y </think> z") == "x ‹think› y ‹/think› z"


def test_only_the_bracket_that_closes_a_replaced_one_is_replaced() -> None:
    assert neutralise("<b>x > y > z") == "‹b›x > y > z"
    assert neutralise("‹x› > y") == "‹x› > y"
    assert neutralise("a < b, <i> c > d") == "a < b, ‹i› c > d"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("ends in <", "ends in ‹"),
        ("ends in </", "ends in ‹/"),
        ("<2en> <3 1<2", "‹2en› <3 1<2"),
        ("≮answer≯ a ≮ b", "‹answer› a ≮ b"),
        ("[MASK] [mask] [CLS] [cls]", "‹MASK› [mask] ‹CLS› ‹cls›"),
        ("［ＩＮＳＴ］", "‹ＩＮＳＴ›"),
        ("[|user|] E[|X|]", "‹|user|› E[|X|]"),
        ("]~b]ai[e~[", "‹~b]ai‹e~["),
        ("[UNUSED_TOKEN_146] [think] [THINK]", "‹UNUSED_TOKEN_146› [think] ‹THINK›"),
        ("[@BOS@]", "‹@BOS@›"),
        ("< ⓐnswer> < th㏌k>", "‹ ⓐnswer› ‹ th㏌k›"),
        ("<０x0A>", "‹０x0A›"),
        ("<" + "/ " * 50 + "answer>", "‹" + "/ " * 50 + "answer›"),
        ("< " + "/ " * 50 + "answer>", "‹ " + "/ " * 50 + "answer›"),
        ("< " + "/" * 30 + " information>", "‹ " + "/" * 30 + " information›"),
        ("a \ue000 b\uf8ff\ufdd0", "a b"),
    ],
)
def test_less_usual_tokens(text: str, safe: str) -> None:
    assert neutralise(text) == safe
    assert neutralise(safe) == safe


def test_every_character_of_unicode_comes_out_printable_and_no_other_hides_a_bracket() -> None:
    characters = [chr(code) for code in range(0x110000)]
    shown = neutralise("".join(characters))
    assert shown.isprintable()
    assert len(shown) > 0.9 * sum(map(str.isprintable, characters)), (
        "printable characters stay, except fillers"
    )
    hiding = [
        character
        for character in characters
        if re.search(r"[<>\[\]]", unicodedata.normalize("NFKD", character))
    ]
    assert len(hiding) > 8
    for character in hiding:
        for text in (
            f"{character}answer{character}",
            f"{character}INST]",
            f"[INST{character}",
            f"{character}INST{character}",
        ):
            assert not DANGEROUS.search(unicodedata.normalize("NFKC", neutralise(text))), text


def test_ordinary_text_in_any_script_stays_and_what_is_lost_is_invisible() -> None:
    for text in (
        "مَدَام كُورِي",
        "מָארִי קִירִי",
        "मैरी क्यूरी",
        "மேரி கியூரி",
        "玛丽·居里",
        "Мари Кюри",
        "Nguyễn",
        "e\u0301",
        "👩🏽 ☢",
        "α < β, x ≥ y",
    ):
        assert neutralise(text) == text
    assert neutralise("क्\u200dष می\u200cخواهم 👩\u200d🔬 ❤\ufe0f") == "क्ष میخواهم 👩🔬 ❤"


TOKENS = (
    "<think>", "</think>", "<search>", "</search>", "<information>", "</information>", "<answer>",
    "</answer>", "<open>", "</open>", "<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>",
    "<|endoftext|>", "<|eot_id|>", "<|start|>", "<|channel|>", "<start_of_turn>", "<bos>", "<2en>",
    "<0x0A>", "<｜User｜>", "<|User|>", "[INST]", "[/INST]", "<<SYS>>", "[TOOL_CALLS]", "[MASK]",
    "[CLS]", "[gMASK]", "[|user|]", "]~b]", "]~!b[", "[e~[", ">>ANSWER<<",
)  # fmt: skip
PIECES = st.sampled_from(
    [
        *TOKENS, "<", ">", "＜", "＞", "/", "|", "｜", "think", "search", "Answer", "information", "open",
        "im_start", "s", "SYS", "INST", "[", "]", " ", "\n", "\u200b", "\x00", "0x", "0", "=", "‹", "›", "a",
        "_", "\u202e", "﹤", "\x1c", "\x85",
    ]
)  # fmt: skip


# Invisible characters.
SPLITTERS = list("\u200b\u00ad\ufe0f\U000e0061\u034f\x00\u202e\ue000\ud800\u3164")
FRAGMENTS = st.one_of(
    PIECES,
    st.sampled_from(SPLITTERS),
    st.text(max_size=4),
    # A token cut in two, a token with an invisible character in it, and a token in full-width letters.
    st.tuples(st.sampled_from(TOKENS), st.integers(0, 12)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(st.sampled_from(TOKENS), st.integers(0, 12)).map(lambda cut: cut[0][cut[1] :]),
    st.tuples(st.sampled_from(TOKENS), st.integers(0, 12), st.sampled_from(SPLITTERS)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
    ),
    st.sampled_from(TOKENS).map(
        lambda token: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in token)
    ),
)


@settings(max_examples=800)
@given(
    st.one_of(
        st.lists(PIECES, max_size=20).map("".join),
        st.lists(FRAGMENTS, max_size=12).map("".join),
        st.text(max_size=60),
    )
)
@example("<<think>think>")
@example("< <think>")
@example("< ⓐnswer>")
@example("[INST] > > >")
@example("]~b]~b[INST]~b]")
@pytest.mark.slow
def test_any_text_comes_out_harmless(text: str) -> None:
    safe = neutralise(text)
    assert neutralise(safe) == safe
    assert safe == " ".join(safe.split())
    assert safe.isprintable()
    safe.encode("utf-8")
    for form in (
        safe,
        unicodedata.normalize("NFC", safe),
        unicodedata.normalize("NFKC", safe),
        unicodedata.normalize("NFKC", safe).casefold(),
    ):
        # Without invisible characters, which many tokenizers remove.
        visible = "".join(char for char in form if unicodedata.category(char) not in ("Cc", "Cf"))
        assert not DANGEROUS.search(visible)
        assert not [token for token in TOKENS if token in visible]


@settings(max_examples=300)
@given(
    st.text(
        st.characters(exclude_categories=("C",), exclude_characters="<＜﹤≮>＞﹥≯[［﹇]］﹈‹"), max_size=60
    )
)
def test_text_without_brackets_loses_white_space_alone(text: str) -> None:
    assert neutralise(text) == " ".join(FILLERS.sub("", text).split())
