"""Builds the tables of degraded searches (robustness), of contamination, and of all paired tests."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.evaluation.compare.formatting import NONE, Figures, Values, p_value, significant
from masksearch.evaluation.rules import DESCRIPTIONS
from masksearch.evaluation.tables import Cell, Table, cells


def robustness(found: Values, figures: Figures) -> list[Table]:
    """Returns a table for each measure: values of the degraded searches next to the original search."""
    return [
        _robustness(found, figures, metric)
        for metric in figures.settings.metric
        if any(metric in pair["values"] for pair in found["robustness"])
    ]


def _robustness(found: Values, figures: Figures, metric: str) -> Table:
    pairs = [pair for pair in found["robustness"] if metric in pair["values"]]
    variants = list(dict.fromkeys(pair["variant"] for pair in pairs))
    places = list(dict.fromkeys((pair["suite"], pair["method"], pair["label"]) for pair in pairs))
    places.sort(key=lambda place: [pair["suite"] for pair in pairs].index(place[0]))
    body = []
    for place in places:
        mine = {
            pair["variant"]: pair for pair in pairs if (pair["suite"], pair["method"], pair["label"]) == place
        }
        reference = next(
            (pair["reference"][metric] for pair in mine.values() if metric in pair["reference"]), None
        )
        n = str(min(pair["n"] for pair in mine.values()))
        before = NONE if reference is None else Cell(figures.figure(reference, metric))
        body.append(
            (*cells((*place, n)), before, *(_degraded(figures, mine.get(name), metric) for name in variants))
        )
    headers = ("suite", "method", "model", "n", "original", *variants)
    note = "In brackets: difference to the original search, over the questions for which both have a value. "
    note += figures.stars(metric, "the original search") if any(pair["metrics"] for pair in pairs) else ""
    return Table(
        f"{figures.title(metric)} with degraded searches",
        headers,
        "lllrr" + "r" * len(variants),
        tuple(body),
        note.strip(),
    )


def _degraded(figures: Figures, pair: Values | None, metric: str) -> Cell:
    if not pair:
        return NONE
    test = pair["metrics"].get(metric)
    if not test:
        return Cell(figures.figure(pair["values"][metric], metric))
    difference = figures.figure(test["difference"], metric, signed=True)
    interval = figures.interval(test["interval"], metric, signed=True)
    return Cell(
        figures.figure(pair["values"][metric], metric),
        star=significant(test),
        aside=f"({difference} {interval})",
    )


def contamination(found: Values, figures: Figures) -> list[Table]:
    """Returns a table of the shares of right answers with and without access to the evidence.

    The table shows how many answers a model knows from memory (see `main_table.contamination`).
    """
    rows = found["contamination"]
    if not rows:
        return []
    columns = [
        ("closed_book", "closed-book"),
        ("gold_removed", "gold removed"),
        ("ordinary", "original"),
        ("not_known", "if wrong closed-book"),
    ]
    columns = [(key, name) for key, name in columns if any(row[key] is not None for row in rows)]
    body = []
    for row in rows:
        shares = [NONE if row[key] is None else Cell(figures.figure(row[key], "")) for key, _ in columns]
        body.append((*cells((row["suite"], row["method"] or "-", row["label"], str(row["n"]))), *shares))
    headers = ("suite", "method", "model", "n", *(name for _, name in columns))
    notes = {
        "gold_removed": "Gold removed: the original search with the gold passages hidden.",
        "not_known": "If wrong closed-book: original search, over the questions that closed-book gets wrong.",
    }
    note = " ".join(notes[key] for key, _ in columns if key in notes)
    note += f" Right: {DESCRIPTIONS[rows[0].get('rule', 'f1')]}."
    caption = "Answered right (%), with and without the evidence"
    return [Table(caption, headers, "lllr" + "r" * len(columns), tuple(body), note.strip())]


def differences(found: Values, figures: Figures) -> list[Table]:
    """Returns tables of the paired tests: of results against results, and of arms against arms.

    Arms have their unit instead of n, such as `3 seeds x 160 questions`.

    The p values, raw and adjusted, are shown for the first measure only.
    """
    metric = figures.settings.metric[0]
    tables = []
    if found["pairs"]:
        pairs = [*found["pairs"], *found["average_pairs"]]
        names = [[pair["suite"], _model(pair), _model(pair, "baseline_"), str(pair["n"])] for pair in pairs]
        tables.append(
            _differences(figures, "Paired differences by question (percentage points)", names, pairs, metric)
        )
    if found["arm_pairs"]:
        pairs = found["arm_pairs"]
        names = [[pair["suite"], pair["a"], pair["b"], pair["unit"]] for pair in pairs]
        caption = "Paired differences between arms (percentage points)"
        tables.append(_differences(figures, caption, names, pairs, metric, "unit"))
    return tables


def _differences(
    figures: Figures,
    caption: str,
    names: Sequence[Sequence[str]],
    pairs: Sequence[Values],
    metric: str,
    unit: str = "n",
) -> Table:
    """Returns one table. `names` has the first four cells of each row; `unit` is the header of the fourth."""
    metric = metric if any(metric in pair["metrics"] for pair in pairs) else "f1"
    order = dict.fromkeys((metric, *figures.settings.metric, "f1", "em", "recall", "valid", "judge_strict"))
    others = [name for name in order if name != metric and any(name in pair["metrics"] for pair in pairs)]
    body = []
    for name, pair in zip(names, pairs, strict=True):
        tests = pair["metrics"]
        first = tests.get(metric)
        p = [p_value(first["p"]), p_value(first["p_adjusted"])] if first else ["-", "-"]
        body.append(
            (
                *cells(name),
                _gain(figures, first, metric),
                *cells(p),
                *(_gain(figures, tests.get(other), other) for other in others),
            )
        )
    title = figures.name(metric)
    headers = (
        "suite",
        "model",
        "against",
        unit,
        title,
        f"p ({title})",
        "adjusted p",
        *map(figures.name, others),
    )
    return Table(
        caption,
        headers,
        "lllr" + "r" * (3 + len(others)),
        tuple(body),
        figures.stars(metric, "the result under 'against'", [pair.get("seeds", (1, 1)) for pair in pairs]),
    )


def _gain(figures: Figures, test: Values | None, metric: str) -> Cell:
    if not test:
        return NONE
    return Cell(
        figures.figure(test["difference"], metric, signed=True),
        star=significant(test),
        aside=figures.interval(test["interval"], metric, signed=True),
    )


def _model(pair: Values, prefix: str = "") -> str:
    name, method = (pair["baseline"], pair["baseline_method"]) if prefix else (pair["label"], pair["method"])
    return f"{name} ({method})" if pair["method"] != pair["baseline_method"] else str(name)
