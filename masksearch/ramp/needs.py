"""Needs of the stage `mask`: extractors, strategy, checks, workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from masksearch.corpus.needs import corpus_needs
from masksearch.corpus.packaged import DEFAULT_CORPUS
from masksearch.llm.needs import endpoint_needs, policy_needs
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.needs import Made, Need
from masksearch.runtime.needs.packages import Package, file_needs, installed
from masksearch.search.needs import search_needs
from masksearch.search.settings import SearchSettings


def mask_needs(settings: MaskSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of making tasks."""
    if settings.corpus or not settings.index:
        yield from corpus_needs(settings.corpus or DEFAULT_CORPUS, made)
    yield from search_needs(settings.index, SearchSettings(), made)
    for name in dict.fromkeys(settings.extractors):
        yield from _extractor_needs(name, settings)
    if settings.strategy == "ppl" and settings.ppl_model:
        yield from policy_needs(settings.ppl_model, "", made)
    if "not-guessable" in settings.verify and settings.guess_model:
        yield from policy_needs(settings.guess_model, settings.llm, made)
    for source in (*settings.exclude, *settings.exclude_corpus):
        if source not in made:
            yield from file_needs(source)
    if settings.engine == "ray":
        yield Package("ray", "The engine 'ray'")
    if settings.format == "parquet":
        yield Package("pyarrow", "A .parquet file")


def _extractor_needs(name: str, settings: MaskSettings) -> Iterator[Need]:
    if name == "ner":
        yield Package("spacy", "The extractor 'ner'")
        if settings.ner_model:
            if not Path(settings.ner_model).exists():
                yield _pipeline(settings.ner_model)
        else:
            yield from _language_needs(settings.language)
    elif name == "terms":
        yield Package("wordfreq", "The extractor 'terms'")
        if settings.language == "zh":
            yield Package("jieba", "The extractor 'terms' for Chinese")
    elif name == "llm":
        yield from endpoint_needs(
            settings.llm, settings.llm_model, "The extractor 'llm'", ("llm", "llm_model")
        )


def _pipeline(name: str) -> Need:
    from masksearch.runtime.needs.packages import Plain

    return Plain(
        name,
        f"ner_model names the spaCy pipeline '{name}', which is not installed; install it, for example with "
        f"'python -m spacy download {name}', or name a folder.",
    )


def _language_needs(language: str) -> Iterator[Need]:
    """Yields the need of a pipeline of the documents' language. Only the language of the settings is known
    here; documents may name others."""
    from masksearch.ramp.spans.entities import EXTRAS, PIPELINES
    from masksearch.runtime.needs.packages import Plain

    names = PIPELINES.get(language, ())
    purpose = f"The extractor 'ner' for the language '{language}'"
    if language in EXTRAS:
        package, extra = EXTRAS[language]
        yield Package(names[0], purpose, package, extra, names[1:])
    elif names and not any(map(installed, names)):
        yield Plain(
            names[0],
            f"{purpose} needs a spaCy pipeline; install one with 'python -m spacy download {names[0]}', or "
            "name one with ner_model.",
        )
