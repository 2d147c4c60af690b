"""Finds code in prose: fenced and inline code, identifiers, options, paths; and tells technical prose.

Passages have no line breaks, so code is recognised by its marks and signs alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

Place = tuple[int, int]
"""Offsets [start, end) of a piece of code."""

_FENCED = re.compile(
    r"```.*?(?:```|$)|\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|~~~.*?(?:~~~|$)|``[^`]+``|`[^`]+`", re.DOTALL
)
# One word of code: an option, an identifier, a call, a path, a tag, an assignment.
_TOKEN = re.compile(
    r"(?<!\S)[(\[\"']?(?:--?[A-Za-z][\w-]*(?:[= ]<?[A-Z_]+>?)?"  # --help, -o FILE
    r"|[\w.]*[A-Za-z]\w*\([^\s()]*\)[\w.()]*"  # name.call(argument)
    r"|[A-Za-z]\w*(?:_\w+)+(?:[.=]\S*)?|_\w+\S*"  # snake_case, CONSTANT_CASE
    r"|[a-z]{2,}[A-Z]\w+(?:\.\w+)*"  # camelCase
    r"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*=[^\s=]\S*"  # name=value
    r"|(?:[~.]{0,2}/)[\w.-]+(?:/[\w.-]*)*|[\w-]+(?:/[\w.-]+)*\.(?:py|toml|json|jsonl|md|txt|cfg|ini|ya?ml|js|ts"
    r"|c|h|cpp|rs|go|sh|html|css|xml|exe|dll|so|tar\.gz|zip)"  # paths
    r"|[A-Za-z_]\w*(?:\.[a-z_]\w*){1,}(?=[\s,;:)])"  # module.name
    r"|</?[A-Za-z][^<>]*>|\{[^{}]*\}|\[\w+(?:\.\w+)*\](?=\s)|\$\w+|::\w+:?)[)\]\"'.,;:]*(?!\S)"
)
_FENCE = re.compile(r"`|~~~|\{[{%]")
_SIGNS = re.compile(r"[_`{}=<>\\$#|/~]|--|\(\)|\.[a-z]")
_ABBREVIATION = re.compile(r"(?:[a-z]\.)+[a-z]?\.?|(?:[A-Z]\.)+|\w+'s")
WORDS = frozenset(
    """api apis cli sdk url urls json yaml toml http https html css sql gpu gpus cpu cpus byte bytes
    parameter parameters argument arguments server servers token tokens endpoint endpoints file
    files folder folders directory directories command commands default defaults setting settings
    option options config configuration script scripts install installed installs click button
    buttons module modules function functions method methods string strings boolean callback
    callbacks return returns error errors exception exceptions browser checkpoint checkpoints cache
    log logs runtime repository package packages plugin plugins worker workers process processes
    thread threads code metadata prompt prompts dataset datasets model models test tests input
    output user users schema queries query client docs documentation debug bug app""".split()  # noqa: SIM905
)
"""Words of manuals and API pages, which tell technical prose; none is a term."""
_NO_MARKS = str.maketrans(".,;:()[]\"'", "          ")
_MOST_WORDS = 60
TECHNICAL = 4
"""Least number of different words of manuals, plus two for each piece of code, in 60 words of technical
prose."""


@lru_cache(maxsize=64)
def code_places(text: str) -> Sequence[Place]:
    """Returns the places of code in a text."""
    if not _SIGNS.search(text):
        return ()
    fenced = [match.span() for match in _FENCED.finditer(text)] if _FENCE.search(text) else []
    places = list(fenced)
    for match in _TOKEN.finditer(text):
        inside = any(start <= match.start() and match.end() <= end for start, end in fenced)
        if not inside and not _ABBREVIATION.fullmatch(match[0].strip("()[]\"',;:")):
            places.append(match.span())
    return tuple(places)


@lru_cache(maxsize=64)
def is_technical(text: str) -> bool:
    """Whether a text is technical prose, such as a page of a manual: code, or many words of manuals."""
    words = text.lower().translate(_NO_MARKS).split()
    score = len(WORDS.intersection(words))
    if score < TECHNICAL:
        score += 2 * len(code_places(text))
    return score >= TECHNICAL * max(1.0, len(words) / _MOST_WORDS)
