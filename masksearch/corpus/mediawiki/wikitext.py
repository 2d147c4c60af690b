"""Turns a page's wikitext into plain paragraphs and the links in them.

    text, links = clean_wikitext("'''Ada Lovelace''' wrote for [[Charles Babbage]]'s engine.<ref>...</ref>")

mwparserfromhell reads the markup after `wikitext_cut.py` has removed the unwanted parts. The result has the
paragraphs, and the list items that are sentences. A paragraph with broken markup is left out. A sentence is
left out if it lost a formula or the object of a preposition with the removed markup ("the variance is ,"),
because such a sentence no longer makes sense. Each link has the title of its target article; links to
files, categories, other namespaces and other wikis are not recorded.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from masksearch.corpus.mediawiki.wikitext_cut import (
    BROKEN,
    FORMULA,
    HOLE,
    PRIVATE,
    cut_braces,
    cut_tables,
    cut_tags,
    plain_source,
    sections,
)
from masksearch.corpus.mediawiki.wikitext_names import (
    CATEGORIES,
    DISAMBIGUATION_MARK,
    DISAMBIGUATION_TITLE,
    FILES,
    LANGUAGES,
    LIST_TITLE,
    NAMESPACES,
    REDIRECT,
    WIKIS,
)
from masksearch.corpus.mediawiki.wikitext_templates import find_rule, template_name
from masksearch.errors import MissingExtraError
from masksearch.text.sentences import sentence_spans
from masksearch.types import Link

if TYPE_CHECKING:
    from mwparserfromhell.wikicode import Wikicode

PIECE = 8_000
"""Minimum number of characters of a piece. A page is parsed piece by piece, and a piece ends at the next line
end outside of templates and links."""
MAX_PIECE = 64_000
"""Maximum number of characters of a piece.

A longer piece is not prose and is left out, because parsing may take quadratic time.
"""
MAX_FORMULAS = 2
"""Maximum number of formulas of a paragraph. A paragraph with more formulas is left out completely."""
LONG = 20_000
"""Maximum length, in characters, of a line from which single sentences can be left out. If a longer line
has such a sentence, the whole line is left out."""
SHORT = 60
"""A line without a full stop and with fewer characters is a label, not prose."""

_END, _ITEM = "\ue001", "\ue004"
_FIRST_LINK, _MAX_LINKS = 0xF0000, 0xFFFE
"""A page has at most _MAX_LINKS links. The n-th link starts with the private character _FIRST_LINK + n.

