"""Builds the tables of scores and of differences from the results and comparisons of a run.

Scores are in percent, their differences in percentage points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from masksearch.evaluation.compare.entries import label, variant
from masksearch.evaluation.compare.formatting import p_value
from masksearch.evaluation.curves.chart import inline
from masksearch.evaluation.curves.files import by_name
from masksearch.evaluation.tables import percent, with_interval
from masksearch.report.curves import plain_words
from masksearch.report.load import Row, Run, Stage
from masksearch.text.display import visible_controls
from masksearch.types import Results

_SCORES = (("recall", "Recall"), ("f1", "F1"), ("em", "EM"), ("valid", "Valid"))
_MORE_SCORES = (
    ("right", "Right"),
    ("em_all", "EM, all masks"),
    ("cover_em", "Cover EM"),
    ("cover_em_all", "Cover EM, all masks"),
    ("sub_em", "Sub-EM"),
    ("judge_strict", "Judge, strict"),
    ("judge_relaxed", "Judge, relaxed"),
    ("judge_frames", "Judge, FRAMES rule"),
    ("judge_fresheval_strict", "Judge, FreshEval strict"),
    ("judge_fresheval_relaxed", "Judge, FreshEval relaxed"),
    ("fanoutqa_loose", "FanOutQA loose"),
    ("fanoutqa_strict", "FanOutQA strict"),
    ("parts_recall", "Parts found"),
    ("parts_all", "All parts found"),
    ("f1_false_premise", "F1, false premise"),
)
_SEARCHING = (
    ("searches", "Searches", ".1f"),
    ("evidence_recall", "Evidence found", "%"),
    ("evidence", "All evidence", "%"),
    ("f1_given_evidence", "F1 given all evidence", "%"),
    ("n_given_evidence", "n given all evidence", ".0f"),
    ("grounded", "Grounded", "%"),
    ("supported", "Supported (judge)", "%"),
    ("false_quotes", "False quotes", "%"),
    ("model_tokens", "Model tokens", ".0f"),
    ("tool_tokens", "Tool tokens", ".0f"),
    ("answer_tokens", "Answer tokens", ".1f"),
    ("seconds", "Seconds, batched", ".2f"),
)
_GUESSING = (
    ("free_recall", "Free recall", "%"),
    ("guessable_share", "Guessable", "%"),
    ("f1_not_guessable", "F1, not guessable", "%"),
    ("yes_no_gold_share", "Golds yes/no", "%"),
    ("yes_no_share", "Answers yes/no", "%"),
    ("f1_yes_no", "F1, yes/no", "%"),
    ("f1_in_question", "F1, in the question", "%"),
    ("f1_open", "F1, open", "%"),
    ("judge_errors", "Judge unreadable", ".0f"),
)
_NAMES = ["Suite", "Stage", "Model", "Method", "n"]


def score_table(run: Run) -> Row:
    """Builds the table of scores, one row for each evaluation. Optional scores without a value are left out.

    Returns `{"headers", "rows", "words"}`, with text in every cell. `words` is the number of leading
    columns that contain words; the other columns contain numbers.
    """
    found = _evaluations(run)
    shown = [
        *_SCORES,
        *(score for score in _MORE_SCORES if any(score[0] in results.metrics for _, results in found)),
    ]
    rows = []
    for stage, results in found:
        metrics = results.metrics
        scores = [
            with_interval(metrics[key], results.intervals.get(key)) if key in metrics else ""
            for key, _ in shown
        ]
        rows.append([*_names(stage, results), *scores])
    return {"headers": [*_NAMES, *(name for _, name in shown)], "rows": rows, "words": 4}


def background_tables(run: Run) -> list[Row]:
    """Builds two tables that help to explain the scores.

    The first has the evidence that the searches found and their cost. The second shows how much a model
    can score by guessing. A table without any metric is left out.
    """
    tables = [
        _background(run, "Searches: evidence (%) and cost", _SEARCHING),
        _background(run, "Guessing: answers without search (%)", _GUESSING),
    ]
    return [table for table in tables if len(table["headers"]) > len(_NAMES)]


def _background(run: Run, caption: str, columns: tuple[tuple[str, str, str], ...]) -> Row:
    found = _evaluations(run)
    shown = [column for column in columns if any(column[0] in results.metrics for _, results in found)]
    rows = []
    for stage, results in found:
        metrics = results.metrics
        figures = [_figure(metrics[key], digits) if key in metrics else "-" for key, _, digits in shown]
        rows.append([*_names(stage, results), *figures])
    return {
        "caption": caption,
        "headers": [*_NAMES, *(name for _, name, _ in shown)],
        "rows": rows,
        "words": 4,
    }


def _figure(value: float, digits: str) -> str:
    """Formats a value; `%` as `digits` means a share in percent, without the sign."""
    return percent(value) if digits == "%" else format(value, digits)


def _evaluations(run: Run) -> list[tuple[Stage, Results]]:
    """Returns the evaluations with their results, grouped by suite."""
    found = [(stage, stage.results) for stage in run.stages if stage.results]
    suites = [results.suite for _, results in found]
    return sorted(found, key=lambda pair: suites.index(pair[1].suite))


def _names(stage: Stage, results: Results) -> list[str]:
    return [
        results.suite,
        stage.title,
        label(results),
        ", ".join([results.method, *conditions(results)]),
        str(results.n),
    ]


def conditions(results: Results) -> list[str]:
    """Returns the name of an evaluation's degraded search (noise, hidden gold passages) in a list.

    The list is empty for the original search.
    """
    return [changed.name] if (changed := variant(results)) else []


def provenance(run: Run) -> list[Row]:
    """Returns the facts that others need to repeat an evaluation, as `{"title", "facts": [(name, text)]}`.

    The list has one entry for each evaluation.
    """
    return [
        {
            "title": stage.title,
            "facts": [
                ("model", label(results)),
                ("retriever", results.retriever),
                *_facts("", results.provenance),
            ],
        }
        for stage, results in _evaluations(run)
    ]


def _facts(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{plain_words(str(key))}"
        if isinstance(value, Mapping):
            yield from _facts(f"{name}: ", value)
        elif value not in (None, "", [], ()):
            yield name, str(value)


def comparison_tables(stage: Stage) -> Row:
    """Builds the tables of a `compare` stage, with text in every cell, and the drawings of its curves. Tables
    without rows are left out.

    `words` is the number of a table's leading columns that contain words; the other columns contain numbers.
    """
    found = stage.comparison or {}
    tables = []
    for caption, key, first, names in COMPARISONS:
        rows = _differences(found.get(key, []), names)
        if rows:
            headers = ["Suite", first, "Against", *_DIFFERENCES]
            tables.append({"caption": caption, "headers": headers, "rows": rows, "words": 3})
    arms = [_arm_row(arm) for arm in found.get("arms", [])]
    if arms:
        headers = ["Arm", "Suite", "Seeds", "n", *(name for _, name in _SCORES), "F1 by seed"]
        caption = "Arms (%), averaged over seeds; unit: seeds x questions"
        tables.append({"caption": caption, "headers": headers, "rows": arms, "words": 2})
    return {
        "stage": stage.title,
        "tables": tables,
        "curves": [
            Markup(visible_controls(str(inline(values))))
            for values in by_name(found.get("curves", [])).values()
        ],
        "warnings": [str(warning) for warning in found.get("warnings", [])],
    }


_DIFFERENCES = ("n", "F1", "p (F1)", "corrected", "EM", "Recall", "Valid")


def _differences(pairs: Sequence[Row], names: Callable[[Row], tuple[str, str]]) -> list[list[str]]:
    """Builds a table row for every paired test in `pairs`; `names` returns the names of the two compared
    sides."""
    return [
        [pair["suite"], *names(pair), _unit(pair), *_difference(pair["metrics"])]
        for pair in pairs
        if pair["metrics"]
    ]


def _unit(pair: Row) -> str:
    """Returns a test's number of questions; with several seeds, `3 seeds x 160 questions`."""
    return str(pair["unit"] if max(pair.get("seeds", (1,))) > 1 else pair["n"])


