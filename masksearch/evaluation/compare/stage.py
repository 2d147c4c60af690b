"""Stage `compare`: compares results files in tables like the paper's, with paired tests by question.

    masksearch compare a/results.json b/results.json -o comparison.json

Results of one suite with different retrievers or different questions are not comparable and are rejected
unless the settings allow them. The stage writes `comparison.json` (read by the report) and, next to it,
the tables in the chosen format and an SVG file for each of the `curves` (evaluation/curves/). The modules of
this folder are

    entries         results, the names of their rows, the variant of their search
    comparability   checks that results can be compared, and warnings
    pairs           paired tests and the correction of their p values
    arms            arms of an experiment, averaged over their training seeds
    units           seeds and questions as the units of an arm, and the check that seeds differ
    main_table      values of the main and of the contamination table
    layout          tables from these values (main_layout, detail_layout, pair_layout, formatting)
    csv             the whole comparison as CSV; for text, Markdown and LaTeX see `evaluation.tables`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.compare.arms import compare_arms
from masksearch.evaluation.compare.comparability import (
    check_questions,
    check_retrievers,
    check_rules,
    check_scored,
    resample_warning,
    warnings,
)
from masksearch.evaluation.compare.csv import to_csv
from masksearch.evaluation.compare.entries import Loaded, label, row_names, value, variant, with_one_spelling
from masksearch.evaluation.compare.layout import tables_of
from masksearch.evaluation.compare.main_table import (
    check_metrics,
    common_baseline,
    contamination,
    main_tables,
    table_rows,
)
from masksearch.evaluation.compare.pairs import (
    baseline_pairs,
    correct,
    macro_pairs,
    tested_metrics,
    variant_pairs,
)
from masksearch.evaluation.curves.files import write_curves
from masksearch.evaluation.curves.values import curve_values
from masksearch.evaluation.results import load_results
from masksearch.evaluation.rules import count_right, rule_of
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import render
from masksearch.runtime import files
from masksearch.runtime.progress import say
from masksearch.types import Results

__all__ = ["COMPARISON_FORMAT", "compare", "label", "run_compare"]

COMPARISON_FORMAT = "masksearch-comparison/1"
SUFFIXES = {"text": ".txt", "markdown": ".md", "latex": ".tex", "csv": ".csv"}
"""Format -> suffix of the file with the tables."""


def run_compare(settings: CompareSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the comparison to `output` (JSON) and its tables next to it; returns the stage's summary.

    The field `table` of the summary has the tables as they are printed. `work` is not used. Raises DataError
    for an invalid results file, UsageError for results that must not be compared.
    """
    del work
    table_file = output.with_suffix(SUFFIXES[settings.format])
    if table_file == output:
        raise UsageError(
            f"-o {output} is the name of both the comparison (JSON) and its tables; "
            f"name it {output.with_suffix('.json').name}, for example."
        )
    sources = [*settings.results]
    if settings.baseline and settings.baseline not in sources:
        sources.insert(0, settings.baseline)
    listed = [*sources, *(path for paths in settings.groups.values() for path in paths)]
    if not sources and not settings.groups:
        raise UsageError("There are no results to compare; name at least one results file.")
    loaded = with_one_spelling(
        {source: Loaded(source, load_results(source)) for source in dict.fromkeys(listed)}
    )
    comparison = compare(loaded, list(dict.fromkeys(sources)), settings)
    tables = tables_of(comparison, settings)
    # comparison.json always has the tables as Markdown, whatever the chosen format is.
    comparison["table"] = render(tables, comparison["warnings"], "markdown")
    if settings.format == "csv":
        table = to_csv(comparison)
    else:
        table = render(tables, comparison["warnings"], settings.format)
    if settings.format in ("latex", "csv"):
        # LaTeX hides the warnings in comments and CSV lacks them, so they are printed separately.
        for warning in comparison["warnings"]:
            say(f"Note: {warning}")
    files.write_text(table_file, table + "\n")
    files.write_json(output, comparison)
    charts = write_curves(comparison["curves"], output)
    pairs = len(comparison["pairs"]) + len(comparison["arm_pairs"]) + len(comparison["average_pairs"])
    text = f"{len(loaded)} results, {pairs} paired comparisons"
    if charts:
        text += f", {', '.join(chart.name for chart in charts)}"
    return {
        "text": text,
        "table": table,
        "results": len(comparison["rows"]),
        "pairs": len(comparison["pairs"]),
        "arms": len(settings.groups),
        "curves": len(charts),
    }


