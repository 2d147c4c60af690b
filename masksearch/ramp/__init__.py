"""Retrieval-Augmented Mask Prediction: any text into tasks that can only be solved by searching (section "RAMP" of the paper).

find salient spans (`spans`, `entities`, `dates`, `numbers`) -> mask some (`masks`) -> check that a search finds them (`query`, `verify`)

    masksearch mask docs.jsonl -o tasks.jsonl --masks 1-4 --limit 1000
"""

from __future__ import annotations

from masksearch.ramp.generate import MaskStats, make_tasks, select
from masksearch.ramp.masks import fill, mask_passage, usable_spans
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.ramp.spans import EXTRACTORS, extract_spans
from masksearch.ramp.stage import run_mask
from masksearch.ramp.verify import contains_span, evidence_rank, verify

__all__ = [
    "EXTRACTORS",
    "MaskStats",
    "alternative_queries",
    "contains_span",
    "evidence_rank",
    "extract_spans",
    "fill",
    "make_tasks",
    "mask_passage",
    "run_mask",
    "select",
    "usable_spans",
    "verify",
    "visible_query",
]
