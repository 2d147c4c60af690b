"""Settings of the stages `eval` and `compare`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.scoring.settings import JudgeSettings
from masksearch.search.settings import SearchSettings
from masksearch.types import Method


class EvalSettings(Settings):
    """Measures a model on tasks or questions."""

    questions: Ref
    """A RAMP task file; a question file, ours or as a suite publishes it; or a suite's name: its questions are taken from the hub (`masksearch suites`)."""
    model: Ref
    """A checkpoint folder; or `openai:NAME`, with native tool calls `openai-tools:NAME`, at the endpoint `llm`."""
    index: Ref = ""
    """What is searched, for the methods that do: an index folder, http://HOST:PORT, web:NAME or wikipedia:LANGUAGE."""
    method: Method = "agent"
    """closed-book (from memory); rag (searched once, with the question); agent-prompted (the protocol explained in the prompt, for models that were
    never trained on it); agent (the prompt of training)."""
    suite: str = ""
    """Which suite the questions are of, where the file does not tell, and its name in tables; empty: found, else the file's name."""
    label: str = ""
    """What tables call the model; empty: its name."""
    hide_gold: bool = False
    """Hide the gold passages of each question from its searches: what is still answered right was known before (contamination)."""
    judge: JudgeSettings = JudgeSettings()
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint; its key is read from OPENAI_API_KEY."""
    limit: int | None = Field(None, ge=1)
    not_trained_on: Refs = ()
    """Task files of training; an article in one of them must not be evaluated on (checked)."""
    temperature: float = Field(0.0, ge=0)
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint in this process; the one used is in the results."""
    decode_slots: int = Field(48, ge=1)
    chunk: int = Field(128, ge=1)
    """Results are written down after so many questions; a resumed run repeats whole chunks only, so that its figures are the same."""
    concurrency: int = Field(8, ge=1)
    """Requests at a time to an endpoint."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the questions that an endpoint or a search may fail; they count as they came out. Above it there is no result."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the 95% intervals."""
    seed: int = 1


class CompareSettings(Settings):
    """Sets results side by side."""

    results: Refs = ()
    baseline: Ref = ""
    """Result that the others are compared with, paired by question; empty: the first of the same suite."""
    groups: dict[str, Refs] = {}
    """Arms to compare over seeds and suites: name -> results."""
    metric: tuple[str, ...] = Field(("recall",), min_length=1)
    """Measures of the main table, one table each: recall, f1, em, cover_em, judge_strict or any other that the results hold."""
    format: Literal["text", "markdown", "latex", "csv"] = "text"
    """Of the printed tables, and of the file beside the output; csv holds every measure, one a line and in full precision, and no tables."""
    tables: tuple[
        Literal["main", "arms", "details", "kinds", "failures", "robustness", "contamination", "differences"],
        ...,
    ] = ()
    """Which tables; empty: all that have something to show."""
    intervals: bool = False
    """95% intervals in the main tables too (the others always have them)."""
    digits: int = Field(1, ge=0, le=4)
    """Decimals of scores, which tables give in percent."""
    test: Literal["permutation", "bootstrap"] = "permutation"
    """Paired test over the questions: flips of signs, or a bootstrap of the shifted differences."""
    correction: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    """Of p for many comparisons: over all tests of one measure in this comparison."""
    allow_different_retrievers: bool = False
    """Compare results of one suite that were searched in different ways."""
    allow_different_questions: bool = False
    """Compare results of one suite over the questions that they share."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the intervals and of the tests."""
    seed: int = 1
