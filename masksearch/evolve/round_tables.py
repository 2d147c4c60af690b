"""The tables of a run: what each round learnt, what it could solve at all, and how varied its data stayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.evaluation.tables import format_table

Manifest = Mapping[str, Any]
MOST_COLUMNS = 8
"""pass@k is shown for every k up to so many; beyond, for powers of two and for n."""


def render_tables(manifests: Sequence[Manifest], seed_diversity: Mapping[str, float], seed_count: int) -> str:
    """Three Markdown tables with their captions."""
    parts = [
        "Rounds (accepted: correct of the rollouts; intervals of 95%):\n\n" + _rounds(manifests),
        "pass@k over fresh tasks (a share that is flat at the highest k while pass@1 rises is a plateau):\n\n"
        + _passes(manifests),
        "Variety of what was kept (entropy: of the query terms, and the most that so many terms could have):\n\n"
        + _variety(manifests, seed_diversity, seed_count),
    ]
    return "\n\n".join(parts)


def _rounds(manifests: Sequence[Manifest]) -> str:
    measured = any("heldout" in manifest for manifest in manifests)
    headers = [
        "round",
        "trained on",
        "rollouts",
        "accepted",
        "kept",
        *(["recall", "F1", "EM", "gain"] if measured else []),
        "seconds",
    ]
    rows = []
    for manifest in manifests:
        counts = manifest["counts"]
        row = [
            manifest["round"],
            counts["trained_on"],
            counts["rollouts"],
            f"{manifest['accepted_share']:.2f}",
            counts["kept"],
        ]
        row += (
            [
                *(_interval(manifest["heldout"][name]) for name in ("recall", "f1", "em")),
                _gain(manifest.get("gain")),
            ]
            if measured
            else []
        )
        rows.append([*row, round(sum(manifest["seconds"].values()))])
    return _table(headers, rows)


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['mean']:.2f} [{low:.2f}, {high:.2f}]"


def _gain(found: Mapping[str, Any] | None) -> str:
    return (
        f"{found['metric']} {found['difference']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}] on round {found['against']}"
        if found
        else "-"
    )


def _passes(manifests: Sequence[Manifest]) -> str:
    known = sorted({int(k) for manifest in manifests for k in manifest["pass_at"]})
    shown = [k for k in known if len(known) <= MOST_COLUMNS or k & (k - 1) == 0 or k == known[-1]]
    rows = [
        [
            manifest["round"],
            len(manifest["solve_rates"]),
            *(
                f"{passed:.3f}" if (passed := manifest["pass_at"].get(str(k))) is not None else "-"
                for k in shown
            ),
        ]
        for manifest in manifests
    ]
    return _table(["round", "tasks", *(f"pass@{k}" for k in shown)], rows)


def _variety(manifests: Sequence[Manifest], seed_diversity: Mapping[str, float], seed_count: int) -> str:
    sets = [
        ("seed", seed_count, seed_diversity),
        *(
            (str(manifest["round"]), manifest["counts"]["kept"], manifest["diversity"])
            for manifest in manifests
        ),
    ]
    if manifests:
        last = manifests[-1]
        total = last["counts"]["seed_data"] + last["counts"]["evolved_before"] + last["counts"]["kept"]
        sets.append(("all", total, last["data_diversity"]))
    headers = ["data of", "n", "distinct-1", "distinct-2", "query entropy, bits", "searches", "answer, words"]
    return _table(headers, [[name, count, *_variety_cells(figures)] for name, count, figures in sets])


def _variety_cells(figures: Mapping[str, float]) -> list[str]:
    entropy = f"{figures['query_entropy']:.2f} of {figures['query_entropy_most']:.2f}"
    return [
        f"{figures['distinct_1']:.3f}",
        f"{figures['distinct_2']:.3f}",
        entropy,
        f"{figures['searches']:.2f}",
        f"{figures['answer_words']:.2f}",
    ]


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return format_table(
        headers, [[str(cell) for cell in row] for row in rows], "l" + "r" * (len(headers) - 1)
    )
