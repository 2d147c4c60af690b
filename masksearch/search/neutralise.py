"""The one place that makes retrieved text harmless: it is data, and must never act as a control tag or a special token.

Whatever could open a tag loses its angle bracket to a look-alike (`<think>` -> `‹think›`, `<|im_end|>` -> `‹|im_end|›`,
`[INST]` -> `‹INST›`); invisible characters that could hide one go. `a < b` and `x > y` stay as they are.
"""

from __future__ import annotations

import re

CONTROL_TAGS = ("think", "search", "information", "answer", "open")

_LESS, _GREATER = "<＜﹤", ">＞﹥"
# C0/C1 controls other than white space, soft hyphen, zero-width and bidirectional marks, variation selectors, surrogates, tag characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# A bracket right before anything but white space, a figure or `=` opens a tag, for one reader or another; before a control
# tag's name it does so even with white space, slashes or bars in between. `<0x0A>` is a byte token.
_OPENS = re.compile(rf"[{_LESS}](?=[^\s\d=]|0[xX]|[\s\W_]*(?:{'|'.join(CONTROL_TAGS)})(?![^\W_]))", re.IGNORECASE)
_BRACKET = re.compile(rf"[{_LESS}{_GREATER}‹]")
_SQUARE = re.compile(r"\[(\s*/?\s*(?:INST|SYS|TOOL_[A-Z_]+|AVAILABLE_[A-Z_]+|SYSTEM_PROMPT|BOS|EOS|PAD|UNK|CLS|SEP|[a-zA-Z]?gMASK)\s*)\]", re.IGNORECASE)


def neutralise(text: str) -> str:
    """`text` on one line, without anything a model's tokeniser or the tag parser could take for more than text. Idempotent."""
    text = " ".join(_INVISIBLE.sub("", text).split())
    while True:
        # Replacing one bracket can change what another one stands before: go on until nothing changes. Brackets only get fewer.
        safer = _SQUARE.sub(r"‹\1›", _close(_OPENS.sub("‹", text)))
        if safer == text:
            return text
        text = safer


def _close(text: str) -> str:
    """The bracket that closes a replaced one is replaced as well, for the look of it."""
    if "‹" not in text:
        return text
    pieces, last, inside = [], 0, False
    for match in _BRACKET.finditer(text):
        closing = match[0] in _GREATER
        if closing and inside:
            pieces += [text[last : match.start()], "›"]
            last = match.end()
        inside = match[0] == "‹"
    return "".join([*pieces, text[last:]])
