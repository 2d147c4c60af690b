"""Builds the main tables and the tables of arms.

A row is one model with one method, or one arm of an experiment; a column is one suite.
"""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.evaluation.compare.formatting import (
    NONE,
    ONE_SEED,
    WITH_INTERVALS,
    Figures,
    Values,
    significant,
)
from masksearch.evaluation.compare.pairs import MACRO
from masksearch.evaluation.tables import Cell, Table, cells


def main(found: Values, figures: Figures) -> list[Table]:
    """Returns a main table for each measure, and a table of the pooled means if it is needed.

    The pooled mean is the mean of all questions. It differs from the mean of the suites' means only if the
    suites differ in size; without such a difference there is no table of pooled means.
    """
    tables = [_main(figures, table) for table in found["main"] if table["rows"]]
    return tables + [
        _pooled(figures, table)
        for table in found["main"]
        if len(set(table["n"].values())) > 1 and any(row["pooled"] for row in table["rows"])
    ]


def _main(figures: Figures, table: Values) -> Table:
    metric, suites, rows = table["metric"], table["suites"], table["rows"]
    columns = [
        figures.best([_cell(figures, row["cells"].get(suite), metric) for row in rows], metric)
        for suite in suites
    ]
    averaged = len(suites) > 1
    if averaged:
        columns.append(figures.best([_cell(figures, row["average"], metric) for row in rows], metric))
    # A model with several methods has several rows; only the first of them shows the model's name.
    before = ["", *(row["label"] for row in rows)]
    models = ["" if row["label"] == above else row["label"] for above, row in zip(before, rows, strict=False)]
    body = [
        (Cell(model), Cell(row["method"]), *values)
        for model, row, *values in zip(models, rows, *columns, strict=True)
    ]
    headers = ("model", "method", *suites, *(["avg"] if averaged else []))
    breaks = frozenset(number for number, model in enumerate(models) if number and model)
    if len(breaks) + 1 == len(rows):
        breaks = frozenset()  # with one row for each model, lines between the models are not needed
    return Table(
        figures.title(metric),
        headers,
        "ll" + "r" * len(columns),
        tuple(body),
        _main_note(figures, table),
        breaks,
    )


def _main_note(figures: Figures, table: Values) -> str:
    base = table["baseline"]
    against = f"the baseline ({base['label']}, {base['method']})" if base else "the baseline of its suite"
    counts = [
        f"{suite} {n}" if n else f"{suite}: no shared questions, so each result uses its own"
        for suite, n in table["n"].items()
    ]
    mean = "avg: mean of the suites' means." if len(table["suites"]) > 1 else ""
    tested = any("p" in cell for row in table["rows"] for cell in row["cells"].values())
    stars = figures.stars(table["metric"], against) if tested else ""
    return " ".join(filter(None, [f"Questions: {', '.join(counts)}.", mean, stars]))


def _pooled(figures: Figures, table: Values) -> Table:
    metric = table["metric"]
    rows = [row for row in table["rows"] if row["pooled"]]
    body = [
        (
            *cells((row["label"], row["method"])),
            *(_wide(figures, row[name], metric) for name in ("average", "pooled")),
        )
        for row in rows
    ]
    caption = f"{figures.title(metric)}, averaged over suites and over all questions"
    return Table(caption, ("model", "method", MACRO, "all questions"), "llrr", tuple(body))


def _cell(figures: Figures, cell: Values | None, metric: str) -> Cell:
    if not cell:
        return NONE
    aside = figures.interval(cell.get("interval"), metric) if figures.settings.intervals else ""
    return Cell(figures.figure(cell["value"], metric), star=significant(cell), aside=aside)


def _wide(figures: Figures, cell: Values, metric: str) -> Cell:
    return Cell(figures.figure(cell["value"], metric), aside=figures.interval(cell.get("interval"), metric))


def arms(found: Values, figures: Figures) -> list[Table]:
    """Returns the tables of the arms.

    For each measure there is a table with a column for each suite, with the spread over the seeds. The last
    table has all scores of the arms, with intervals.
    """
    if not found["arms"]:
        return []
    chosen = [metric for metric in figures.settings.metric if metric in found["arms"][0]["metrics"]]
    return [*(_arms(found, figures, metric) for metric in chosen), _arm_details(found, figures)]