def compare(loaded: Mapping[str, Loaded], shown: Sequence[str], settings: CompareSettings) -> dict[str, Any]:
    """Returns the content of comparison.json, except its field `table`.

    `shown` names the files of `loaded` that become rows of the tables. The other files belong to arms only.
    Raises UsageError for results that must not be compared, or if no result has one of the measures.
    """
    entries = list(loaded.values())
    check_scored(entries)
    if not settings.allow_different_retrievers:
        check_retrievers(entries)
    if not settings.allow_different_questions:
        check_questions(entries)
    arms = compare_arms(
        {name: [loaded[path] for path in paths] for name, paths in settings.groups.items()},
        tested_metrics(settings),
        settings,
    )
    check_metrics(entries, settings.metric)
    check_rules(entries, settings.metric)
    listed = [loaded[source] for source in shown]
    plain = [entry for entry in listed if not variant(entry.results)]
    names = row_names(listed)
    rows = table_rows(plain, names)
    pairs = baseline_pairs(plain, names, settings)
    base = common_baseline(plain, names, settings)
    averages = macro_pairs(rows, base, settings) if base else []
    degraded = variant_pairs(listed, names, settings)
    tests = correct([*pairs, *averages, *degraded, *arms["arm_pairs"]], settings)
    resampled = [*pairs, *averages, *(pair for pair in degraded if pair["metrics"])]
    resampled += [pair for pair in arms["arm_pairs"] if max(pair["seeds"]) == 1]
    return {
        "format": COMPARISON_FORMAT,
        "settings": settings.model_dump(
            mode="json", include={"test", "correction", "bootstrap", "seed", "metric"}
        ),
        "rows": [result_row(entry, names[entry.source]) for entry in listed],
        "pairs": pairs,
        "average_pairs": averages,
        "main": main_tables(rows, names, [*pairs, *averages], settings) if plain else [],
        "robustness": degraded,
        "contamination": contamination(listed, names),
        **arms,
        "curves": curve_values(arms["arms"], settings),
        "tests": tests,
        "warnings": [*warnings(entries), *resample_warning(settings, tests, bool(resampled))],
    }


def result_row(entry: Loaded, name: str) -> dict[str, Any]:
    """Returns the row of one result. It is computed from all questions of the result, shared or not."""
    results = entry.results
    return {
        "source": entry.source,
        "suite": results.suite,
        "method": results.method,
        "label": label(results),
        "name": name,
        "variant": variant(results).name,
        "model": results.model,
        "retriever": results.retriever,
        "n": results.n,
        "metrics": results.metrics,
        "intervals": {metric: list(interval) for metric, interval in results.intervals.items()},
        "counted": _counted(results),
        "rule": rule_of(results),
        "right": count_right(results.per_question, rule_of(results)) / results.n if results.n else None,
        "several_masks": any(int(row.get("masks") or 1) > 1 for row in results.per_question),
        "kinds": dict(
            Counter(str(row["answer_kind"]) for row in results.per_question if row.get("answer_kind"))
        ),
        "failures": results.failures,
    }


def _counted(results: Results) -> dict[str, int]:
    """Returns, for each metric that only some questions have, the number of these questions."""
    counts = {
        metric: sum(value(row, metric) is not None for row in results.per_question)
        for metric in results.metrics
    }
    return {metric: count for metric, count in counts.items() if 0 < count < results.n}
