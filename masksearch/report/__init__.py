"""One self-contained HTML page of a run: scores, curves, and a viewer of trajectories."""

from masksearch.report.build import build_report

__all__ = ["build_report"]
