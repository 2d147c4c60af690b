"""Command `score`: scores the predictions of any system with the metrics of `eval`.

    masksearch score predictions.jsonl questions.jsonl -o results.json

The rows of the results are those of `eval` without what only a trajectory shows: searches, tokens, evidence
and kinds of failure. `valid` means that the prediction holds an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.evaluation.judgements import check_judge, judge_all
from masksearch.evaluation.predictions.layouts import PredictionFile, read_predictions
from masksearch.evaluation.predictions.matching import Matched, match, sentences
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.provenance import judge_hashes, questions_hash, versions
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.rows import row
from masksearch.evaluation.rules import RULE, rule_of_judge
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.tables import percent, with_interval
from masksearch.evaluation.tasks import load_tasks
from masksearch.runtime.files import hash_file, inner_name
from masksearch.runtime.progress import say
from masksearch.scoring.metrics import score_task
from masksearch.types import MaskedTask, Results, Task, Trajectory, Turn, task_json

UNMEASURED = (
    "status",
    "failed_searches",
    "searches",
    "opens",
    "corrections",
    "prompt_tokens",
    "model_tokens",
    "tool_tokens",
    "free_recall",
    "failure",
)
"""Columns of a row that need a trajectory; a prediction does not show them."""


def run_score(settings: ScoreSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes a results file to `output`; returns the summary.

    Raises the errors of `read_predictions` and `match`, DataError for questions without answers, and
    UsageError for questions without a prediction where the settings refuse them.
    """
    suite, tasks = load_tasks(settings.questions, settings.suite)
    tasks = tasks[: settings.limit]
    check_judge(settings.judge)
    file = read_predictions(settings.predictions, settings.layout, settings.fields)
    matched = match(file.predictions, tasks, settings.answer, settings.repeated)
    if matched.missing and settings.missing == "refuse":
        raise UsageError(
            f"{settings.predictions} has no prediction for {len(matched.missing)} of the {len(tasks)} "
            f"questions, such as '{matched.missing[0]}'; add them, or choose with --missing wrong or "
            "--missing leave-out."
        )
    for sentence in sentences(matched, settings.missing):
        say(sentence)
    if settings.missing == "leave-out":
        tasks = [task for task in tasks if task.id in matched.answers]
    results = score(settings, suite, tasks, file, matched, work)
    save(results, output)
    return {"text": summary_text(results), "n": results.n, "metrics": results.metrics}


def score(
    settings: ScoreSettings,
    suite: str,
    tasks: Sequence[Task],
    file: PredictionFile,
    matched: Matched,
    work: Path,
) -> Results:
    """Returns the results of the tasks with their matched answers; a task without one has an empty answer."""
    measured = evaluation_settings(settings)
    trajectories = [
        as_trajectory(task, matched.answers.get(task.id, ""), settings.answer_form) for task in tasks
    ]
    judged = judge_all(trajectories, settings.judge, work, searches=False)
    rows = [
        {name: value for name, value in row(one, measured, None, columns).items() if name not in UNMEASURED}
        for one, columns in zip(trajectories, judged, strict=True)
    ]
    name = settings.label or file.model or inner_name(settings.predictions).split(".")[0]
    return summarise(
        rows,
        suite=suite,
        method=settings.method,
        model=name,
        retriever=settings.retriever,
        settings=settings.model_dump(mode="json"),
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        provenance={
            "predictions_hash": hash_file(settings.predictions),
            "predictions": {"layout": file.layout, **matched.counts.to_json()},
            "questions_hash": questions_hash(tasks),
            RULE: rule_of_judge(settings.judge),
            "judge_hashes": judge_hashes(measured),
            "versions": versions(),
        },
    )


def evaluation_settings(settings: ScoreSettings) -> EvalSettings:
    """Returns settings of `eval` under which a prediction is scored: no search, the same judge and form."""
    return EvalSettings(
        questions=settings.questions,
        model=settings.label or "external",
        method="closed-book",
        judge=settings.judge,
        agent=AgentSettings(answer_form=settings.answer_form),
    )


def as_trajectory(task: Task, answer: str, form: str) -> Trajectory:
    """Returns a trajectory whose only turn is the answer, so that the rows of `eval` are computed from it."""
    record = task_json(task)
    if isinstance(task, MaskedTask):
        record = {**record, "answer_form": form}
    return Trajectory(
        id=task.id,
        task=record,
        turns=(Turn(role="model", text=f"<answer>{answer}</answer>"),),
        answer=answer,
        status="answered" if answer.strip() else "no_answer",
        scores=score_task(answer, task, form).to_json(),
    )


def summary_text(results: Results) -> str:
    """Returns the line that is printed at the end."""
    metrics = results.metrics
    return (
        f"{results.suite}, {results.model}: F1 {with_interval(metrics['f1'], results.intervals['f1'])}, "
        f"EM {percent(metrics['em'])}, recall {percent(metrics['recall'])}, "
        f"answered {percent(metrics['valid'])} (%), n = {results.n}"
    )
