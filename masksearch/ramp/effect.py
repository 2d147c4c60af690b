"""Settings that would have no effect beside the others: refused, for whoever gives one expects something of it."""

from __future__ import annotations

from masksearch.errors import UsageError
from masksearch.settings import MaskSettings


def check_effect(settings: MaskSettings) -> None:
    """Raises UsageError for the first setting that nothing would look at."""
    asks_endpoint = "llm" in settings.extractors or ("not-guessable" in settings.verify and settings.guess_model.startswith("openai:"))
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
