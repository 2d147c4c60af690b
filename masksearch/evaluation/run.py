"""Stage `eval`: measures a model on RAMP tasks or questions, in the same agent loop as training.

    masksearch eval questions.jsonl --index index --model rl -o results.json

Questions without gold answers are asked too: the results file then has costs and no scores. The methods are

    agent            the agent loop, with the prompt of training
    agent-prompted   the agent loop, with the protocol explained in the prompt
    rag              one search with the question, then the answer
    closed-book      the answer without any search

Decoding is greedy unless a temperature is set. While the stage runs, it appends finished trajectories to a
log: one by one for an endpoint, chunk by chunk for a checkpoint in this process. An interrupted run resumes
from this log.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.agent.loop import Episode, check_tools, run_all, run_episode, run_single_turn
from masksearch.agent.prompts import Style
from masksearch.corpus.split import source_articles
from masksearch.errors import DataError, ModelError, SearchError, UsageError
from masksearch.evaluation.judgements import check_judge, dated, judge_all
from masksearch.evaluation.provenance import provenance
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.rows import AGENTS, row
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.tables import percent, with_interval
from masksearch.evaluation.tasks import load_tasks as load_suite
from masksearch.evaluation.verify.carried import carried
from masksearch.llm.base import Policy, Sampling
from masksearch.llm.settings import ENDPOINTS
from masksearch.protocols import Searcher
from masksearch.runtime.files import append_json_lines, read_appended, write_json_lines
from masksearch.runtime.progress import Progress
from masksearch.runtime.records import read_tasks
from masksearch.scoring.metrics import score_task
from masksearch.search.index.storage import common_titles
from masksearch.search.wrappers.hiding import WithoutGold
from masksearch.types import MaskedTask, Question, Results, Task, Trajectory

EPISODES = "episodes.jsonl"
"""Name of the log of finished trajectories in the stage's folder; deleted when the results are written."""
Job = Callable[[Task], Coroutine[Any, Any, Episode]]
"""Function that rolls out one task and returns its episode."""


