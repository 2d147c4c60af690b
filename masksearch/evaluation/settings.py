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
    """Measures a model on RAMP tasks or questions."""

    questions: Ref
    """RAMP task file; question file, in our format or as a suite's authors publish it; or the name of a
    suite, whose questions are read from the Hugging Face hub (see `masksearch suites`)."""
    model: Ref
    """Checkpoint folder; or `openai:NAME` for a model at the endpoint `llm`, `openai-tools:NAME` to use
    its native tool calls."""
    index: Ref = ""
    """Index for the methods that search: an index folder, http://HOST:PORT, web:NAME or
    wikipedia:LANGUAGE."""
    method: Method = "agent"
    """closed-book (answer from memory); rag (search once, with the question, then answer); agent-prompted
    (the agent loop with the protocol explained in the prompt, for models not trained on it); agent (the
    agent loop with the prompt of training)."""
    suite: str = ""
    """Suite of the questions, if the file's layout fits several, and its name in tables. Empty: detected
    from the file, otherwise the file's name."""
    label: str = ""
    """Name of the model in tables. Empty: the model's own name."""
    hide_gold: bool = False
    """Hide the gold passages of each question from its searches. Answers that are still right come from
    the model's memory (contamination)."""
    judge: JudgeSettings = JudgeSettings()
    """Language model that judges the answers; without a URL no answer is judged."""
    llm: str = ""
    """Base URL of the OpenAI-compatible endpoint; its key is read from OPENAI_API_KEY."""
    limit: int | None = Field(None, ge=1)
    """Number of tasks to evaluate, from the start of the file. Unset, all tasks are evaluated."""
    not_trained_on: Refs = ()
    """Task files of training; the stage fails if the evaluation contains an article of one of these files."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    search: SearchSettings = SearchSettings()
    """Wrappers around the search: reranking, caching, recording, noise, limits on its rate."""
    agent: AgentSettings = AgentSettings()
    """The agent loop: tools, answer form, limits on searches and tokens."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint loaded in this process; the results record the format that was used."""
    decode_slots: int = Field(48, ge=1)
    """Sequences that a checkpoint in this process decodes at the same time."""
    chunk: int = Field(128, ge=1)
    """Questions between two saves of a checkpoint's trajectories. A resumed run repeats whole chunks, so
    that its results are the same as those of an uninterrupted run."""
    concurrency: int = Field(8, ge=1)
    """Maximum number of requests in flight to an endpoint."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the questions that may fail because of the endpoint or a search; each is scored with the
    answer it has. Above this share the stage fails and writes no results."""
    bootstrap: int = Field(2000, ge=100)
    """Bootstrap resamples for the 95% intervals."""
    seed: int = 1
    """Seed of the sampling and of the bootstrap."""


class CompareSettings(Settings):
    """Compares results files in tables, with paired tests."""

    results: Refs = ()
    """Results files, one row of the tables each."""
    baseline: Ref = ""
    """Result that the other results are compared with, paired by question. Empty: the first result of the
    same suite."""
    groups: dict[str, Refs] = Field({})
    """Arms of an experiment, each averaged over its training seeds: name -> results files."""
    metric: tuple[str, ...] = Field(("recall",), min_length=1)
    """Measures of the main table, one table each: recall, f1, em, cover_em, judge_strict or any other
    measure in the results."""
    format: Literal["text", "markdown", "latex", "csv"] = "text"
    """Format of the printed tables and of the file written next to the output. csv has no tables: it
    lists every measure on a separate line, in full precision."""
    tables: tuple[
        Literal["main", "arms", "details", "kinds", "failures", "robustness", "contamination", "differences"],
        ...,
    ] = ()
    """Tables to show. Empty: all tables that have rows."""
    intervals: bool = False
    """Show 95% intervals in the main tables and the tables of arms as well; the other tables always have
    them."""
    digits: int = Field(1, ge=0, le=4)
    """Decimals of scores, which the tables give in percent."""
    test: Literal["permutation", "bootstrap"] = "permutation"
    """Paired test over the questions: permutation (random sign flips of the differences) or bootstrap (of
    the differences shifted to mean 0)."""
    correction: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    """Correction of the p values for multiple comparisons, over all tests of one measure in this
    comparison."""
    allow_different_retrievers: bool = False
    """Compare results of one suite even if they used different retrievers."""
    allow_different_questions: bool = False
    """Compare results of one suite even if their questions differ, over the questions that they share."""
    bootstrap: int = Field(2000, ge=100)
    """Number of resamples for the intervals and for the tests."""
    seed: int = 1
    """Seed of the resampling."""
