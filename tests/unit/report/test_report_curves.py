"""Curves on the page: the sources of a mixed training, and the curves of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masksearch.report import build_report
from masksearch.report.curves import all_curves, curves
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
    assert titles(run) == {"Loss": ["loss"], "Rows of each batch by source": ["chained", "old"]}


def rl_log(**metrics: Any) -> list[dict[str, Any]]:
    """Returns a log with one row for each value of the metrics."""
    count = max(map(len, metrics.values()))
    return [
        {"step": step + 1, **{name: values[step] for name, values in metrics.items() if step < len(values)}}
        for step in range(count)
    ]


def drawn_and_flat(folder: Path, rows: list[dict[str, Any]]) -> tuple[list[str], dict[str, list[str]]]:
    drawn, flat = all_curves(load_run(write_run(folder, rows)).stages)
    return [chart["title"] for chart in drawn], {chart["title"]: chart["flat"] for chart in flat}


def test_reward_and_held_out_score_come_first(tmp_path: Path) -> None:
    (tmp_path / "run" / "stages" / "a-sft").mkdir(parents=True)
    losses = [{"step": step, "loss": 1.0 / step, "heldout_loss": 2.0 / step} for step in range(1, 5)]
    path = tmp_path / "run" / "stages" / "a-sft" / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in losses), encoding="utf-8")
    rows = rl_log(loss=[1, 2, 3], reward=[0.1, 0.2, 0.3], heldout_f1=[0.1, 0.2, 0.4], entropy=[3, 2, 1])
    drawn, flat = all_curves(load_run(write_run(tmp_path / "run", rows)).stages)
    assert [(chart["stage"], chart["title"]) for chart in drawn] == [
        ("mixed", "Reward"),
        ("mixed", "Held-out F1 (%)"),
        ("a-sft", "Loss"),
        ("mixed", "Loss"),
        ("mixed", "Entropy"),
    ]
    assert drawn[2]["legend"] == ["loss", "heldout loss"]
    assert flat == []


def test_charts_without_change_are_put_into_words(tmp_path: Path) -> None:
    rows = rl_log(
        reward=[0.1, 0.2, 0.3],
        overlong=[0.0, 0.0, 0.0],
        groups_sampled=[8, 8, 8],
        groups_kept=[8, 8, 8],
        f1=[0.5, 0.5, 0.5],
        valid=[0.5, 1.0, 0.9],
        searches=[1.0, 2.0, 2.0],
        left_out=[0, 0],
    )
    drawn, flat = drawn_and_flat(tmp_path / "run", rows)
    assert drawn == ["Reward", "F1, valid format (%)"], "one line that changes is enough"
    assert flat == {
        "Length penalty": ["overlong: 0 at every step"],
        "Groups": ["groups sampled: 8 at every step", "groups kept: 8 at every step"],
        "Searches per rollout": ["searches: 1 at step 1, 2 at step 2, 2 at step 3"],
        "Rollouts left out because they lack a verdict": ["left out: 0 at every step"],
    }


def test_a_long_series_of_two_values_is_drawn(tmp_path: Path) -> None:
    rows = rl_log(reward=[0.1] * 6 + [0.2] * 5, f1=[0.1] * 5 + [0.2] * 5)
    drawn, flat = drawn_and_flat(tmp_path / "run", rows)
    assert drawn == ["Reward"]
    assert list(flat) == ["F1, valid format (%)"]


def test_flat_charts_are_folded_on_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rl_log(reward=[0.5, 0.5, 0.5], loss=[3, 2, 1]))
    build_report(run, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<summary>1 chart without change" in page
    assert "<dt><bdi>mixed: Reward</bdi></dt><dd><bdi>reward: 0.5 at every step</bdi>" in page
    assert page.count("<figcaption>mixed: ") == 1


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
