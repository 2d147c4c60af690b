"""Settings of the command `score`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from masksearch.errors import UsageError
from masksearch.evaluation.predictions.layouts import LayoutName, parse_fields
from masksearch.runtime.settings import Ref, Settings
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import ResultMethod


class ScoreSettings(Settings):
    """Scores the predictions of any system with the metrics of `eval`, and writes a results file."""

    basic = (
        "suite",
        "label",
        "layout",
        "fields",
        "answer",
        "missing",
        "limit",
        "judge.url",
        "judge.model",
    )

    predictions: Ref
    """Predictions: JSON Lines with `id` and `prediction`, an object of ids with their answers, the output of
    Search-R1 or verl (Parquet, JSON Lines), FlashRAG's intermediate_data.json, or a log of Inspect."""
    questions: Ref
    """The questions that were answered: a question file, RAMP tasks, or the name of a suite, as for
    `eval`."""
    suite: str = ""
    """Name of the suite, which is also its name in tables. Empty: detected as `eval` does."""
    label: str = ""
    """Name of the system in tables. Empty: the model that an Inspect log names, or else the file's name."""
    method: ResultMethod = "external"
    """How the system answers, for tables: external (unknown), or one of the methods of `eval`."""
    retriever: str = ""
    """Name of the search that the system used. `compare` refuses results of different searches; empty: the
    search is unknown, and is not compared."""
    layout: LayoutName = "auto"
    """Layout of the predictions. auto: detected from the content. plain: id and prediction; search-r1: `id`
    or `input`, with `responses` or `output`; flashrag: `output.pred`; inspect: a log of Inspect (.json or
    .eval)."""
    fields: tuple[str, ...] = ()
    """Names of the fields in the layout plain: id=NAME, prediction=NAME, question=NAME. A name may be inside
    another field (output.answer). Known ones need no names."""
    answer: Literal["auto", "whole", "tags", "boxed"] = "auto"
    """Which part of a prediction is the answer. whole: all of it; tags: the text in the last `<answer>` tag;
    boxed: in the last `\\boxed{}`; auto: in the last `<answer>` tag, or else all of it (of an output of
    Search-R1 without the tag: nothing)."""
    missing: Literal["wrong", "leave-out", "refuse"] = "wrong"
    """Questions without a prediction. wrong: they score 0; leave-out: they are not in the results; refuse:
    they are an error."""
    repeated: Literal["refuse", "first", "last"] = "refuse"
    """Several different predictions for one question. refuse: an error; first, last: this one counts."""
    limit: int | None = Field(None, ge=1)
    """Number of questions to score, from the start of the file. Unset, all questions."""
    answer_form: Literal["spans", "paragraph"] = "spans"
    """Form of the answers to RAMP tasks: spans (numbered fills, or a list) or paragraph (the whole text)."""
    judge: JudgeSettings = JudgeSettings()
    """Language model that judges the answers; without a URL no answer is judged."""
    bootstrap: int = Field(2000, ge=100)
    """Number of bootstrap resamples for the 95% intervals."""
    seed: int = 1
    """Seed of the bootstrap."""

    @field_validator("fields")
    @classmethod
    def _fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            parse_fields(value)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return value
