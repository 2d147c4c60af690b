"""Settings of the stages `eval` and `compare`."""

from __future__ import annotations

import math
import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.scoring.settings import JudgeSettings
from masksearch.search.settings import SearchSettings
from masksearch.types import Method


class EvalSettings(Settings):
    """Measures a model on RAMP tasks or questions."""

    basic = (
        "questions",
        "model",
        "index",
        "method",
        "suite",
        "label",
        "limit",
        "not_trained_on",
        "llm",
        "judge.url",
        "judge.model",
    )

    questions: Ref
    """Tasks to evaluate: a file of RAMP tasks; a question file, in our format or as a suite's authors publish
    it; or the name of a suite, whose questions are read from the Hugging Face hub (see
    `masksearch suites`). Questions without answers (`id`, `question`) give trajectories and costs, no
    scores."""
    model: Ref
    """Model to evaluate: a checkpoint folder; `openai:NAME` for a model at the endpoint `llm`; or
    `openai-tools:NAME` for such a model with native tool calls."""
    index: Ref = ""
    """Index for the methods that search: an index folder, http://HOST:PORT, web:NAME or
    wikipedia:LANGUAGE."""
    method: Method = "agent"
    """closed-book (answer from memory); rag (search once, with the question, then answer); agent-prompted
    (the agent loop with the protocol explained in the prompt, for models not trained on it); agent (the
    agent loop with the prompt of training)."""
    suite: str = ""
    """Name of the suite, which is also its name in tables. It is required only if the fields of the file fit
    several suites. Empty: the suite is detected from the file, or else named after the file."""
    label: str = ""
    """Name of the model in tables. Empty: the model's own name."""
    hide_gold: bool = False
    """Hide the gold passages of each question from its searches, to measure contamination: answers that are
    still right come from the model's memory."""
    judge: JudgeSettings = JudgeSettings()
    """Language model that judges the answers; without a URL no answer is judged."""
    llm: str = ""
    """Base URL of the OpenAI-compatible endpoint for `openai:` models; the key is read from the environment
    variable OPENAI_API_KEY."""
    limit: int | None = Field(None, ge=1)
    """Number of tasks to evaluate, from the start of the file. Unset, all tasks are evaluated."""
    not_trained_on: Refs = ()
    """Task files that the model was trained on. The stage fails if one of their articles is also the article
    of a RAMP task to evaluate."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    search: SearchSettings = SearchSettings()
    """Additions to the search: reranking, caching, recording, noise, a limit on the request rate."""
    agent: AgentSettings = AgentSettings()
    """The agent loop: tools, answer form, limits on searches and tokens."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint loaded in this process. auto: the faster of the two on this hardware. On
    a processor with bfloat16 multiplication both are measured, once for each processor. The results record
    the format that was used."""
    decode_slots: int = Field(48, ge=1)
    """Number of sequences that a checkpoint in this process decodes at the same time. In bfloat16 a greedy
    answer may depend on the other sequences; with dtype float32, or with 1, it does not."""
    chunk: int = Field(128, ge=1)
    """Number of questions that a checkpoint in this process answers before their trajectories are saved. A
    resumed run repeats whole chunks, so its results are the same as those of an uninterrupted run."""
    concurrency: int = Field(8, ge=1)
    """Maximum number of requests in flight to an endpoint."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Maximum share of questions that may fail because of the endpoint or a search. A failed question is
    scored with the answer it has, possibly none. Above this share the stage fails and writes no results."""
    bootstrap: int = Field(2000, ge=100)
    """Number of bootstrap resamples for the 95% intervals. Shares such as em and valid have Wilson's
    interval, which needs no resamples."""
    seed: int = 1
    """Seed of the sampling and of the bootstrap."""


class CurveSettings(Settings):
    """A chart of measures against a number, with one line for each list of arms."""

    x: str = Field(min_length=1)
    """What the numbers count, such as `labelled questions`: the label of the x axis."""
    lines: dict[str, dict[str, str]] = Field(min_length=1)
    """Lines of the chart: name of the line -> number -> name of the arm in `groups` that has this number, as
    in `lines.mixed = { 0 = "ramp", 160 = "mixed-160" }`. One arm may belong to several lines."""
    title: str = ""
    """Title of the chart. Empty: the measures and `x`."""
    metrics: tuple[str, ...] = Field(("f1", "evidence_recall"), min_length=1)
    """Measures to draw, a panel for each."""
    suites: tuple[str, ...] = ()
    """Suites to draw, a row of panels for each; `mean of suites` is one of them. Empty: the mean of suites,
    or the only suite."""
    scale: Literal["ratio", "linear"] = "ratio"
    """Distances on the x axis. ratio: equal ratios are about equally far apart, and 0 has a place too;
    linear: equal differences are."""

    @field_validator("lines")
    @classmethod
    def _numbers(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name, points in value.items():
            try:
                numbers = [float(number) for number in points]
            except ValueError as error:
                text = str(error).rpartition(": ")[2]
                raise ValueError(
                    f'the line {name} has {text}, which is not a number; write {{ 160 = "ARM" }}'
                ) from None
            if not numbers or not all(0 <= number < math.inf for number in numbers):
                raise ValueError(f"the line {name} needs one point or more, with numbers of 0 or more")
            if len(set(numbers)) < len(numbers):
                raise ValueError(f"the line {name} has two points with the same number")
        return value


class CompareSettings(Settings):
    """Compares results files in tables, with paired tests."""

    basic = ("results", "baseline", "groups", "metric", "format")
    added = ("curves",)

    results: Refs = ()
    """Results files to compare. Each becomes a row of the tables. A command may name the folder of a run
    instead, which stands for the comparisons of the run."""
    baseline: Ref = ""
    """Result that the other results are compared with, paired by question. Empty: the first result of the
    same suite."""
    groups: dict[str, Refs] = Field({})
    """Arms of an experiment: name -> results files of its training seeds. Each arm is averaged over its
    seeds. Intervals and tests of arms with several seeds treat seeds and questions as crossed units."""
    curves: dict[str, CurveSettings] = Field({})
    """Charts of arms against a number: name -> chart. Each is drawn into the file OUTPUT-NAME.svg next to the
    output, and into the report."""
    metric: tuple[str, ...] = Field(("recall",), min_length=1)
    """Measures to show, one main table for each: recall, f1, em, cover_em, judge_strict or any other measure
    in the results."""
    format: Literal["text", "markdown", "latex", "csv"] = "text"
    """Format of the printed tables and of the file written next to the output. csv is not divided into
    tables: it has one line for every measure of every result, in full precision."""
    tables: tuple[
        Literal["main", "arms", "details", "kinds", "failures", "robustness", "contamination", "differences"],
        ...,
    ] = ()
    """Tables to show. Empty: all tables that have rows."""
    intervals: bool = False
    """Show 95% intervals also in the main tables and the tables of arms. The tables of details, of degraded
    searches and of differences always show them."""
    digits: int = Field(1, ge=0, le=4)
    """Number of decimal places of scores in the tables, which show scores in percent."""
    test: Literal["permutation", "bootstrap"] = "permutation"
    """Paired test over the questions, for results and arms of one seed: permutation (flips the signs of the
    differences at random) or bootstrap (shifts the differences to mean 0 and resamples them). Arms with
    several seeds are compared by a t test over seeds and questions."""
    correction: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    """Correction of the p values for multiple comparisons; all tests of one measure in this comparison are
    corrected together."""
    allow_different_retrievers: bool = False
    """Compare results of one suite even if they used different retrievers."""
    allow_different_questions: bool = False
    """Compare results of one suite even if their questions differ. Only the questions that they share
    count."""
    bootstrap: int = Field(2000, ge=100)
    """Number of resamples for the intervals and for the tests over questions."""
    seed: int = 1
    """Seed of the resampling."""

    @field_validator("curves")
    @classmethod
    def _arms_of_curves(
        cls, value: dict[str, CurveSettings], info: ValidationInfo
    ) -> dict[str, CurveSettings]:
        groups = info.data.get("groups", {})
        for name, curve in value.items():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                raise ValueError(
                    f"'{name}' becomes a part of a file's name: use letters, digits, '-', '_' and '.'"
                )
            for line, points in curve.lines.items():
                for arm in points.values():
                    if arm not in groups:
                        known = ", ".join(groups) or "none"
                        raise ValueError(
                            f"the line {line} of {name} names the arm {arm}, which is not in groups "
                            f"(arms: {known})"
                        )
        return value
