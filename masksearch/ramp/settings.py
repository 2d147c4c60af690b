"""Settings of the stage `mask`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from masksearch.corpus.layouts.fields import parse_fields
from masksearch.runtime.own import OrOwn
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.types import Language

ExtractorName = Literal["ner", "links", "dates", "numbers", "terms", "llm"]
CheckName = Literal["retrievable", "not-guessable", "unique", "not-inferable", "none"]


ShapeName = Literal["hop", "chain", "comparison", "bridge-comparison", "inference", "intersection"]


def hop_range(text: str) -> tuple[int, int]:
    """Parses a range of hops: `"2-4"` -> (2, 4), `"1"` -> (1, 1). Raises ValueError outside 1 to 4."""
    match = re.fullmatch(r"([1-4])(?:-([1-4]))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ValueError(
            f"'{text}' is not a number of hops; write a number from 1 to 4, or a range such as 2-4"
        )
    return low, high


def mask_range(text: str) -> tuple[int, int]:
    """Parses a range of mask counts: `"1-4"` -> (1, 4), `"2"` -> (2, 2). Raises ValueError outside 1 to 4."""
    match = re.fullmatch(r"([1-4])(?:-([1-4]))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ValueError(
            f"'{text}' is not a number of masks; write a number from 1 to 4, or a range such as 1-4"
        )
    return low, high


class MaskSettings(Settings):
    """Turns a corpus into RAMP tasks."""

    basic = (
        "corpus",
        "index",
        "masks",
        "hops",
        "form",
        "limit",
        "split",
        "extractors",
        "hide_source",
        "exclude",
        "language",
        "workers",
        "seed",
    )

    added = ("fields", "hops", "shapes", "shape_weights", "form", "terms_where_few", "rarity", "code")

    corpus: str = ""
    """Corpus to mask. Empty: the corpus of `index`; without an index, wiki-summaries:en."""
    fields: tuple[str, ...] = ()
    """Names of the corpus' fields: id=NAME, title=NAME, text=NAME, language=NAME. Known ones need no
    names. Used only without `index`."""
    index: Ref = ""
    """Index that verifies the tasks, built from the same corpus. Empty: the stage builds one."""
    max_words: int = Field(60, ge=0)
    """Longest passage in words, cut at sentence ends; 0: whole documents. Used only without `index`,
    which has its own passages."""
    language: Language = "en"
    """Language of documents that do not name their own. Used only without `index`."""
    masks: str = "1-4"
    """Number of masks per task: a number from 1 to 4, or a range. Tasks are spread evenly over a range unless
    `weights` is set."""
    weights: tuple[float, ...] = ()
    """Relative shares of the mask counts in `masks`, one per count. Empty: equal shares."""
    hops: str = "1"
    """Number of facts that an answer depends on: a number from 1 to 4, or a range. 1: masked passages, which
    one search solves. From 2 on, and with the form `question`: chained tasks, made from facts that several
    passages state (English)."""
    shapes: tuple[ShapeName, ...] = ()
    """Shapes of chained tasks: hop, chain, comparison, bridge-comparison, inference, intersection. Empty: all
    that `hops` allows."""
    shape_weights: dict[str, float] = Field({})
    """Relative share of each shape of chained tasks when there is a `limit`; shapes without an entry weigh 1,
    and a shape of which the corpus allows fewer leaves its share to the others."""
    form: Literal["cloze", "question", "mixed"] = "cloze"
    """Form of the tasks: cloze (a text with masks), question, or mixed (half of each). Comparisons are always
    questions."""
    limit: int | None = Field(None, ge=1)
    """Number of tasks after which the stage stops. Without a value, it makes all tasks the corpus allows."""
    tasks_per_document: int | None = Field(None, ge=1)
    """Maximum number of tasks per document; each comes from a different passage. Without a value: a task of
    every passage; a run with a `limit` then takes one passage of each document, next two more of each, then
    four, until the limit is reached."""
    split: Literal["train", "heldout", "all"] = "all"
    """Articles to use: those for training, the held-out ones, or all."""
    heldout_share: float = Field(0.2, gt=0, lt=1)
    """Share of articles that are held out, chosen by a hash of the title, or of the
    id where the title names no article."""
    extractors: tuple[Annotated[ExtractorName, OrOwn()], ...] = (
        "ner",
        "dates",
        "numbers",
    )
    """Span extractors: ner (names, by spaCy), links (of the corpus), dates, numbers, terms, llm (a model),
    or your own function: FILE.py:NAME, called with a text, returns (start, end, category) of its spans."""
    terms_where_few: int = Field(1, ge=0)
    """Where `ner` finds fewer names than this in a passage, and in technical prose, `terms` adds its spans if
    the package wordfreq is installed. 0: never."""
    rarity: float = Field(3.75, ge=0, le=8)
    """Highest frequency of the rarest word of a term or of a link without a capital letter, on the Zipf scale
    (3: once in a million words). 0: only names are links; 8: every link."""
    code: bool = False
    """Also masks spans inside code: between backticks, in identifiers, options and paths."""
    ner_model: str = ""
    """spaCy pipeline of the extractor `ner`: its name or folder. Empty: an installed one for the language."""
    strategy: Literal["uniform", "weighted", "ppl"] = "uniform"
    """How spans are chosen: uniform (at random), weighted (by `category_weights`), ppl (hardest for
    `ppl_model`)."""
    category_weights: dict[str, float] = Field({})
    """Relative weight of each span category under the strategy `weighted`; categories without an entry
    weigh 1."""
    ppl_model: Ref = ""
    """Checkpoint folder of the causal language model that the strategy `ppl` uses."""
    ppl_batch: int = Field(16, ge=1)
    """Number of passages per batch when a checkpoint scores them (`ppl_model`, `guess_model`)."""
    verify: tuple[CheckName, ...] = ("retrievable", "unique", "not-inferable")
    """Checks a task must pass: retrievable (a search finds the evidence), not-guessable (`guess_model`
    cannot fill the masks without a search), unique (the span occurs once in the text), not-inferable (the
    rest of the text and the title do not give the span away). `none`: no check."""
    retrieve_k: int = Field(5, ge=1)
    """The evidence must be among this many top results of a search with visible words."""
    guess_model: Ref = ""
    """Model of the check `not-guessable`: a checkpoint folder, or `openai:NAME` for a model at the
    endpoint `llm`."""
    guess_attempts: int = Field(3, ge=1)
    """Number of attempts in which `guess_model` must fail: the first is greedy, the others are sampled."""
    hide_source: bool = False
    """Hides a task's source article from its searches, so that the evidence must be in another article."""
    exclude: Refs = ()
    """Task and question files of an evaluation. A passage is not used if its title is that of a task
    or of a supporting article, or if it shares `exclude_ngram` words in a row with these files."""
    exclude_corpus: Refs = ()
    """Corpora with the gold passages of the question files in `exclude`. Passages that share
    `exclude_ngram` words in a row with a gold passage are not used."""
    exclude_ngram: int = Field(13, ge=3)
    """Number of words in a row that a passage must share with the excluded texts to be excluded."""
    near_duplicates: float = Field(0.8, ge=0, le=1)
    """Jaccard similarity (of runs of five words, estimated by MinHash) from which two passages count as
    near-copies; only the earlier one is used. 0: all passages are used."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the extractor `llm` or a `guess_model` named
    openai:NAME. The key is read from OPENAI_API_KEY."""
    llm_model: str = ""
    """Name of the model that the extractor `llm` asks at the endpoint `llm`."""
    concurrency: int = Field(16, ge=1)
    """Maximum number of requests that each worker has in flight to the endpoint `llm`."""
    workers: int = Field(1, ge=1)
    """Number of worker processes. The tasks are the same for any number."""
    engine: Literal["local", "ray"] = "local"
    """Where workers run: local (this machine) or ray (a Ray cluster)."""
    shard_size: int = Field(1000, ge=1)
    """Number of documents per shard. A worker writes whole shards, so an interruption costs it at most one
    shard."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """File format of the shards when the output is a folder."""
    seed: int = 1
    """Seed of every random choice."""

    @field_validator("fields")
    @classmethod
    def _fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_fields(value)
        return value

    @field_validator("verify")
    @classmethod
    def _verify(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "none" in value and len(value) > 1:
            others = ", ".join(name for name in value if name != "none")
            raise ValueError(f"'none' cannot be combined with other checks, here {others}")
        return value

    @property
    def chained(self) -> bool:
        """Whether the tasks are made from facts instead of by masking passages."""
        return self.hops != "1" or self.form != "cloze" or bool(self.shapes)

    @field_validator("hops")
    @classmethod
    def _hops(cls, value: str) -> str:
        hop_range(value)
        return value

    @field_validator("masks")
    @classmethod
    def _masks(cls, value: str) -> str:
        mask_range(value)
        return value
