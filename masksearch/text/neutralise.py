"""Neutralises retrieved text, which is data and must never act as a control tag or a special token.

No other module neutralises text. A bracket that could open a tag becomes a look-alike (`<think>` ->
`‹think›`, `<|im_end|>` -> `‹|im_end|›`, `[INST]` -> `‹INST›`), and invisible characters that could hide a
bracket are removed. `a < b`, `x > y` and `<3` stay, and so do all words: the text is not censored. Ordinary
text also loses some characters: joiners (in Indic scripts, Persian, composed emoji), direction marks, soft
hyphens, variation selectors, private-use characters, and characters that Python's Unicode version does not
know.

These guarantees also hold after Unicode's compatibility normalisation (NFKC), which many tokenizers apply
first. Time grows linearly with the text. A special token that consists of ordinary words without brackets
is not recognised here. Such a token does no harm, because the tokenizer encodes tool text with special
tokens turned off.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

CONTROL_TAGS = ("think", "search", "information", "answer", "open")

# Each string holds one bracket and all characters that contain this bracket after Unicode normalisation.
_LESS, _GREATER, _LEFT, _RIGHT = "<＜﹤≮", ">＞﹥≯", r"\[［﹇", r"\]］﹈"
# Matches characters that are invisible although `isprintable` is True for them: joiners and fillers of some
# scripts, variation selectors.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Matches `<` before any character except white space, a digit or `=`, because some parser would take such a
# `<` for the start of a tag. Also matches `<` of tokens that start with a digit, such as `<0x0A>` and
# `<2en>`.
_TIGHT = re.compile(rf"[{_LESS}](?=[^\s\d=]|0[xX]|\d[\w.:-]{{0,40}}[{_GREATER}])")
_LOOSE = re.compile(rf"[{_LESS}]")
# Matches the text after a `<` that may still open a tag. White space, slashes or bars may come first. Then
# follows the name of a control tag, or the end of the text, because more text may be appended. A run of 24
# characters that are neither letters nor digits also matches: a name may follow beyond _REACH.
_NAME = re.compile(rf"[\W_]{{24}}|[\W_]*+(?:(?:{'|'.join(CONTROL_TAGS)})(?![^\W_])|\Z)", re.IGNORECASE)
_REACH = 40
"""Number of characters after a bracket that are searched for the name of a tag. This is enough for 23
characters that are neither letters nor digits, followed by a tag's name."""
_SQUARE = re.compile(rf"[{_LEFT}]([^{_LEFT}{_RIGHT}]{{1,40}})[{_RIGHT}]")
_SPECIAL = re.compile(
    r"\s*/?\s*(?:(?i:INST|SYS|TOOL_[A-Z_]+|AVAILABLE_[A-Z_]+|SYSTEM_PROMPT|BOS|EOS|PAD|UNK|CLS|SEP"
    r"|[a-z]?[gs]MASK|\|\s*[a-z]{3,}\s*\|)"
    # From here on the pattern is case-sensitive: `[mask]` is our own mask, and `[think]` is ordinary text.
    r"|MASK|THINK|IMG|PREFIX|MIDDLE|SUFFIX|AUDIO|TRANSCRIBE|ARGS|EOT|USER|BOT|@BOS@|multimodal"
    r"|[A-Z]+(?:_[A-Z0-9]+)+|(?:unused|control_|extra_id_|PAD)\d+|(?:start|end)_header_id)\s*"
)
# Matches the first bracket of the tokens that one family of models uses: `]~b]`, `]~!b[`, `]!p~[`, `[e~[`.
_FENCE = re.compile(rf"[{_LEFT}{_RIGHT}](?=(?:[~～][!！]?\w|[!！]\w[~～]|\w[~～])[{_LEFT}{_RIGHT}])")
_BRACKET = re.compile(rf"[{_LESS}{_GREATER}{_LEFT}{_RIGHT}‹]")
# Matches the `>` that closes a replaced `<`; it is replaced as well, so that the pair matches.
_CLOSE = re.compile(rf"(‹[^{_LESS}{_GREATER}‹›]*+)[{_GREATER}]")


def neutralise(text: str) -> str:
    """Returns `text` on one line, with no sequence that a tokenizer or the tag parser could act on.

    Neutralising twice gives the same text as neutralising once.
    """
    text = _visible(text)
    if not _BRACKET.search(text):
        return text
    text = _SQUARE.sub(_without_token, _FENCE.sub("‹", text))
    text = _LOOSE.sub(_without_tag, _TIGHT.sub("‹", text))
    return _CLOSE.sub(r"\1›", text)


def _visible(text: str) -> str:
    """Returns only the printable characters of a text, on one line with single spaces between words."""
    text = _FILLERS.sub("", " ".join(text.split()))
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return " ".join(text.split())


def _without_token(match: re.Match[str]) -> str:
    return f"‹{match[1]}›" if _either_form(_SPECIAL.fullmatch, match[1]) else match[0]


def _without_tag(match: re.Match[str]) -> str:
    return "‹" if _either_form(_NAME.match, match.string[match.end() : match.end() + _REACH]) else match[0]


def _either_form(matches: Callable[[str], object], text: str) -> bool:
    """Whether `matches` finds a match in the text itself or in its normal form (NFKC)."""
    return bool(matches(text) or (not text.isascii() and matches(unicodedata.normalize("NFKC", text))))
