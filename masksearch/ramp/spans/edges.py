"""Decides by the neighbours of its two edges whether a span is whole or only a half of something longer.

An extractor often finds a part: `Washington` of "Washington, D.C.", `Andy` of "Amos 'n' Andy", `2012` of
"2012 London Olympics", `95` of "1992–95". Nobody can search for half a name, so a half is no span. The
rules look at the words and signs before and after the span; they prefer losing a whole span to keeping a
half. Only the sign of a figure is added to the span ("−40 °C").

Chinese has no capital letters and no spaces, so only the rules about signs apply to it.
"""

from __future__ import annotations

import re
from functools import cache

from masksearch.ramp.spans.frequencies import frequency, has_frequencies
from masksearch.text.words import stop_words

Place = tuple[int, int]
"""Offsets [start, end) of a span in its text."""

MONTHS = frozenset(
    """january february march april may june july august september october november december jan feb mar apr
    jun jul aug sep sept oct nov dec early mid late spring summer autumn fall winter
    monday tuesday wednesday thursday friday saturday sunday""".split()  # noqa: SIM905
)
# Words before a name that are no part of it, although they have a capital letter: "President Lincoln".
_OFFICES = frozenset(
    """president king queen emperor empress prince princess sir dame lord lady mr mrs ms miss dr doctor prof
    professor general colonel captain lieutenant sergeant major admiral commander senator congressman
    governor mayor minister secretary chancellor ambassador judge justice pope bishop archbishop cardinal
    father brother sister reverend rev rabbi imam sheikh sultan tsar czar duke count baron coach director
    actor actress singer author chief chairman representative rep sen gov gen col capt lt sgt
    mayor government parliament premier""".split()  # noqa: SIM905
)
_NAMES_OF_PLACES = frozenset({"GPE", "LOC", "FAC"})
_CAPITAL = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĢĪĶŁĻŃŇŅŌŐŘŚŠŞȘŤŢȚŪŮŰŹŻŽ"
_SMALL = "of|o['’]|de|du|des|del|della|dei|di|da|do|dos|das|von|van|zu|d['’]"
_OPENING = re.compile(r"(?:^|[.!?:;•*][\"'”’)\]]*\s+|[\"“‘(\[«]|\s[-–—]\s)[\"'“‘(\[«]*$")

