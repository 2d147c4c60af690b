"""The page of finished, unfinished, broken and hostile runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import masksearch.report
from masksearch.errors import DataError
from masksearch.evaluation.compare.stage import run_compare
from masksearch.evaluation.failures import FAILURES
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.settings import CompareSettings
from masksearch.report import build_report
from masksearch.report.build import HEAD_SCRIPTS, SCRIPTS
from masksearch.report.charts.intervals import Interval, interval_chart
from masksearch.report.charts.lines import line_chart
from masksearch.report.explorer import fair_shares, make_explorer, spread
from masksearch.report.failure_table import failure_table
from masksearch.report.load import load_other_runs, load_run
from masksearch.report.payload import blocks, packed, unpacked
from masksearch.report.scores import background_tables
from masksearch.report.settings import ReportSettings
from masksearch.report.viewer import detail, segments, verdict
from masksearch.text.display import visible_controls
from masksearch.types import Results, Turn

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }}"


def trajectory(
    key: str, em: float = 1.0, f1: float = 1.0, status: str = "answered", **more: Any
) -> dict[str, Any]:
    turns = [
        {"role": "model", "text": f"<think>about {key}</think>\n<search>query</search>"},
        {"role": "tool", "text": f"<information>\nfound {HOSTILE}\n</information>"},
        {"role": "model", "text": "<answer>1. gold</answer>"},
    ]
    task = {"kind": "ramp", "id": key, "title": HOSTILE, "text": "a [mask]", "masks": 1, "answers": ["gold"]}
    scores = {"recall": f1, "precision": f1, "f1": f1, "em": em}
    return {
        "format": "masksearch-trajectory/1",
        "id": key,
        "task": task,
        "turns": turns,
        "answer": "1. gold",
        "status": status,
        "scores": scores,
    } | more


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_eval(folder: Path, model: str, f1s: list[float]) -> str:
    folder.mkdir(parents=True)
    rows = [
        {
            "id": str(i),
            "prediction": HOSTILE,
            "recall": f1,
            "precision": f1,
            "f1": f1,
            "em": float(f1 == 1),
            "valid": 1,
        }
        for i, f1 in enumerate(f1s)
    ]
    save(
        summarise(
            rows,
            suite="ramp <held-out>",
            method="agent",
            model=model,
            retriever="r",
            settings={},
            bootstrap=100,
            seed=1,
        ),
        folder / "results.json",
    )
    write_lines(
        folder / "trajectories.jsonl",
        [trajectory(str(i), em=float(f1 == 1), f1=f1) for i, f1 in enumerate(f1s)],
    )
    return str(folder / "results.json")


PARTS = {
    "valid": 1.0,
    "reward_answer": 0.4,
    "reward_format": 0.2,
    "em": 0.4,
    "no_search": 0.1,
    "overlong": -0.1,
    "left_out": 1,
}
"""Components of the rewards, as in a log of RL."""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    stages = run / "stages"
    before, after = (
        write_eval(stages / "before", "base", [0.0, 0.5]),
        write_eval(stages / "after", "tuned", [1.0, 0.5]),
    )
    write_lines(
        stages / "sft" / "log.jsonl",
        [{"step": step, "loss": 2.0 / step} for step in range(1, 6)] + [{"train_runtime": 3.0}],
    )
    write_lines(
        stages / "rl" / "log.jsonl",
        [{"step": step, "reward": 0.5, "f1": 0.4, "loss": 0.0, "groups_kept": 4, **PARTS} for step in (1, 2)],
    )
    write_lines(
        stages / "rl" / "rollouts.jsonl",
        [trajectory("r1", step=1, reward={"f1": 1.0, "overlong": -0.25, "total": 0.95})],
    )
    (stages / "compare").mkdir()
    run_compare(
        CompareSettings(results=(before, after), bootstrap=100),
        stages / "compare" / "comparison.json",
        tmp_path,
    )
    done = {"status": "done", "seconds": 61, "summary": {"kept": 12, "table": "x\ny"}}
    listed = [
        {"name": "before", "kind": "eval", **done},
        {"name": "sft", "kind": "sft", **done, "summary": {"text": "5 steps", "steps": 5}},
    ]
    (run / "run.json").write_text(
        json.dumps(
            {
                "recipe": "recipes/demo.toml",
                "stages": [*listed, {"name": "later", "kind": "report", "status": "waiting"}],
            }
        )
    )
    return run


def script_of(page: str, name: str) -> Any:
    """Returns the value of a packed script element."""
    found = re.search(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    assert found
    return unpacked(found[1])


def records_of(page: str) -> list[dict[str, Any]]:
    """Returns the explorer's records with tasks, stages and details, combined as the page's script does."""
    index = script_of(page, "index")
    details = [
        detail for number in range(len(index["blocks"])) for detail in script_of(page, f"block-{number}")
    ]
    rows = [dict(zip(index["fields"], values, strict=True)) for values in zip(*index["records"], strict=True)]
    assert len(rows) == len(details)
    return [
        {
            **row,
            "stage": index["stages"][row["stage"]]["title"],
            "task": index["tasks"][row["task"]],
            **detail,
        }
        for row, detail in zip(rows, details, strict=True)
    ]


def test_the_page_of_a_run(run_dir: Path, tmp_path: Path) -> None:
    summary = build_report(run_dir, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text()
    assert summary == {"stages": 5, "evaluations": 2, "trajectories": 5, "bytes": len(page.encode())}
    assert "<h1>MaskSearch: demo</h1>" in page
    assert "1m01s" in page
    assert "kept</b> <bdi>12</bdi>" in page
    assert "<span><bdi>5 steps</bdi></span>" in page
    assert "sft: Loss" in page
    assert "rl: Reward" in page
    for title in (
        "Reward by component",
        "Answers: reward, exact match",
        "No answer, no search",
        "Length penalty",
        "Rollouts left out",
    ):
        assert f"rl: {title}" in page
    assert "Each result against its baseline" in page
    assert "+50.0" in page
    assert "ramp &lt;held-out&gt;" in page
    assert str(tmp_path) not in page
    assert [record["stage"] for record in records_of(page)] == ["before", "before", "after", "after", "rl"]


def test_the_page_is_self_contained(run_dir: Path, tmp_path: Path) -> None:
    build_report(run_dir, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text()
    assert not re.search(
        r"(src|href)\s*=\s*[\"'](?!#)|@import|url\(|https?://", page.replace(json.dumps(HOSTILE)[1:-1], "")
    )
    assert "default-src 'none'" in page


def test_hostile_texts_stay_texts(run_dir: Path, tmp_path: Path) -> None:
    build_report(run_dir, tmp_path / "report.html", ReportSettings(title=HOSTILE))
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script") == page.count("</script>") == 4
    assert "<img" not in page
    assert records_of(page)[0]["task"][1] == HOSTILE
    assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\(|new Function", page)


def test_only_the_pages_own_scripts_may_run(run_dir: Path, tmp_path: Path) -> None:
    build_report(run_dir, tmp_path / "report.html", ReportSettings())
    page = (tmp_path / "report.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(hashes) == 2
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert f"script-src {allowed};" in page
    assert not re.search(r"\son[a-z]+=", page.replace(json.dumps(HOSTILE)[1:-1], ""))


def test_every_part_of_the_script_is_on_the_page() -> None:
    folder = Path(masksearch.report.__file__).parent / "page"
    assert {path.name for path in folder.glob("*.js")} == {*SCRIPTS, *HEAD_SCRIPTS}


def test_a_half_done_run(tmp_path: Path) -> None:
    stages = tmp_path / "run" / "stages"
    (stages / "sft").mkdir(parents=True)
    (stages / "sft" / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())["trajectories"] == 0
    page = (tmp_path / "r.html").read_text()
    assert "not finished" in page
    assert 'id="trajectories"' not in page
    assert "<script>" in page


def test_what_cannot_be_read_becomes_a_note(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "stages" / "before" / "results.json").write_text("{")
    (run_dir / "stages" / "compare" / "comparison.json").write_text("[]")
    write_lines(run_dir / "stages" / "rl" / "rollouts.jsonl", [{"no": "trajectory"}, trajectory("r")])
    build_report(run_dir, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    assert "before/results.json is not valid JSON" in page
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


def test_the_page_is_shared_among_the_stages() -> None:
    assert fair_shares([10, 10, 3], 100) == [10, 10, 3]
    assert fair_shares([10, 10, 3], 15) == [6, 6, 3]
    assert fair_shares([10, 10], 5) == [2, 2], "evaluations of the same questions keep the same ones"
    assert fair_shares([4, 4, 4], 2) == [1, 1, 0]
    assert fair_shares([], 5) == []


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 200))
def test_shares_fit(sizes: list[int], total: int) -> None:
    shares = fair_shares(sizes, total)
    assert sum(shares) <= total
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


def test_what_is_left_out_is_said(run_dir: Path, tmp_path: Path) -> None:
    assert build_report(run_dir, tmp_path / "r.html", ReportSettings(trajectories=3))["trajectories"] == 3
    assert (
        "The page holds 3 of 5 trajectories, taken evenly from each stage"
        in (tmp_path / "r.html").read_text()
    )
    assert (
        build_report(run_dir, tmp_path / "r.html", ReportSettings(trajectories_per_stage=1))["trajectories"]
        == 3
    )
    build_report(run_dir, tmp_path / "r.html", ReportSettings())
    assert "taken evenly" not in (tmp_path / "r.html").read_text()


def test_a_rollout_in_the_explorer(run_dir: Path, tmp_path: Path) -> None:
    row = trajectory("r1", em=0.0, f1=0.5, step=3, reward={"total": 0.123456, "note": "x"}, fate="trained")
    write_lines(run_dir / "stages" / "rl" / "rollouts.jsonl", [row, row])
    build_report(run_dir, tmp_path / "r.html", ReportSettings())
    first, second = records_of((tmp_path / "r.html").read_text())[-2:]
    assert (first["verdict"], first["step"], first["fate"], first["failure"]) == (
        "partial",
        3,
        "trained",
        None,
    )
    assert (first["occurrence"], second["occurrence"]) == (1, 2)
    assert first["reward"] == {"total": 0.1235}
    assert first["task"] == ["r1", HOSTILE, "a [mask]", ["gold"], 1, "", ""]
    assert [kind for kind, _ in first["segments"]] == ["think", "search", "information", "answer"]


def evaluated(
    folder: Path, rows: list[dict[str, Any]], trajectories: list[dict[str, Any]], **more: Any
) -> None:
    """Writes an evaluation. The metrics are the means of the rows, unless `more` has them; then each row has
    their values."""
    given = more.pop("metrics", {})
    full = [
        {
            "prediction": "p",
            "recall": 0.0,
            "precision": 0.0,
            "f1": 0.0,
            "em": 0.0,
            "valid": 1,
            "status": "answered",
            **row,
            **{name: value for name, value in given.items() if not name.endswith("_share")},
        }
        for row in rows
    ]
    means = {name: sum(row[name] for row in full) / len(full) for name in ("recall", "f1", "em")}
    values = {
        "suite": "s",
        "method": "agent",
        "model": "m",
        "retriever": "r",
        "n": len(rows),
        "intervals": {},
        "metrics": means | given,
    }
    folder.mkdir(parents=True)
    save(Results.model_validate({**values, "per_question": full, **more}), folder / "results.json")
    write_lines(folder / "trajectories.jsonl", trajectories)


def test_rows_of_an_evaluation_and_their_trajectories(tmp_path: Path) -> None:
    rows = [
        {
            "id": "a",
            "failure": "",
            "f1": 0.6,
            "answer_kind": "open",
            "searches": 2,
            "judge_strict": 1,
            "type": "bridge",
            "seconds": 1.5,
        }
        | {"guessable": 0, "corrections": 1},
        {
            "id": "b",
            "failure": "not_used",
            "f1": 0.4,
            "answers": ["gold of b"],
            "judge_error": "strict: none",
        },
        {"id": "c", "failure": "ran_out", "status": "too_many_searches", "judge_strict": 0},
    ]
    evaluated(
        tmp_path / "run" / "stages" / "e",
        rows,
        [trajectory("c", status="too_many_searches"), trajectory("a", em=0.0, f1=0.6)],
    )
    build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())
    a, b, c = records_of((tmp_path / "r.html").read_text())
    assert [record["verdict"] for record in (a, b, c)] == ["right", "unscored", "invalid"]
    assert (a["searches"], a["seconds"], a["task"][5:]) == (2, 1.5, ["bridge", "open"])
    assert a["scores"]["judge_strict"] == 1
    assert a["cost"] == {"searches": 2, "corrections": 1, "seconds": 1.5}
    assert not {"guessable", "corrections"} & a["scores"].keys()
    assert (b["segments"], b["answer"], b["judge_error"], b["task"][:4]) == (
        [],
        "p",
        "strict: none",
        ["b", "", "", ["gold of b"]],
    )
    assert (c["status"], c["failure"], len(c["segments"])) == ("too many searches", "ran_out", 4)


def test_the_same_question_is_one_task(run_dir: Path) -> None:
    explorer = make_explorer(load_run(run_dir).stages, 100, 100)
    index = unpacked(explorer.index)
    column = dict(zip(index["fields"], index["records"], strict=True))["task"]
    assert column == [0, 1, 0, 1, 2]
    assert len(index["tasks"]) == 3
    assert index["stages"][index["opens_with"]]["title"] == "after"


def test_the_block_that_is_needed_first_stands_first(tmp_path: Path) -> None:
    for name, count in (("a", 60), ("b", 40), ("c", 1)):
        rows = [{"id": str(number), "failure": ""} for number in range(count)]
        turns = [
            {
                "role": "model",
                "text": "".join(chr(0x4E00 + (number * 7919 + place) % 20000) for place in range(8000)),
            }
            for number in range(count)
        ]
        evaluated(
            tmp_path / "run" / "stages" / name,
            rows,
            [trajectory(str(number), turns=[turn]) for number, turn in enumerate(turns)],
        )
    (tmp_path / "run" / "stages" / "c" / "results.json").unlink()
    explorer = make_explorer(load_run(tmp_path / "run").stages, 1000, 1000)
    counts = unpacked(explorer.index)["blocks"]
    assert sum(counts[: explorer.first]) <= 60 < sum(counts[: explorer.first + 1])
    build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    assert [int(number) for number in re.findall(r'id="block-(\d+)"', page)] == [
        explorer.first,
        *(n for n in range(len(counts)) if n != explorer.first),
    ]
    assert len(records_of(page)) == 101


def test_failures_are_counted_and_linked(tmp_path: Path) -> None:
    stages = tmp_path / "run" / "stages"
    evaluated(
        stages / "a & b",
        [
            {"id": "1", "failure": "", "f1": 1.0},
            {"id": "2", "failure": "not_used"},
            {"id": "3", "failure": "not_used"},
        ],
        [],
    )
    evaluated(stages / "old", [{"id": "1"}], [])
    evaluated(stages / "own", [{"id": "1"}], [], failures={"right": 0, "new_kind": 1})
    table = failure_table(load_run(tmp_path / "run").stages)
    assert [kind["name"] for kind in table["kinds"]] == ["right", "not used", "new kind"]
    assert [kind["mark"] for kind in table["kinds"]] == ["right", "kind-9", "kind-other"]
    assert [row["title"] for row in table["rows"]] == ["a & b", "own"]
    assert [cell["count"] for cell in table["rows"][0]["cells"]] == [1, 2, 0]
    assert table["rows"][0]["cells"][1] == {
        "count": 2,
        "share": 2 / 3,
        "link": "#stage=a%20%26%20b&failure=not_used",
    }
    assert table["rows"][0]["cells"][0]["link"].endswith("&verdict=right")
    build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    assert "#stage=a%20%26%20b&amp;failure=not_used" in page
    assert FAILURES["not_used"] in page


def test_what_stands_behind_the_scores(tmp_path: Path) -> None:
    metrics = {
        "recall": 0.1,
        "f1": 0.2,
        "em": 0.3,
        "judge_strict": 0.44,
        "evidence_recall": 0.55,
        "yes_no_share": 0.66,
        "seconds": 38.0,
    }
    settings = {"search": {"noise": {"drop": 0.2}}, "hide_gold": True}
    provenance = {"prompt_hash": "abc123", "versions": {"torch": "2.9"}}
    evaluated(
        tmp_path / "run" / "stages" / "e",
        [{"id": "1"}],
        [],
        metrics=metrics,
        settings=settings,
        provenance=provenance,
    )
    build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    for wanted in (
        "Judge, strict",
        "44.0",
        "Evidence found",
        "55.0",
        "Answers yes/no",
        "66.0",
        "Seconds, batched",
        "a question alone takes less",
        "agent, gold removed, drop 20%",
        "abc123",
        "versions: torch",
    ):
        assert wanted in page, wanted


def test_results_of_earlier_versions_have_a_dash_for_their_grounding(tmp_path: Path) -> None:
    scores = {"recall": 0.1, "f1": 0.2, "em": 0.3}
    for name, more in (("new", {"grounded": 0.75, "false_quotes": 0.125}), ("old", {})):
        folder = tmp_path / "run" / "stages" / name
        evaluated(folder, [{"id": "1", **more}], [], metrics={**scores, **more})
    [searches] = [
        table for table in background_tables(load_run(tmp_path / "run")) if "Searches" in table["caption"]
    ]
    assert searches["headers"][-2:] == ["Grounded", "False quotes"]
    assert {row[1]: row[-2:] for row in searches["rows"]} == {"new": ["75.0", "12.5"], "old": ["-", "-"]}


def test_the_explorer_shows_the_grounding_of_an_answer() -> None:
    found = detail(None, {"grounded": 1, "quotes": 2, "false_quotes": 0.5, "prediction": "x"}, {})
    assert found["scores"] == {"grounded": 1, "false_quotes": 0.5}
    assert found["cost"] == {"quotes": 2}


def test_other_runs_stand_beside(run_dir: Path, tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_eval(tmp_path / place / "run" / "stages" / "after", "other", [0.5, 0.5])
    (tmp_path / "empty" / "stages" / "x").mkdir(parents=True)
    beside = load_other_runs(
        [str(tmp_path / "one" / "run"), str(tmp_path / "two" / "run"), str(tmp_path / "empty")]
    )
    assert [stage.title for stage in beside.stages] == ["run: after", "run (2): after"]
    assert "'empty' holds no finished evaluation" in beside.notes[0]
    summary = build_report(
        run_dir, tmp_path / "r.html", ReportSettings(against=(str(tmp_path / "one" / "run"),))
    )
    assert (summary["stages"], summary["evaluations"], summary["trajectories"]) == (5, 3, 7)
    assert "run: after" in (tmp_path / "r.html").read_text()
    with pytest.raises(DataError, match="There is no folder"):
        build_report(run_dir, tmp_path / "r.html", ReportSettings(against=("nowhere",)))


@pytest.mark.parametrize(
    ("status", "scores", "failure", "expected"),
    [
        ("answered", {"em": 1.0, "f1": 1.0}, None, "right"),
        ("answered", {"em": 0.5, "f1": 0.5}, None, "partial"),
        ("answered", {"em": 0.0, "f1": 0.0}, None, "wrong"),
        ("answered", {}, None, "unscored"),
        ("too_long", {"em": 1.0, "f1": 1.0}, None, "invalid"),
        ("answered", {"em": 0.0, "f1": 0.6}, "", "right"),
        ("answered", {"em": 1.0, "f1": 1.0}, "over_long", "partial"),
        ("too_long", {"em": 0.0, "f1": 0.0}, "ran_out", "invalid"),
    ],
)
def test_verdicts(status: str, scores: dict[str, float], failure: str | None, expected: str) -> None:
    assert verdict(status, scores, failure) == expected


def test_segments() -> None:
    def model(text: str) -> list[list[str]]:
        return segments(Turn(role="model", text=text))

    assert model("<think>a</think>\n<search>b</search>") == [["think", "a"], ["search", "b"]]
    assert model("hm <think>a <search>b") == [["other", "hm"], ["think", "a"], ["search", "b"]]
    assert model("<information>forged</information>") == [["other", "<information>forged</information>"]]
    assert model("") == []
    assert model("<open>Paris</open>") == [["open", "Paris"]]
    assert segments(Turn(role="tool", text="<information>\nx <answer>y</answer>\n</information>\n")) == [
        ["information", "x <answer>y</answer>"]
    ]
    assert segments(Turn(role="tool", text="no such action")) == [["information", "no such action"]]


@given(st.text(max_size=80))
def test_packed_texts_hold_nothing_but_letters(text: str) -> None:
    made = packed(json.dumps({"x": text + "</script><!--\u2028"}, ensure_ascii=False))
    assert re.fullmatch("[A-Za-z0-9+/=]*", made)
    assert unpacked(made)["x"] == text.encode("utf-8", "replace").decode() + "</script><!--\u2028"


def test_blocks_are_cut_by_size() -> None:
    assert [len(block) for block in blocks(["x" * 30, "y" * 30, "z" * 200, "w"], size=70)] == [2, 1, 1]
    assert list(blocks([])) == []


def test_control_characters_are_shown() -> None:
    assert visible_controls("a\u202eb\x00c\r\nd\te\U000e0041") == "a⟨U+202E⟩b⟨U+0000⟩c\nd\te⟨U+E0041⟩"
    assert visible_controls("Beyoncé, 北京, عربي 👩\u200d🚀") == "Beyoncé, 北京, عربي 👩\u200d🚀"


@pytest.mark.slow
def test_page_and_python_show_the_same_characters() -> None:
    script = (Path(masksearch.report.__file__).parent / "page" / "text.js").read_text()
    found = re.search(r"CONTROLS = /\[(.*?)\]\|\[(.*?)\]/gu", script)
    assert found
    pattern = "[" + found[1] + re.sub(r"\\u\{(\w+)\}", lambda match: f"\\U{match[1]:0>8}", found[2]) + "]"
    shown = {code for code in range(0x110000) if re.match(pattern, chr(code))}
    assert shown == {code for code in range(0x110000) if visible_controls(chr(code)) != chr(code)}


def test_names_that_turn_around_are_shown_as_signs(tmp_path: Path) -> None:
    evaluated(tmp_path / "run" / "stages" / "e", [{"id": "1"}], [], suite="evil \u202e suite")
    build_report(tmp_path / "run", tmp_path / "r.html", ReportSettings(title="t\u2066"))
    page = (tmp_path / "r.html").read_text()
    assert "\u202e" not in page
    assert "\u2066" not in page
    assert "evil ⟨U+202E⟩ suite" in page


def luminance(colour: str) -> float:
    """Returns the relative luminance of a colour #rrggbb by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(front: str, back: str, share: float) -> str:
    """Returns the colour with this share of `front` and the rest of `back`."""
    places = (1, 3, 5)
    parts = [
        share * int(front[place : place + 2], 16) + (1 - share) * int(back[place : place + 2], 16)
        for place in places
    ]
    return "#" + "".join(f"{round(part):02x}" for part in parts)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_contrast(side: int) -> None:
    style = (Path(masksearch.report.__file__).parent / "page" / "page.css").read_text()
    colours = {
        match[1]: (match[2], match[3])[side]
        for match in re.finditer(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)
    }
    kinds = ("think", "search", "information", "answer", "other")
    pairs = [(kind, f"{kind}-bg", 4.5) for kind in kinds] + [("ink", f"{kind}-bg", 7.0) for kind in kinds]
    pairs += [
        (front, back, 4.5)
        for front in ("ink", "quiet", "accent")
        for back in ("card", "page", "hover", "chosen")
    ]
    pairs += [
        (front, back, 4.5)
        for front in ("right", "partial", "wrong", "invalid")
        for back in ("card", "chosen", "hover")
    ]
    pairs += [
        ("ink", "mark", 4.5),
        ("ink", "sought", 4.5),
        ("field", "card", 3.0),
        *((f"s{number}", "card", 3.0) for number in range(6)),
    ]
    pairs += [("wrong", "other-bg", 3.0), ("answer", "answer-bg", 3.0)]  # lines below marked texts
    for tone in ("right", "invalid", *(f"s{number}" for number in range(6))):
        # Under the texts of the bars: the tone's tint, and its stripes and dots over it.
        for share in (0.24, 0.24 + 0.76 * 0.26, 0.24 + 0.76 * 0.28):
            colours[f"{tone} {share}"] = mixed(colours[tone], colours["card"], share)
            pairs.append(("ink", f"{tone} {share}", 4.5))
    for front, back, least in pairs:
        low, high = sorted((luminance(colours[front]), luminance(colours[back])))
        assert (high + 0.05) / (low + 0.05) >= least, (front, back)


@given(st.text(max_size=60))
def test_any_turn_is_cut_into_segments(text: str) -> None:
    assert all(
        kind in ("think", "search", "open", "answer", "other")
        for kind, _ in segments(Turn(role="model", text=text))
    )


def test_charts() -> None:
    assert line_chart([("loss", [])], "step") == ""
    chart = line_chart([("<loss>", [(1, 2.0), (2, 1.0)]), ("flat", [(1, 1.0)])], "step")
    assert chart.count("<polyline") == 2
    assert "&lt;loss&gt;" in chart
    assert "nan" not in line_chart([("one", [(5, 0.0)])], "step")
    dots = interval_chart([("suite <x>", [Interval("m", 0.5, 0.4, 0.6, 7)])])
    assert "50.0 [40.0, 60.0]" in dots
    assert "suite &lt;x&gt;" in dots
