"""Countries, their peoples and languages, and the short forms of both: United Kingdom, UK, Britain, British.

The lists come from the packages countryinfo (names, codes and peoples of countries) and babel (names of
countries and languages in the text's language). Short lists of our own add peoples as nouns ("Spaniard"),
parts of countries, and the postal codes of the states of the USA. Without the packages only our own lists
are used.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from masksearch.text.words import loose_words

Words = tuple[str, ...]
"""A name as loose words: ("united", "kingdom")."""

COUNTRIES = ("countryinfo", "babel")
"""Packages with the lists; the extras `ner`, `ner-fr` and `terms` install them."""

_GROUPS = """
    united kingdom|uk|great britain|britain|british|briton|britons|brit|brits
    united states|usa|us|united states of america|america|american|americans
    england|english|englishman|englishmen;scotland|scottish|scot|scots|scotsman;wales|welsh|welshman
    ireland|irish|irishman|irishmen;northern ireland|northern irish;european union|eu
    soviet union|ussr|soviet|soviets|union of soviet socialist republics;yugoslavia|yugoslav|yugoslavian
    czechoslovakia|czechoslovak|czechoslovakian;east germany|gdr|east german;prussia|prussian
    spain|spanish|spaniard|spaniards;sweden|swedish|swede|swedes;denmark|danish|dane|danes
    poland|polish|pole|poles;turkey|turkish|turk|turks;finland|finnish|finn|finns
    netherlands|holland|dutch|dutchman;france|french|frenchman;switzerland|swiss;portugal|portuguese
    greece|greek|greeks|hellenic;persia|persian|persians;rome|roman|romans;troy|trojan|trojans
    argentina|argentine|argentinian;afghanistan|afghan|afghans;kazakhstan|kazakh;uzbekistan|uzbek
    iceland|icelandic|icelander;new zealand|new zealander|kiwi;philippines|filipino|philippine|filipina
    slovenia|slovenian|slovene;slovakia|slovak|slovakian;serbia|serbian|serb|serbs;croatia|croatian|croat
    luxembourg|luxembourgish;ukraine|ukrainian;catalonia|catalan;bavaria|bavarian;basque country|basque
    hong kong|hongkonger;tibet|tibetan;kurdistan|kurdish|kurd|kurds;quebec|quebecois;flanders|flemish
    sicily|sicilian;venice|venetian;florence|florentine;naples|neapolitan;vienna|viennese;milan|milanese
    genoa|genoese;moscow|muscovite;cuba|cuban;peru|peruvian;israel|israeli;congo|congolese;asia|asian
    europe|european;africa|african;united nations|un;north korea|north korean|dprk
    south korea|south korean;united arab emirates|uae|emirati
    alabama|al;alaska|ak;arizona|az;arkansas|ar;california|ca|calif;colorado|co;connecticut|ct|conn
    delaware|de;florida|fl|fla;georgia|ga;hawaii|hi;idaho|id;illinois|il;indiana|in;iowa|ia;kansas|ks
    kentucky|ky;louisiana|la;maine|me;maryland|md;massachusetts|ma|mass;michigan|mi|mich;minnesota|mn|minn
    mississippi|ms;missouri|mo;montana|mt;nebraska|ne|neb;nevada|nv;new hampshire|nh;new jersey|nj
    new mexico|nm;new york|ny;north carolina|nc;north dakota|nd;ohio|oh;oklahoma|ok;oregon|or
    pennsylvania|pa;rhode island|ri;south carolina|sc;south dakota|sd;tennessee|tn|tenn;texas|tx|tex
    utah|ut;vermont|vt;virginia|va;washington|wa|wash;west virginia|wv;wisconsin|wi|wis;wyoming|wy
    district of columbia|dc;new york city|nyc;los angeles|la;british columbia|bc;ontario|on
