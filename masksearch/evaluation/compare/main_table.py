"""Computes the values of the main tables and of the contamination table.

A main table has one row for each model and method, one column for each suite and one column for the mean
of the suites; each measure has a separate table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import Loaded, shared_ids, value, variant
from masksearch.evaluation.compare.formatting import is_score
from masksearch.evaluation.compare.pairs import MACRO, baseline_of
from masksearch.evaluation.rules import Rule, common_rule, is_right
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.resampling import macro_interval, macro_score_interval

Rows = dict[tuple[str, str], dict[str, Loaded]]
"""Rows of a main table: (row name, method) -> suite -> result."""


def table_rows(entries: Sequence[Loaded], names: Mapping[str, str]) -> Rows:
    """Returns the rows of the main table: the models in the order of the results files, each with its
    methods."""
    rows: Rows = {}
    for model in dict.fromkeys(names[entry.source] for entry in entries):
        for entry in entries:
            if names[entry.source] == model:
                rows.setdefault((model, entry.results.method), {})[entry.results.suite] = entry
    return rows


def check_metrics(entries: Sequence[Loaded], metrics: Sequence[str]) -> None:
    """Raises UsageError if no result has one of the measures."""
    known = {name for entry in entries for name in entry.results.metrics}
    for metric in metrics:
        if metric not in known:
            raise UsageError(f"No result has the measure '{metric}'; choose from {', '.join(sorted(known))}.")


def main_tables(
    rows: Rows, names: Mapping[str, str], pairs: Sequence[Mapping[str, Any]], settings: CompareSettings
) -> list[dict[str, Any]]:
    """Returns one table for each measure.

    A table is `{"metric", "suites", "n", "baseline", "rows": [{"label", "method", "cells": {suite: cell},
    "average": cell, "pooled": cell}]}`. A cell is `{"value", "interval", "n"}`; a cell that was tested
    against the baseline also has `difference`, `p` and `p_adjusted`.

    If the results of a suite differ in their questions, a cell is computed from the questions that all of
    them share. If they share none, each cell is computed from its own questions.

    `average` is the mean of the suites' means, `pooled` is the mean of all questions. Both are None if there
    is only one suite or if the row lacks a suite.
    """
    entries = [entry for cells in rows.values() for entry in cells.values()]
    suites = list(dict.fromkeys(entry.results.suite for entry in entries))
    shared = {
        suite: shared_ids([entry.results for entry in entries if entry.results.suite == suite])
        for suite in suites
    }
    tests = {
        (pair["label"], pair["method"], pair["suite"]): pair
        for pair in pairs
        if pair["against"] == "baseline"
    }
    base = common_baseline(entries, names, settings)
    return [
        {
            "metric": metric,
            "suites": suites,
            "n": {suite: len(shared[suite]) for suite in suites},
            "baseline": {"label": base[0], "method": base[1]} if base else None,
            "rows": [
                _row(key, cells, suites, shared, tests, metric, settings) for key, cells in rows.items()
            ],
        }
        for metric in settings.metric
    ]


def common_baseline(
    entries: Sequence[Loaded], names: Mapping[str, str], settings: CompareSettings
) -> tuple[str, str] | None:
    """Returns the (name, method) of the row that is the baseline of every suite; None if there is none."""
    suites = dict.fromkeys(entry.results.suite for entry in entries)
    members = [[entry for entry in entries if entry.results.suite == suite] for suite in suites]
    found = [baseline_of(group, entries, settings.baseline, names) for group in members]
    rows = list(dict.fromkeys((names[entry.source], entry.results.method) for entry in found))
    return rows[0] if len(rows) == 1 else None


def _row(
    key: tuple[str, str],
    cells: Mapping[str, Loaded],
    suites: Sequence[str],
    shared: Mapping[str, Sequence[str]],
    tests: Mapping[tuple[str, str, str], Mapping[str, Any]],
    metric: str,
    settings: CompareSettings,
) -> dict[str, Any]:
    values = {suite: _values(entry, metric, shared[suite]) for suite, entry in cells.items()}
    found: dict[str, dict[str, Any]] = {}
    for suite, entry in cells.items():
        cell = _cell(entry, metric, values[suite], shared[suite], settings)
        if cell:
            found[suite] = cell | _test(tests.get((*key, suite)), metric)
    average: dict[str, Any] | None = None
    pooled: dict[str, Any] | None = None
    if len(suites) > 1 and all(suite in found for suite in suites):
        average = {
            "value": sum(found[suite]["value"] for suite in suites) / len(suites),
            "n": sum(found[suite]["n"] for suite in suites),
        }
        if all(values[suite] for suite in suites):
            groups = [values[suite] for suite in suites]
            everything = [number for group in groups for number in group]
            average["interval"] = _interval(groups, metric, settings)
            pooled = {"value": sum(everything) / len(everything), "n": len(everything)}
            pooled["interval"] = _interval([everything], metric, settings)
        average |= _test(tests.get((*key, MACRO)), metric)
    return {"label": key[0], "method": key[1], "cells": found, "average": average, "pooled": pooled}


def _values(entry: Loaded, metric: str, shared: Sequence[str]) -> list[float]:
    rows = {row["id"]: row for row in entry.results.per_question}
    found = [value(rows[key], metric) for key in (shared or rows)]
    return [number for number in found if number is not None]


def _cell(
    entry: Loaded, metric: str, values: Sequence[float], shared: Sequence[str], settings: CompareSettings
) -> dict[str, Any] | None:
    """Returns the cell of a result; None if the result lacks the measure.

    `shared` has the ids of the questions that count; if it is empty, all questions of the result count.
    `values` are the values of `metric` for these questions. Some measures have no values for single
    questions. The cell then has the value of the whole results file, but only if all its questions count.
    """
    results = entry.results
    whole = len(shared) in (0, results.n)
    if values:
        # The interval in the results file is over all its questions, so it is reused only if all of them
        # count.
        interval = results.intervals.get(metric) if whole else None
        return {
            "value": sum(values) / len(values),
            "interval": list(interval) if interval else _interval([values], metric, settings),
            "n": len(values),
            "source": entry.source,
        }
    if metric in results.metrics and whole:
        interval = results.intervals.get(metric)
        return {
            "value": results.metrics[metric],
            "interval": list(interval) if interval else None,
            "n": results.n,
            "source": entry.source,
        }
    return None


def _interval(groups: Sequence[Sequence[float]], metric: str, settings: CompareSettings) -> list[float]:
    """Returns the interval of the mean of the groups' means over their questions."""
    interval = macro_score_interval if is_score(metric) else macro_interval
    return list(interval(groups, settings.bootstrap, settings.seed))


