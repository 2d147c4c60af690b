"""Sets results side by side: a table with intervals, paired differences by question, and arms averaged over seeds.

Results of the same suite that searched with different retrievers are not comparable, and are refused unless asked for.
Writes `comparison.json` (the contract of the report) and the same tables as Markdown beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from masksearch import files
from masksearch.errors import UsageError
from masksearch.evaluation.arms import compare_arms
from masksearch.evaluation.results import load_results
from masksearch.evaluation.statistics import paired_difference
from masksearch.evaluation.tables import format_table, with_interval
from masksearch.settings import CompareSettings
from masksearch.types import Results

COMPARISON_FORMAT = "masksearch-comparison/1"
PAIRED_METRICS = ("f1", "em", "recall", "valid")


class Loaded(NamedTuple):
    """Results and the file they came from."""

    source: str
    results: Results


def run_compare(settings: CompareSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the comparison to `output` (JSON) and, as Markdown, beside it; returns its summary with the tables as `table`.

    `work` is not needed. Raises DataError for a bad results file, UsageError where results must not be compared.
    """
    del work
    sources = [*settings.results]
    if settings.baseline and settings.baseline not in sources:
        sources.insert(0, settings.baseline)
    arm_sources = {name: tuple(paths) for name, paths in settings.groups.items()}
    if not sources and not arm_sources:
        raise UsageError("There is nothing to compare; name at least one results file.")
    loaded = {source: Loaded(source, load_results(source)) for source in dict.fromkeys([*sources, *(path for paths in arm_sources.values() for path in paths)])}
    if not settings.allow_different_retrievers:
        check_retrievers(loaded.values())
    shown = [loaded[source] for source in dict.fromkeys(sources)]
    arms = {name: [loaded[path].results for path in paths] for name, paths in arm_sources.items()}
    comparison: dict[str, Any] = {
        "format": COMPARISON_FORMAT,
        "rows": [result_row(entry) for entry in shown],
        "pairs": baseline_pairs(shown, settings),
        **compare_arms(arms, PAIRED_METRICS, settings.bootstrap, settings.seed),
    }
    comparison["table"] = format_comparison(comparison)
    files.write_text(output.with_suffix(".md"), comparison["table"] + "\n")
    files.write_json(output, comparison)
    text = f"{len(loaded)} results, {len(comparison['pairs']) + len(comparison['arm_pairs'])} paired comparisons"
    return {"text": text, "table": comparison["table"], "results": len(shown), "pairs": len(comparison["pairs"]), "arms": len(arms)}


def check_retrievers(entries: Iterable[Loaded]) -> None:
    """Raises UsageError if two results of one suite searched with different retrievers (closed-book has none, and is fine)."""
    seen: dict[str, Loaded] = {}
    for entry in entries:
        retriever = entry.results.retriever
        if not retriever:
            continue
        other = seen.setdefault(entry.results.suite, entry)
        if other.results.retriever != retriever:
            raise UsageError(
                f"{other.source} and {entry.source} both measure '{entry.results.suite}', but with different retrievers "
                f"({other.results.retriever} and {retriever}), so their scores cannot be compared; "
                "evaluate both with the same index, or set allow_different_retrievers."
            )


def label(results: Results) -> str:
    """What a table calls the model: `label` of the settings, otherwise the last telling part of its name or path."""
    if results.settings.get("label"):
        return str(results.settings["label"])
    name = results.model
    if not name.startswith(("/", ".", "~")):
        return name
    parts = [part for part in Path(name).parts if part not in ("/", ".", "..", "~", "model", "checkpoint")]
    return parts[-1] if parts else name


def result_row(entry: Loaded) -> dict[str, Any]:
    """One row of the score table."""
    results = entry.results
    return {
        "source": entry.source,
        "suite": results.suite,
        "method": results.method,
        "label": label(results),
        "model": results.model,
        "retriever": results.retriever,
        "n": results.n,
        "metrics": results.metrics,
        "intervals": {name: list(interval) for name, interval in results.intervals.items()},
    }


def baseline_pairs(entries: Sequence[Loaded], settings: CompareSettings) -> list[dict[str, Any]]:
    """Every result against the baseline of its suite and against the result listed before it, over the questions that both
    answered; nothing where none is shared."""
    pairs = []
    for suite in dict.fromkeys(entry.results.suite for entry in entries):
        members = [entry for entry in entries if entry.results.suite == suite]
        base = _baseline(members, entries, settings.baseline)
        others = [(entry, base) for entry in members if entry is not base]
        others += [(entry, before) for before, entry in pairwise(members) if before is not base and entry is not base]
        for entry, against in others:
            shared = pair_metrics(entry.results, against.results, settings)
            if shared:
                names = {"suite": suite, "label": label(entry.results), "method": entry.results.method, "source": entry.source}
                other = {"baseline": label(against.results), "baseline_method": against.results.method, "baseline_source": against.source}
                pairs.append({**names, **other, **shared})
    return pairs


def _baseline(members: Sequence[Loaded], entries: Sequence[Loaded], source: str) -> Loaded:
    """The named baseline; in other suites the result of the same model and method; otherwise the first of the suite."""
    named = next((entry for entry in entries if entry.source == source), None)
    if named in members and named is not None:
        return named
    if named is not None:
        wanted = (label(named.results), named.results.method)
        return next((entry for entry in members if (label(entry.results), entry.results.method) == wanted), members[0])
    return members[0]


