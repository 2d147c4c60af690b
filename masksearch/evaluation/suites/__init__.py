"""Reads the questions of benchmark suites in the formats that their authors publish.

Suites: HotpotQA, 2WikiMultiHopQA, MuSiQue, Bamboogle, FanOutQA, FreshQA, FRAMES, NQ-open, TriviaQA, PopQA,
SimpleQA, BrowseComp, GAIA. Layouts that any suite may have (FlashRAG, Search-R1, plain questions) are in
shared.py. A new suite touches three files:

    registry.py   its `Suite`: name, source of the questions, licence, scoring, corpus
    a reader      a function from `Row` to `Item`, in a new module or with similar suites (multihop.py;
                  sheets.py, where a suite published as CSV or TSV also adds its columns to `HEADERS`)
    layouts.py    its `Layout`: the fields that identify its rows, the answer field, the reader
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.runtime.extras import lazy_names

if TYPE_CHECKING:
    from masksearch.evaluation.suites.export import Exported, write_suite
    from masksearch.evaluation.suites.loading import load_questions
    from masksearch.evaluation.suites.registry import SUITES, Suite, find_suite

__all__ = ["SUITES", "Exported", "Suite", "find_suite", "load_questions", "write_suite"]
__getattr__ = lazy_names(
    __name__,
    {
        "Exported": "export",
        "SUITES": "registry",
        "Suite": "registry",
        "find_suite": "registry",
        "load_questions": "loading",
        "write_suite": "export",
    },
)
