"""Results files: averages the rows of single questions, and writes and loads the file.

Guessable questions also get separate scores. A question is guessable if its answer is yes/no or occurs in the
question itself, so that a model can score without any search. Many multi-hop questions are guessable: 48% of
2WikiMultiHopQA and 20% of HotpotQA, as measured here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from masksearch.errors import DataError, FormatError
from masksearch.evaluation.earlier import current_rows, is_earlier
from masksearch.evaluation.failures import RIGHT, count_failures
from masksearch.evaluation.rules import RULE
from masksearch.evaluation.statistics.resampling import score_interval
from masksearch.evaluation.statistics.shares import is_constant, is_shares
from masksearch.runtime import files, records
from masksearch.types import RESULTS_FORMAT, ResultMethod, Results

Rows = Sequence[dict[str, Any]]
REQUIRED = ("recall", "f1", "em")
"""Metrics that every results file must have, overall and for each question."""
SCORES = ("recall", "precision", "f1", "em", "valid")
"""Columns that every row of a question must have, so that `summarise` can average them."""
UNSCORED = ("valid", "answered")
"""Columns that every row of a question without gold answers must have, in place of SCORES."""
AVERAGED = (
    *SCORES,
    "answered",
    "em_all",
    "cover_em",
    "cover_em_all",
    "sub_em",
    "free_recall",
    "answer_tokens",
    "searches",
    "opens",
    "model_tokens",
    "tool_tokens",
    "seconds",
)
"""Columns that are averaged over all rows; a column that some row lacks is left out."""
WHERE_KNOWN = (
    "right",
    "evidence_recall",
    "evidence",
    "grounded",
    "supported",
    "judge_strict",
    "judge_relaxed",
    "judge_frames",
    "judge_fresheval_strict",
    "judge_fresheval_relaxed",
    "parts_recall",
    "parts_all",
    "fanoutqa_loose",
    "fanoutqa_strict",
)
"""Columns that are averaged over the rows that have them. If only some rows have a column NAME, the metric
`n_NAME` is the number of these rows."""
WITH_INTERVALS = (*SCORES, "answered", "em_all", "cover_em", "cover_em_all", "sub_em", *WHERE_KNOWN)
"""Columns whose means get an interval. The scores of `_subset_scores` also get an interval."""
BY_KIND = ("f1", "em")
"""Scores that are also averaged over the questions of each kind of answer."""
TOLERANCE = 1e-6
"""Difference between a metric and the mean of its questions that rounding explains."""
RESAMPLES = 2000
"""Number of resamples for the intervals of the columns that an earlier version's file lacks."""
_REMEDY = "the file was changed after the evaluation, so evaluate again."
KINDS = ("yes_no", "in_question", "open")
"""Kinds of answers (see `rows.answer_kind`)."""


def summarise(
    rows: Rows,
    *,
    suite: str,
    method: ResultMethod,
    model: str,
    retriever: str,
    settings: dict[str, Any],
    bootstrap: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
    scored: bool = True,
) -> Results:
    """Returns the results of one evaluation: means over the rows, with 95% intervals.

    Shares have Wilson's interval, other scores a bootstrap interval (see `score_interval`), and `bootstrap`
    is its number of resamples. A row has `id`, `prediction`, the columns of SCORES (`valid`
    is 0 or 1) and optional columns (see `rows.row`). The metrics are

    - the means of the columns AVERAGED and WHERE_KNOWN,
    - `total_tokens`, the mean of prompt (where counted) + model + tool tokens,
    - the scores of `_subset_scores` and the shares of `_shares`, if the rows have the columns for them.

    `scored` is false for questions without gold answers: their results have UNSCORED in place of SCORES.

    Raises DataError without rows, ValueError if a row lacks a score.
    """
    if not rows:
        raise DataError(
            f"No question of the suite '{suite}' was evaluated, so there is nothing to summarise."
        )
    for row in rows:
        missing = [key for key in ("id", *(SCORES if scored else UNSCORED)) if key not in row]
        if missing:
            raise ValueError(f"row {row.get('id')!r} lacks {', '.join(missing)}")
    columns = _columns(rows)
    metrics = {name: sum(values) / len(values) for name, values in columns.items()}
    known = {name: len(columns[name]) for name in WHERE_KNOWN if name in columns}
    metrics |= {f"n_{name}": float(count) for name, count in known.items() if count < len(rows)}
    with_interval = [
        name
        for name in columns
        if name in WITH_INTERVALS or name.startswith(tuple(f"{name}_" for name in BY_KIND))
    ]
    return Results(
        suite=suite,
        method=method,
        model=model,
        retriever=retriever,
        n=len(rows),
        metrics=metrics | _shares(rows),
        intervals={name: score_interval(columns[name], bootstrap, seed) for name in with_interval},
        per_question=tuple(rows),
        settings=settings,
        failures=count_failures(rows) if all("failure" in row for row in rows) else {},
        provenance=provenance or {},
        scored=scored,
    )


