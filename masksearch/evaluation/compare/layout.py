"""Which tables a comparison has: from the values of comparison.json to `Table`s."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.evaluation.compare.detail_layout import details, failures, kinds
from masksearch.evaluation.compare.formatting import Figures, Values
from masksearch.evaluation.compare.main_layout import arms, main
from masksearch.evaluation.compare.pair_layout import contamination, differences, robustness
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import Table

_MAKERS: dict[str, Callable[[Values, Figures], list[Table]]] = {
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
    """Those that are asked for and have something to show, in the order asked for."""
    figures = Figures(settings, comparison["tests"])
    return [table for name in (settings.tables or _MAKERS) for table in _MAKERS[name](comparison, figures)]
