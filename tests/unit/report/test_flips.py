"""Flip matrices: counts by the one rule of right, their links, and the pairs that the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.finished_run import FinishedRun, questions

from masksearch.evaluation.results import save, summarise
from masksearch.report import build_report
from masksearch.report.explorer import make_explorer
from masksearch.report.flips import Flips, flip_matrices
from masksearch.report.load import Run, load_other_runs, load_run
from masksearch.report.payload import unpacked
from masksearch.report.settings import ReportSettings


def two_models(folder: Path, before: Any, after: Any) -> FinishedRun:
    run = FinishedRun(folder)
    run.stage("sft", "sft")
    run.evaluate("before", "Q", questions(10), before)
    run.evaluate("after", "Q", questions(10), after, maker="sft", model="smollm2-135m+sft")
    return run


def counts(one: Flips) -> tuple[int, int, int, int]:
    return one.gained.count, one.lost.count, one.both.count, one.neither.count


def test_the_four_outcomes(tmp_path: Path) -> None:
    run = two_models(tmp_path / "run", range(3), range(2, 8))
    ((found,), others) = flip_matrices(load_run(run.folder, trajectories=False))
    # Right before: 0, 1, 2. Right after: 2 to 7.
    assert counts(found) == (5, 2, 1, 2)
    assert (found.suite, found.before, found.after, found.n) == ("Q", "before", "after", 10)
    assert found.gained.share == 0.5
    assert found.gained.words == "wrong before and right after"
    assert found.gained.link == "#stage=after&beside=before&pair=here"
    assert [one.link.rpartition("=")[2] for one in (found.lost, found.both, found.neither)] == [
        "there",
        "both",
        "neither",
    ]
    assert found.note == ""
    assert others == []


def test_other_pairs_are_those_of_the_comparisons_and_of_the_last_model(tmp_path: Path) -> None:
    run = two_models(tmp_path / "run", range(3), range(5))
    run.evaluate("rag", "Q", questions(6), range(2), method="rag")
    run.compare("before", "rag", allow_different_questions=True)
    main, others = flip_matrices(load_run(run.folder, trajectories=False))
    assert [(one.before, one.after) for one in main] == [("before", "after")]
    assert [(one.before, one.after, one.n) for one in others] == [("rag", "after", 6), ("before", "rag", 6)]


def test_other_runs_and_names_with_signs(tmp_path: Path) -> None:
    run = two_models(tmp_path / "run", range(3), range(5))
    two_models(tmp_path / "a & b", range(3), range(9))
    loaded, others = load_run(run.folder), load_other_runs([tmp_path / "a & b"])
    _, found = flip_matrices(Run("", [*loaded.stages, *others.stages]))
    assert [one.before for one in found] == ["a & b: before", "a & b: after"]
    assert found[1].gained.link == "#stage=after&beside=a%20%26%20b%3A%20after&pair=here"


def judged(folder: Path, name: str, f1s: list[float], verdicts: list[int | None] | None) -> None:
    rows = []
    for number, f1 in enumerate(f1s):
        verdict = verdicts[number] if verdicts else None
        row = {"id": str(number), "prediction": "p", "recall": f1, "precision": f1, "f1": f1, "em": 0.0}
        row |= {"valid": 1, "status": "answered"}
        if verdicts:
            row |= {"judge_error": "strict: none"} if verdict is None else {"judge_strict": verdict}
        rows.append(row)
    model = "m" if name == "before" else "m+sft"
    made = {"suite": "Q", "method": "agent", "model": model, "retriever": "r", "settings": {}}
    (folder / "stages" / name).mkdir(parents=True)
    save(summarise(rows, bootstrap=10, seed=1, **made), folder / "stages" / name / "results.json")
    (folder / "stages" / name / "done.json").write_text('{"kind": "eval"}')


def test_a_judged_and_an_unjudged_file_are_counted_by_f1_without_links(tmp_path: Path) -> None:
    judged(tmp_path / "run", "before", [0.6, 0.2, 0.5], None)
    judged(tmp_path / "run", "after", [0.9, 0.9, 0.9], [0, 0, 1])
    ((found,), _) = flip_matrices(load_run(tmp_path / "run"))
    assert counts(found) == (2, 0, 1, 0), "half of the words are not enough"
    assert found.gained.link == ""
    assert found.note.startswith("Only one of the two was judged, so both are counted by F1 above 50%")


def test_answers_without_a_verdict_are_left_out(tmp_path: Path) -> None:
    judged(tmp_path / "run", "before", [0.0, 0.0, 1.0], [0, None, 1])
    judged(tmp_path / "run", "after", [0.0, 0.0, 0.0], [1, 1, None])
    ((found,), _) = flip_matrices(load_run(tmp_path / "run"))
    assert counts(found) == (1, 0, 0, 0)
    assert found.note == "2 without a readable verdict in both are left out."
    index = unpacked(make_explorer(load_run(tmp_path / "run").stages, 10, 10).index)
    column = dict(zip(index["fields"], index["records"], strict=True))
    # The explorer leaves them out too: after has right, right, unscored; before has wrong, unscored, right.
    assert column["verdict"] == ["right", "right", "unscored", "wrong", "unscored", "right"]
    assert column["failure"] == [None, None, "unjudged", None, "unjudged", None]


def test_the_explorer_counts_rows_without_a_kind_of_failure_by_the_same_rule(tmp_path: Path) -> None:
    judged(tmp_path / "run", "before", [0.6, 0.5, 0.0], None)
    index = unpacked(make_explorer(load_run(tmp_path / "run").stages, 10, 10).index)
    column = dict(zip(index["fields"], index["records"], strict=True))
    assert column["verdict"] == ["right", "partial", "wrong"]


def test_no_pair_no_section(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.evaluate("before", "Q", questions(3), {0})
    assert flip_matrices(load_run(run.folder)) == ([], [])
    build_report(run.folder, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    assert 'id="flips"' not in page
    assert 'href="#flips"' not in page


def test_the_page_links_the_counts_and_draws_the_outcomes(tmp_path: Path) -> None:
    evil = "<i>e</i>"
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    run.evaluate("before", evil, questions(10), range(3), wrong="invalid")
    run.evaluate("after", evil, questions(10), range(2, 8), maker="sft", model="smollm2-135m+sft")
    build_report(run.folder, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    link = "#stage=after&amp;beside=before&amp;pair=here"
    assert f'<a href="{link}" aria-label="5 wrong before and right after">5</a>' in page
    assert "<i>e</i>" not in page
    bar = '<a class="kind-3" style="flex-grow: 7" href="#stage=before&amp;failure=bad_format"'
    assert bar in page
    assert 'aria-label="bad format: 7 of 10 (70%)"' in page
    assert '<a class="right" style="flex-grow: 3" href="#stage=before&amp;verdict=right"' in page
    assert page.index('class="outcome-bars"') < page.index('class="failures"')
