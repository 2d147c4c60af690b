"""Finds specific terms other than names, dates and figures: "photosynthesis", "ADN mitocondrial", "线粒体".

No model is used: a term is a *rare word in the position of a noun*. Rarity comes from the frequency tables
of the library `wordfreq`, one fixed table per language, so that the terms of a passage depend on that
passage alone. Neighbouring words and word endings decide the position.

- English: a run of lower-case content words after a determiner, a preposition, "and" or a comma, and
  before a function word or punctuation. Its last word must look like a noun: it has no ending of an
  adverb, adjective or participle, and is not a verb that agrees with the word before it ("enzyme binds").
  Common words are dropped from the left, and a rare word must remain ("large sonata form" becomes "sonata
  form").
- Spanish and French: the noun after a determiner or a preposition, with following adjectives that have a
  learned ending.
- Chinese: nouns of `jieba`'s dictionary with three characters or more, or with two if they are very rare
  and end like learned words.

A single word without a learned ending must be rarer than a word with one ("-synthesis", "-logía",
"-isme"), because a rare everyday word ("heyday") is not a term. Precision is more important than recall:
many terms are missed. Install with `masksearch[terms]`.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor, language_of
from masksearch.ramp.spans.frequencies import Zipf, frequencies, import_package
from masksearch.text.words import stop_words
from masksearch.types import Passage, Span

Place = tuple[int, int]
"""Offsets [start, end) of a term in its text."""

MOST_WORDS = 3
"""Maximum number of words of a term."""
_WORD = re.compile(r"[^\W\d_]+(?:[-‐‑][^\W\d_]+)*")
_ACRONYM = re.compile(r"[A-Z]{2,6}")


@dataclass(frozen=True)
class Grammar:
    """The words and endings that mark nouns and learned words of a language.

    Frequencies are on the Zipf scale (log10 of occurrences per billion words): 3 is once in a million words.
    """

    before: frozenset[str]
    """Words after which a noun phrase may start: determiners, prepositions and others."""
    learned: re.Pattern[str]
    """Endings of learned nouns."""
    adjective: re.Pattern[str]
    """Endings of adjectives. In English, a word with such an ending cannot be the last word of a term. In
    Spanish and French, an adjective after a noun belongs to the term."""
    no_noun: re.Pattern[str]
    """Pattern of whole words that are not nouns: adverbs, participles and infinitives."""
    rare: float
    """Highest frequency of a word that is a term by itself."""
    learned_rare: float
    """Highest frequency of the rarest word of a term that has a learned ending or several words."""
    shortest: int = 5
    """Minimum number of letters of the rarest word of a term."""


LEAST_RARITY = 4.0
"""Every grammar's limits, and those of Chinese terms, are at most this frequent (Zipf scale)."""
_COMMON_MODIFIER = 4.3
"""Highest frequency (Zipf scale) of a modifier that still belongs to a term."""
_COMMON_HEAD = 5.6
"""Highest frequency (Zipf scale) that the noun of a term may have."""