_NAME_AFTER = re.compile(
    rf"\s(?!I\b)(?:['’]n['’]?\s)?(?=[{_CAPITAL}])"  # [Sheffield] Wednesday
    r"|\s\d"  # [Apollo] 11
    r"|\s=\s"
    r"|\s?['’]n['’]?\s|\s&\s"  # [Amos] 'n' Andy
    r"|[._@/\\](?=[^\W_])|_|\["  # [Amazon].com
    r"|\.\s(?=\d)"  # [Symphony No]. 5
    r"|!\s(?=[a-z])"  # [Yahoo]! is
    r"|,\s(?:[A-Z]\.){2}|,?\s(?:Inc|Ltd|Jr|Sr|LLC|Co|Corp|PLC|Esq)\b"  # [Washington], D.C.
    rf"|:\s(?=[{_CAPITAL}])"  # [Star Wars]: The Clone Wars
    r"|[–−‑](?=[^\W_])|[™®]"
)
_NAME_OF_AFTER = re.compile(rf"\s(?:{_SMALL}|for|at)\s?(?:the\s|la\s|las\s|les\s)?(?=[{_CAPITAL}])")
# A band: "[Paul Revere] and the Raiders". Of other pairs ("France and the United Kingdom") each is whole.
_AND_THE_AFTER = re.compile(rf"\s(?:and|And)\s(?:the|The|his|her)\s(?:[{_CAPITAL}]\w+\s)?[{_CAPITAL}]\w*s\b")
# "[United Nations Convention] on the Rights of Persons with Disabilities"
_ABOUT_AFTER = re.compile(rf"\s(?:on|against|to|in|with)\s(?:the\s)?[{_CAPITAL}]")
_BODY = re.compile(
    r"\b(?:Convention|Committee|Commission|Conference|Council|Treaty|Act|Agreement|Declaration|Report|Office"
    r"|Institute|Cent(?:er|re)|Association|Society|Fund|Forum|Summit|Panel|Campaign|Department|Bureau)$"
)
# A foreign name goes on in small letters: "[Conservatoire] national des arts et métiers".
_FOREIGN_AFTER = re.compile(
    r"\s(?!the\s)(?:[a-zà-ÿ]+\s)?(?:des|du|della|delle|dei|degli|del|de(?!\s(?:facto|jure))|d['’]|di|der|und"
    r"|et(?!\sal)|van|von|zur|zum|pour|para)(?![\w-])"
)
_TITLE_AFTER = re.compile(r",?\s([A-Z][\w]*(?:['’]\w+)?)")
_TITLE_BEFORE = re.compile(r"([A-Z][\w'’]*)[,:]?\s$")
_NAME_OF_BEFORE = re.compile(rf"([{_CAPITAL}][\w'’.-]*)\s(?:{_SMALL}|for)\s?(?:the\s|la\s|las\s|les\s)?$")
_AMPERSAND_BEFORE = re.compile(rf"[{_CAPITAL}][\w'’.-]*\s(?:&|['’]?n['’]?)\s$")
_BODIES = frozenset({"ORG", "LAW", "EVENT"})
_AND_BEFORE = re.compile(rf"[{_CAPITAL}]\w+\s[{_CAPITAL}]\w+\s(?:and|for)\s$")
_AND_THE_BEFORE = re.compile(rf"[{_CAPITAL}][\w'’.-]*\s(?:and|And)\s(?:the|The|his|her)\s$")
_OWNED_AFTER = re.compile(rf"['’]s?\s[{_CAPITAL}]\w*s\b")  # [Jehovah]'s Witnesses
_PLURAL = re.compile(r"(?:\w+\s)?\w+s")
_GLUED_BEFORE = re.compile(r"(?:[_@#\\~]|[^\W_][–−‑.:])$")
# "[openai]:NAME", "[llama].cpp"
_GLUED_AFTER = re.compile(r"[_(=\[]|:(?=[^\W_])|\.(?=[a-z0-9])")
_NUMBERED = re.compile(r"\w+\.?\s\d+")
# A species: "[Mangifera] indica". The second word is rare, unlike that of "[Nevada] area".
_SPECIES_AFTER = re.compile(r"\s([a-z]{5,}(?:a|us|is|um|i|ens|ae|oides))\b")
RARE_EPITHET = 3.0
"""Highest frequency (Zipf scale) of the second word of a species' name."""
_INITIALS = re.compile(r"(?:[A-Z]\.){2,}|(?:Inc|Ltd|Jr|Sr|LLC|Corp)\.?")
_ERA_FIRST = re.compile(r"(?:BCE?|CE|AD|No|Nos|Vol|Jr|Sr|Inc)\b")
_ABBREVIATED = re.compile(r"(?:St|Mt|Ft|Fr|No|Nos|Op|Vol|[A-Z])\.$")

