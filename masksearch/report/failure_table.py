"""Counts each evaluation's questions by kind of failure, with links to the questions in the explorer.

The page draws the counts as stacked bars and writes them as a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from masksearch.evaluation.compare.entries import label
from masksearch.evaluation.failures import FAILURES, RIGHT
from masksearch.report.curves import plain_words
from masksearch.report.load import Row, Stage
from masksearch.types import Results


def failure_counts(results: Results) -> dict[str, int]:
    """Returns the number of questions of each kind of failure; right answers have the kind `right`.

    Counts the rows if the results file has no counts. Returns no counts if the rows have no `failure` either.
    """
    if results.failures:
        return dict(results.failures)
    return dict(Counter(str(row["failure"]) or RIGHT for row in results.per_question if "failure" in row))


def failure_table(stages: Sequence[Stage]) -> Row:
    """Returns the table of failures as values for the template.

    `{"kinds": [{"name", "about", "kind", "mark"}], "rows": [{"suite", "stage", "title", "label", "n",
    "cells": [{"count", "share", "link"}]}]}`. A row is one evaluation, a cell is one kind of failure. Kinds
    without questions are left out, except `right`. `rows` is empty if no evaluation has counts.
    """
    found = [
        (stage, counts) for stage in stages if stage.results and (counts := failure_counts(stage.results))
    ]
    present = {kind for _, counts in found for kind, count in counts.items() if count}
    kinds = [RIGHT, *(kind for kind in FAILURES if kind in present), *sorted(present - {RIGHT, *FAILURES})]
    rows = []
    for stage, counts in found:
        assert stage.results is not None
        n = max(1, sum(counts.values()))
        cells = [
            {"count": counts.get(kind, 0), "share": counts.get(kind, 0) / n, "link": _link(stage, kind)}
            for kind in kinds
        ]
        rows.append(
            {
                "suite": stage.results.suite,
                "stage": stage.name,
                "title": stage.title,
                "label": label(stage.results),
                "n": n,
                "cells": cells,
            }
        )
    suites = [row["suite"] for row in rows]
    named = [
        {"name": plain_words(kind), "about": FAILURES.get(kind, ""), "kind": kind, "mark": _mark(kind)}
        for kind in kinds
    ]
    return {"kinds": named, "rows": sorted(rows, key=lambda row: suites.index(row["suite"]))}


def _mark(kind: str) -> str:
    """Returns the class with a kind's colour and pattern. Kinds of other versions have one in common."""
    if kind == RIGHT:
        return RIGHT
    return f"kind-{[*FAILURES].index(kind)}" if kind in FAILURES else "kind-other"


def _link(stage: Stage, kind: str) -> str:
    """Returns the link that shows the stage's questions of one kind in the explorer (see page/address.js)."""
    wanted = "verdict=right" if kind == RIGHT else f"failure={quote(kind, safe='')}"
    return f"#stage={quote(stage.title, safe='')}&{wanted}"
