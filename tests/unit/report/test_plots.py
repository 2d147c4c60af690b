"""The plots of a run: which metrics they offer, seeds, and verdicts that agree with the comparison."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kit.finished_run import FinishedRun, questions
from kit.rich_run import rich_run

from masksearch.evaluation.compare.formatting import significant
from masksearch.report import build_report
from masksearch.report.load import Run, load_run
from masksearch.report.plots import Plot, forest_plots, interval_plots, metric_choices
from masksearch.report.settings import ReportSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rich_run(tmp_path_factory.mktemp("rich") / "run").folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return load_run(folder, trajectories=False)


def items(plot: Plot) -> list[str]:
    return re.findall(r"<li .*?</li>", plot.drawing)


def words(item: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", item).split())


def named(plots: list[Plot], metric: str) -> Plot:
    return next(plot for plot in plots if plot.metric == metric)


def test_metrics_that_the_data_have(run: Run) -> None:
    choices = metric_choices([interval_plots(run)])
    assert choices[0] == ("f1", "F1")
    offered = [metric for metric, _ in choices]
    assert {"em", "recall", "valid", "right", "evidence_recall", "grounded"} <= set(offered)
    assert "judge_strict" not in offered
    assert dict(choices)["evidence_recall"] == "Evidence recall"


def test_evaluations_of_several_seeds_are_one_row_with_dots(run: Run) -> None:
    rows = [words(item) for item in items(named(interval_plots(run), "f1"))]
    seeded = [row for row in rows if "seeds)" in row]
    assert [row.partition(" (")[0] for row in seeded] == ["0 labels", "40 labels", "160 labels"]
    # 12, 14 and 13 of 60 answers are right.
    assert seeded[0].endswith("seeds 20.0, 23.3, 21.7")
    assert seeded[0].split()[4] == "21.7"
    assert not any(row.startswith("0 labels ") and "seeds)" not in row for row in rows)


def test_seeds_without_a_comparison_of_arms(tmp_path: Path) -> None:
    made = FinishedRun(tmp_path / "run")
    for seed, right in ((1, 10), (2, 14)):
        made.stage(f"sft-s{seed}", "sft")
        model = {"maker": f"sft-s{seed}", "model": "m+sft"}
        made.evaluate(f"after-s{seed}", "Q", questions(40), range(right), **model)
    plots = interval_plots(load_run(made.folder, trajectories=False))
    (row,) = [words(item) for item in items(named(plots, "f1"))]
    assert row.startswith("m+sft (2 seeds) 30.0 [")
    assert row.endswith("seeds 25.0, 35.0")


def test_every_pair_of_a_comparison_is_a_row_with_its_verdict(folder: Path, run: Run) -> None:
    for name in ("comparison", "prompted-comparison", "robustness", "label-comparison"):
        stage = next(stage for stage in run.stages if stage.name == name)
        plots = forest_plots(stage.comparison or {})
        comparison = json.loads((folder / "stages" / name / "comparison.json").read_text())
        for plot in plots:
            tests = [
                pair["metrics"][plot.metric]
                for key in ("pairs", "average_pairs", "robustness", "arm_pairs")
                for pair in comparison[key]
                if plot.metric in pair["metrics"]
            ]
            assert len(items(plot)) == len(tests)
            shown = sum('class="pair shown"' in item for item in items(plot))
            assert shown == sum(map(significant, tests)), (name, plot.metric)


def test_arm_pairs_name_their_units(run: Run) -> None:
    stage = next(stage for stage in run.stages if stage.name == "label-comparison")
    rows = [words(item) for item in items(named(forest_plots(stage.comparison or {}), "f1"))]
    assert rows[0].startswith("40 labels over 0 labels, 3 seeds x 60 questions +16.7 [")


def test_a_metric_of_counts_has_its_own_unit() -> None:
    test = {"difference": 1.5, "interval": [1.0, 2.0], "p": 0.01, "p_adjusted": 0.02, "n": 9}
    pair = {"suite": "S", "a": "x", "b": "y", "n": 9, "metrics": {"searches": test}}
    (plot,) = forest_plots({"arm_pairs": [pair]})
    assert words(items(plot)[0]) == "x over y, n 9 +1.5 [+1.0, +2.0] shown, p 0.020"
    assert "<small>searches</small>" in plot.drawing


def test_only_f1_is_visible_without_a_script(folder: Path, tmp_path: Path) -> None:
    build_report(folder, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    drawings = re.findall(r'data-plot="(\w+)"( hidden)?', page)
    assert {metric for metric, hidden in drawings if not hidden} == {"f1"}
    assert len({metric for metric, _ in drawings}) > 6
    assert page.count('<label class="metric" hidden>') == 5, "one switch for the scores and each comparison"


def test_the_curves_of_arms_scroll_inside_their_figure(folder: Path, tmp_path: Path) -> None:
    build_report(folder, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    figure = re.search(r'<figure class="curve-of-arms"><div class="scroll" tabindex="0".*?</figure>', page)
    assert figure
    assert "F1 and evidence recall against labelled questions" in figure[0]
    assert re.search(r'<svg viewBox="0 0 (\d+) \d+" style="width: \1px"', figure[0])


def test_evaluations_of_parts_of_a_suite_are_beside_it(run: Run) -> None:
    headings = re.findall(r'<p class="heading"><bdi>([^<]*)</bdi>', named(interval_plots(run), "f1").drawing)
    assert headings[:2] == ["RAMP, one mask (n = 100)", "RAMP, one mask (n = 40)"]
    suites = [heading.partition(" (n")[0] for heading in headings]
    assert suites == sorted(suites, key=suites.index)