GRAMMARS = {
    "en": Grammar(
        before=frozenset(
            """the a an its their his her this these those some any each every no of in on by for with from
            into through during between among as via called termed known like than without within about
            against and or including both""".split()  # noqa: SIM905
        ),
        learned=re.compile(
            r"(?:synthesis|lysis|genesis|osis|logy|logies|graphy|metry|nomy|isms?|ists?|ase|ases|ium|itis"
            r"|omas?|gens?|plasms?|cytes?|scopes?|oids?|idae|phylls?"
            r"|derms?|saurs?|valves?|pods?|phytes?|morphs?|clines?|zoans?|pathy|archy|cracy|otics?|ides?"
            r"|ates|ites?|enes?|ines?|ators?|trons?|therapy|phobia)$"
        ),
        adjective=re.compile(
            r"(?:ous|ive|ful|less|able|ible|ish|al|ic|ary|esque|ian|ean|ese|like|ory|ular|ine-like|ward"
            r"|wide|most|some|esque|ent|ant|ate|oid|y)$"
        ),
        no_noun=re.compile(
            r"(?:.{3,}ed|.{3,}ing|.+ly|.+est|.+wards|.+wise|.+ness|grown|known|seen|shown|drawn|taken"
            r"|written|given|found|held|built|made|born|instead|however|otherwise|anymore|alone|anyway|together"
            r"|again|afterwards|elsewhere|above|below|alike|outside|inside|beside|beyond|beneath"
            r"|across|throughout|amongst|nearby|abroad|ahead|apart|onto|behind|despite)"
        ),
        rare=3.15,
        learned_rare=3.75,
    ),
    "es": Grammar(
        before=frozenset(
            """el la los las un una unos unas del al de en por con sin sobre entre mediante su sus este esta
            estos estas cada como según contra desde hacia llamado llamada y o e u""".split()  # noqa: SIM905
        ),
        learned=re.compile(
            r"(?:síntesis|lisis|génesis|osis|logías?|grafías?|metrías?|nomías?|ismos?|istas?|asas?|itis"
            r"|omas?|cracias?|tecas?|plastos?|citos?|ógenos?|patías?)$"
        ),
        adjective=re.compile(
            r"(?:ic[oa]s?|ales?|al|os[oa]s?|iv[oa]s?|ari[oa]s?|ares?|áce[oa]s?|oides?|ile?s?|ífer[oa]s?"
            r"|ógen[oa]s?|[áéí]tic[oa]s?)$"
        ),
        no_noun=re.compile(
            r"(?:.+mente|.+[eé]sim[oa]s?|.+écim[oa]s?|.+[aei]r(?:se|l[oae]s?|me|nos)?|.+[ai]d[oa]s?"
            r"|.+ndo(?:se|l[oae]s?)?|.+ísim[oa]s?|.+a(?:ron|ban|ría|rán))"
        ),
        rare=3.2,
        learned_rare=3.7,
    ),
    "fr": Grammar(
        before=frozenset(
            """le la les un une des du de au aux l d en par pour avec sans sur entre dans son sa ses leur
            leurs ce cet cette ces chaque comme selon contre depuis vers appelé appelée et ou""".split()  # noqa: SIM905
        ),
        learned=re.compile(
            r"(?:synthèse|lyse|genèse|oses?|logies?|graphies?|métries?|nomies?|ismes?|istes?|ases|ites?"
            r"|omes?|craties?|plastes?|cytes?|gènes?|pathies?|saures?|phytes?)$"
        ),
        adjective=re.compile(
            r"(?:iques?|aux|ales?|al|eux|euses?|ifs?|ives?|aires?|ols?|elles?|els?|oïdes?|acée?s?|gènes?"
            r"|formes?|fères?)$"
        ),
        no_noun=re.compile(
            r"(?:.+ement|.+(?:er|ir|oir|dre|tre)|.+[éi]e?s?|.+ues?|.+ant|.+(?:aient|èrent|ait|ça|isent?))"
        ),
        rare=3.2,
        learned_rare=3.7,
    ),
}
_PRONOUNS = {
    "es": frozenset("se no que quien él ella ellos ellas nos me te".split()),  # noqa: SIM905
    "fr": frozenset("il elle ils elles on qui ne se je nous vous que en y".split()),  # noqa: SIM905
}
_ROMANCE_AND = frozenset("y e o u et ou".split())  # noqa: SIM905
_ELIDED = re.compile(r"\b[ldLD]['’]$")
# Words that do not follow an English noun phrase: a determiner or a pronoun shows that the word before it is
# a verb.
_NO_RIGHT = frozenset(
    """the a an its their his her this these those some any each every no it him them us you me itself
    himself herself themselves all both what how more most many several another other such to up out off
    down""".split()  # noqa: SIM905
)
_LIST = frozenset({"and", "or"})
# Modifiers that are no part of a term: adjectives that judge ("a fruitful association"), adverbs and
# participles.
_NO_MODIFIER = re.compile(
    r".+(?:est|ly|ful|less|ive|able|ible|ish|tional|some|ant|ent|uous|matic|esque|like|facto)|.{3,}(?:ed|ing)"
)