def _test(pair: Mapping[str, Any] | None, metric: str) -> dict[str, Any]:
    test = pair["metrics"].get(metric) if pair else None
    return {name: test[name] for name in ("difference", "p", "p_adjusted")} if test else {}


def contamination(entries: Sequence[Loaded], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns the shares of right answers of each model with and without access to the evidence.

    An entry is `{"suite", "label", "method", "n", "rule", "ordinary", "closed_book", "gold_removed",
    "not_known"}`.
    It compares up to three results of one model on one suite: with the ordinary search, closed-book, and with
    the gold passages hidden. The shares are over the `n` questions that these results have in common; an
    answer counts as right by `rule`, which is the same for all entries. `not_known` is the share of right
    answers of the ordinary search
    among the questions that closed-book gets wrong. The share of a missing result is None.

    There is one entry for each result with the ordinary search that has at least one of the other two, and
    one for a closed-book result of a model that has no result with the ordinary search.
    """
    found = []
    rule = common_rule(entry.results for entry in entries) if entries else "f1"
    for suite in dict.fromkeys(entry.results.suite for entry in entries):
        members = [entry for entry in entries if entry.results.suite == suite]
        for model in dict.fromkeys(names[entry.source] for entry in members):
            mine = [entry for entry in members if names[entry.source] == model]
            found += _of_model(suite, model, mine, rule)
    return found


def _of_model(suite: str, model: str, members: Sequence[Loaded], rule: Rule) -> list[dict[str, Any]]:
    closed = next((entry for entry in members if entry.results.method == "closed-book"), None)
    plain = [entry for entry in members if entry is not closed and not variant(entry.results)]
    removed = {
        entry.results.method: entry
        for entry in members
        if variant(entry.results).gold_removed and not variant(entry.results).noise
    }
    found = []
    for entry in plain:
        without = removed.get(entry.results.method)
        if closed or without:
            shares = _shares(entry, closed, without, rule)
            found.append({"suite": suite, "label": model, "method": entry.results.method, **shares})
    if closed and not plain:
        found.append({"suite": suite, "label": model, "method": "", **_shares(None, closed, None, rule)})
    return found


def _shares(
    ordinary: Loaded | None, closed: Loaded | None, removed: Loaded | None, rule: Rule
) -> dict[str, Any]:
    conditions = {"ordinary": ordinary, "closed_book": closed, "gold_removed": removed}
    ids = shared_ids([entry.results for entry in conditions.values() if entry])
    tables = {
        name: {row["id"]: row for row in entry.results.per_question}
        for name, entry in conditions.items()
        if entry
    }
    # A question whose verdict is unreadable in one of the results counts in none of them.
    ids = [key for key in ids if all(is_right(rows[key], rule) is not None for rows in tables.values())]
    right = {  # name in `conditions` -> (shared questions,)
        name: [bool(is_right(tables[name][key], rule)) for key in ids] if name in tables else []
        for name in conditions
    }
    shares: dict[str, Any] = {
        name: sum(column) / len(column) if column else None for name, column in right.items()
    }
    # The list of a missing result is empty, so the two lists may differ in length.
    unknown = [
        searched
        for searched, closed_book in zip(right["ordinary"], right["closed_book"], strict=False)
        if not closed_book
    ]
    shares["not_known"] = sum(unknown) / len(unknown) if unknown and right["closed_book"] else None
    return {"n": len(ids), "rule": rule, **shares}
