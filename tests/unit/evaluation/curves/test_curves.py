"""Curves of a comparison: the points of the lines, the SVG files, and settings that do not fit."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from masksearch.cli.main import main
from masksearch.errors import RecipeError, UsageError
from masksearch.evaluation.compare.stage import run_compare
from masksearch.evaluation.curves.axis import positions, spread, ticks
from masksearch.evaluation.curves.chart import LONGEST, inline, standalone
from masksearch.evaluation.curves.files import by_name
from masksearch.evaluation.curves.values import with_known_arms
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.settings import CompareSettings
from masksearch.recipe.load import load_recipe

SVG = "{http://www.w3.org/2000/svg}"


def write_results(folder: Path, suite: str, name: str, f1s: list[float]) -> str:
    """Writes the results of one model; evidence recall is half of F1, and 0.5 more."""
    rows = [
        {
            "id": str(number),
            "prediction": "",
            "recall": f1,
            "precision": f1,
            "f1": f1,
            "em": float(f1 == 1),
            "valid": 1,
            "evidence_recall": 0.5 + f1 / 2,
        }
        for number, f1 in enumerate(f1s)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    results = summarise(
        rows, suite=suite, method="agent", model=name, retriever="bm25:1", settings={"model": name},
        bootstrap=100, seed=1,
    )  # fmt: skip
    path = folder / f"{name}-{suite}.json"
    save(results, path)
    return str(path)


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, list[str]]:
    """Arms of two suites: `ramp` with two seeds, the others with one."""
    levels = {"ramp-s1": 0.2, "ramp-s2": 0.4, "down-32": 0.1, "down-160": 0.3, "mixed-160": 0.8}
    found: dict[str, list[str]] = {}
    for name, level in levels.items():
        arm = name.split("-s")[0]
        for suite, more in (("A", 0.0), ("B", 0.2)):
            f1s = [min(1.0, level + more + 0.01 * number) for number in range(6)]
            found.setdefault(arm, []).append(write_results(tmp_path / "results", suite, name, f1s))
    return found


LINES = {
    "downstream": {"160": "down-160", "32": "down-32"},
    "mixed": {"0": "ramp", "160": "mixed-160"},
    "ramp alone": {"0": "ramp"},
}


def curve(**given: Any) -> dict[str, Any]:
    return {"x": "labelled questions", "lines": LINES, **given}


def compare(tmp_path: Path, groups: Any, **curves: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = CompareSettings.model_validate({"groups": groups, "curves": curves, "bootstrap": 100})
    summary = run_compare(settings, tmp_path / "out" / "comparison.json", tmp_path)
    return summary, json.loads((tmp_path / "out" / "comparison.json").read_text())


def texts(root: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_points_are_the_arms_means_with_their_intervals(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    summary, found = compare(tmp_path, groups, labels=curve())
    (one,) = found["curves"]
    assert (one["name"], one["suite"], one["x"]) == ("labels", "mean of suites", "labelled questions")
    assert [panel["metric"] for panel in one["panels"]] == ["f1", "evidence_recall"]
    lines = {line["name"]: line["points"] for line in one["panels"][0]["lines"]}
    assert list(lines) == ["downstream", "mixed", "ramp alone"]
    assert [point["x"] for point in lines["downstream"]] == [32, 160], "in the order of the numbers"
    entries = {arm["arm"]: arm for arm in found["arms"] if arm["suite"] == "mean of suites"}
    for points in lines.values():
        for point in points:
            entry = entries[point["arm"]]
            assert point["value"] == entry["metrics"]["f1"]
            assert [point["low"], point["high"]] == entry["intervals"]["f1"]
            assert (point["seeds"], point["n"]) == (entry["seeds"], entry["n"])
    assert lines["mixed"][0]["value"] == pytest.approx(0.425)
    assert [point["seeds"] for point in lines["mixed"]] == [2, 1]
    assert summary["curves"] == 1
    assert summary["text"].endswith("comparison-labels.svg")


def test_a_file_shows_every_line_with_its_name_and_intervals(
    tmp_path: Path, groups: dict[str, list[str]]
) -> None:
    compare(tmp_path, groups, labels=curve(title="A & B <b>"), more=curve(suites=("A", "B"), metrics=("f1",)))
    root = ET.parse(tmp_path / "out" / "comparison-labels.svg").getroot()
    shown = texts(root)
    assert shown[0] == "A & B <b>"
    assert {"F1 (%), mean of suites", "Evidence recall (%), mean of suites"} <= set(shown)
    assert shown.count("labelled questions") == 2
    assert [shown.count(name) for name in LINES] == [2, 2, 2]
    assert [shown.count(x) for x in ("32", "160")] == [2, 2]
    assert shown[-1] == "Bars: 95% intervals. Each point: 1 to 2 seeds."
    assert len(list(root.iter(f"{SVG}circle"))) == 2 * 5
    assert sum(element.get("class") == "whisker" for element in root.iter()) == 2 * 5
    tips = ["".join(circle.itertext()) for circle in root.iter(f"{SVG}circle")]
    assert any(re.match(r"mixed at 0: 42\.5 \[.*\], 2 seeds, 12 questions \(ramp\)", tip) for tip in tips)
    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert "F1, mean of suites, mixed: 0: 42.5, 160: " in (root.findtext(f"{SVG}desc") or "")
    rows = ET.parse(tmp_path / "out" / "comparison-more.svg").getroot()
    assert {"F1 (%), A", "F1 (%), B"} <= set(texts(rows))


def test_what_is_drawn_lies_inside(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    long = {f"{'a long name of an arm ' * 3}{number}": {"0": "ramp"} for number in range(9)}
    _, found = compare(tmp_path, groups, labels=curve(lines=long | LINES))
    root = ET.fromstring(standalone(found["curves"]))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x", 0)) < width
        assert 0 <= float(element.get("y", 0)) < height
        assert len("".join(element.itertext())) <= max(LONGEST, 50)
    for element in root.iter(f"{SVG}circle"):
        assert 0 < float(element.get("cx", 0)) < width
        assert 0 < float(element.get("cy", 0)) < height
    names = [element for element in root.iter(f"{SVG}text") if element.get("class") == "name"]
    heights = sorted(float(element.get("y", 0)) for element in names[: len(long | LINES)])
    assert min(high - low for low, high in pairwise(heights)) >= 14


def test_the_page_shows_the_same_drawing_without_a_style(
    tmp_path: Path, groups: dict[str, list[str]]
) -> None:
    _, found = compare(tmp_path, groups, labels=curve(title="<script>"))
    drawn = str(inline(found["curves"]))
    assert "<style>" not in drawn
    assert "<script>" not in drawn
    assert 'class="curve s0"' in drawn
    assert list(by_name(found["curves"])) == ["labels"]


def test_arms_without_results_give_no_points(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    del groups["mixed-160"]
    lines = {"downstream": LINES["downstream"], "mixed": LINES["mixed"], "gone": {"160": "mixed-160"}}
    kept = with_known_arms({"labels": curve(lines=lines), "none": curve(lines={"gone": {"1": "x"}})}, groups)
    assert list(kept) == ["labels"]
    assert kept["labels"]["lines"] == {"downstream": LINES["downstream"], "mixed": {"0": "ramp"}}
    _, found = compare(tmp_path, groups, **kept)
    assert [line["name"] for line in found["curves"][0]["panels"][0]["lines"]] == ["downstream", "mixed"]


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({"a": curve(lines={"x": {"many": "ramp"}})}, "the line x has 'many', which is not a number"),
        ({"a": curve(lines={"x": {"-1": "ramp"}})}, "with numbers of 0 or more"),
        ({"a": curve(lines={"x": {"nan": "ramp"}})}, "with numbers of 0 or more"),
        ({"a": curve(lines={"x": {}})}, "the line x needs one point or more"),
        ({"a": curve(lines={})}, "at least 1 item"),
        ({"a": curve(lines={"x": {"16": "ramp", "16.0": "down-32"}})}, "two points with the same number"),
        (
            {"a": curve(lines={"x": {"16": "rampe"}})},
            r"the line x of a names the arm rampe, which is not in groups \(arms: ramp, down-32, ",
        ),
        ({"a/b": curve()}, "'a/b' becomes a part of a file's name"),
        ({"a": curve(scale="log")}, "scale"),
        ({"a": {"lines": LINES}}, "x"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    groups: dict[str, list[str]], curves: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        CompareSettings.model_validate({"groups": groups, "curves": curves})


def test_a_suite_or_measure_that_the_arms_lack_is_named(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError, match=r"suites names 'C', but the arms have results of A, B"):
        compare(tmp_path, groups, labels=curve(suites=("C",)))
    with pytest.raises(UsageError, match=r"curves\.labels\.metrics names 'judge_strict', which not all"):
        compare(tmp_path, groups, labels=curve(metrics=("judge_strict",)))


def test_a_command_draws_the_curves_of_a_run(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    flags = [f"--groups={name}={','.join(paths)}" for name, paths in groups.items()]
    output = tmp_path / "docs" / "labels.json"
    given = ["--set", "curves.f1.x=labels", "--set", 'curves.f1.lines={down={32="down-32"},mix={0="ramp"}}']
    assert main(["compare", *flags, *given, "--bootstrap", "100", "-o", str(output)]) == 0
    assert "down" in texts(ET.parse(tmp_path / "docs" / "labels-f1.svg").getroot())


def test_positions_keep_order_and_have_a_place_for_zero() -> None:
    ratio = positions([0, 16, 64, 160, 340], ratio=True)
    assert list(ratio.values()) == sorted(ratio.values())
    assert (ratio[0], ratio[340]) == (0, 1)
    assert ratio[16] > 0.1
    assert positions([0, 50, 100], ratio=False) == {0: 0, 50: 0.5, 100: 1}
    assert positions([7], ratio=True) == {7: 0.5}
    assert positions([0], ratio=True) == {0: 0.5}


@given(st.lists(st.floats(-50, 150), max_size=12))
def test_labels_are_apart_and_inside(places: list[float]) -> None:
    moved = spread(places, 12, 0, 200)
    assert all(-1e-6 <= place <= 200 + 1e-6 for place in moved)
    ranked = [moved[index] for index in sorted(range(len(places)), key=places.__getitem__)]
    assert all(high - low >= 12 - 1e-6 for low, high in pairwise(ranked))


def test_ticks_cover_the_range() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(3, 47) == [0, 10, 20, 30, 40, 50]
    assert ticks(2, 2) == [2]


def test_a_recipe_says_curves_simply(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        """
        name = "x"
        seeds = [1, 2]
        [stages.down-32]
        kind = "eval"
        per_seed = true
        questions = "q.jsonl"
        model = "m"
        [stages.comparison]
        kind = "compare"
        [stages.comparison.groups]
        downstream-32 = ["down-32"]
        [stages.comparison.curves.labels]
        x = "labelled questions"
        lines.downstream = { 32 = "downstream-32" }
        """,
        encoding="utf-8",
    )
    settings = load_recipe(tmp_path / "x.toml").stage("comparison").settings
    assert isinstance(settings, CompareSettings)
    assert settings.groups == {"downstream-32": ("down-32-s1", "down-32-s2")}
    assert settings.curves["labels"].lines == {"downstream": {"32": "downstream-32"}}
    text = (tmp_path / "x.toml").read_text(encoding="utf-8")
    (tmp_path / "x.toml").write_text(text.replace('"downstream-32" }', '"down-32" }'), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"'stages\.comparison\.curves' .* names the arm down-32, which is"):
        load_recipe(tmp_path / "x.toml")