_HAN_NOUNS = frozenset({"n", "nz", "vn"})
_HAN_LEARNED = re.compile(r".+[素体酸酶菌症炎学术法论式剂盐质胞科属目纲毒]")
_HAN_MEASURE = re.compile(r".*(?:世纪|年代|[氏温]度|公里|平方米)")
_HAN_RARE = 4.0
"""Highest frequency (Zipf scale) of a Chinese term of three characters or more."""
_HAN_RARE_PAIR = 3.2
"""Highest frequency (Zipf scale) of a Chinese term of two characters."""


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor. Raises MissingExtraError without `wordfreq`; Chinese also needs `jieba`."""
    import_package("wordfreq")

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        for passage in passages:
            places = find(passage.text, language_of(passage, settings), settings.rarity)
            yield [Span(start=start, end=end, category="TERM") for start, end in places]

    return extract


def find(text: str, language: str, rarity: float = 8) -> list[Place]:
    """Returns the offsets of the terms of a text.

    The rarest word of a term is at most as frequent as `rarity` (Zipf scale) and as the grammar's limits.
    """
    places = _find(text, language)
    if rarity >= LEAST_RARITY or not places:
        return places
    if language == "zh":
        rarity += _HAN_RARE - GRAMMARS["en"].learned_rare
    zipf = frequencies(language)
    return [
        (start, end)
        for start, end in places
        if min(map(zipf, _WORD.findall(text[start:end].lower())), default=0.0) <= rarity
    ]


def is_rare(piece: str, language: str, rarity: float) -> bool:
    """Whether an anchor without a capital letter is salient: a noun with a rare word.

    A single word without a learned ending must be rarer than others, as with terms, and must not be a verb
    ("preens"). In a language without frequencies every anchor is salient.
    """
    if language == "zh":
        return frequencies("zh")(piece) <= rarity
    if language not in GRAMMARS:
        return True
    grammar, zipf = GRAMMARS[language], frequencies(language)
    words = _WORD.findall(piece.lower())
    if not words:
        return False
    if len(words) == 1 and not _ends(grammar.learned, words[0]):
        rarity = min(rarity, rarity - grammar.learned_rare + grammar.rare)
    if min(map(zipf, words)) > rarity or len(max(words, key=len)) < grammar.shortest:
        return False
    if len(words) > 1:
        return True
    if language == "en" and _is_verb(words[0], zipf):
        return False
    return _ends(grammar.learned, words[0]) or not grammar.no_noun.fullmatch(words[0])


def is_verb(word: str) -> bool:
    """Whether an English word is mainly a verb: "verify", "save"."""
    return _is_verb(word, frequencies("en"))


def _find(text: str, language: str) -> list[Place]:
    if language == "zh":
        return _chinese(text)
    if language not in GRAMMARS:
        return []
    words = [_Word(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]
    finder = _english if language == "en" else _romance
    return list(finder(text, words, GRAMMARS[language], frequencies(language), language))


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str

    @property
    def plain(self) -> bool:
        """Whether the word can be part of a term: it is in lower case or an acronym."""
        return self.text.islower() or bool(_ACRONYM.fullmatch(self.text))


def _english(text: str, words: list[_Word], grammar: Grammar, zipf: Zipf, language: str) -> Iterator[Place]:
    """Yields the terms of an English text: the last words of content words in a row."""
    stops = stop_words(language)
    place = 0
    while place < len(words):
        end = place
        while (
            end < len(words)
            and words[end].plain
            and words[end].text not in stops
            and (end == place or _joined(text, words[end - 1], words[end]))
        ):
            end += 1
        if end == place:
            place += 1
            continue
        run = words[place:end]
        left = _left(text, words, place)
        right = words[end].text if end < len(words) and _joined(text, run[-1], words[end]) else ""
        if right:
            ends_phrase = right in stops - _NO_RIGHT
        else:
            follows = text[run[-1].end : run[-1].end + 2].strip()
            ends_phrase = not follows[:1].isdigit() and not follows.startswith(("'", "’", "/", "-", "="))
        if ends_phrase and (left in grammar.before or left == ","):
            term = _english_term(run, left in _LIST or left == ",", grammar, zipf)
            if term is not None:
                yield term
        place = end


def _english_term(run: list[_Word], in_list: bool, grammar: Grammar, zipf: Zipf) -> Place | None:
    """Returns the term at the end of a run of content words, or None.

    `in_list` means that the run follows "and", "or" or a comma.
    """
    head = run[-1].text
    adjective = _ends(grammar.adjective, head) and not _ends(grammar.learned, head)
    if adjective or grammar.no_noun.fullmatch(head) or zipf(head) > _COMMON_HEAD:
        return None
    before = run[-2].text if len(run) > 1 else ""
    # A verb agrees with its subject: "enzyme binds", "enzymes bind". After "and" a single word may be a
    # verb, too.
    agrees = before.endswith("s") != head.endswith("s") if before else in_list
    if agrees and _is_verb(head, zipf):
        return None
    kept = [run[-1]]
    for word in reversed(run[:-1]):
        if len(kept) == MOST_WORDS or zipf(word.text) > _COMMON_MODIFIER or _NO_MODIFIER.fullmatch(word.text):
            break
        kept.insert(0, word)
    if kept[0] is not run[0] and in_list and len(kept) == 1:
        return None
    return (kept[0].start, kept[-1].end) if _is_specific(kept, grammar, zipf) else None


def _romance(text: str, words: list[_Word], grammar: Grammar, zipf: Zipf, language: str) -> Iterator[Place]:
    """Yields the terms of a Spanish or French text: nouns with the adjectives that follow them."""
    stops = stop_words(language)
    place = 0
    while place < len(words):
        noun = words[place]
        place += 1
        if not noun.plain or noun.text in stops or zipf(noun.text) > _COMMON_HEAD:
            continue
        if grammar.no_noun.fullmatch(noun.text) and not _ends(grammar.learned, noun.text):
            continue
        left = _left(text, words, place - 1)
        if left not in grammar.before or (place > 2 and words[place - 3].text.lower() in _PRONOUNS[language]):
            continue
        followed = place < len(words) and _joined(text, noun, words[place]) and words[place].text not in stops
        if _ends(grammar.adjective, noun.text) and (followed or left in _ROMANCE_AND):
            continue  # an adjective before its noun, or the second of two adjectives
        kept = [noun]
        while place < len(words) and len(kept) < MOST_WORDS and _joined(text, kept[-1], words[place]):
            word = words[place]
            if (
                not word.plain
                or word.text in stops
                or not _ends(grammar.adjective, word.text)
                or zipf(word.text) > _COMMON_MODIFIER
            ):
                break
            kept.append(word)
            place += 1
        if text[kept[-1].end : kept[-1].end + 1] not in ("'", "’", "/") and _is_specific(kept, grammar, zipf):
            yield kept[0].start, kept[-1].end


def _is_specific(kept: list[_Word], grammar: Grammar, zipf: Zipf) -> bool:
    """Whether the rarest word of a term is rare enough, given the other words and its ending."""
    rarest = min(kept, key=lambda word: zipf(word.text))
    if all(_ACRONYM.fullmatch(word.text) for word in kept) or len(rarest.text) < grammar.shortest:
        return False
    learned = len(kept) > 1 or _ends(grammar.learned, rarest.text)
    return zipf(rarest.text) <= (grammar.learned_rare if learned else grammar.rare)


def _ends(pattern: re.Pattern[str], word: str) -> bool:
    """Whether `pattern`, such as `Grammar.learned`, matches the end of a word."""
    return bool(pattern.search(word))


def _is_verb(word: str, zipf: Zipf) -> bool:
    """Whether a word is mainly a verb ("binds"): its -ing form is almost as frequent as the word."""
    base = word.removesuffix("s")
    forms = (f"{base}ing", f"{base.removesuffix('e')}ing", f"{word.removesuffix('es')}ing")
    most = max(zipf(form) for form in forms)
    return most >= 2 and most >= zipf(word) - 1


def _joined(text: str, first: _Word, second: _Word) -> bool:
    """Whether `second` follows `first` with only a space between them."""
    return second.start - first.end == 1 and text[first.end] == " "


def _left(text: str, words: list[_Word], place: int) -> str:
    """Returns the word or the comma before `words[place]`, or an empty string."""
    start = words[place].start
    if _ELIDED.search(text, max(0, start - 3), start):
        return text[start - 2].lower()
    if place and _joined(text, words[place - 1], words[place]):
        return words[place - 1].text.lower()
    return "," if text[max(0, start - 2) : start] == ", " else ""


def _chinese(text: str) -> list[Place]:
    """Returns the terms of a Chinese text: rare nouns of jieba's dictionary."""
    zipf, cut = frequencies("zh"), _cutter()
    places, start = [], 0
    for word, flag in cut(text):
        end = start + len(word)
        learned = _HAN_LEARNED.fullmatch(word)
        noun = flag in _HAN_NOUNS or (flag in ("nr", "l") and learned)
        rare = zipf(word) <= (_HAN_RARE if len(word) > 2 else _HAN_RARE_PAIR)
        if (
            noun
            and rare
            and (len(word) > 2 or (len(word) == 2 and learned))
            and _is_han(word)
            and not _HAN_MEASURE.fullmatch(word)
        ):
            places.append((start, end))
        start = end
    return places


def _is_han(word: str) -> bool:
    """Whether a word has Chinese characters only."""
    return all("\u3400" <= char <= "\u9fff" for char in word)


@cache
def _cutter() -> Callable[[str], Iterator[tuple[str, str]]]:
    """Returns a function that cuts Chinese text into (word, part of speech).

    All words come from jieba's dictionary; unknown words are cut into characters.
    """
    jieba = import_package("jieba")
    posseg = import_package("jieba.posseg")
    jieba.setLogLevel(logging.ERROR)
    tokenizer = jieba.Tokenizer()
    # jieba's cache is put into a private folder. Its default is the shared temporary folder, where anyone
    # could replace it.
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.tmp_dir = str(Path(folder))
        tokenizer.initialize()
    tagger = posseg.POSTokenizer(tokenizer)
    return lambda text: ((pair.word, pair.flag) for pair in tagger.cut(text, HMM=False))