def _columns(rows: Rows) -> dict[str, list[float]]:
    """Returns the values of every averaged metric: of all rows, or of the rows that have it."""
    columns = {
        name: [float(row[name]) for row in rows] for name in AVERAGED if all(name in row for row in rows)
    }
    if "model_tokens" in columns:
        columns["total_tokens"] = [_total_tokens(row) for row in rows]
    known = {name: [float(row[name]) for row in rows if name in row] for name in WHERE_KNOWN}
    return columns | {name: values for name, values in known.items() if values} | _subset_scores(rows)


def _total_tokens(row: dict[str, Any]) -> float:
    return float(sum(row.get(key, 0) for key in ("prompt_tokens", "model_tokens", "tool_tokens")))


def _subset_scores(rows: Rows) -> dict[str, list[float]]:
    """Returns the scores of every row of a subset, for several subsets; empty subsets are omitted.

    A name is the score and the subset. The subsets are

    - `given_evidence` (F1 and EM): rows whose searches returned all evidence,
    - `guessable` and `not_guessable` (F1),
    - `yes_no`, `in_question` and `open` (F1 and EM): the kinds of answers,
    - `false_premise` (F1): questions that assume something false,
    - `1_mask`, `2_masks`, ... (F1): RAMP tasks by their number of masks, if this number varies.
    """
    subsets: dict[str, list[float]] = {}

    def add(name: str, row: dict[str, Any], *scores: str) -> None:
        for score in scores:
            subsets.setdefault(f"{score}_{name}", []).append(float(row[score]))

    counts = {int(row["masks"]) for row in rows if row.get("masks")}
    for row in rows:
        if row.get("evidence"):
            add("given_evidence", row, *BY_KIND)
        if "guessable" in row:
            add("guessable" if row["guessable"] else "not_guessable", row, "f1")
        if row.get("answer_kind") in KINDS:
            add(row["answer_kind"], row, *BY_KIND)
        if row.get("false_premise"):
            add("false_premise", row, "f1")
        if len(counts) > 1 and row.get("masks"):
            add(f"{row['masks']}_mask{'s' * (row['masks'] > 1)}", row, "f1")
    return dict(sorted(subsets.items()))


def _shares(rows: Rows) -> dict[str, float]:
    """Returns shares and counts of questions, if the rows have the columns for them.

    `yes_no_share` is the share of predictions that are yes or no, `yes_no_gold_share` the share of questions
    whose gold answer is yes or no. If the first is much larger, the model answers yes or no too often.
    """
    shares = _quotes(rows)
    count = len(rows)
    if all("guessable" in row for row in rows):
        shares["guessable_share"] = sum(row["guessable"] for row in rows) / count
    if all("said_yes_no" in row and "answer_kind" in row for row in rows):
        shares["yes_no_share"] = sum(row["said_yes_no"] for row in rows) / count
        shares["yes_no_gold_share"] = sum(row["answer_kind"] == "yes_no" for row in rows) / count
    if any("evidence" in row for row in rows):
        shares["n_given_evidence"] = float(sum(bool(row.get("evidence")) for row in rows))
    if any(name.startswith("judge_") for row in rows for name in row):
        shares["judge_errors"] = float(sum("judge_error" in row for row in rows))
    return shares


def _quotes(rows: Rows) -> dict[str, float]:
    """Returns `false_quotes`, the share of quotes that are false, and `n_quotes`; empty without quotes."""
    total = sum(int(row["quotes"]) for row in rows if "false_quotes" in row)
    if not total:
        return {}
    false = sum(row["false_quotes"] * row["quotes"] for row in rows if "false_quotes" in row)
    return {"false_quotes": false / total, "n_quotes": float(total)}


def save(results: Results, path: str | Path) -> None:
    """Writes a results file atomically."""
    files.write_json(path, results.to_json())


