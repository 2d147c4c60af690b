"""Stage `eval`: a model on RAMP tasks or questions, greedy, through the same agent loop that made its training data.

Methods: `agent` (the loop, with the prompt of training), `agent-prompted` (the loop, with the protocol explained), `rag` (search once, then answer)
and `closed-book`. Every trajectory is written down as
it ends, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.agent.loop import Episode, check_tools, run_all, run_episode, run_single_turn
from masksearch.agent.prompts import Style
from masksearch.errors import DataError, ModelError, SearchError, UsageError
from masksearch.evaluation.judgements import check_judge, judge_all
from masksearch.evaluation.provenance import provenance
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.rows import AGENTS, row
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.tasks import load_tasks as load_suite
from masksearch.llm.base import Policy, Sampling
from masksearch.llm.settings import ENDPOINTS
from masksearch.protocols import Searcher
from masksearch.runtime.files import append_json_lines, read_appended, write_json_lines
from masksearch.runtime.progress import Progress
from masksearch.runtime.records import read_tasks
from masksearch.scoring.metrics import score_task
from masksearch.search.wrappers.hiding import WithoutGold
from masksearch.types import MaskedTask, Question, Task, Trajectory

EPISODES = "episodes.jsonl"
"""What has been rolled out so far; kept until the results are written."""
Job = Callable[[Task], Coroutine[Any, Any, Episode]]


def run_eval(settings: EvalSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes a results file, and `trajectories.jsonl` in `work`. Raises DataError where a task's article was trained on."""
    suite, tasks = load_tasks(settings)
    check_not_trained_on(tasks, settings.not_trained_on)
    check_judge(settings.judge)
    searcher = load_searcher(settings, tasks)
    policy = load_policy(settings)
    done = roll_out_resumably(tasks, make_job(policy, searcher, settings), settings, work, policy.name)
    judged = judge_all([one.trajectory for one in done], settings.judge, work)
    dtype = recorded_dtype(settings)
    results = summarise(
        [
            row(one.trajectory, settings, one.seconds, columns)
            for one, columns in zip(done, judged, strict=True)
        ],
        suite=suite,
        method=settings.method,
        model=policy.name,
        retriever=searcher.fingerprint if searcher is not None else "",
        settings={**settings.model_dump(mode="json"), **({"dtype": dtype} if dtype else {})},
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        provenance=provenance(settings, tasks, dtype, policy),
    )
    save(results, output)
    (work / EPISODES).unlink(missing_ok=True)
    metrics, low_high = results.metrics, results.intervals["f1"]
    return {
        "text": f"{suite}, {settings.method}: F1 {metrics['f1']:.3f} [{low_high[0]:.2f}, {low_high[1]:.2f}], EM {metrics['em']:.3f}, "
        f"recall {metrics['recall']:.3f}, valid {metrics['valid']:.2f}, n = {results.n}",
        "n": results.n,
        "metrics": metrics,
    }


def load_tasks(settings: EvalSettings) -> tuple[str, list[Task]]:
    """The suite's name in tables, and what is to be answered: RAMP tasks, or questions in our format or as a suite publishes them."""
    name, tasks = load_suite(settings.questions, settings.suite)
    return name, tasks[: settings.limit]


def recorded_dtype(settings: EvalSettings) -> str:
    """The number format that was found for a checkpoint in this process; empty for an endpoint."""
    if settings.model.startswith(ENDPOINTS):
        return ""
    from masksearch.llm.device import dtype_name, find_dtype

    return dtype_name(find_dtype(settings.dtype))


def check_not_trained_on(tasks: Sequence[Task], training: Sequence[str]) -> None:
    """Raises DataError where an article of a training file is evaluated on."""
    for path in training:
        titles = {task.title for task in read_tasks(path) if isinstance(task, MaskedTask)}
        both = [task for task in tasks if isinstance(task, MaskedTask) and task.title in titles]
        if both:
            raise DataError(
                f"{len(both)} of the {len(tasks)} articles to evaluate on are trained on in {path} (such as '{both[0].title}'); split them."
            )


def load_searcher(settings: EvalSettings, tasks: Sequence[Task]) -> Searcher | None:
    """The index, for methods that search. Raises UsageError where gold passages are to be hidden and a question names none."""
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
                f"The question '{task.id}' of {settings.questions} names no gold passages, so they cannot be hidden; leave hide_gold out."
            )
    return WithoutGold(searcher)