_DASH = "[–—‒−-]"
_RANGE_AFTER = re.compile(rf"\s?{_DASH}\s?[$£€¥]?\d|\s?[–—]\s?(?:[A-Z][a-z]+\s)?\d")
# "between five and [15 years]"
_SPAN_BEFORE = re.compile(
    r"(?i:\b(?:(?:between|from|entre)\s(?:about\s)?[\w.-]+|de\s\d[\d.,]*)\s(?:and|to|or|y|a|et|à)\s)$"
)
_RANGE_BEFORE = re.compile(rf"\d\w{{0,2}}\s?{_DASH}\s?[$£€¥]?$")
_YEAR_AFTER = re.compile(
    rf"\s?{_DASH}\s?(?:c\.\s?)?(?:\d{{1,2}}\s)?(?:[A-Z][a-zé]+\.?\s(?:\d\d?,\s)?)?\d{{3,4}}(?!\d)"
)
_YEAR_BEFORE = re.compile(rf"(?<!\d)\d{{3,4}}(?:\s(?:BC|AD|BCE|CE))?\s?{_DASH}\s?(?:c\.\s?)?$")
# "from the 9th to [14th centuries]"
_JOINING = frozenset(("to", "and", "or", "through", "the"))
_ORDINAL_BEFORE = re.compile(r"\d(?:st|nd|rd|th)\s(?:to|and|or|through)\s(?:the\s)?$")
_DAY_ENDS = frozenset("0123456789,thd")
_DAY_BEFORE = re.compile(r"\d(?:st|nd|rd|th)?,?\s$")  # September 18–23, [1899]
_HAS_YEAR = re.compile(r"\d{3}|\b(?:BCE?|AD|C\.)|年")
_FOLLOWED_BY_NAME = re.compile(rf"\s(?:[{_CAPITAL}]|\d{{1,2}}\s[{_CAPITAL}])")
_NAMED_ONCE = re.compile(rf"\s[{_CAPITAL}][\w'’-]*(?:,|\s(?![{_CAPITAL}\d]|of\s|and\s))")
_YEAR = re.compile(r"1\d{3}|20\d{2}")
# "a 1953 British film": the adjective is no name.
_PEOPLE_AFTER = re.compile(
    r"\s(?:[A-Z]\w+(?:ian|can|ean|ish|ese)|French|Dutch|Greek|Welsh|Swiss|Czech)\s(?=[a-z])"
)
_WHEN = re.compile(
    r"(?:^|[\s(])(?:[Ii]n|[Ss]ince|[Bb]y|[Uu]ntil|[Ff]rom|[Oo]n|[Aa]round|circa|[Aa]fter|[Bb]efore|[Dd]uring"
    r"|[Ee]n|[Dd]esde|[Dd]epuis|[Ll]e|[Ee]l)\s$"
)
_ACT_OF = re.compile(rf"([{_CAPITAL}][\w'’-]*)\s(?:of|de|du)\s$")
_LABELS = frozenset(
    """page pages p pp chapter section article figure fig table line lines verse version step number no nos
    vol volume episode route highway interstate channel model type class grade port error code room
    flight psalm rfc arxiv doi isbn issn pmid iso bug issue python release""".split()  # noqa: SIM905
)
_BETWEEN = frozenset(("and", "to", "or", "y", "a", "et", "à"))
_DASHES = frozenset("–—‒−-")
_OPERATORS = frozenset("⋅·∙=×÷*^<>≤≥≈≠+#/−–")
_OPERATOR_BEFORE = re.compile(r"(?:[⋅·∙=×÷*^<>≤≥≈≠+#/]|\s[−–])\s?$")
_OPERATOR_AFTER = re.compile(r"\s?[=×÷*^<>≤≥≈≠⋅·∙⁄](?!\w*>)|\s[+−]\s?\d|\s-\s\d")
_SIGNS = frozenset("−–+±-")
_SIGN = re.compile(r"(?:^|[\s(\[“\"])([−–+±-])$")
_SPACES = "[ \u00a0\u2009\u202f]"
_GROUP_BEFORE = re.compile(rf"\d{_SPACES}$")
_GROUP_AFTER = re.compile(rf"{_SPACES}\d{{3}}(?!\d)")
_STARTS_WITH_GROUP = re.compile(r"\d{3}(?!\d)")
_ENDS_WITH_GROUP = re.compile(r"(?<!\d)\d{1,3}$")
_QUOTED = {"“": "”", "«": "»", "‘": "’"}
MOST_QUOTED = 70
"""Longest quotation, in characters, that may be a title."""


def whole(text: str, start: int, end: int, category: str, language: str) -> Place | None:
    """Returns the offsets of the whole span text[start:end], or None if it is only a half."""
    if language == "zh":
        return start, end
    if category == "NUMBER" and not _YEAR.fullmatch(text, start, end):
        return _whole_number(text, start, end, language)
    if category in ("DATE", "NUMBER"):
        return (start, end) if _is_whole_date(text, start, end, language) else None
    if text[start].isdigit():
        if (_RANGE_BEFORE.search(text, max(0, start - 6), start)) or _cuts_group(text, start, end):
            return None
        if sign := _SIGN.search(text, max(0, start - 2), start):
            start = sign.start(1)
    first = text[start]
    if not (first.isupper() or first.isdigit()):
        glued = _GLUED_BEFORE.search(text, max(0, start - 2), start) or _GLUED_AFTER.match(text, end)
        return None if glued else (start, end)
    return (start, end) if _is_whole_name(text, start, end, category, language) else None


def _word_before(text: str, start: int) -> tuple[str, int]:
    """Returns the word before text[start:] and its offset, without opening marks; empty without a space."""
    if start < 2 or not text[start - 1].isspace():
        return "", start
    low = text.rfind(" ", 0, start - 1) + 1
    token = text[low : start - 1].lstrip("\"'“‘([«")
    return token, start - 1 - len(token)


def _marks_before(text: str, start: int) -> str:
    """Returns the two characters before text[start:]."""
    return text[max(0, start - 2) : start]


def opens_sentence(text: str, start: int) -> bool:
    """Whether the word at `start` is the first word of a sentence or a quotation."""
    return bool(_OPENING.search(text, max(0, start - 6), start))


