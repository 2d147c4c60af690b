"""The columns `grounded` and `false_quotes`: in rows, in metrics, in tables; a dash where there are none."""

from __future__ import annotations

from typing import Any

import pytest
from kit.grounding import answered, masked, question, searched, shown, trajectory

from masksearch.evaluation.compare.formatting import Figures
from masksearch.evaluation.results import summarise
from masksearch.evaluation.rows import row
from masksearch.evaluation.settings import CompareSettings, EvalSettings
from masksearch.evaluation.tables import Cell
from masksearch.types import Question, Results, Trajectory, Turn

DANE = "Bo Dahl: Bo Dahl is a Danish actor, born in Odense."
SCORES = {"recall": 1.0, "precision": 1.0, "f1": 1.0, "em": 1.0}
ASKED: Question = question("Where was Bo Dahl born?", "Odense")


def rolled(thought: str, answer: str, *results: str, task: Any = ASKED) -> Trajectory:
    found = trajectory(task, searched("I search."), shown(*results), answered(thought, answer))
    return found.model_copy(update={"scores": SCORES})


def settings(method: str = "agent", **agent: Any) -> EvalSettings:
    return EvalSettings.model_validate(
        {"questions": "q", "model": "m", "index": "i", "method": method, "agent": agent}
    )


def columns(found: Trajectory, method: str = "agent", **agent: Any) -> dict[str, Any]:
    names = ("grounded", "quotes", "false_quotes")
    made = row(found, settings(method, **agent))
    return {name: made[name] for name in names if name in made}


def test_a_row_has_the_verdicts_on_its_answer_and_its_quotes() -> None:
    quotes = '[1]: "born in Odense". [1]: "born in Rome".'
    assert columns(rolled(quotes, "Odense", DANE)) == {"grounded": 1, "quotes": 2, "false_quotes": 0.5}
    assert columns(rolled("So.", "Rome", DANE)) == {"grounded": 0, "quotes": 0}
    assert columns(rolled("So.", "not found", DANE)) == {"quotes": 0}
    silent = rolled("So.", "Odense", DANE).model_copy(update={"answer": "", "status": "no_answer"})
    assert columns(silent) == {}


def test_a_method_without_a_search_has_no_grounding() -> None:
    memory = trajectory(ASKED, answered("So.", "Odense")).model_copy(update={"scores": SCORES})
    assert columns(memory, "closed-book") == {}
    assert columns(memory, "agent", max_searches=0) == {}
    assert columns(memory) == {"grounded": 0, "quotes": 0}


def test_what_rag_retrieves_counts_as_shown() -> None:
    found = trajectory(ASKED, shown(DANE), Turn(role="model", text="<answer>Odense</answer>"))
    assert columns(found.model_copy(update={"scores": SCORES}), "rag") == {"grounded": 1, "quotes": 0}


def test_the_answer_form_is_that_of_the_settings() -> None:
    task = masked("Bo was born in [mask].", "Odense")
    found = rolled("So.", "Bo was born in Odense.", DANE, task=task)
    assert columns(found, answer_form="paragraph")["grounded"] == 1
    assert columns(found)["grounded"] == 0


def results(*rows: dict[str, Any]) -> Results:
    numbered = [{"id": str(number), "prediction": "x", **SCORES, "valid": 1} for number in range(len(rows))]
    made = [{**base, **given} for base, given in zip(numbered, rows, strict=True)]
    about = {"suite": "s", "method": "agent", "model": "m", "retriever": "", "settings": {}}
    return summarise(made, **about, bootstrap=100, seed=1)


def test_metrics_are_shares_of_answers_and_of_quotes() -> None:
    found = results(
        {"grounded": 1, "quotes": 3, "false_quotes": 1 / 3},
        {"grounded": 0, "quotes": 1, "false_quotes": 1.0},
        {"grounded": 1, "quotes": 0},
        {},
    )
    assert found.metrics["grounded"] == pytest.approx(2 / 3)
    assert found.metrics["n_grounded"] == 3
    assert "grounded" in found.intervals
    assert (found.metrics["false_quotes"], found.metrics["n_quotes"]) == (pytest.approx(0.5), 4)
    assert "false_quotes" not in results({"grounded": 1, "quotes": 0}).metrics
    assert not {"grounded", "false_quotes"} & set(results({}).metrics)


def test_tables_show_a_dash_for_results_without_the_columns() -> None:
    figures = Figures(CompareSettings(), {})
    old = results({})
    new = results({"grounded": 1, "quotes": 4, "false_quotes": 0.25})
    made = {
        name: [figures.metric(one.to_json(), name).text for one in (old, new)]
        for name in ("grounded", "false_quotes")
    }
    assert made == {"grounded": ["-", "100.0"], "false_quotes": ["-", "25.0"]}
    best = figures.best([Cell("25.0"), Cell("40.0")], "false_quotes")
    assert [cell.best for cell in best] == [True, False]