def run_eval(settings: EvalSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes a results file to `output` and `trajectories.jsonl` to `work`; returns the stage's summary.

    Raises DataError if an article of the tasks also occurs in a training file, UsageError for inconsistent
    settings, ModelError or SearchError if more than the share `allow_failed` of the questions failed.
    """
    suite, tasks = load_tasks(settings, unanswered=True)
    answered = has_answers(tasks)
    if not answered:
        check_unanswered(settings)
    check_not_trained_on(tasks, settings.not_trained_on, common_titles(settings.index))
    check_judge(settings.judge)
    settings = settings.model_copy(update={"judge": dated(settings.judge, work)})
    searcher = load_searcher(settings, tasks)
    settings, number_format = with_number_format(settings, work)
    policy = load_policy(settings)
    finished = roll_out_resumably(tasks, make_job(policy, searcher, settings), settings, work, policy.name)
    judged = judge_all(
        [one.trajectory for one in finished], settings.judge, work, settings.method != "closed-book"
    )
    results = summarise(
        [
            row(one.trajectory, settings, one.seconds, columns)
            for one, columns in zip(finished, judged, strict=True)
        ],
        suite=suite,
        method=settings.method,
        model=policy.name,
        retriever=searcher.fingerprint if searcher is not None else "",
        settings=settings.model_dump(mode="json"),
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        provenance=provenance(settings, tasks, number_format, policy) | carried(work),
        scored=answered,
    )
    save(results, output)
    (work / EPISODES).unlink(missing_ok=True)
    return {"text": summary_text(results), "n": results.n, "metrics": results.metrics}


def summary_text(results: Results) -> str:
    """Returns the line that is printed at the end of an evaluation."""
    metrics = results.metrics
    if not results.scored:
        return (
            f"{results.suite}, {results.method}: no scores, because the questions have no answers; "
            f"{percent(metrics['answered'])}% answered, {metrics['searches']:.1f} searches and "
            f"{metrics['total_tokens']:,.0f} tokens a question, n = {results.n}"
        )
    return (
        f"{results.suite}, {results.method}: F1 {with_interval(metrics['f1'], results.intervals['f1'])}, "
        f"EM {exact_matches(results)}, recall {percent(metrics['recall'])}, "
        f"valid {percent(metrics['valid'])} (%), n = {results.n}"
    )


def exact_matches(results: Results) -> str:
    """Returns EM in percent; of tasks with several masks the mean over the masks and the share with all
    right, as in `41.0 (mean; all masks 30.0)`."""
    metrics = results.metrics
    several = any(int(row.get("masks") or 1) > 1 for row in results.per_question)
    if not several or "em_all" not in metrics:
        return percent(metrics["em"])
    return f"{percent(metrics['em'])} (mean; all masks {percent(metrics['em_all'])})"


def load_tasks(settings: EvalSettings, unanswered: bool = False) -> tuple[str, list[Task]]:
    """Returns the suite's name in tables, and the first `limit` tasks (see `tasks.load_tasks`)."""
    name, tasks = load_suite(settings.questions, settings.suite, unanswered)
    return name, tasks[: settings.limit]


def has_answers(tasks: Sequence[Task]) -> bool:
    """Whether the tasks have gold answers. A file has them for all of its tasks or for none."""
    return all(task.answers for task in tasks)


def check_unanswered(settings: EvalSettings) -> None:
    """Raises UsageError for a setting that needs gold answers."""
    if settings.judge.url:
        raise UsageError(
            f"The questions of {settings.questions} have no answers that a judge could compare with; "
            "leave judge.url out, or add the answers."
        )


def with_number_format(settings: EvalSettings, work: Path) -> tuple[EvalSettings, dict[str, Any]]:
    """Returns the settings with the number format that the work in `work` was started with, or that is chosen
    now, and the record of the choice.

    An endpoint chooses its own format: its settings stay the same, and the record is empty.
    """
    if settings.model.startswith(ENDPOINTS):
        return settings, {}
    from masksearch.llm.device import choose_format, resumed_format

    chosen = resumed_format(settings.dtype, work, lambda: choose_format(model=settings.model, use="decoding"))
    return settings.model_copy(update={"dtype": chosen.name}), chosen.to_json()


def check_not_trained_on(
    tasks: Sequence[Task], training: Sequence[str], common: Collection[str] = ()
) -> None:
    """Raises DataError if an article of a task made from a corpus is also in a training file.

    `common` holds the titles of the corpus that name no article; documents with these go by their ids.
    """
    for path in training:
        known = frozenset[str]().union(*(source_articles(task, common) for task in read_tasks(path)))
        both = [shared for task in tasks if (shared := source_articles(task, common) & known)]
        if both:
            raise DataError(
                f"{len(both)} of the {len(tasks)} tasks to evaluate on are about articles that the training "
                f"file {path} uses too (such as '{min(both[0])}'); evaluate on other articles."
            )


def load_searcher(settings: EvalSettings, tasks: Sequence[Task]) -> Searcher | None:
    """Opens the index. Returns None for the method `closed-book`, which does not search.

    Raises UsageError if the settings name no index, if the index does not offer one of the agent's tools, or
    if `hide_gold` is set and a question names no gold passages or titles.
    """
    if settings.method == "closed-book":
        return None
    if not settings.index:
        raise UsageError(
            f"The method '{settings.method}' searches, so it needs an index; give one with --index."
        )
    from masksearch.search import open_searcher

    searcher = open_searcher(settings.index, settings.search)
    if settings.method in AGENTS:
        check_tools(searcher, settings.agent)
    if not settings.hide_gold:
        return searcher
    for task in tasks:
        if isinstance(task, Question) and not (task.supporting_titles or task.supporting_passages):
            raise UsageError(
                f"The question '{task.id}' of {settings.questions} names no gold passages, "
                "so they cannot be hidden; leave hide_gold out."
            )
    return WithoutGold(searcher)


def load_policy(settings: EvalSettings) -> Policy:
    """Opens the model: an endpoint, or a checkpoint in this process."""
    from masksearch.llm.opening import open_policy

    native = style(settings) == "agent-tools"
    model = settings.model if native else settings.model.replace("openai-tools:", "openai:", 1)
    return open_policy(model, settings.llm, settings.dtype, settings.decode_slots, settings.agent.max_length)


def make_job(policy: Policy, searcher: Searcher | None, settings: EvalSettings) -> Job:
    """Returns the function that rolls out one task with the method of the settings."""

    def sampling(task: Task) -> Sampling:
        # The seed depends on the task, so the sampled text does not depend on the other tasks of the run.
        return Sampling(settings.temperature, random.Random(f"{settings.seed}:{task.id}").getrandbits(31))

    if settings.method in AGENTS:
        if searcher is None:
            raise UsageError("The agent needs an index.")
        return lambda task: run_episode(
            task, policy, searcher, settings.agent, sampling(task), style=style(settings)
        )
    return lambda task: run_single_turn(
        task, policy, searcher, settings.agent, sampling(task), retrieval_query(task)
    )


def style(settings: EvalSettings) -> Style:
    """Returns the prompt style of an agent.

    A model with native tool calls gets the description of the tools in the request (`agent-tools`), other
    models in the prompt.
    """
    if settings.method in AGENTS and settings.model.startswith("openai-tools:"):
        return "agent-tools"
    return "agent-prompted" if settings.method == "agent-prompted" else "agent"


def retrieval_query(task: Task) -> str:
    """Returns the query of the `rag` baseline: the question, or the unmasked words of a masked text."""
    return task.text.replace("[mask]", " ") if isinstance(task, MaskedTask) else task.question


@dataclass(frozen=True)
class Finished:
    """A finished trajectory and the wall time of its episode in seconds."""

    trajectory: Trajectory
    seconds: float | None
    """None if the log does not record the time."""


def roll_out_resumably(
    tasks: Sequence[Task], job: Job, settings: EvalSettings, work: Path, model: str
) -> list[Finished]:
    """Returns the trajectories of all tasks in order. Reuses the trajectories that the log in `work` has.

    A checkpoint in this process decodes the tasks chunk by chunk, and an unfinished chunk is repeated as a
    whole. The reason is that rounding in a batch depends slightly on all its sequences. With whole chunks,
    an interrupted run gives the same results as an uninterrupted run.

    Raises ModelError or SearchError if more than the share `allow_failed` of the questions failed.
    """
    log = work / EPISODES
    done = {
        row["id"]: row
        for row in read_appended(log)
        if row.get("model") == model and not is_failed(row, settings)
    }
    remote = settings.model.startswith(ENDPOINTS)
    size = len(tasks) if remote else settings.chunk
    slots = settings.concurrency if remote else min(settings.decode_slots, settings.chunk)
    with Progress(
        f"eval {settings.method}", len(tasks), "tasks", parallel=slots, shared=not remote
    ) as progress:
        for start in range(0, len(tasks), size):
            chunk = tasks[start : start + size]
            missing = [task for task in chunk if task.id not in done]
            if missing and not remote:
                missing = list(chunk)
            progress.skip(len(chunk) - len(missing))
            fresh = _run_chunk(missing, job, settings, log if remote else None, progress)
            if not remote:
                append_json_lines(log, fresh)
            done |= {row["id"]: row for row in fresh}
    finished = [
        Finished(Trajectory.model_validate(done[task.id]), done[task.id].get("seconds")) for task in tasks
    ]
    trajectories = [one.trajectory for one in finished]
    failed = [trajectory for trajectory in trajectories if is_failed(trajectory.to_json(), settings)]
    if len(failed) > settings.allow_failed * len(trajectories):
        first = failed[0]
        count = (
            f"({len(failed)} of {len(trajectories)} questions failed; "
            "start the same command again to ask only the failed questions.)"
        )
        if first.status == "model_failed":
            raise ModelError(f"{first.error} {count}")
        # `first.error` may describe a later failure of the model, so the message has the search error.
        raise SearchError(f"{first.search_errors[0]} {count}")
    write_json_lines(work / "trajectories.jsonl", (trajectory.to_json() for trajectory in trajectories))
    return finished


def _run_chunk(
    tasks: Sequence[Task], job: Job, settings: EvalSettings, log: Path | None, progress: Progress
) -> list[dict[str, Any]]:
    by_id = {task.id: task for task in tasks}

    def on_done(episode: Episode) -> None:
        progress.step()
        # Failed questions are not logged, so that a resumed run asks them again.
        if log is not None and not is_failed(episode.trajectory.to_json(), settings):
            append_json_lines(log, [scored(episode, by_id[episode.trajectory.id], settings)])

    episodes = run_all(
        (job(task) for task in tasks), settings.concurrency if log is not None else None, on_done
    )
    return [scored(episode, by_id[episode.trajectory.id], settings) for episode in episodes]


def is_failed(row: dict[str, Any], settings: EvalSettings) -> bool:
    """Whether the endpoint or a search failed during a trajectory.

    If the noise setting makes searches fail on purpose, failed searches do not count.
    """
    return row["status"] == "model_failed" or bool(
        row.get("search_errors") and not settings.search.noise.fail
    )


def scored(episode: Episode, task: Task, settings: EvalSettings) -> dict[str, Any]:
    """Returns an episode's trajectory as a JSON object, with its scores and its wall time in seconds.

    Without gold answers there are no scores."""
    trajectory = episode.trajectory
    scores = score_task(trajectory.answer, task, settings.agent.answer_form).to_json() if task.answers else {}
    return {
        **trajectory.model_copy(update={"scores": scores}).to_json(),
        "seconds": round(episode.seconds, 3),
    }
