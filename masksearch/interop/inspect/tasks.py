"""Our suites as an Inspect task (https://inspect.aisi.org.uk).

    inspect eval masksearch/suite -T questions=questions.jsonl -T index=index --model openai/gpt-4o-mini

Models, logs and viewer are Inspect's; questions, search, agent loop and metrics are ours. The methods are
those of `masksearch eval`, run by the same code. One more method is `tools`: Inspect's ReAct agent with our
search as a tool. A sample's score is a dictionary of our measures. The score's metadata hold the sample's row
of an evaluation's results file. The sample's store holds the trajectory, so that a log can be scored again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from inspect_ai import Task as InspectTask
from inspect_ai import task
from inspect_ai.agent import as_solver, react
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score, Scorer, Target, bootstrap_stderr, grouped, mean, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import apply_limits, message_limit
from pydantic import ValidationError

from masksearch.agent.prompts import render, task_language, task_prompt
from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.evaluation.rows import answer_kind, row
from masksearch.evaluation.run import load_searcher, load_tasks, make_job
from masksearch.evaluation.settings import EvalSettings
from masksearch.interop.inspect.model import InspectPolicy
from masksearch.interop.inspect.tools import Log, search_tool, trajectory_of
from masksearch.protocols import Searcher
from masksearch.runtime.records import explain
from masksearch.scoring.fanoutqa import is_installed
from masksearch.scoring.metrics import score_task
from masksearch.text.nearest import guess
from masksearch.types import MaskedTask, Method, Question, Task, Trajectory, task_from_json, task_json

TOOLS: Literal["tools"] = "tools"
METHODS = (*get_args(Method), TOOLS)
MEASURES = {
    "recall": "recall",
    "precision": "precision",
    "em": "em",
    "cover": "cover_em",
    "valid": "valid",
    "f1": "f1",
}
"""Name of a measure in Inspect -> its field in a row of a results file. F1 is last, because its means of the
groups follow its mean: so all overall means come first."""
_PARTS = {
    "parts": "parts_recall",
    "all_parts": "parts_all",
    "fanoutqa_loose": "fanoutqa_loose",
    "fanoutqa_strict": "fanoutqa_strict",
}
LIST_MEASURES = {**_PARTS, **MEASURES}
"""The measures of questions with list answers, such as FanOutQA's; those by its name need the extra `ner`."""
SAMPLE_FIELDS = (
    "status",
    "failure",
    "searches",
    "failed_searches",
    "evidence_recall",
    "grounded",
    "false_quotes",
)
"""Fields of a results file's row that are copied into the sample's metadata."""
STORED = "masksearch:trajectory"
"""Key of the trajectory in a sample's store."""
GROUP = "group"
"""Key of the value in a sample's metadata by which results are grouped."""


@task(name="suite")
def masksearch_suite(
    questions: str,
    index: str = "",
    method: str = "agent",
    suite: str = "",
    limit: int | None = None,
    top_k: int = 2,
    passage_words: int = 70,
    max_searches: int = 4,
    max_opens: int = 0,
    max_tokens: int = 320,
    turn_tokens: int = 160,
    answer_form: str = "spans",
    hide_gold: bool = False,
    temperature: float = 0.0,
) -> InspectTask:
    """Answers our questions with one of Inspect's models.

    Args:
        questions: A task or question file, or a suite's name.
        index: An index folder or another search, for the methods that search.
        method: closed-book, rag, agent-prompted, agent, or tools (Inspect's ReAct agent with our search).
        suite: The questions' suite, if the file does not show it.
        limit: Number of questions, from the first on. Without it, all questions.
        top_k: Number of search results shown.
        passage_words: Words shown of each result.
        max_searches: Most searches per question.
        max_opens: Most pages opened per question (agent and agent-prompted).
        max_tokens: Most model tokens per question; a model that thinks at length needs more.
        turn_tokens: Most model tokens per turn.
        answer_form: Answer form of RAMP tasks: spans or paragraph.
        hide_gold: Whether to hide the gold passages from the searches.
        temperature: Sampling temperature, unless Inspect's own --temperature is given.

    Raises UsageError for invalid values, and the errors of loading the questions and the index.
    """
    if method not in METHODS:
        raise UsageError(
            f"There is no method '{method}'{guess(method, METHODS)}; the methods are {', '.join(METHODS)}."
        )
    if method == TOOLS and max_opens:
        raise UsageError(
            "The method 'tools' only offers the search; leave max_opens at 0, or use the method "
            "'agent-prompted'."
        )
    agent = {
        "top_k": top_k,
        "passage_words": passage_words,
        "max_searches": max_searches,
        "max_opens": max_opens,
        "max_tokens": max_tokens,
        "turn_tokens": turn_tokens,
        "answer_form": answer_form,
    }
    settings = _settings(
        questions=questions,
        model="inspect",
        index=index,
        # With native tools, as in `rag`, the prompt describes no tags: a trajectory is in valid form if it
        # has an answer.
        method="rag" if method == TOOLS else method,
        suite=suite,
        limit=limit,
        hide_gold=hide_gold,
        agent=agent,
    )
    if method == TOOLS and not index:
        raise UsageError("The method 'tools' needs an index; give one with -T index=DIR.")
    name, tasks = load_tasks(settings)
    searcher = load_searcher(settings, tasks)
    if method == TOOLS and searcher is not None:
        sample_solver = native_tools(searcher, settings)
    else:
        sample_solver = episode(searcher, settings)
    lists = any(isinstance(one, Question) and one.parts for one in tasks)
    judged = list_measures if lists else measures
    return InspectTask(
        name=f"{name}-{method}",
        dataset=MemoryDataset([as_sample(one, settings.agent.answer_form) for one in tasks], name=name),
        solver=sample_solver,
        scorer=judged(settings.method, settings.agent.answer_form),
        config=GenerateConfig(temperature=temperature),
        metadata={
            "suite": name,
            "method": method,
            "retriever": searcher.fingerprint if searcher is not None else "",
            "agent": settings.agent.model_dump(),
        },
    )