def load_results(path: str | Path) -> Results:
    """Reads a results file, or the file `results.json` if `path` is a folder.

    Raises DataError for a file that cannot be read. Raises FormatError for a file with invalid content; the
    message names the invalid field.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "results.json"
    with files.open_text(path) as stream:
        try:
            value = json.load(stream, parse_constant=_reject_constant)
        except ValueError as error:
            if isinstance(error, UnicodeDecodeError):
                raise
            raise FormatError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(value, dict) or not str(value.get("format", "")).startswith("masksearch-results/"):
        raise FormatError(f"{path} is not a results file; create one with 'masksearch eval'.")
    if value["format"] != RESULTS_FORMAT:
        raise FormatError(
            f"{path} has the format '{value['format']}', but this version reads '{RESULTS_FORMAT}'; "
            "evaluate again, or use the version that wrote it."
        )
    try:
        results = Results.model_validate(value)
    except ValidationError as error:
        raise FormatError(f"{path} {records.explain(error)}.") from error
    _check_rows(results, path)
    _check_metrics(results, path)
    results = results.model_copy(update={"intervals": {**results.intervals, **_closed_intervals(results)}})
    return _as_current(results) if is_earlier(results) else results


def _reject_constant(constant: str) -> float:
    """Rejects NaN and infinities, which Python's JSON reader accepts but statistics cannot use."""
    raise ValueError(f"it holds {constant}, which is not a number")


def _closed_intervals(results: Results) -> dict[str, tuple[float, float]]:
    """Returns the intervals of shares and of equal scores, computed again from the rows.

    Files of earlier versions have bootstrap intervals there, which have no width if all scores are equal.
    """
    try:
        columns = _columns(results.per_question)
    except (KeyError, TypeError, ValueError):
        return {}  # rows of another version, whose intervals stay as they are
    found = {}
    for name in results.intervals:
        values = np.array(columns.get(name, ()))  # (questions with the metric,)
        same = values.size and abs(values.mean() - results.metrics.get(name, -1.0)) < 1e-9
        if same and (is_shares(values) or is_constant(values)):
            found[name] = score_interval(values, 1, 1)
    return found


def _check_metrics(results: Results, path: Path) -> None:
    """Raises FormatError if a metric is not the mean of its column, or a count not that of the rows."""
    try:
        columns = _columns(results.per_question)
    except (KeyError, TypeError, ValueError):
        return  # rows of another version
    for name, value in results.metrics.items():
        if name not in columns and name in (*AVERAGED, *WHERE_KNOWN):
            raise FormatError(f"{path} has the metric '{name}', but not every question has it; {_REMEDY}")
        found = sum(columns[name]) / len(columns[name]) if name in columns else value
        if abs(found - value) > TOLERANCE * max(1.0, abs(value)):
            raise FormatError(
                f"{path} has {name} = {value:g}, but the mean of its questions is {found:g}; {_REMEDY}"
            )
    rows = results.per_question
    if results.failures and all("failure" in row for row in rows):
        counted = Counter(str(row["failure"]) or RIGHT for row in rows)
        other = next(
            (kind for kind in {**counted, **results.failures} if counted[kind] != _of(results, kind)), ""
        )
        if other:
            raise FormatError(
                f"{path} counts {_of(results, other)} questions as '{other}', but holds {counted[other]}; "
                f"{_REMEDY}"
            )


def _of(results: Results, kind: str) -> int:
    return results.failures.get(kind, 0)


def _as_current(results: Results) -> Results:
    """Returns an earlier version's results with the columns of this version (see `earlier`)."""
    rule, rows = current_rows(results)
    columns = _columns(rows)
    changed = [name for name in ("right", "em_all", "cover_em", "cover_em_all") if name in columns]
    metrics = {name: value for name, value in results.metrics.items() if name != "cover_em"}
    intervals = {name: value for name, value in results.intervals.items() if name != "cover_em"}
    metrics |= {name: sum(columns[name]) / len(columns[name]) for name in changed}
    if "right" in columns and len(columns["right"]) < len(rows):
        metrics["n_right"] = float(len(columns["right"]))
    intervals |= {name: score_interval(columns[name], RESAMPLES, 1) for name in changed}
    return results.model_copy(
        update={
            "per_question": tuple(rows),
            "metrics": metrics,
            "intervals": intervals,
            "failures": count_failures(rows) if all("failure" in row for row in rows) else results.failures,
            "provenance": {**results.provenance, RULE: rule},
        }
    )


def _check_rows(results: Results, path: Path) -> None:
    ids = [row.get("id") for row in results.per_question]
    if results.n != len(ids):
        raise FormatError(f"{path} has n = {results.n}, but holds {len(ids)} questions.")
    if None in ids or len(set(ids)) != len(ids):
        raise FormatError(f"{path} holds a question without an id, or two with the same id.")
    if not results.scored:
        return
    absent = [name for name in REQUIRED if name not in results.metrics]
    if absent:
        raise FormatError(f"{path} lacks the metric '{absent[0]}'.")
    for row in results.per_question:
        lacking = [name for name in REQUIRED if not isinstance(row.get(name), int | float)]
        if lacking:
            raise FormatError(f"{path}, question '{row['id']}' lacks the field '{lacking[0]}'.")