def _is_whole_name(text: str, start: int, end: int, category: str, language: str) -> bool:
    """Whether no word or sign beside a name belongs to it."""
    several = " " in text[start:end]
    is_person = category in ("PERSON", "PER") and several
    if _NAME_AFTER.match(text, end) or _GLUED_BEFORE.search(text, max(0, start - 2), start):
        return False
    if category == "LAW" and _NUMBERED.fullmatch(text, start, end):
        return False  # "[Article 5]", "[EM 0]"
    if not several and language == "en" and _is_genus(text, end):
        return False
    if not is_person and _NAME_OF_AFTER.match(text, end):
        return False
    if category not in _NAMES_OF_PLACES and _AND_THE_AFTER.match(text, end):
        return False
    if _ABOUT_AFTER.match(text, end) and _BODY.search(text, start, end):
        return False
    if language == "en" and _FOREIGN_AFTER.match(text, end):
        return False
    follow = _TITLE_AFTER.match(text, end)
    if follow and follow[1] != "I" and re.split("['’]", follow[1])[0].lower() in _small_words(language):
        return False
    if _ERA_FIRST.match(text, start) or text.count(", ", start, end) > 1:
        return False
    if not several and _OWNED_AFTER.match(text, end):
        return False
    if text.endswith(", ", 0, start) and _INITIALS.fullmatch(text, start, end):
        return False
    return not _continues(text, start, end, category, language) and not _in_quoted_title(text, start, end)


def _is_genus(text: str, end: int) -> bool:
    """Whether the rest of a species' name follows a word. False without the package wordfreq."""
    epithet = _SPECIES_AFTER.match(text, end)
    return epithet is not None and has_frequencies() and frequency(epithet[1]) <= RARE_EPITHET


@cache
def _small_words(language: str) -> frozenset[str]:
    """Returns words that have a capital letter only at the start of a sentence, or in a title."""
    return stop_words(language) | frozenset(("here", "don", "let", "won", "didn", "isn"))


def _continues(text: str, start: int, end: int, category: str, language: str) -> bool:
    """Whether the words before text[start:] belong to the name that starts there."""
    low = max(0, start - 48)
    several = text.find(" ", start, end) >= 0
    plural = _PLURAL.fullmatch(text, start, end)
    if _AMPERSAND_BEFORE.search(text, low, start):
        return True
    if category not in _NAMES_OF_PLACES and _AND_THE_BEFORE.search(text, low, start) and plural:
        return True
    if re.search(r"['’]n['’]?\s$", text[max(0, start - 5) : start]):
        return True
    if category in _BODIES and _AND_BEFORE.search(text, low, start):
        return True
    head = _NAME_OF_BEFORE.search(text, low, start)
    if head and not _is_apart(text, head.start(1), head[1], language):
        return True
    token, place = _word_before(text, start)
    if not token or not token[0].isupper():
        return False
    if _ABBREVIATED.fullmatch(token):
        return True
    plain = token.rstrip(".").casefold()
    if token.endswith(".") and plain in _OFFICES:
        return False
    if not token[-1].isalnum() or token.endswith(("'s", "’s", "s'", "s’")):
        return False
    opens = opens_sentence(text, place)
    if plain in _small_words(language):
        return not opens
    if plain in MONTHS or (plain in _OFFICES and category in ("PERSON", "PER", "LINK", "OTHER")):
        return False
    return not (category in ("PERSON", "PER") and several and (opens or _is_people(plain)))


def _is_apart(text: str, place: int, head: str, language: str) -> bool:
    """Whether `head` of "head of NAME" is an office or a small word, so that the name is whole without it."""
    plain = head.casefold().rstrip(".")
    if plain in _OFFICES or plain in MONTHS:
        return True
    return opens_sentence(text, place) and (plain in _small_words(language) or plain.endswith("s"))


def _is_people(word: str) -> bool:
    """Whether a word is an adjective of origin: "American"."""
    return bool(re.fullmatch(r".{2,}(?:ian|can|ean|ish|ese|man)|french|dutch|greek|welsh|swiss|czech", word))


def _in_quoted_title(text: str, start: int, end: int) -> bool:
    """Whether a span is a part of a title between quotation marks: “A [Tale] of Two Cities”."""
    if '"' in text:
        opening = text.rfind('"', max(0, start - MOST_QUOTED), start)
        closing = text.find('"', end, end + MOST_QUOTED)
        if opening >= 0 and closing >= 0 and text.count('"', 0, opening) % 2 == 0:
            return _is_part_of_title(text, opening + 1, closing, start, end)
    for mark, other in _QUOTED.items():
        if mark in text:
            opening = text.rfind(mark, max(0, start - MOST_QUOTED), start)
            closing = text.find(other, end, end + MOST_QUOTED)
            if opening >= 0 and closing >= 0 and text.find(other, opening, start) < 0:
                return _is_part_of_title(text, opening + 1, closing, start, end)
    return False


