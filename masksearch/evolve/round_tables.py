"""Renders the tables of a run: metrics of each round, pass@k, and diversity of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.evaluation.tables import format_table, percent, with_interval

Manifest = Mapping[str, Any]
MOST_COLUMNS = 8
"""Maximum number of values of k for which the table has a pass@k column for every value.

If there are more values, only the powers of two and the largest k have a column.
"""


def render_tables(manifests: Sequence[Manifest], seed_diversity: Mapping[str, float], seed_count: int) -> str:
    """Renders three Markdown tables with their captions: rounds, pass@k, and diversity.

    `seed_diversity` and `seed_count` are the diversity and the number of the seed trajectories.
    """
    parts = [
        "Rounds (scores in %; accepted: share of correct rollouts; 95% intervals):\n\n" + _rounds(manifests),
        "pass@k (%) over fresh tasks (flat at the highest k while pass@1 rises: a plateau):\n\n"
        + _passes(manifests),
        "Diversity of the kept trajectories (entropy of the query terms, and its maximum for as many "
        "terms):\n\n" + _diversity(manifests, seed_diversity, seed_count),
    ]
    return "\n\n".join(parts)


def _rounds(manifests: Sequence[Manifest]) -> str:
    measured = any("heldout" in manifest for manifest in manifests)
    headers = ["round", "trained on", "rollouts", "accepted", "kept"]
    if measured:
        headers += ["recall", "F1", "EM", "gain"]
    rows = []
    for manifest in manifests:
        counts = manifest["counts"]
        accepted = percent(manifest["accepted_share"])
        row = [manifest["round"], counts["trained_on"], counts["rollouts"], accepted, counts["kept"]]
        if measured:
            row += [_interval(manifest["heldout"][name]) for name in ("recall", "f1", "em")]
            row.append(_gain(manifest.get("gain")))
        rows.append([*row, round(sum(manifest["seconds"].values()))])
    return _table([*headers, "seconds"], rows)


def _interval(figure: Mapping[str, Any]) -> str:
    return with_interval(figure["mean"], figure["interval"])


def _gain(found: Mapping[str, Any] | None) -> str:
    if not found:
        return "-"
    gain = with_interval(found["difference"], (found["low"], found["high"]), signed=True)
    return f"{found['metric']} {gain} over round {found['against']}"


def _passes(manifests: Sequence[Manifest]) -> str:
    known = sorted({int(k) for manifest in manifests for k in manifest["pass_at"]})
    shown = [k for k in known if len(known) <= MOST_COLUMNS or k & (k - 1) == 0 or k == known[-1]]
    rows = []
    for manifest in manifests:
        passed = [manifest["pass_at"].get(str(k)) for k in shown]
        cells = ["-" if value is None else percent(value) for value in passed]
        rows.append([manifest["round"], len(manifest["solve_rates"]), *cells])
    return _table(["round", "tasks", *(f"pass@{k}" for k in shown)], rows)


def _diversity(manifests: Sequence[Manifest], seed_diversity: Mapping[str, float], seed_count: int) -> str:
    sets = [("seed", seed_count, seed_diversity)]
    sets += [
        (str(manifest["round"]), manifest["counts"]["kept"], manifest["diversity"]) for manifest in manifests
    ]
    if manifests:
        last = manifests[-1]
        total = last["counts"]["seed_data"] + last["counts"]["evolved_before"] + last["counts"]["kept"]
        sets.append(("all", total, last["data_diversity"]))
    headers = [
        "data of",
        "n",
        "distinct-1 %",
        "distinct-2 %",
        "query entropy, bits",
        "searches",
        "answer, words",
    ]
    return _table(headers, [[name, count, *_diversity_cells(figures)] for name, count, figures in sets])


def _diversity_cells(figures: Mapping[str, float]) -> list[str]:
    entropy = f"{figures['query_entropy']:.2f} of {figures['query_entropy_most']:.2f}"
    return [
        percent(figures["distinct_1"]),
        percent(figures["distinct_2"]),
        entropy,
        f"{figures['searches']:.2f}",
        f"{figures['answer_words']:.2f}",
    ]


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return format_table(
        headers, [[str(cell) for cell in row] for row in rows], "l" + "r" * (len(headers) - 1)
    )