The character identifies the link's target, even if paragraphs before the link are left out.
"""
_START = "[\U000f0000-\U000ffffd]"
_MARK = re.compile(rf"{_START}|{_END}")
_EDGE = re.compile(r"\n|\{\{|\}\}|\[\[|\]\]")
_VARIANT = re.compile(r"-\{([^{}\n]{0,400})\}-")
_TRAIL = re.compile(r"[a-zà-öø-ÿœ]+")
_QUOTES = re.compile(r"'{2,}")
_SENTENCE = re.compile(rf"[.!?。！？…][\"'”’»)\]）」』{_END}{HOLE}\s]*$")
_STOP = re.compile(r"[.!?…。！？](?=\W|$)|[。！？]")
_WORD = re.compile(r"\w\w|[\u3400-\u9fff]")


class MarkupError(Exception):
    """The parser failed on a page."""


def page_kind(title: str, source: str) -> str:
    """Returns the reason why a page is not an article (redirect, list or disambiguation page), or an empty
    string for an article."""
    if REDIRECT.match(source):
        return "a redirect"
    if LIST_TITLE.search(title):
        return "a list page"
    if DISAMBIGUATION_TITLE.search(title) or DISAMBIGUATION_MARK.search(source):
        return "a disambiguation page"
    return ""


def clean_wikitext(source: str) -> tuple[str, list[Link]]:
    """Returns the paragraphs, separated by empty lines, and the links with offsets in that text.

    Raises MarkupError if the parser fails, MissingExtraError if mwparserfromhell is not installed.
    """
    source = cut_tags(plain_source(source))
    if "-{" in source:
        source = _VARIANT.sub(_choose_variant, source)
    writer = _Writer()
    for section in sections(source):
        for piece in _pieces(cut_braces(cut_tables(section))):
            writer.write(piece if len(piece) <= MAX_PIECE else BROKEN)
        writer.end_section()
    return _place_links("\n\n".join(_paragraphs("".join(writer.parts))), writer.targets)


def _pieces(section: str) -> Iterator[str]:
    """Yields pieces of about PIECE characters, cut at line ends outside of templates and links."""
    start = depth = 0
    for match in _EDGE.finditer(section):
        if match[0] == "\n":
            if depth <= 0 and match.end() - start >= PIECE:
                yield section[start : match.end()]
                start = match.end()
        else:
            depth += 1 if match[0] in ("{{", "[[") else -1
    yield section[start:]


class _Writer:
    """Turns parsed wikitext into marked text.

    Marked text has a mark (a private character) before and after each link; `targets` holds the links' target
    titles in order.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.targets: list[str] = []

    def write(self, source: str) -> None:
        """Adds the marked text of one piece of a page (see `_pieces`)."""
        self._walk(_parse(_drop_quotes(source)))

    def end_section(self) -> None:
        """Ends the last paragraph of a section."""
        self.parts.append("\n\n")

    def _walk(self, code: Wikicode) -> None:
        node: Any
        for node in code.nodes:
            kind = type(node).__name__
            if kind == "Text":
                self._text(node.value)
            elif kind == "Wikilink":
                self._link(node)
            elif kind == "Template":
                self.parts.append(self._template(node))
            elif kind == "ExternalLink":
                self._external(node)
            elif kind == "HTMLEntity":
                self.parts.append(str(node))
            elif kind == "Tag":
                self.parts.append(_ITEM if node.wiki_markup in ("*", "#", ":", ";") else "\n\n")
            elif kind == "Heading":
                self.parts.append("\n\n")

    def _text(self, text: str) -> None:
        """Adds plain text. Letters directly after a link become part of the text of the link, as in
        `[[bus]]es`."""
        if self.parts and self.parts[-1] == _END and (trail := _TRAIL.match(text)):
            self.parts[-1:] = [trail[0], _END]
            text = text[trail.end() :]
        self.parts.append(text)

    def _link(self, node: Any) -> None:
        """Adds a link's text, marked if the link leads to an article."""
        raw = html.unescape(str(node.title)).replace("_", " ").strip()
        if HOLE in raw or BROKEN in raw or "\n" in raw:
            self.parts.append(BROKEN)
            return
        target, shown = _resolve(raw)
        if not shown:
            return
        marked = bool(target) and len(self.targets) < _MAX_LINKS
        if marked:
            self.parts.append(chr(_FIRST_LINK + len(self.targets)))
            self.targets.append(target)
        if node.text is None:
            self.parts.append(raw.removeprefix(":"))
        elif str(node.text).strip():
            self._walk(node.text)
        else:
            # The pipe trick: `[[Mercury (planet)|]]` shows "Mercury".
            self.parts.append(re.sub(r"^[^:]*:|\s*\([^()]*\)$|, .*$", "", raw))
        if marked:
            self.parts.append(_END)

    def _external(self, node: Any) -> None:
        """Adds the text of an external link; a bare address is cut."""
        if not node.brackets:
            self.parts.append(HOLE)
        elif node.title is not None and str(node.title).strip():
            self._walk(node.title)

    def _template(self, node: Any) -> str:
        """Returns the text of a template, or HOLE if the template has no rule (see `find_rule`) or no
        text."""
        rule = find_rule(template_name(str(node.name)))
        if rule is None:
            return HOLE
        args, named = self._parameters(node)
        return rule(args, named) or HOLE

    def _parameters(self, node: Any) -> tuple[list[str], Mapping[str, str]]:
        """Returns the positional parameters (also explicitly numbered ones) in order, and the named ones.

        Each parameter is marked text.
        """
        args: dict[int, str] = {}
        named: dict[str, str] = {}
        for parameter in node.params:
            inner = _Writer()
            inner.targets = self.targets
            inner._walk(parameter.value)
            value, name = "".join(inner.parts).strip(), str(parameter.name).strip()
            if name.isdecimal():
                args[min(int(name), 99)] = value
            else:
                named[name.lower()] = value
        return [args.get(number, "") for number in range(1, max(args, default=0) + 1)], named


