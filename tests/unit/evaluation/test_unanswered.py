"""Stage eval on questions without gold answers: trajectories and costs, no scores."""

import json

import pytest

from masksearch.errors import FormatError, UsageError
from masksearch.evaluation import run
from masksearch.evaluation.compare.stage import run_compare
from masksearch.evaluation.results import load_results
from masksearch.evaluation.run import run_eval
from masksearch.evaluation.settings import CompareSettings, EvalSettings
from masksearch.evaluation.tasks import load_tasks
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.report.load import load_run
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.runtime.records import read_tasks
from masksearch.search import Bm25Searcher
from masksearch.types import Passage, Trajectory

SEARCHER = Bm25Searcher.in_memory([Passage(id="p", doc_id="d", title="Lyon", text="Lyon is on the Rhône.")])
TURNS = ["<think>I look.</think>\n<search>Lyon river</search>", "<think>So.</think>\n<answer>Rhône</answer>"]
ASKED = {"id": "q0", "question": "Which river is Lyon on?"}
ANSWERED = {"id": "q1", "question": "Which town is on the Rhône?", "answers": ["Lyon"]}


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(run, "load_searcher", lambda settings, tasks: SEARCHER)
    monkeypatch.setattr(run, "load_policy", lambda settings: ScriptedPolicy(lambda messages: list(TURNS)))
    monkeypatch.setattr(run, "with_number_format", lambda settings, work: (settings, {}))
    monkeypatch.setattr("masksearch.evaluation.provenance.model_hash", lambda model: "")


def evaluated(tmp_path, rows, **given):
    questions = tmp_path / "mine.jsonl"
    write_json_lines(questions, rows)
    values = {"questions": str(questions), "model": "m", "index": "i", "bootstrap": 100, **given}
    work = tmp_path / "stages" / "eval"
    work.mkdir(parents=True)
    return run_eval(EvalSettings.model_validate(values), work / "results.json", work), work


def test_it_writes_trajectories_and_costs_and_reports_that_there_are_no_scores(scripted, tmp_path):
    summary, work = evaluated(tmp_path, [ASKED, {**ASKED, "id": "q2"}])
    assert summary["text"].startswith("mine, agent: no scores, because the questions have no answers; 100.0%")
    assert "1.0 searches" in summary["text"]
    results = load_results(work / "results.json")
    assert (results.scored, results.n, results.failures) == (False, 2, {})
    assert results.metrics["searches"] == 1
    assert results.metrics["answered"] == results.metrics["valid"] == results.metrics["grounded"] == 1
    gold = {"f1", "em", "recall", "precision", "cover_em", "free_recall", "guessable_share", "f1_open"}
    assert not gold & (set(results.metrics) | set(results.intervals) | set(summary["metrics"]))
    for row in results.per_question:
        assert not (gold | {"answers", "failure", "answer_kind"}) & set(row)
        assert row["prediction"] == "Rhône"
    first = Trajectory.model_validate(next(iter(read_appended(work / "trajectories.jsonl"))))
    assert (first.scores, first.answer, first.task["answers"]) == ({}, "Rhône", [])


@pytest.mark.parametrize("empty", [[], None])
def test_an_empty_list_of_answers_is_none(scripted, tmp_path, empty):
    summary, _ = evaluated(tmp_path, [{**ASKED, "answers": empty}])
    assert "no scores" in summary["text"]


def test_questions_with_answers_keep_their_file_as_it_was(scripted, tmp_path):
    summary, work = evaluated(tmp_path, [ANSWERED])
    assert summary["text"].startswith("mine, agent: F1 ")
    assert "scored" not in json.loads((work / "results.json").read_text(encoding="utf-8"))
    assert load_results(work / "results.json").scored


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ASKED, ANSWERED], "line 2 has answers, but the questions before it have none"),
        ([ANSWERED, ASKED], "line 2 has no answers, but the questions before it have"),
        (
            [ANSWERED, {**ASKED, "answers": []}],
            "line 2 has no answers, but the questions before it have",
        ),
    ],
)
def test_a_file_of_both_sorts_is_refused_with_its_line(tmp_path, rows, words):
    path = tmp_path / "both.jsonl"
    write_json_lines(path, rows)
    with pytest.raises(FormatError, match=words):
        load_tasks(str(path), unanswered=True)
    with pytest.raises(FormatError, match=words):
        read_tasks(path, unanswered=True)


@pytest.mark.parametrize("name", ["answer", "Answer", "Answers"])
def test_another_name_of_the_answers_is_read(tmp_path, name):
    path = tmp_path / "other.jsonl"
    write_json_lines(path, [{**ASKED, name: "Rhône"}])
    assert load_tasks(str(path), unanswered=True)[1][0].answers == ("Rhône",)


@pytest.mark.parametrize("name", ["gold", "golds", "answer_text"])
def test_a_misspelt_field_of_answers_is_not_ignored(tmp_path, name):
    path = tmp_path / "typo.jsonl"
    write_json_lines(path, [{**ASKED, name: "Rhône"}])
    with pytest.raises(FormatError, match="is not a question file of a suite or in our format"):
        load_tasks(str(path), unanswered=True)


def test_readers_of_scored_questions_still_refuse_them(tmp_path):
    path = tmp_path / "q.jsonl"
    write_json_lines(path, [ASKED])
    with pytest.raises(FormatError, match="line 1 lacks the field 'answers'"):
        read_tasks(path)
    with pytest.raises(FormatError, match="is not a question file"):
        load_tasks(str(path))
    write_json_lines(path, [{**ASKED, "answers": []}])
    wanted = "line 1 has a bad field 'answers': Tuple should have at least 1 item after validation, not 0"
    for read in (read_tasks, lambda path: load_tasks(str(path))):
        with pytest.raises(FormatError, match=wanted):
            read(path)


def test_a_judge_has_nothing_to_compare_with(scripted, tmp_path):
    with pytest.raises(UsageError, match=r"no answers that a judge could compare with; leave judge\.url out"):
        evaluated(tmp_path, [ASKED], judge={"url": "http://127.0.0.1:9/v1", "model": "j"})


def test_compare_refuses_results_without_scores(scripted, tmp_path):
    _, work = evaluated(tmp_path, [ASKED])
    source = str(work / "results.json")
    with pytest.raises(UsageError, match=f"{source} has no scores, because its questions have no answers"):
        run_compare(CompareSettings(results=(source,)), tmp_path / "comparison.json", tmp_path)


def test_the_report_leaves_them_out_with_a_note(scripted, tmp_path):
    _, work = evaluated(tmp_path, [ASKED])
    loaded = load_run(work.parent.parent)
    assert all(stage.results is None for stage in loaded.stages)
    assert any("has no scores" in note for note in loaded.notes)