def _is_part_of_title(text: str, low: int, high: int, start: int, end: int) -> bool:
    """Whether text[low:high], between quotation marks, is a title that is longer than the span."""
    quoted = text[low:high].strip(" ,.")
    if quoted == text[start:end].strip(" ,.") or len(quoted) > MOST_QUOTED:
        return False
    words = quoted.split()
    capitals = sum(word[0].isupper() for word in words)
    return len(words) > 1 and words[0][0].isupper() and 2 * capitals >= len(words)


def _is_whole_date(text: str, start: int, end: int, language: str) -> bool:
    """Whether a date is no part of a range or of a name."""
    if text[max(0, start - 1) : start] in ("'", "’", "#", "_", "=") or text[end : end + 1] in ("_", "="):
        return False
    has_year = bool(_HAS_YEAR.search(text, start, end))
    bare = text[start:end].isdigit()
    before = _marks_before(text, start)
    if bare and before[:1] in _DAY_ENDS and _DAY_BEFORE.search(text, max(0, start - 5), start):
        return False
    if _word_before(text, start)[0] in _JOINING and _ORDINAL_BEFORE.search(text, max(0, start - 16), start):
        return False
    if _RANGE_AFTER.match(text, end) and not (has_year and _YEAR_AFTER.match(text, end)):
        return False
    low = max(0, start - 16)
    if (
        not _DASHES.isdisjoint(before)
        and _RANGE_BEFORE.search(text, low, start)
        and not (has_year and _YEAR_BEFORE.search(text, low, start))
    ):
        return False
    if (
        _FOLLOWED_BY_NAME.match(text, end)
        and not (_NAMED_ONCE.match(text, end) and _WHEN.search(text, low, start))
        and not _PEOPLE_AFTER.match(text, end)
        and not text.startswith(" I ", end)
    ):
        return False
    if (bare or text[end - 1] == "s") and before in ("f ", "e ", "u "):
        act = _ACT_OF.search(text, max(0, start - 32), start)
        if act and act[1].casefold() not in MONTHS and act[1].casefold() not in _small_words(language):
            return False
    return not _follows_name(text, start, language)


def _follows_name(text: str, start: int, language: str) -> bool:
    """Whether a name is before a date or figure: a capitalised word that does not only open a sentence."""
    token, place = _word_before(text, start)
    if not token or not token[0].isupper() or not token[-1].isalnum():
        return False
    plain = token.casefold()
    if plain in MONTHS:
        return False
    is_small = language != "en" or plain in _small_words(language) or plain.endswith("ly")
    return not (is_small and opens_sentence(text, place))


def _cuts_group(text: str, start: int, end: int) -> bool:
    """Whether a figure starts or ends inside a number grouped by spaces: `19 [082] 000`."""
    return bool(
        (_GROUP_BEFORE.search(text, max(0, start - 2), start) and _STARTS_WITH_GROUP.match(text, start))
        or (_GROUP_AFTER.match(text, end) and _ENDS_WITH_GROUP.search(text, max(start, end - 4), end))
    )


def _whole_number(text: str, start: int, end: int, language: str) -> Place | None:
    """Returns the place of a figure with its sign, or None for a part of a range, a sum or a name."""
    before = _marks_before(text, start)
    if before[-1:] in _SIGNS and (sign := _SIGN.search(text, max(0, start - 2), start)):
        start = sign.start(1)
        before = _marks_before(text, start)
    token, _ = _word_before(text, start)
    if (
        _RANGE_AFTER.match(text, end)
        or (not _DASHES.isdisjoint(before) and _RANGE_BEFORE.search(text, max(0, start - 6), start))
        or _cuts_group(text, start, end)
        or (token in _BETWEEN and _SPAN_BEFORE.search(text, max(0, start - 32), start))
        or _OPERATOR_AFTER.match(text, end)
        or (not _OPERATORS.isdisjoint(before) and _OPERATOR_BEFORE.search(text, max(0, start - 3), start))
        or before[-1:] in ("'", "’", "_", "@")
        or text[end : end + 1] in ("_", "=")
    ):
        return None
    if _FOLLOWED_BY_NAME.match(text, end) and not _NAMED_ONCE.match(text, end):
        return None
    if token.rstrip(".").lower() in _LABELS and text[start:end].replace(".", "").isdigit():
        return None
    return None if _follows_name(text, start, language) else (start, end)