_parser: Any = None
_parser_error: type[Exception] = Exception


def _parse(source: str) -> Any:
    """Parses wikitext; imports the parser at the first call. Raises MarkupError, MissingExtraError."""
    global _parser, _parser_error
    if _parser is None:
        try:
            from mwparserfromhell import parser
        except ImportError:
            raise MissingExtraError("mwparserfromhell", "readers", "A MediaWiki dump") from None
        made: Any = parser.Parser
        _parser, _parser_error = made(), parser.ParserError
    try:
        return _parser.parse(source, skip_style_tags=True)
    except (_parser_error, SystemError) as error:
        raise MarkupError(str(error)) from error


def _resolve(title: str) -> tuple[str, bool]:
    """Returns the target article of a link and whether the link's text is shown.

    The target is empty if the link does not lead to an article of this wiki.
    """
    forced = title.startswith(":")
    title = title.lstrip(": ")
    prefix, colon, _ = title.partition(":")
    prefix = prefix.strip().casefold()
    if colon and (prefix in FILES or prefix in CATEGORIES or prefix in LANGUAGES):
        return "", forced
    if colon and (prefix in NAMESPACES or prefix in WIKIS):
        return "", True
    title = " ".join(title.partition("#")[0].split())
    return title[:1].upper() + title[1:], True


def _choose_variant(match: re.Match[str]) -> str:
    """Returns one variant of Chinese `-{zh-hans:A;zh-hant:B}-`: the simplified variant if there is one, or
    else the first variant.

    `-{A}-` becomes A; conversion rules without text become an empty string.
    """
    flags, bar, body = match[1].rpartition("|")
    if bar and re.search(r"[HTN-]", flags):
        return ""
    choices = dict(re.findall(r"(zh[\w-]*)\s*:\s*([^;]*)", body))
    if not choices:
        return body
    for name in ("zh-hans", "zh-cn", "zh"):
        if name in choices:
            return str(choices[name]).strip()
    return str(next(iter(choices.values()))).strip()


def _drop_quotes(source: str) -> str:
    """Removes the apostrophes of bold and italic type; keeps the apostrophes of words (`l'''Étranger''`)."""
    if "''" not in source:
        return source
    return "\n".join(_drop_quotes_of_line(line) if "''" in line else line for line in source.split("\n"))


def _drop_quotes_of_line(line: str) -> str:
    """Removes the apostrophes of bold and italic type from one line, by MediaWiki's rules.

    Four apostrophes are one literal apostrophe and a bold mark. If the numbers of bold and of italic marks
    are both odd, one bold mark counts as a literal apostrophe and an italic mark.
    """
    runs = [(match.start(), len(match[0])) for match in _QUOTES.finditer(line)]
    kept = [length - 5 if length > 5 else int(length == 4) for _, length in runs]
    bold = [index for index, (_, length) in enumerate(runs) if length in (3, 4)]
    fives = sum(length >= 5 for _, length in runs)
    italics = sum(length == 2 for _, length in runs) + fives
    if italics % 2 and (len(bold) + fives) % 2 and bold:
        kept[min(bold, key=lambda index: (_apostrophe_rank(line, runs[index][0]), index))] += 1
    parts, position = [], 0
    for (start, length), apostrophes in zip(runs, kept, strict=True):
        parts += [line[position:start], "'" * apostrophes]
        position = start + length
    return "".join([*parts, line[position:]])