def _difference(metrics: Row) -> list[str]:
    shown = {
        key: with_interval(value["difference"], value["interval"], signed=True)
        for key, value in metrics.items()
    }
    f1 = metrics.get("f1", {})
    chances = [p_value(f1[key]) if key in f1 else "" for key in ("p", "p_adjusted")]
    return [shown.get("f1", ""), *chances, *(shown.get(key, "") for key in ("em", "recall", "valid"))]


def _models(pair: Row) -> tuple[str, str]:
    if pair["method"] == pair["baseline_method"]:
        return pair["label"], pair["baseline"]
    return f"{pair['label']}, {pair['method']}", f"{pair['baseline']}, {pair['baseline_method']}"


def _degraded(pair: Row) -> tuple[str, str]:
    return f"{pair['label']}, {pair['method']}, {pair['variant']}", "the normal search"


def _arms(pair: Row) -> tuple[str, str]:
    return pair["a"], pair["b"]


def _arm_row(arm: Row) -> list[str]:
    scores = [
        with_interval(arm["metrics"][key], arm["intervals"].get(key)) if key in arm["metrics"] else ""
        for key, _ in _SCORES
    ]
    by_seed = ", ".join(percent(seed["f1"]) for seed in arm["by_seed"])
    return [arm["arm"], arm["suite"], str(arm["seeds"]), str(arm["n"]), *scores, by_seed]


COMPARISONS: tuple[tuple[str, str, str, Callable[[Row], tuple[str, str]]], ...] = (
    ("Each result against its baseline, paired by question", "pairs", "Model", _models),
    ("Each result against its baseline, averaged over the suites", "average_pairs", "Model", _models),
    ("Degraded searches against the normal search, paired by question", "robustness", "Model", _degraded),
    ("Arm against arm, paired by question; unit: seeds x questions", "arm_pairs", "Arm", _arms),
)
"""Tables of paired tests, each as (caption, key, heading, names).

`key` is the field of comparison.json with the pairs, `heading` the header of the column of first sides, and
`names` returns the names of the two sides of a pair.
"""