def _settings(**values: Any) -> EvalSettings:
    """Returns the settings of `masksearch eval` with these values. Raises UsageError for invalid values."""
    try:
        return EvalSettings(**{**values, "agent": AgentSettings(**values["agent"])})
    except ValidationError as error:
        raise UsageError(f"The arguments of the task {explain(error)}.") from error


def as_sample(one: Task, answer_form: str) -> Sample:
    """Returns a task as an Inspect sample.

    The group of a RAMP task is its number of masks. The group of a question is its type, or its kind of
    answer if it has no type.
    """
    if isinstance(one, MaskedTask):
        group = f"{one.masks} mask{'s' * (one.masks > 1)}"
    else:
        group = one.type or answer_kind(one)
    return Sample(
        id=one.id,
        input=task_prompt(one, answer_form),
        target=list(one.answers),
        metadata={GROUP: group, "task": task_json(one)},
    )


@solver
def episode(searcher: Searcher | None, settings: EvalSettings) -> Solver:
    """Returns a solver that runs one of our methods, such as the agent loop."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        policy = InspectPolicy(get_model())
        done = await make_job(policy, searcher, settings)(task_from_json(state.metadata["task"]))
        if policy.opened:
            state.messages = policy.opened[-1].messages
        return _keep(state, done.trajectory)

    return solve


@solver
def native_tools(searcher: Searcher, settings: EvalSettings) -> Solver:
    """Returns a solver that runs Inspect's ReAct agent, which ends when a reply has no tool call."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        one, log = task_from_json(state.metadata["task"]), Log()
        prompt = render(
            "agent-tools", task_language(one), max_searches=settings.agent.max_searches, max_opens=0
        )
        agent = react(prompt=prompt, tools=[search_tool(searcher, one, settings.agent, log)], submit=False)
        # The limit allows a system and a user message, two messages per search, and a few more for a
        # model that calls the search after its limit.
        with apply_limits([message_limit(2 * settings.agent.max_searches + 8)], catch_errors=True):
            state = await as_solver(agent)(state, generate)
        model = f"inspect:{get_model()}"
        trajectory = trajectory_of(one, state.messages, log, settings.agent, model, searcher.fingerprint)
        return _keep(state, trajectory)

    return solve


def _keep(state: TaskState, trajectory: Trajectory) -> TaskState:
    """Stores the scored trajectory in the sample's store, for the scorer and for a later scoring of the
    log."""
    one = task_from_json(trajectory.task)
    scores = score_task(trajectory.answer, one, str(trajectory.task.get("answer_form", "spans"))).to_json()
    state.store.set(STORED, trajectory.model_copy(update={"scores": scores}).to_json())
    state.output.completion = trajectory.answer
    return state


_SPREAD = (mean(), bootstrap_stderr())


def _metrics(names: Iterable[str]) -> dict[str, Any]:
    """Returns the metrics of each measure: mean and standard error, and the F1 of each group."""
    return {
        name: [*_SPREAD, *([grouped(mean(), GROUP, all=False)] if name == "f1" else [])] for name in names
    }


@scorer(metrics=_metrics(MEASURES), name="measures")
def measures(method: str = "agent", answer_form: str = "spans") -> Scorer:
    """Returns a scorer with our measures, each in [0, 1].

    `method` is the name of one of our methods; it decides which form of an answer is valid.
    """
    return _scorer(MEASURES, method, answer_form)


@scorer(
    metrics=_metrics(name for name in LIST_MEASURES if is_installed() or "fanoutqa" not in name),
    name="list_measures",
)
def list_measures(method: str = "agent", answer_form: str = "spans") -> Scorer:
    """Returns a scorer with our measures and those of list answers (see `measures`)."""
    return _scorer(LIST_MEASURES, method, answer_form)


def _scorer(names: Mapping[str, str], method: str, answer_form: str) -> Scorer:
    settings = _settings(questions="", model="inspect", method=method, agent={"answer_form": answer_form})

    async def score(state: TaskState, target: Target) -> Score:
        stored = state.store.get(STORED)
        trajectory = Trajectory.model_validate(stored) if stored else _interrupted(state)
        found = row(trajectory, settings)
        state.metadata |= {
            "retriever": trajectory.retriever,
            **{name: found[name] for name in SAMPLE_FIELDS if name in found},
        }
        error = f" ({trajectory.error})" if trajectory.error else ""
        outcome = f"{found['failure'] or 'right'}; {found['searches']} searches; {trajectory.status}{error}"
        return Score(
            value={name: float(found[key]) for name, key in names.items() if key in found},
            answer=trajectory.answer,
            explanation=outcome,
            metadata=found,
        )

    return score


def _interrupted(state: TaskState) -> Trajectory:
    """Returns the trajectory of a sample that one of Inspect's own limits ended."""
    one = task_from_json(state.metadata["task"])
    scores = score_task("", one, "spans").to_json()
    return Trajectory(
        id=one.id,
        task=task_json(one),
        turns=(),
        answer="",
        status="too_long",
        scores=scores,
        error="ended by a limit of Inspect",
    )