def _arms(found: Values, figures: Figures, metric: str) -> Table:
    arms = {(arm["arm"], arm["suite"]): arm for arm in found["arms"]}
    names = list(dict.fromkeys(name for name, _ in arms))
    suites = list(dict.fromkeys(suite for _, suite in arms))
    tests = {
        (pair["a"], pair["suite"]): pair["metrics"].get(metric)
        for pair in found["arm_pairs"]
        if pair["b"] == names[0]
    }
    columns = [
        figures.best(
            [_arm(figures, arms.get((name, suite)), tests.get((name, suite)), metric) for name in names],
            metric,
        )
        for suite in suites
    ]
    methods = [
        " / ".join(
            dict.fromkeys(method for arm in found["arms"] if arm["arm"] == name for method in arm["methods"])
        )
        for name in names
    ]
    seeds = [str(max(arm["seeds"] for arm in found["arms"] if arm["arm"] == name)) for name in names]
    body = [
        (*cells((name, method, count)), *values)
        for name, method, count, *values in zip(names, methods, seeds, *columns, strict=True)
    ]
    spread = (
        "In brackets: minimum and maximum of the seeds' means."
        if any(arm["seeds"] > 1 for arm in found["arms"])
        else ""
    )
    seeds_of_tests = [pair["seeds"] for pair in found["arm_pairs"] if pair["b"] == names[0]]
    stars = figures.stars(metric, f"the arm {names[0]}", seeds_of_tests) if tests else ""
    note = " ".join(filter(None, [_units(found["arms"]), spread, stars]))
    headers = ("arm", "method", "seeds", *suites)
    return Table(
        f"{figures.title(metric)} of the arms, averaged over seeds",
        headers,
        "llr" + "r" * len(suites),
        tuple(body),
        note,
    )


def _arm(figures: Figures, arm: Values | None, test: Values | None, metric: str) -> Cell:
    if not arm:
        return NONE
    spread = arm["spread"][metric]
    aside = (
        f"({figures.figure(spread['min'], metric)}..{figures.figure(spread['max'], metric)})"
        if arm["seeds"] > 1
        else ""
    )
    if figures.settings.intervals:
        aside = " ".join(filter(None, [aside, figures.interval(arm["intervals"].get(metric), metric)]))
    return Cell(figures.figure(arm["metrics"][metric], metric), star=significant(test), aside=aside)


def _arm_details(found: Values, figures: Figures) -> Table:
    arms = found["arms"]
    scores = [metric for metric in WITH_INTERVALS if any(metric in arm["metrics"] for arm in arms)]
    body = []
    for arm in arms:
        spread = arm["spread"]["f1"]
        seeds = ", ".join(figures.figure(seed["f1"], "f1") for seed in arm["by_seed"])
        deviation = figures.figure(spread["sd"], "f1") if spread["sd"] is not None else "-"
        values = [figures.metric(arm, metric) for metric in scores]
        body.append(
            (
                *cells((arm["suite"], arm["arm"], str(arm["seeds"]), str(arm["n"]))),
                *values,
                Cell(seeds),
                Cell(deviation),
            )
        )
    headers = ("suite", "arm", "seeds", "n", *map(figures.name, scores), "F1 by seed", "sd of seeds")
    several = any(arm["seeds"] > 1 for arm in arms)
    over = "seeds and questions" if several else "the questions"
    caption = f"Arms (%), averaged over seeds, with 95% intervals over {over}"
    single = "of arms with one seed, the variance between seeds is not included" if several else ONE_SEED
    some = any(arm["seeds"] == 1 for arm in arms)
    note = f"{_units(arms)} Intervals: {single}." if some else _units(arms)
    return Table(caption, headers, "llrr" + "r" * len(scores) + "lr", tuple(body), note)


def _units(arms: Sequence[Values]) -> str:
    """Returns `Units: hotpot 3 seeds x 160 questions.` with the units of the arms, for each suite."""
    units: dict[str, list[str]] = {}
    for arm in arms:
        units.setdefault(arm["suite"], []).append(arm["unit"])
    parts = [f"{suite} {' or '.join(dict.fromkeys(found))}" for suite, found in units.items()]
    return f"Units: {'; '.join(parts)}."