def pair_metrics(a: Results, b: Results, settings: CompareSettings) -> dict[str, Any] | None:
    """a - b over the questions of both, matched by id: `{"n", "metrics": {name: {difference, interval, p}}}`; None without any."""
    others = {row["id"]: row for row in b.per_question}
    both = [(row, others[row["id"]]) for row in a.per_question if row["id"] in others]
    if not both:
        return None
    metrics = {}
    for name in PAIRED_METRICS:
        if not all(name in row for rows in both for row in rows):
            continue
        found = paired_difference([x[name] for x, _ in both], [y[name] for _, y in both], settings.bootstrap, settings.seed)
        metrics[name] = {"difference": found.difference, "interval": [found.low, found.high], "p": found.p}
    return {"n": len(both), "metrics": metrics}


def format_comparison(comparison: Mapping[str, Any]) -> str:
    """All tables of a comparison as Markdown that also reads well on a terminal."""
    parts = []
    if comparison["rows"]:
        parts.append(score_table(comparison["rows"]))
        if any("guessable_share" in row["metrics"] for row in comparison["rows"]):
            parts.append("Where guessing scores (the answer is yes/no, or stands in the question):\n\n" + guessable_table(comparison["rows"]))
    if comparison["pairs"]:
        names = [[pair["suite"], _named(pair), _named(pair, "baseline")] for pair in comparison["pairs"]]
        parts.append("Paired differences by question:\n\n" + difference_table(names, comparison["pairs"]))
    if comparison["arms"]:
        rows = [[arm["arm"], arm["suite"], str(arm["seeds"]), *_means(arm)] for arm in comparison["arms"]]
        headers = ("arm", "suite", "seeds", "n", "recall", "F1", "EM", "valid", "F1 by seed")
        parts.append("Arms, averaged over seeds:\n\n" + format_table(headers, rows, "llrrrrrrl"))
    if comparison["arm_pairs"]:
        names = [[pair["suite"], pair["a"], pair["b"]] for pair in comparison["arm_pairs"]]
        parts.append("Paired differences between arms, by question:\n\n" + difference_table(names, comparison["arm_pairs"]))
    return "\n\n".join(parts)


def score_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as `result_row` makes them; figures are means with 95% intervals."""
    cells = []
    for row in rows:
        metrics, intervals = row["metrics"], row["intervals"]
        scores = _scores(metrics, intervals)
        costs = [_figure(metrics, "free_recall", ".2f"), _figure(metrics, "searches", ".1f"), _figure(metrics, "model_tokens", ".0f")]
        cells.append([row["suite"], row["method"], row["label"], str(row["n"]), *scores, *costs])
    return format_table(("suite", "method", "model", "n", "recall", "F1", "EM", "valid", "said", "searches", "tokens"), cells, "lllrrrrrrrr") + (
        "\n\nsaid: recall of the gold words in all that the model wrote, in whatever form; tokens: written by the model, a question."
    )


def guessable_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The share of questions that can be guessed, and F1 on them and on the others."""
    keys = ("guessable_share", "f1_guessable", "f1_not_guessable")
    cells = [[row["suite"], row["label"], *(_figure(row["metrics"], key, ".2f") for key in keys)] for row in rows if "guessable_share" in row["metrics"]]
    return format_table(("suite", "model", "share", "F1 there", "F1 elsewhere"), cells, "llrrr")


def difference_table(names: Sequence[Sequence[str]], pairs: Sequence[Mapping[str, Any]]) -> str:
    """One row a pair: names (suite, what, against what), n, F1 with interval and p, then the other differences."""
    cells = []
    for name, pair in zip(names, pairs, strict=True):
        metrics = pair["metrics"]
        f1, em, recall, valid = (_difference(metrics.get(key)) for key in ("f1", "em", "recall", "valid"))
        cells.append([*name, str(pair["n"]), f1, f"{metrics['f1']['p']:.3f}", em, recall, valid])
    return format_table(("suite", "model", "against", "n", "F1", "p (F1)", "EM", "recall", "valid"), cells, "lllrrrrrr")


def _named(pair: Mapping[str, Any], prefix: str = "") -> str:
    name, method = (pair["baseline"], pair["baseline_method"]) if prefix else (pair["label"], pair["method"])
    return f"{name} ({method})" if pair["method"] != pair["baseline_method"] else str(name)


def _means(arm: Mapping[str, Any]) -> list[str]:
    return [str(arm["n"]), *_scores(arm["metrics"], arm["intervals"]), ", ".join(f"{seed['f1']:.2f}" for seed in arm["by_seed"])]


def _scores(metrics: Mapping[str, float], intervals: Mapping[str, Sequence[float]]) -> list[str]:
    return [with_interval(metrics[name], intervals.get(name)) if name in metrics else "-" for name in ("recall", "f1", "em", "valid")]


def _difference(value: Mapping[str, Any] | None) -> str:
    return with_interval(value["difference"], value["interval"], signed=True) if value else "-"


def _figure(metrics: Mapping[str, float], name: str, digits: str) -> str:
    return format(metrics[name], digits) if name in metrics else "-"
