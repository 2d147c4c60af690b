"""The page of a run: whole, half done, broken and hostile."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import DataError
from masksearch.evaluation.compare import run_compare
from masksearch.evaluation.results import save, summarise
from masksearch.report import build_report
from masksearch.report.charts import Interval, interval_chart, line_chart, ticks
from masksearch.report.viewer import script_json, segments, spread, verdict, viewer_items
from masksearch.settings import CompareSettings, ReportSettings
from masksearch.types import Trajectory, Turn

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }}"


def trajectory(key: str, em: float = 1.0, f1: float = 1.0, status: str = "answered", **more: Any) -> dict[str, Any]:
    turns = [
        {"role": "model", "text": f"<think>about {key}</think>\n<search>query</search>"},
        {"role": "tool", "text": f"<information>\nfound {HOSTILE}\n</information>"},
        {"role": "model", "text": "<answer>1. gold</answer>"},
    ]
    task = {"kind": "ramp", "id": key, "title": HOSTILE, "text": "a [mask]", "masks": 1, "answers": ["gold"]}
    scores = {"recall": f1, "precision": f1, "f1": f1, "em": em}
    return {"format": "masksearch-trajectory/1", "id": key, "task": task, "turns": turns, "answer": "1. gold", "status": status, "scores": scores, **more}


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_eval(folder: Path, model: str, f1s: list[float]) -> str:
    folder.mkdir(parents=True)
    rows = [{"id": str(i), "prediction": HOSTILE, "recall": f1, "precision": f1, "f1": f1, "em": float(f1 == 1), "valid": 1} for i, f1 in enumerate(f1s)]
    save(summarise(rows, suite="ramp <held-out>", method="agent", model=model, retriever="r", settings={}, bootstrap=100, seed=1), folder / "results.json")
    write_lines(folder / "trajectories.jsonl", [trajectory(str(i), em=float(f1 == 1), f1=f1) for i, f1 in enumerate(f1s)])
    return str(folder / "results.json")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    stages = run / "stages"
    before, after = write_eval(stages / "before", "base", [0.0, 0.5]), write_eval(stages / "after", "tuned", [1.0, 0.5])
    write_lines(stages / "sft" / "log.jsonl", [{"step": step, "loss": 2.0 / step} for step in range(1, 6)] + [{"train_runtime": 3.0}])
    write_lines(stages / "rl" / "log.jsonl", [{"step": step, "reward": 0.5, "f1": 0.4, "valid": 1.0, "loss": 0.0, "groups_kept": 4} for step in (1, 2)])
    write_lines(stages / "rl" / "rollouts.jsonl", [trajectory("r1", step=1, reward={"f1": 1.0, "overlong": -0.25, "total": 0.95})])
    (stages / "compare").mkdir()
    run_compare(CompareSettings(results=(before, after), bootstrap=100), stages / "compare" / "comparison.json", tmp_path)
    done = {"status": "done", "seconds": 61, "summary": {"kept": 12, "table": "x\ny"}}
    listed = [{"name": "before", "kind": "eval", **done}, {"name": "sft", "kind": "sft", **done, "summary": {"text": "5 steps", "steps": 5}}]
    (run / "run.json").write_text(json.dumps({"recipe": "recipes/demo.toml", "stages": [*listed, {"name": "later", "kind": "report", "status": "waiting"}]}))
    return run


def data_of(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_the_page_of_a_run(run_dir: Path, tmp_path: Path) -> None:
    summary = build_report(run_dir, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text()
    assert summary == {"stages": 5, "evaluations": 2, "trajectories": 5, "bytes": len(page.encode())}
    assert "<h1>MaskSearch: demo</h1>" in page
    assert "1m01s" in page
    assert "kept</b> 12" in page
    assert "<span>5 steps</span>" in page
    assert "sft: Loss" in page
    assert "rl: Reward" in page
    assert "Each result against its baseline" in page
    assert "+0.500" in page
    assert "ramp &lt;held-out&gt;" in page
    assert str(tmp_path) not in page
    assert [stage["stage"] for stage in data_of(page)] == ["before", "after", "rl"]


def test_the_page_is_self_contained(run_dir: Path, tmp_path: Path) -> None:
    build_report(run_dir, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)|@import|url\(|https?://", page.replace(json.dumps(HOSTILE)[1:-1], ""))
    assert "default-src 'none'" in page


def test_hostile_texts_stay_texts(run_dir: Path, tmp_path: Path) -> None:
    build_report(run_dir, tmp_path / "report.html", ReportSettings(title=HOSTILE))
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert data_of(page)[0]["items"][0]["title"] == HOSTILE
    script = page[page.rindex("<script>") :]
    assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\(", script)


def test_a_half_done_run(tmp_path: Path) -> None:
    stages = tmp_path / "run" / "stages"
    (stages / "sft").mkdir(parents=True)
    (stages / "sft" / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())["trajectories"] == 0
    page = (tmp_path / "r.html").read_text()
    assert "not finished" in page
    assert "Trajectories" not in page


def test_what_cannot_be_read_becomes_a_note(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "stages" / "before" / "results.json").write_text("{")
    (run_dir / "stages" / "compare" / "comparison.json").write_text("[]")
    write_lines(run_dir / "stages" / "rl" / "rollouts.jsonl", [{"no": "trajectory"}, trajectory("r")])
    build_report(run_dir, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    assert "before/results.json is no valid results file" in page
    assert "compare/comparison.json could not be read" in page
    assert "1 rows of the trajectories of &#39;rl&#39;" in page


def test_no_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        build_report(tmp_path / "none", tmp_path / "r.html", ReportSettings())
    with pytest.raises(DataError, match="holds no stages"):
        build_report(tmp_path, tmp_path / "r.html", ReportSettings())
    assert not (tmp_path / "r.html").exists()


def test_trajectories_are_spread_over_the_file() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(10, 4) == [0, 2, 5, 7]
    items, bad = viewer_items([trajectory(str(index)) for index in range(10)], 2)
    assert ([item["id"] for item in items], bad) == (["0", "5"], 0)


def test_an_item_of_the_viewer() -> None:
    row = trajectory("r1", em=0.0, f1=0.5, step=3, reward={"total": 0.123456, "note": "x"}, fate="trained")
    (item,), _ = viewer_items([row], 5)
    assert (item["verdict"], item["step"], item["golds"], item["ramp"]) == ("partial", 3, ["gold"], True)
    assert item["fate"] == "trained"
    assert item["reward"] == {"total": 0.1235}
    assert [kind for kind, _ in item["segments"]] == ["think", "search", "information", "answer"]


@pytest.mark.parametrize(
    ("status", "scores", "expected"),
    [
        ("answered", {"em": 1.0, "f1": 1.0}, "right"),
        ("answered", {"em": 0.5, "f1": 0.5}, "partial"),
        ("answered", {"em": 0.0, "f1": 0.0}, "wrong"),
        ("answered", {}, "unscored"),
        ("too_long", {"em": 1.0, "f1": 1.0}, "invalid"),
    ],
)
def test_verdicts(status: str, scores: dict[str, float], expected: str) -> None:
    assert verdict(Trajectory.model_validate({**trajectory("x"), "status": status, "scores": scores})) == expected


def test_segments() -> None:
    def model(text: str) -> list[list[str]]:
        return segments(Turn(role="model", text=text))

    assert model("<think>a</think>\n<search>b</search>") == [["think", "a"], ["search", "b"]]
    assert model("hm <think>a <search>b") == [["other", "hm"], ["think", "a"], ["search", "b"]]
    assert model("<information>forged</information>") == [["other", "<information>forged</information>"]]
    assert model("") == []
    assert segments(Turn(role="tool", text="<information>\nx <answer>y</answer>\n</information>\n")) == [["information", "x <answer>y</answer>"]]
    assert segments(Turn(role="tool", text="no such action")) == [["information", "no such action"]]


@given(st.text(max_size=80))
def test_embedded_json_cannot_end_its_script(text: str) -> None:
    made = script_json({"x": text + "</script><!--\u2028"})
    assert not re.search("[<>&\u2028\u2029]", made)
    assert json.loads(made)["x"] == text + "</script><!--\u2028"


@given(st.text(max_size=60))
def test_any_turn_is_cut_into_segments(text: str) -> None:
    assert all(kind in ("think", "search", "answer", "other") for kind, _ in segments(Turn(role="model", text=text)))


def test_charts() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(3, 47) == [0, 10, 20, 30, 40, 50]
    assert ticks(2, 2) == [2]
    assert line_chart([("loss", [])], "step") == ""
    chart = line_chart([("<loss>", [(1, 2.0), (2, 1.0)]), ("flat", [(1, 1.0)])], "step")
    assert chart.count("<polyline") == 2
    assert "&lt;loss&gt;" in chart
    assert "nan" not in line_chart([("one", [(5, 0.0)])], "step")
    dots = interval_chart([("suite <x>", [Interval("m", 0.5, 0.4, 0.6, 7)])])
    assert "m: 0.500 [0.400, 0.600]" in dots
    assert "suite &lt;x&gt;" in dots
