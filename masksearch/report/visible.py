"""Control characters made visible, as page/text.js does it in the browser: nothing that others wrote may turn a line around or hide."""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Control characters but tab and line feed, direction marks, invisible separators and tag characters as signs such as ⟨U+202E⟩."""
    return _CONTROLS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))