"""
# Demonyms of countryinfo that are those of another country.
_FOREIGN = frozenset({"french", "american", "chinese", "norwegian", "indian", "channel islander"})
_LANGUAGES_OF_TEXTS = frozenset({"en", "es", "fr"})
MOST_LETTERS = 3
"""Most letters of a code, which is written in capitals."""
MOST_WORDS = 5
"""Longest name of a country, in words."""


@dataclass(frozen=True)
class Peoples:
    """The groups of names that reveal each other."""

    names: Mapping[Words, frozenset[int]]
    """A name in loose words -> the groups that contain it."""
    starts: Mapping[str, int]
    """First word of a name -> the most words of a name that starts with it."""
    codes: frozenset[str]
    """Names that are words of the language unless they are written as names: "us", "in", "pole"."""

    def mentions(self, words: Sequence[str], written: Sequence[str]) -> list[tuple[int, int, frozenset[int]]]:
        """Returns the names in a text as (first, last, groups), the longest at each word.

        `written` are the words as the text writes them, which tells the code "US" from "us".
        """
        found = []
        place = 0
        while place < len(words):
            most = self.starts.get(words[place], 0)
            for size in range(min(most, len(words) - place), 0, -1):
                name = tuple(words[place : place + size])
                groups = self.names.get(name)
                if groups and (size > 1 or self._is_written(name[0], written[place])):
                    found.append((place, place + size, groups))
                    place += size - 1
                    break
            place += 1
        return found

    def _is_written(self, word: str, written: str) -> bool:
        """Whether a name of one word is written as a name: "US" and not "us", "Pole" and not "pole"."""
        if word not in self.codes:
            return True
        return written.isupper() or (len(word) > MOST_LETTERS and written[:1].isupper())


@cache
def peoples(language: str) -> Peoples:
    """Returns the groups of names for texts of a language; without names for Chinese."""
    groups = _groups(language) if language != "zh" else []
    names: defaultdict[Words, set[int]] = defaultdict(set)
    starts: dict[str, int] = {}
    for number, group in enumerate(groups):
        for name in group:
            names[name].add(number)
            starts[name[0]] = max(starts.get(name[0], 0), len(name))
    codes = {name[0] for name in names if len(name) == 1 and len(name[0]) <= MOST_LETTERS} | {
        "pole",
        "poles",
        "turkey",
    }
    codes |= {"mass", "wash", "conn", "polish", "tex"}
    return Peoples({name: frozenset(ids) for name, ids in names.items()}, starts, frozenset(codes))


def _groups(language: str) -> list[set[Words]]:
    """Returns the groups of our own, joined with those of the packages that share their first name."""
    own = [
        [_words(name) for name in group.split("|")]
        for line in _GROUPS.strip().splitlines()
        for group in line.strip().split(";")
    ]
    groups: dict[Words, set[Words]] = {}
    for names in own:
        groups.setdefault(names[0], set()).update(names)
    for names in (*_from_countryinfo(), *_from_babel(language)):
        if names:
            groups.setdefault(names[0], set()).update(names)
    return list(groups.values())


def _words(name: str) -> Words:
    return tuple(loose_words(name))


def _from_countryinfo() -> Iterable[list[Words]]:
    """Yields, per country, its name, its other names and codes in plain letters, and its people."""
    if importlib.util.find_spec("countryinfo") is None:
        return
    from countryinfo import all_countries

    for country in all_countries():
        name = str(country.name()).removeprefix("The ")
        demonym = _asked(country.demonym)
        others = _asked(country.alt_spellings)
        people = [one.strip() for one in str(demonym or "").replace("/", ",").split(",")]
        kept = [
            one
            for one in people
            if one.casefold() not in _FOREIGN or one[:2].casefold() == name[:2].casefold()
        ]
        codes = [one for one in others or () if len(one) > 2 and (one.isupper() or " " in one)]
        names = [_words(one) for one in (name, *kept, *codes)]
        yield [one for one in names if one and len(one) <= MOST_WORDS and all(map(str.isascii, one))]


def _asked(method: Callable[[], Any]) -> Any:
    """Returns what a method of countryinfo returns, or None if the country lacks the value."""
    try:
        return method()
    except (KeyError, AttributeError, ValueError, TypeError):
        return None


def _from_babel(language: str) -> Iterable[list[Words]]:
    """Yields, per country, its name in the language and the official languages that are named after it."""
    if importlib.util.find_spec("babel") is None or language not in _LANGUAGES_OF_TEXTS:
        return
    from babel import Locale
    from babel.languages import get_official_languages

    locale = Locale(language)
    for code, territory in locale.territories.items():
        if len(code) != 2 or code == "US":
            continue
        name = _words(territory)
        tongues = (_words(locale.languages.get(one, "")) for one in get_official_languages(code))
        yield [name, *(one for one in tongues if one and name and one[0][:3] == name[0][:3])]