def _apostrophe_rank(line: str, start: int) -> int:
    """Ranks the position `start` as a place for the literal apostrophe (see `_drop_quotes_of_line`); rank 0
    is the best.

    The rank is 0 after a word of one letter, 1 after a longer word, and 2 after a space.
    """
    before, second = line[start - 1 : start], line[max(0, start - 2) : start - 1]
    if before in ("", " "):
        return 2
    return 0 if second in ("", " ") or not second.isalnum() else 1


def _paragraphs(marked: str) -> Iterator[str]:
    """Yields the cleaned paragraphs of marked text (see `_Writer`), in order."""
    prose: list[str] = []
    items: list[str] = []

    def end() -> Iterator[str]:
        """Yields the paragraph and the list items collected so far, and empties both collections."""
        for lines, between in ((prose, " "), (items, "\n")):
            if sum(line.count(FORMULA) for line in lines) <= MAX_FORMULAS:
                text = between.join(filter(None, map(_tidy, lines)))
                if text and (lines is items or _is_prose(text)):
                    yield text
            lines.clear()

    for line in marked.split("\n"):
        bare = line.strip(" \t\xa0" + HOLE)
        if not bare or BROKEN in bare or bare[0] in "|!" or "{|" in bare or "{{" in bare or "}}" in bare:
            yield from end()
        elif bare[0] == _ITEM or line[0] in " \t":
            if prose:
                yield from end()
            text = bare.lstrip(_ITEM + " ")
            if (_SENTENCE.search(text) and " " in text) or _is_chinese_sentence(text):
                items.append(text)
        else:
            if items:
                yield from end()
            prose.append(line)
    yield from end()


def _is_chinese_sentence(text: str) -> bool:
    """Whether the text has a Chinese character before Chinese end punctuation."""
    return bool(re.search(r"[\u3400-\u9fff].*[。！？]", text))


def _is_prose(text: str) -> bool:
    """Whether a paragraph is prose: not a label, and not the line that introduces a list."""
    if text.endswith((":", "：")) and not _STOP.search(text):
        return False
    return bool(_STOP.search(text)) or len(text) >= SHORT


_OPEN, _CLOSE = "(（\\[", ")）\\]"
# Labels of a pronunciation or transcription. A label is removed if its pronunciation was cut.
_LABEL = (
    r"(?:(?:English|French|Spanish|locally|also|UK|US|British|American)\s+)?(?:pronounced(?:\s+as)?"
    r"|pronunciation|pronúnciese|pronunciado|pronunciación|prononciation|prononcé|prononcée|IPA|AFI|API|listen"
    r"|audio|発音|发音|發音|simplified Chinese|pinyin|lit\.?|or|and|also|ou|et|o|y|或)"
)
_JOIN = rf"(?:[\s,;:/，；、：–—-]|{HOLE}|\b{_LABEL}\b)*"
_AFTER_OPEN = re.compile(rf"([{_OPEN}]){_JOIN}{HOLE}{_JOIN}(?<![–—-])")
_BEFORE_CLOSE = re.compile(
    rf"[\s,;:/，；、：]{{0,9}}(?:\b{_LABEL}[\s,;:]*)*\s*{HOLE}[\s,;:/，；、]*([{_CLOSE}])"
)
_BETWEEN = re.compile(rf"\s*([,;，；、])\s*{HOLE}\s*(?=[,;，；、.。])")
_BEFORE_STOP = re.compile(rf"\s*{HOLE}\s*(?=[,.，。、；：!?！？])")
_LOST = re.compile(
    r"\b(?i:an?|the|of|at|in|on|from|to|by|with|about|approximately|around|over|than|for|as|between|is|are|was"
    r"|were|equals|el|la|del?|en|por|con|un|una|es|le|du|à|par|dans|une|est)"
    rf"\s+{HOLE}(?=[\s.,;]|$)"
)
_HOLES = re.compile(rf"(\s?){HOLE}(\s?)")
_EMPTY_BRACKETS = re.compile(r"\s*(?:\(\s*[,;:.\s–—-]*\)|（\s*[，；：。\s]*）|\[\s*\])")
_SPACE_AFTER_OPEN = re.compile(r"([(（])[\s,;]+")
_SPACE_BEFORE = re.compile(rf"\s+({_END}?)(?=[,)）](?!\w)|\.(?:[\s\"”»)]|$))")
_DOUBLE_COMMA = re.compile(r",(?:\s*,)+")
_SPACES = re.compile(r"\s+")
_SPACE_AFTER_START = re.compile(rf"({_START})\s+")
_SPACE_BEFORE_END = re.compile(rf"\s+{_END}")
_UNWANTED = re.compile(
    rf"\[\[|\]\]|[{_ITEM}\u200b\u200e\u200f\ufeff\u00ad\x00-\x08\x0b-\x1f\x7f]|__[A-Z]{{3,24}}__"
)
_ENTITY = re.compile(r"&#?\w+;?")


