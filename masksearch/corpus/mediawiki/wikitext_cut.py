"""Cuts unwanted wikitext before parsing: comments, references, tables, pictures, templates without a rule.

About half of an article is such markup, so cutting it first is faster than parsing everything. The cut also
removes unclosed markup, for which the parser would take quadratic time or more. Every step here is one pass
and linear in the text.

Private characters mark places in the text for later steps; `plain_source` removes such characters from
the input.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from masksearch.corpus.mediawiki.wikitext_names import CATEGORIES, FILES, SECTIONS_LEFT_OUT
from masksearch.corpus.mediawiki.wikitext_templates import find_rule, superscript, template_name

BROKEN = "\ue002"
"""Marks unclosed markup; the paragraph around this mark is left out."""
HOLE = "\ue003"
"""Marks a cut inside a sentence; the punctuation around it may have to be removed."""
FORMULA = "\ue005"
"""Marks a cut formula."""

MAX_DEPTH = 20
"""Deepest nesting of templates and links. Templates and links that are nested deeper are left out."""

PRIVATE = re.compile("[\ue000-\ue00f\ud800-\udfff\U000f0000-\U0010ffff]")
_TAG = re.compile(r"<!--|<(/?)([A-Za-z][A-Za-z0-9]*)(\s[^<>]*?)?\s*(/?)>")
_SUPERSCRIPT = re.compile(r"<sup>\s*([+−-]?[0-9]{1,6}|[+−])\s*</sup>", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_HEADING = re.compile(r"^(={1,6})([^\n]+?)\1[ \t]*$", re.MULTILINE)
_TABLE_EDGE = re.compile(r"^[ \t:*#]*\{\|.*|^[ \t]*\|\}(?!\})", re.MULTILINE)
_BRACES = re.compile(r"\{\{|\}\}|\[\[|\]\]")
_UNCLOSED_URL = re.compile(r"(?<!\[)\[(?=\s*[a-z]{0,9}:?//)(?![^\[\]\n]*\])", re.IGNORECASE)
_NAME_END = re.compile(r"[|{}\[\]#<>]|\n(?=\s*\S)")
# Templates that show a superscript note: a sentence is complete without them.
_NOTE = re.compile(
    r"""\s*(?:sfn\w*|harv\w*|rp|r|ref\w*|efn\w*|note\w*|cn|fact|c(?:ite|itation|larif)[\w -]*|dubious
    |who|when|which|where|whom|pn|better[ ]source\w*|[\w -]+[ ]needed|failed[ ]verification|verify[\w ]*
    |not[ ]in[ ]citation|update[\w ]*|anchor|\#tag:ref|cita[ ]requerida|refnec|sin[ ]fuentes
    |source[ ]insuffisante|pas[ ]clair|quand|qui|lequel|来源请求|來源請求|可疑|何时|何時|谁|誰)\s*[|}]""",
    re.IGNORECASE | re.VERBOSE,
)
_UNSEEN = FILES | CATEGORIES
_PLAIN_HEADING = re.compile(r"'{2,}|\[\[(?:[^|\]]*\|)?|\]\]|\{\{[^{}]*\}\}")

# Tags whose content is not wikitext or not prose: the content is cut with the tag.
_FORMULAS = frozenset("math chem ce".split())  # noqa: SIM905
_DROPPED = frozenset(
    """ref references gallery timeline imagemap score hiero graph mapframe maplink source syntaxhighlight
    pre table templatedata inputbox categorytree del s strike includeonly rt rp style script section
    chart indicator""".split()  # noqa: SIM905
)
_NESTING = frozenset({"table", "span", "div"})
_BLOCKS = frozenset("p blockquote hr poem ul ol dl center".split())  # noqa: SIM905
_ITEMS = {"li": "\n* ", "dd": "\n: ", "dt": "\n; ", "br": " "}
_TAGS_OF_HTML = frozenset(
    """b i u em strong small big span div font abbr acronym cite q ins code tt kbd samp var dfn sub sup bdi
    bdo ruby rb noinclude onlyinclude mark time data wbr th td tr caption nowiki templatestyles h1 h2 h3
    h4 h5 h6 translate tvar languages noparse nobr""".split()  # noqa: SIM905
)


def plain_source(source: str) -> str:
    """Removes private and surrogate characters and normalises line ends."""
    return PRIVATE.sub("", source).replace("\r\n", "\n").replace("\r", "\n")


def cut_tags(source: str) -> str:
    """Removes comments and tags.

    Keeps the content of formatting tags, but not of references, formulas, code and pictures.
    """
    parts: list[str] = []
    unclosed: set[str] = set()
    position = 0
    while match := _TAG.search(source, position):
        parts.append(source[position : match.start()].replace("<", "&lt;"))
        written, position = _cut_tag(source, match, unclosed)
        parts.append(written)
    parts.append(source[position:].replace("<", "&lt;"))
    return "".join(parts)


def _cut_tag(source: str, match: re.Match[str], unclosed: set[str]) -> tuple[str, int]:
    """Returns the replacement of a tag and the offset to continue at.

    `unclosed` holds the tag names that are known to have no closing tag further on.
    """
    name = match[2].lower() if match[2] else "!--"
    closing, empty = bool(match[1]), bool(match[4])
    if name == "nowiki" and not closing and not empty:
        close = _find_close(source, match.end(), name, unclosed)
        return (_literal(source[match.end() : close[0]]), close[1]) if close else ("", match.end())
    if (
        name in _FORMULAS
        or name in _DROPPED
        or name == "!--"
        or (name in _NESTING and _HIDDEN.search(match[3] or ""))
    ):
        mark = FORMULA if name in _FORMULAS else ""
        if closing or empty:
            return mark, match.end()
        close = _find_close(source, match.end(), name, unclosed)
        return (mark, close[1]) if close else (BROKEN, match.end())
    if name in _ITEMS:
        return ("" if closing else _ITEMS[name]), match.end()
    if name in _BLOCKS:
        return "\n\n", match.end()
    if name == "sup" and not closing and (raised := _SUPERSCRIPT.match(source, match.start())):
        return superscript(raised[1]), raised.end()
    if name in _TAGS_OF_HTML:
        return "", match.end()
    return "&lt;" + match[0][1:], match.end()  # not a tag: `a<b and c>d`


def _literal(text: str) -> str:
    """Writes markup characters as entities, so that the text is not parsed."""
    return re.sub(r"[\[\]{}|<>'=*#:;~_-]", lambda match: f"&#{ord(match[0])};", text)


def _find_close(source: str, start: int, name: str, unclosed: set[str]) -> tuple[int, int] | None:
    """Returns start and end of the closing tag with this name, searched from `start`.

    Returns None if there is no closing tag. References (`ref`) do not nest, so the result is also None if
    another reference opens before the closing tag.
    """
    if name in unclosed:
        return None
    depth = 1
    for edge in _edges(name).finditer(source, start):
        closes = edge[0].startswith(("</", "-->"))
        depth += -1 if closes else 1
        if depth == 0:
            return edge.span()
        if name == "ref":
            return None
    unclosed.add(name)
    return None


@functools.cache
def _edges(name: str) -> re.Pattern[str]:
    """Returns a pattern that matches the closing tags with this name.

    For `ref`, and for tags that nest, the pattern also matches the opening tags.
    """
    if name == "!--":
        return re.compile("-->")
    if name in _NESTING:
        return re.compile(rf"</?{name}\b[^<>]*>", re.IGNORECASE)
    if name == "ref":
        return re.compile(r"</ref\s*>|<ref(?:\s[^<>]*)?(?<!/)>", re.IGNORECASE)
    return re.compile(rf"</{name}\s*>", re.IGNORECASE)


def sections(source: str) -> Iterator[str]:
    """Yields the text between headings.

    Leaves out sections without prose (References, See also, ...) and their subsections.
    """
    # Level of the section that is left out; 7 (deeper than any heading) means that no section is left out.
    left_out = 7
    start = 0
    for heading in _HEADING.finditer(source):
        if left_out == 7:
            yield source[start : heading.start()]
        start, level = heading.end(), len(heading[1])
        if level <= left_out:
            title = " ".join(_PLAIN_HEADING.sub("", heading[2]).casefold().split()).rstrip(":：")
            left_out = level if title in SECTIONS_LEFT_OUT else 7
    if left_out == 7:
        yield source[start:]


def cut_tables(source: str) -> str:
    """Removes tables, including nested tables. Removes only the first line of an unclosed table."""
    if "{|" not in source:
        return source
    edges = [
        (match.start(), match.end(), match[0].lstrip().startswith("|}"))
        for match in _TABLE_EDGE.finditer(source)
    ]
    ends: dict[int, int] = {}
    stack: list[int] = []
    for start, end, closes in edges:
        if not closes:
            stack.append(start)
        elif stack:
            ends[stack.pop()] = end
    parts, position = [], 0
    for start, end, closes in edges:
        if start >= position and not closes:
            parts.append(source[position:start])
            position = ends.get(start, end)
    parts.append(source[position:])
    return "".join(parts)


def cut_braces(source: str) -> str:
    """Removes pictures, categories and templates without a rule; the remaining braces are balanced.

    An unclosed template becomes BROKEN; an unclosed link loses its brackets.
    """
    source = _UNCLOSED_URL.sub("", source)
    opened, skipped = _match_braces(source)
    parts: list[str] = []
    position = 0
    for token in _BRACES.finditer(source):
        start = token.start()
        if start < position:
            continue
        close = opened.get(start)
        if close is None and start not in skipped:
            continue  # the closing half of a pair
        parts.append(source[position:start])
        position = start + 2
        if close is None:
            parts.append(BROKEN if token[0] == "{{" else "")
        elif close < 0 or not _is_kept(token[0], source[start + 2 : start + 120]):
            parts.append("" if token[0] == "[[" or _NOTE.match(source, start + 2) else HOLE)
            position = abs(close) + 2
        else:
            parts.append(token[0])
    parts.append(source[position:])
    return "".join(parts)


def _match_braces(source: str) -> tuple[dict[int, int], set[int]]:
    """Matches each opening pair (`{{` or `[[`) with its closing pair (`}}` or `]]`).

    Returns a map from the offset of each opening pair to the offset of its closing pair, and the offsets of
    all pairs without a partner.

    A closing offset is negative if the content between the two pairs is nested too deep.
    """
    opened: dict[int, int] = {}
    alone: set[int] = set()
    stack: list[tuple[str, int]] = []
    deepest = 0
    counts = {"{{": 0, "[[": 0}
    for token in _BRACES.finditer(source):
        kind = token[0]
        if kind in counts:
            stack.append((kind, token.start()))
            counts[kind] += 1
            deepest = max(deepest, len(stack))
            continue
        wanted = "{{" if kind == "}}" else "[["
        if not counts[wanted] or (wanted == "[[" and stack[-1][0] != "[["):
            alone.add(token.start())
            continue
        while stack:
            top, start = stack.pop()
            counts[top] -= 1
            if top == wanted:
                opened[start] = -token.start() if deepest > MAX_DEPTH else token.start()
                break
            alone.add(start)
        if not stack:
            deepest = 0
    return opened, alone | {start for _, start in stack}


def _is_kept(kind: str, head: str) -> bool:
    """Whether a link or template is kept, judged by its first characters.

    Templates with a rule are kept, and so are all links except pictures and categories.
    """
    if kind == "[[":
        prefix, colon, _ = head.partition(":")
        return not colon or prefix.replace("_", " ").strip().casefold() not in _UNSEEN
    end = _NAME_END.search(head)
    name = template_name(head[: end.start()] if end else head)
    return find_rule(name) is not None
