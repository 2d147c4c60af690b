"""Builds one self-contained HTML page of a run: scores, curves, and an explorer of trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.runtime.extras import lazy_names

if TYPE_CHECKING:
    from masksearch.report.build import build_report

__all__ = ["build_report"]
__getattr__ = lazy_names(__name__, {"build_report": "build"})
