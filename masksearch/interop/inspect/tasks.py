"""The suites as a task of Inspect (https://inspect.aisi.org.uk): its models, its logs and its viewer, our questions, search, agent loop and metrics.

    inspect eval masksearch/suite -T questions=questions.jsonl -T index=index --model openai/gpt-4o-mini

Methods are those of `masksearch eval`, run by the same code, and one of Inspect's: `tools`, its own ReAct agent with our search as a tool. The
score of a sample is a dictionary of our measures; its metadata hold the whole row that a results file would have, and the trajectory stands in the
sample's store, so that a log can be scored again.
"""

from __future__ import annotations

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
from masksearch.scoring.metrics import score_task
from masksearch.types import MaskedTask, Method, Task, Trajectory, task_from_json, task_json

TOOLS: Literal["tools"] = "tools"
METHODS = (*get_args(Method), TOOLS)
MEASURES = {
    "recall": "recall",
    "precision": "precision",
    "f1": "f1",
    "em": "em",
    "cover": "cover_em",
    "valid": "valid",
}
"""Name in Inspect -> name in a row."""
TOLD = ("status", "failure", "searches", "failed_searches", "evidence_recall")
"""What of a row stands in the sample's metadata too."""
STORED = "masksearch:trajectory"
GROUP = "group"


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
    """Our questions, answered by one of Inspect's models.

    Args:
        questions: A task or question file, or a suite's name.
        index: An index folder or another search, for the methods that search.
        method: closed-book, rag, agent-prompted, agent, or tools (Inspect's ReAct agent with our search as its tool).
        suite: Which suite the questions are of, where the file does not tell.
        limit: The first questions only.
        top_k: Search results shown.
        passage_words: Words shown of each.
        max_searches: Most searches of a question.
        max_opens: Most pages opened (agent and agent-prompted).
        max_tokens: Model tokens of a question; a model that thinks at length needs more.
        turn_tokens: Model tokens of one turn.
        answer_form: Of RAMP tasks: spans or paragraph.
        hide_gold: Hide the gold passages from the searches.
        temperature: Where Inspect's own --temperature is not given.

    Raises UsageError for values that cannot be, and what loading the questions and the index raises.
    """
    if method not in METHODS:
        raise UsageError(f"There is no method '{method}'; the methods are {', '.join(METHODS)}.")
    if method == TOOLS and max_opens:
        raise UsageError(
            "The method 'tools' offers the search only; leave max_opens at 0, or use the method 'agent-prompted'."
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
        # A row counts as valid by the tags where a model was told of them, and with native tools by having an answer, as for `rag`.
        method="rag" if method == TOOLS else method,
        suite=suite,
        limit=limit,
        hide_gold=hide_gold,
        agent=agent,
    )
    if method == TOOLS and not index:
        raise UsageError("The method 'tools' searches, so it needs an index; give one with -T index=DIR.")
    name, tasks = load_tasks(settings)
    searcher = load_searcher(settings, tasks)
    return InspectTask(
        dataset=MemoryDataset([as_sample(one, settings.agent.answer_form) for one in tasks], name=name),
        solver=native_tools(searcher, settings)
        if method == TOOLS and searcher is not None
        else episode(searcher, settings),
        scorer=measures(settings.method, settings.agent.answer_form),
        config=GenerateConfig(temperature=temperature),
        metadata={
            "suite": name,
            "method": method,
            "retriever": searcher.fingerprint if searcher is not None else "",
            "agent": settings.agent.model_dump(),
        },
    )


def _settings(**values: Any) -> EvalSettings:
    try:
        return EvalSettings(**{**values, "agent": AgentSettings(**values["agent"])})
    except ValidationError as error:
        raise UsageError(f"The arguments of the task {explain(error)}.") from error


def as_sample(one: Task, answer_form: str) -> Sample:
    """A task as Inspect sees it; results are grouped by a question's type (or, without one, by how it can be guessed), and by the number of masks."""
    group = (
        f"{one.masks} mask{'s' * (one.masks > 1)}"
        if isinstance(one, MaskedTask)
        else one.type or answer_kind(one)
    )
    return Sample(
        id=one.id,
        input=task_prompt(one, answer_form),
        target=list(one.answers),
        metadata={GROUP: group, "task": task_json(one)},
    )


@solver
def episode(searcher: Searcher | None, settings: EvalSettings) -> Solver:
    """One run of a method of ours, the agent loop among them."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        policy = InspectPolicy(get_model())
        done = await make_job(policy, searcher, settings)(task_from_json(state.metadata["task"]))
        if policy.opened:
            state.messages = policy.opened[-1].messages
        return _keep(state, done.trajectory)

    return solve


@solver
def native_tools(searcher: Searcher, settings: EvalSettings) -> Solver:
    """Inspect's ReAct agent, which ends when it replies without a call."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        one, log = task_from_json(state.metadata["task"]), Log()
        prompt = render(
            "agent-tools", task_language(one), max_searches=settings.agent.max_searches, max_opens=0
        )
        agent = react(prompt=prompt, tools=[search_tool(searcher, one, settings.agent, log)], submit=False)
        # One message of the system, one of the user, two a search; and some for a model that does not believe that none is left.
        with apply_limits([message_limit(2 * settings.agent.max_searches + 8)], catch_errors=True):
            state = await as_solver(agent)(state, generate)
        return _keep(
            state,
            trajectory_of(
                one, state.messages, log, settings.agent, f"inspect:{get_model()}", searcher.fingerprint
            ),
        )

    return solve


def _keep(state: TaskState, trajectory: Trajectory) -> TaskState:
    """Puts the scored trajectory where the scorer, and a later scoring of the log, find it."""
    one = task_from_json(trajectory.task)
    scores = score_task(trajectory.answer, one, str(trajectory.task.get("answer_form", "spans"))).to_json()
    state.store.set(STORED, trajectory.model_copy(update={"scores": scores}).to_json())
    state.output.completion = trajectory.answer
    return state


_SPREAD = (mean(), bootstrap_stderr())
_METRICS: dict[str, Any] = {
    name: [*_SPREAD, *([grouped(mean(), GROUP, all=False)] if name == "f1" else [])] for name in MEASURES
}


@scorer(metrics=_METRICS, name="measures")
def measures(method: str = "agent", answer_form: str = "spans") -> Scorer:
    """Our measures of an answer, each a number in [0, 1]. `method` is one of ours: it says what form an answer must have to be valid."""
    settings = _settings(questions="", model="inspect", method=method, agent={"answer_form": answer_form})

    async def score(state: TaskState, target: Target) -> Score:
        stored = state.store.get(STORED)
        trajectory = Trajectory.model_validate(stored) if stored else _cut_short(state)
        found = row(trajectory, settings)
        state.metadata |= {
            "retriever": trajectory.retriever,
            **{name: found[name] for name in TOLD if name in found},
        }
        told = f"{found['failure'] or 'right'}; {found['searches']} searches; {trajectory.status}{f' ({trajectory.error})' if trajectory.error else ''}"
        return Score(
            value={name: float(found[key]) for name, key in MEASURES.items()},
            answer=trajectory.answer,
            explanation=told,
            metadata=found,
        )

    return score


def _cut_short(state: TaskState) -> Trajectory:
    """What a sample counts as that a limit of Inspect's own ended."""
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
