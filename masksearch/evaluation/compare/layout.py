"""Builds the tables of a comparison from the values of comparison.json."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.evaluation.compare.detail_layout import details, failures, kinds
from masksearch.evaluation.compare.formatting import Figures, Values
from masksearch.evaluation.compare.main_layout import arms, main
from masksearch.evaluation.compare.pair_layout import contamination, differences, robustness
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import Table

_BUILDERS: dict[str, Callable[[Values, Figures], list[Table]]] = {
    "main": main,
    "arms": arms,
    "details": details,
    "kinds": kinds,
    "failures": failures,
    "robustness": robustness,
    "contamination": contamination,
    "differences": differences,
}


def tables_of(comparison: Values, settings: CompareSettings) -> list[Table]:
    """Returns the tables that the setting `tables` selects, in its order; tables without rows are omitted."""
    several = any(row.get("several_masks") for row in comparison["rows"])
    figures = Figures(settings, comparison["tests"], several)
    return [
        table for name in (settings.tables or _BUILDERS) for table in _BUILDERS[name](comparison, figures)
    ]