def _tidy(line: str) -> str:
    """Cleans one line: removes what cuts left behind (labels, brackets, punctuation), resolves entities and
    collapses white space. Returns an empty string if no word is left."""
    text = _SPACES.sub(" ", _UNWANTED.sub("", line))
    if "&" in text:
        text = _SPACES.sub(" ", _unescape(text))
    if HOLE in text or FORMULA in text:
        for _ in range(2):  # brackets may be nested
            text = _AFTER_OPEN.sub(r"\1", text)
            text = _BEFORE_CLOSE.sub(r"\1", text)
        text = _drop_lost_sentences(text)
        text = _BETWEEN.sub("", text)
        text = _BEFORE_STOP.sub("", text)
        text = _HOLES.sub(lambda match: " " if match[1] or match[2] else "", text)
    text = _EMPTY_BRACKETS.sub("", text)
    text = _SPACE_AFTER_OPEN.sub(r"\1", text)
    text = _DOUBLE_COMMA.sub(",", text)
    text = _SPACE_BEFORE.sub(r"\1", text)
    text = _SPACE_BEFORE_END.sub(f"{_END} ", _SPACE_AFTER_START.sub(r" \1", text))
    text = _SPACES.sub(" ", text).strip(" ")
    return text if _WORD.search(text) else ""


def _drop_lost_sentences(text: str) -> str:
    """Removes the sentences that a cut made incomplete: they lost a formula, or the object of a
    preposition.

    A lost object inside brackets does not count.
    """
    if FORMULA not in text and not _LOST.search(text):
        return text
    if len(text) > LONG:
        return ""
    kept = []
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        lost = any(
            sentence.count("(", 0, match.start()) <= sentence.count(")", 0, match.start())
            for match in _LOST.finditer(sentence)
        )
        if FORMULA not in sentence and not lost:
            kept.append(sentence)
    return " ".join(kept)


def _unescape(text: str) -> str:
    """Resolves entities. Removes entities of surrogates, and of private characters, which could act as
    marks."""
    return _ENTITY.sub(
        lambda match: "".join(c for c in html.unescape(match[0]) if not PRIVATE.match(c)), text
    )


def _place_links(marked: str, targets: list[str]) -> tuple[str, list[Link]]:
    """Returns marked text (see `_Writer`) without its marks, and the links that the marks enclosed."""
    parts: list[str] = []
    links: list[Link] = []
    position = length = 0
    opened: tuple[int, str] | None = None
    for mark in _MARK.finditer(marked):
        parts.append(marked[position : mark.start()])
        length += mark.start() - position
        position = mark.end()
        if mark[0] != _END:
            opened = length, targets[ord(mark[0]) - _FIRST_LINK]
        elif opened:
            if length > opened[0]:
                links.append((opened[0], length, opened[1]))
            opened = None
    return "".join([*parts, marked[position:]]), links
