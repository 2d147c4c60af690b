"""Score tables and the plot of F1 with intervals, from the results and the comparison of a run."""

from __future__ import annotations

from markupsafe import Markup

from masksearch.evaluation.compare import label
from masksearch.evaluation.tables import with_interval
from masksearch.report.charts import COLOURS, Interval, interval_chart
from masksearch.report.load import Row, Run, Stage

_SCORES = (("recall", "Recall"), ("f1", "F1"), ("em", "EM"), ("valid", "Valid"))
_EXTRAS = (
    ("searches", "Searches", ".1f"),
    ("model_tokens", "Model tokens", ".0f"),
    ("guessable_share", "Guessable", ".2f"),
    ("f1_not_guessable", "F1, not guessable", ".2f"),
    ("free_recall", "Free recall", ".2f"),
)


def score_table(run: Run) -> Row:
    """Headers and rows of text; columns that no evaluation has are left out."""
    found = [(stage.name, stage.results) for stage in run.stages if stage.results]
    extras = [extra for extra in _EXTRAS if any(extra[0] in results.metrics for _, results in found)]
    rows = []
    for name, results in found:
        metrics = results.metrics
        scores = [with_interval(metrics[key], results.intervals.get(key)) if key in metrics else "" for key, _ in _SCORES]
        costs = [format(metrics[key], digits) if key in metrics else "" for key, _, digits in extras]
        rows.append([results.suite, name, label(results), results.method, str(results.n), *scores, *costs])
    headers = ["Suite", "Stage", "Model", "Method", "n", *(name for _, name in _SCORES), *(name for _, name, _ in extras)]
    return {"headers": headers, "rows": sorted(rows, key=lambda row: [entry[0] for entry in rows].index(row[0])), "words": 4}


def interval_plot(run: Run) -> Markup:
    """F1 of every evaluation, by suite; one colour a model and method."""
    colours: dict[tuple[str, str], int] = {}
    groups: dict[str, list[Interval]] = {}
    for stage in run.stages:
        if not stage.results or "f1" not in stage.results.intervals:
            continue
        results, f1 = stage.results, stage.results.metrics["f1"]
        colour = colours.setdefault((label(results), results.method), len(colours) % COLOURS)
        name = label(results) if results.method == "agent" else f"{label(results)}, {results.method}"
        groups.setdefault(f"{results.suite} (n = {results.n})", []).append(Interval(name, f1, *results.intervals["f1"], colour))
    return interval_chart(list(groups.items())) if groups else Markup("")


def comparison_tables(stage: Stage) -> Row:
    """The tables of a comparison that have rows, as text; `words` columns hold words, the others figures."""
    found = stage.comparison or {}
    pairs = [_difference_row([pair["suite"], *_models(pair)], pair) for pair in found.get("pairs", [])]
    arms = [
        [arm["arm"], arm["suite"], str(arm["seeds"]), str(arm["n"])]
        + [with_interval(arm["metrics"][key], arm["intervals"].get(key)) if key in arm["metrics"] else "" for key, _ in _SCORES]
        + [", ".join(f"{seed['f1']:.2f}" for seed in arm["by_seed"])]
        for arm in found.get("arms", [])
    ]
    arm_pairs = [_difference_row([pair["suite"], pair["a"], pair["b"]], pair) for pair in found.get("arm_pairs", [])]
    differences = ["Suite", "Model", "Against", "n", "F1", "p (F1)", "EM", "Recall", "Valid"]
    tables = [
        ("Each result against its baseline, paired by question", differences, pairs, 3),
        ("Arms, averaged over seeds", ["Arm", "Suite", "Seeds", "n", *(name for _, name in _SCORES), "F1 by seed"], arms, 2),
        ("Arm against arm, paired by question", [*differences[:1], "Arm", *differences[2:]], arm_pairs, 3),
    ]
    return {
        "stage": stage.name,
        "tables": [{"caption": caption, "headers": headers, "rows": rows, "words": words} for caption, headers, rows, words in tables if rows],
    }


def _models(pair: Row) -> tuple[str, str]:
    if pair["method"] == pair["baseline_method"]:
        return pair["label"], pair["baseline"]
    return f"{pair['label']}, {pair['method']}", f"{pair['baseline']}, {pair['baseline_method']}"


def _difference_row(names: list[str], pair: Row) -> list[str]:
    metrics = pair["metrics"]
    shown = {key: with_interval(value["difference"], value["interval"], signed=True) for key, value in metrics.items()}
    return [*names, str(pair["n"]), shown.get("f1", ""), f"{metrics['f1']['p']:.3f}", *(shown.get(key, "") for key in ("em", "recall", "valid"))]