def load_policy(settings: EvalSettings) -> Policy:
    """The model: an endpoint for `openai:NAME` and `openai-tools:NAME`, else a checkpoint in this process."""
    if settings.model.startswith(ENDPOINTS):
        name = settings.model.partition(":")[2]
        if style(settings) == "agent-tools":
            from masksearch.llm.native_tools import ToolsPolicy

            return ToolsPolicy(name, settings.llm)
        from masksearch.llm.endpoint import EndpointPolicy

        return EndpointPolicy(name, settings.llm)
    from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint
    from masksearch.llm.decoder.local_policy import LocalPolicy
    from masksearch.llm.device import find_dtype

    model, tokenizer = load_checkpoint(settings.model, find_dtype(settings.dtype))
    return LocalPolicy(
        model, tokenizer, checkpoint_name(settings.model), settings.decode_slots, settings.agent.max_length
    )


def make_job(policy: Policy, searcher: Searcher | None, settings: EvalSettings) -> Job:
    """What to do with one task, by method."""

    def sampling(task: Task) -> Sampling:
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
    """How an agent is told what it can do: with native tools by the request, else by the prompt of its method."""
    if settings.method in AGENTS and settings.model.startswith("openai-tools:"):
        return "agent-tools"
    return "agent-prompted" if settings.method == "agent-prompted" else "agent"


def retrieval_query(task: Task) -> str:
    """What the `rag` baseline searches for: the question, or the visible words of a masked text."""
    return task.text.replace("[mask]", " ") if isinstance(task, MaskedTask) else task.question


@dataclass(frozen=True)
class Done:
    """A question that was answered, with the wall time of its episode."""

    trajectory: Trajectory
    seconds: float | None


def roll_out_resumably(
    tasks: Sequence[Task], job: Job, settings: EvalSettings, work: Path, model: str
) -> list[Done]:
    """Trajectories of all tasks in order; those found in `work` from an earlier start are not run again.

    An in-process model decodes chunk by chunk, and a chunk that was not finished is run again as a whole: rounding
    depends a little on what else is in a batch, and so the figures come out the same however often a run is stopped.
    """
    log = work / EPISODES
    done = {
        row["id"]: row
        for row in read_appended(log)
        if row.get("model") == model and not is_failed(row, settings)
    }
    by_request = settings.model.startswith(ENDPOINTS)
    with Progress(f"eval {settings.method}", len(tasks), "tasks") as progress:
        size = len(tasks) if by_request else settings.chunk
        for start in range(0, len(tasks), size):
            chunk = tasks[start : start + size]
            open_ = [task for task in chunk if task.id not in done]
            if open_ and not by_request:
                open_ = list(chunk)
            progress.step(len(chunk) - len(open_))
            fresh = _run_chunk(open_, job, settings, log if by_request else None, progress)
            if not by_request:
                append_json_lines(log, fresh)
            done |= {row["id"]: row for row in fresh}
    answered = [
        Done(Trajectory.model_validate(done[task.id]), done[task.id].get("seconds")) for task in tasks
    ]
    trajectories = [one.trajectory for one in answered]
    failed = [trajectory for trajectory in trajectories if is_failed(trajectory.to_json(), settings)]
    if len(failed) > settings.allow_failed * len(trajectories):
        first = failed[0]
        # Where a search failed, the trajectory's own error may be what the model did afterwards.
        kind, told = (
            (ModelError, first.error)
            if first.status == "model_failed"
            else (SearchError, first.search_errors[0])
        )
        raise kind(
            f"{told} ({len(failed)} of {len(trajectories)} questions failed; start the same command again to ask only those.)"
        )
    write_json_lines(work / "trajectories.jsonl", (trajectory.to_json() for trajectory in trajectories))
    return answered


def _run_chunk(
    tasks: Sequence[Task], job: Job, settings: EvalSettings, log: Path | None, progress: Progress
) -> list[dict[str, Any]]:
    by_id = {task.id: task for task in tasks}

    def on_done(episode: Episode) -> None:
        progress.step()
        # What an endpoint could not answer is left open, so that the next start asks again.
        if log is not None and not is_failed(episode.trajectory.to_json(), settings):
            append_json_lines(log, [scored(episode, by_id[episode.trajectory.id], settings)])

    episodes = run_all(
        (job(task) for task in tasks), settings.concurrency if log is not None else None, on_done
    )
    return [scored(episode, by_id[episode.trajectory.id], settings) for episode in episodes]


def is_failed(row: dict[str, Any], settings: EvalSettings) -> bool:
    """Whether an endpoint or a search failed a trajectory, other than on purpose."""
    return row["status"] == "model_failed" or bool(
        row.get("search_errors") and not settings.search.noise.fail
    )


def scored(episode: Episode, task: Task, settings: EvalSettings) -> dict[str, Any]:
    """A trajectory as JSON with its scores, and the seconds it took."""
    trajectory = episode.trajectory
    score = score_task(trajectory.answer, task, settings.agent.answer_form)
    return {
        **trajectory.model_copy(update={"scores": score.to_json()}).to_json(),
        "seconds": round(episode.seconds, 3),
    }
