"""Settings of the stage `mask`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.types import Language

ExtractorName = Literal["ner", "links", "dates", "numbers", "terms", "llm"]
CheckName = Literal["retrievable", "not-guessable", "unique", "not-inferable", "none"]


def mask_range(text: str) -> tuple[int, int]:
    """`"1-4"` -> (1, 4), `"2"` -> (2, 2). Raises ValueError outside 1 to 4."""
    match = re.fullmatch(r"([1-4])(?:-([1-4]))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ValueError(
            f"'{text}' is no number of masks; write a number from 1 to 4, or a range such as 1-4"
        )
    return low, high


class MaskSettings(Settings):
    """Turns a corpus into RAMP tasks."""

    corpus: str = ""
    """Empty: the text of the index that is given; without one, wiki-summaries:en."""
    index: Ref = ""
    """Index to verify against, built from the same corpus; empty: one is built."""
    max_words: int = Field(60, ge=0)
    """As in IndexSettings; used only where no index is given (an index knows its own)."""
    language: Language = "en"
    """Language of documents that do not name their own; used only where no index is given."""
    masks: str = "1-4"
    """How many masks a task has, spread evenly over the range."""
    weights: tuple[float, ...] = ()
    """Relative shares of the mask counts in `masks`, instead of evenly."""
    limit: int | None = Field(None, ge=1)
    """Stop at so many tasks; None: one task of every passage that allows one."""
    tasks_per_document: int = Field(1, ge=1)
    split: Literal["train", "heldout", "all"] = "all"
    heldout_share: float = Field(0.2, gt=0, lt=1)
    """Share of the articles (by a hash of the title) that is kept apart."""
    extractors: tuple[ExtractorName, ...] = ("ner", "dates", "numbers")
    """Where the spans come from: ner (spaCy), links (a dump's own), dates, numbers, terms, llm (an endpoint)."""
    ner_model: str = ""
    """spaCy pipeline of the extractor `ner`; empty: the one that goes with the language."""
    strategy: Literal["uniform", "weighted", "ppl"] = "uniform"
    """Which of the usable spans are masked: any; by `category_weights`; those that `ppl_model` finds hardest."""
    category_weights: dict[str, float] = {}
    """Relative weight of each span category under `weighted`; a category that is not named weighs 1."""
    ppl_model: Ref = ""
    """Causal language model (a checkpoint folder) of the strategy `ppl`."""
    ppl_batch: int = Field(16, ge=1)
    """Passages scored at a time."""
    verify: tuple[CheckName, ...] = ("retrievable", "unique", "not-inferable")
    """Checks a task must pass: a search finds the evidence; `guess_model` cannot fill it without searching; the span stands once; nothing gives
    it away. `none`: no check."""
    retrieve_k: int = Field(5, ge=1)
    """The evidence must stand within so many results of a search with visible words."""
    guess_model: Ref = ""
    """Model of the check `not-guessable`: a checkpoint folder, or `openai:NAME` at the endpoint `llm`."""
    guess_attempts: int = Field(3, ge=1)
    """It must fail so many times: once greedily, then with sampling."""
    hide_source: bool = False
    """Hide the article a task is made of from its searches; the evidence must stand in another one."""
    exclude: Refs = ()
    """Task and question files: texts that share their titles, their supporting titles or a run of `exclude_ngram` words are not used."""
    exclude_corpus: Refs = ()
    """Corpora that hold the gold passages of the question files in `exclude`; those passages are excluded by their words as well."""
    exclude_ngram: int = Field(13, ge=3)
    near_duplicates: float = Field(0.8, ge=0, le=1)
    """Of passages that share this much of their word sequences (Jaccard, estimated by MinHash) only the first is used; 0: all are."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the extractor `llm`; its key is read from OPENAI_API_KEY."""
    llm_model: str = ""
    """Name of the model at that endpoint."""
    concurrency: int = Field(16, ge=1)
    """Requests at a time to an endpoint."""
    workers: int = Field(1, ge=1)
    """Processes; the tasks are the same for any number."""
    engine: Literal["local", "ray"] = "local"
    shard_size: int = Field(1000, ge=1)
    """Documents worked at a time, and most that a broken-off run does again (for each worker)."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """Of the shards, where the output is a folder."""
    seed: int = 1

    @field_validator("verify")
    @classmethod
    def _verify(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "none" in value and len(value) > 1:
            raise ValueError(
                f"'none' stands alone, but here it stands beside {', '.join(name for name in value if name != 'none')}"
            )
        return value

    @field_validator("masks")
    @classmethod
    def _masks(cls, value: str) -> str:
        mask_range(value)
        return value
