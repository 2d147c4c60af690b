"""Curves on the page: the sources of a mixed training, and the curves of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masksearch.report import build_report
from masksearch.report.curves import curves
from masksearch.report.load import load_run
from masksearch.report.settings import ReportSettings


def write_run(folder: Path, log: list[dict[str, Any]], comparison: dict[str, Any] | None = None) -> Path:
    (folder / "stages" / "mixed").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in log)
    (folder / "stages" / "mixed" / "log.jsonl").write_text(lines, encoding="utf-8")
    if comparison is not None:
        (folder / "stages" / "labels").mkdir()
        path = folder / "stages" / "labels" / "comparison.json"
        path.write_text(json.dumps(comparison), encoding="utf-8")
    return folder


def log(*sources: Any) -> list[dict[str, Any]]:
    return [{"step": step, "loss": 1.0, "sources": one} for step, one in enumerate(sources, 1)]


def titles(folder: Path) -> dict[str, list[str]]:
    (stage,) = (one for one in load_run(folder).stages if one.name == "mixed")
    return {chart["title"]: chart["legend"] for chart in curves(stage)}


def test_the_rows_of_each_batch_are_drawn_by_source(tmp_path: Path) -> None:
    rows = log({"chained": 5, "old": 3}, {"chained": 6, "old": 2})
    run = write_run(tmp_path / "run", rows)
    assert titles(run) == {"Rows of each batch by source": ["chained", "old"], "Loss": ["loss"]}


def test_a_single_source_or_a_torn_log_has_no_such_chart(tmp_path: Path) -> None:
    assert list(titles(write_run(tmp_path / "one", log({"chained": 8})))) == ["Loss"]
    assert list(titles(write_run(tmp_path / "torn", log(3, None, {"a": "x", "b": "y"})))) == ["Loss"]
    assert list(titles(write_run(tmp_path / "old", [{"step": 1, "loss": 1.0}]))) == ["Loss"]


def test_the_page_shows_the_curves_of_a_comparison(tmp_path: Path) -> None:
    point = {"x": 32.0, "arm": "a", "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 3, "n": 9}
    panel = {"metric": "f1", "lines": [{"name": "</svg><script>", "points": [point]}]}
    curve = {
        "name": "labels", "title": "", "x": "labelled questions", "scale": "ratio", "suite": "R",
        "panels": [panel],
    }  # fmt: skip
    comparison = {"format": "masksearch-comparison/1", "curves": [curve]}
    run = write_run(tmp_path / "run", log({"a": 8}), comparison)
    build_report(run, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "F1 against labelled questions" in page
    assert "&lt;/svg&gt;&lt;script&gt;" in page
    assert "</svg><script>" not in page
