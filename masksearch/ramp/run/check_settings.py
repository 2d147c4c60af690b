"""Checks of the settings of the stage `mask`, made before any work starts."""

from __future__ import annotations

from pathlib import Path

from masksearch.corpus import corpus_hash, cut_all, read_documents
from masksearch.corpus.layouts.fields import parse_fields
from masksearch.corpus.source_hash import source_hash
from masksearch.errors import SearchError, UsageError
from masksearch.ramp.chains.run.stage import check_chained
from masksearch.ramp.checks.contamination import Decontaminator
from masksearch.ramp.checks.guessable import make_guesser
from masksearch.ramp.masking.strategies import make_strategy
from masksearch.ramp.run.product import is_folder_product
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import make_extractors
from masksearch.runtime.ray_cluster import import_ray
from masksearch.runtime.records import check_parquet
from masksearch.search import load


def check_settings(settings: MaskSettings, output: Path) -> None:
    """Raises an error for wrong settings, unreadable files and missing extras, before any work starts.

    Builds everything that is cheap to build, and discards the result: the parts raise the errors.
    """
    if settings.chained:
        check_chained(settings)
    check_effect(settings)
    make_extractors(settings)
    make_strategy(settings)
    if "not-guessable" in settings.verify:
        make_guesser(settings)
    if settings.exclude or settings.exclude_corpus:
        Decontaminator.from_files(settings.exclude, (), settings.exclude_ngram)
    if settings.engine == "ray":
        import_ray()
    if output.suffix == ".parquet" or (is_folder_product(output) and settings.format == "parquet"):
        check_parquet()


def check_effect(settings: MaskSettings) -> None:
    """Rejects settings that would be ignored. Raises UsageError for the first one."""
    asks_endpoint = "llm" in settings.extractors or (
        "not-guessable" in settings.verify and settings.guess_model.startswith("openai:")
    )
    needs = {
        "category_weights": (settings.strategy == "weighted", "the strategy 'weighted'"),
        "ppl_model": (settings.strategy == "ppl", "the strategy 'ppl'"),
        "ner_model": ("ner" in settings.extractors, "the extractor 'ner'"),
        "llm_model": ("llm" in settings.extractors, "the extractor 'llm'"),
        "llm": (asks_endpoint, "the extractor 'llm', or the check 'not-guessable' with a model openai:NAME"),
        "guess_model": ("not-guessable" in settings.verify, "the check 'not-guessable'"),
    }
    for name, (used, need) in needs.items():
        if getattr(settings, name) and not used:
            raise UsageError(f"{name} has no effect without {need}; add that, or leave {name} out.")


def check_same_text(settings: MaskSettings) -> None:
    """Raises SearchError if the index was built from another text than the corpus."""
    searcher = load(settings.index)
    known = searcher.manifest.get("source_hash")
    if known and known == source_hash(settings.corpus):
        return
    # Compares the passages instead of the files, because different files may hold the same text.
    wanted = searcher.settings.model_copy(update={"corpus": settings.corpus})
    fields = parse_fields(wanted.fields)
    documents = read_documents(wanted.corpus, wanted.limit, None, wanted.language, fields=fields)
    if corpus_hash(cut_all(documents, wanted.max_words)) != searcher.manifest["corpus_hash"]:
        raise SearchError(
            f"The index {settings.index} was built from another corpus ({searcher.manifest['corpus']}) than "
            f"{settings.corpus}, or the text has changed since; "
            f"build it again with: masksearch index {settings.corpus} -o {settings.index}."
        )
