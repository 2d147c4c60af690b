"""Paired tests over the same questions, and the correction of their p values for multiple comparisons.

Each result is that of one training seed, so these tests do not cover the variation between seeds. The tests
between arms of several seeds are in `arms`.

The pairs are

- a result and the baseline of its suite,
- a result and the result listed before it,
- a degraded search and the original search,
- a model and the baseline, by their means over several suites.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from masksearch.evaluation.compare.entries import Loaded, shared_ids, value, variant
from masksearch.evaluation.compare.units import unit
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.correction import adjust
from masksearch.evaluation.statistics.resampling import (
    PairedDifference,
    paired_difference,
    paired_macro_difference,
)
from masksearch.types import Results

PAIRED_METRICS = (
    "f1",
    "em",
    "recall",
    "valid",
    "cover_em",
    "parts_recall",
    "judge_strict",
    "judge_relaxed",
    "evidence_recall",
)
"""Metrics that are always tested if both results have them. The measures of the settings are tested too."""
MACRO = "mean of suites"
Pair = dict[str, Any]


def tested_metrics(settings: CompareSettings) -> tuple[str, ...]:
    """Returns the metrics to test, each once."""
    return tuple(dict.fromkeys((*PAIRED_METRICS, *settings.metric)))


def as_json(found: PairedDifference, n: int) -> Pair:
    """Returns a paired difference as an object for comparison.json.

    `n` is the number of questions that the difference is computed from. Later, `correct` adds the field
    `p_adjusted`.
    """
    return {"difference": found.difference, "interval": [found.low, found.high], "p": found.p, "n": n}


def columns(a: Results, b: Results, metric: str, ids: Iterable[str]) -> tuple[list[float], list[float]]:
    """Returns the values of a metric in a and in b, both (questions,), in the order of `ids`.

    Leaves out the questions for which a or b lacks the metric.
    """
    tables = [{row["id"]: value(row, metric) for row in results.per_question} for results in (a, b)]
    both = [(tables[0][key], tables[1][key]) for key in ids]
    known = [(x, y) for x, y in both if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]


def pair_metrics(a: Results, b: Results, settings: CompareSettings) -> Pair | None:
    """Returns the tests of a - b, one for each metric, over the questions that a and b share.

    The form is `{"n", "unit", "metrics": {name: {difference, interval, p, n}}}`. Returns None if a and b
    share no question.
    """
    ids = shared_ids([a, b])
    if not ids:
        return None
    metrics = {}
    for name in tested_metrics(settings):
        x, y = columns(a, b, name, ids)  # both (questions with the metric,)
        if x:
            metrics[name] = as_json(
                paired_difference(x, y, settings.bootstrap, settings.seed, settings.test), len(x)
            )
    return {"n": len(ids), "unit": unit([{1}], len(ids)), "metrics": metrics}


def baseline_pairs(
    entries: Sequence[Loaded], names: Mapping[str, str], settings: CompareSettings
) -> list[Pair]:
    """Returns the tests of every result against the baseline of its suite and against the previous result.

    The previous result is the one listed before it in the same suite. A test is over the questions that both
    results share. Two results without shared questions are not tested.
    """
    pairs = []
    for suite in dict.fromkeys(entry.results.suite for entry in entries):
        members = [entry for entry in entries if entry.results.suite == suite]
        base = baseline_of(members, entries, settings.baseline, names)
        others = [(entry, base, "baseline") for entry in members if entry is not base]
        others += [
            (entry, before, "previous")
            for before, entry in pairwise(members)
            if before is not base and entry is not base
        ]
        for entry, against, kind in others:
            shared = pair_metrics(entry.results, against.results, settings)
            if shared:
                pairs.append({"suite": suite, **_named(entry, against, names), "against": kind, **shared})
    return pairs


def baseline_of(
    members: Sequence[Loaded], entries: Sequence[Loaded], source: str, names: Mapping[str, str]
) -> Loaded:
    """Returns the baseline of the suite whose results are `members`.

    If the result `source` is a member, it is the baseline. Otherwise the baseline is the member with the
    same model and method as `source`; without such a member, the first member.
    """
    named = next((entry for entry in entries if entry.source == source), None)
    if named in members and named is not None:
        return named
    if named is not None:
        wanted = (names[named.source], named.results.method)
        return next(
            (entry for entry in members if (names[entry.source], entry.results.method) == wanted), members[0]
        )
    return members[0]


def _named(entry: Loaded, against: Loaded, names: Mapping[str, str]) -> Pair:
    return {
        "label": names[entry.source],
        "method": entry.results.method,
        "source": entry.source,
        "baseline": names[against.source],
        "baseline_method": against.results.method,
        "baseline_source": against.source,
    }


def macro_pairs(
    rows: Mapping[tuple[str, str], Mapping[str, Loaded]], base: tuple[str, str], settings: CompareSettings
) -> list[Pair]:
    """Returns the tests of each row of the main table against the row `base`, by their means over suites.

    Only rows with the same suites as `base` are tested, and only if these are at least two suites.
    """
    pairs = []
    against = rows[base]
    for key, cells in rows.items():
        if key == base or cells.keys() != against.keys() or len(cells) < 2:
            continue
        shared = {
            suite: shared_ids([entry.results, against[suite].results]) for suite, entry in cells.items()
        }
        metrics = {}
        for name in tested_metrics(settings):
            found = [
                columns(entry.results, against[suite].results, name, shared[suite])
                for suite, entry in cells.items()
            ]
            # `found` has (x, y) for each suite, both (questions with the metric,). If a suite has no such
            # question, the mean over all suites does not exist, and the metric is not tested.
            if all(x for x, _ in found):
                difference = paired_macro_difference(found, settings.bootstrap, settings.seed, settings.test)
                metrics[name] = as_json(difference, sum(len(x) for x, _ in found))
        n = sum(map(len, shared.values()))
        names = {
            "label": key[0],
            "method": key[1],
            "baseline": base[0],
            "baseline_method": base[1],
            "against": "baseline",
        }
        if metrics:
            pairs.append(
                {
                    "suite": MACRO,
                    **names,
                    "suites": list(cells),
                    "n": n,
                    "unit": unit([{1}], n, len(cells)),
                    "metrics": metrics,
                }
            )
    return pairs


def variant_pairs(
    entries: Sequence[Loaded], names: Mapping[str, str], settings: CompareSettings
) -> list[Pair]:
    """Returns the tests of every degraded search against the original search.

    Both results have the same suite, model and method. In a pair, `values` are the means of the degraded
    search and `reference` the means of the original search, over the shared questions. Without a result for
    the original search, or without shared questions, there is no test, and `values` are means over the
    result's own questions.
    """
    found = []
    for entry in entries:
        changed = variant(entry.results)
        if not changed:
            continue
        place = (entry.results.suite, names[entry.source], entry.results.method)
        others = [
            other
            for other in entries
            if (other.results.suite, names[other.source], other.results.method) == place
            and not variant(other.results)
        ]
        suite, name, method = place
        found.append(
            {
                "suite": suite,
                "label": name,
                "method": method,
                "source": entry.source,
                "variant": changed.name,
                "noise": dict(changed.noise),
                "gold_removed": changed.gold_removed,
                **_against_original(entry.results, others[0] if others else None, settings),
            }
        )
    return sorted(
        found, key=lambda pair: (pair["gold_removed"], list(pair["noise"]), list(pair["noise"].values()))
    )


def _against_original(results: Results, reference: Loaded | None, settings: CompareSettings) -> Pair:
    shared = pair_metrics(results, reference.results, settings) if reference else None
    if reference is None or shared is None:
        own = {name: results.metrics[name] for name in tested_metrics(settings) if name in results.metrics}
        return {"baseline_source": "", "n": results.n, "values": own, "reference": {}, "metrics": {}}
    ids = shared_ids([results, reference.results])
    both = {name: columns(results, reference.results, name, ids) for name in shared["metrics"]}
    values, others = (
        {name: sum(pair[side]) / len(pair[side]) for name, pair in both.items()} for side in (0, 1)
    )
    return {"baseline_source": reference.source, **shared, "values": values, "reference": others}


def correct(pairs: Sequence[Pair], settings: CompareSettings) -> dict[str, int]:
    """Adds `p_adjusted` to every test of `pairs` and returns the number of tests of each metric.

    All tests of one metric are corrected together, as one family.
    """
    families: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name, test in pair["metrics"].items():
            families.setdefault(name, []).append(test)
    for tests in families.values():
        for test, adjusted in zip(
            tests, adjust([test["p"] for test in tests], settings.correction), strict=True
        ):
            test["p_adjusted"] = adjusted
    return {name: len(tests) for name, tests in families.items()}
