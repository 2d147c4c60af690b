"""Builds one self-contained HTML page of a run: scores, curves, and an explorer of trajectories."""

from masksearch.report.build import build_report

__all__ = ["build_report"]
