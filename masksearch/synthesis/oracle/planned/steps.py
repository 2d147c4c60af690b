"""The planned teacher's turns for a task that records its steps (see `types.ChainStep`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masksearch.ramp.chains.queries import step_queries
from masksearch.synthesis.oracle.planned.quoting import Found, find_value
from masksearch.synthesis.oracle.planned.sayings import (
    NOT_FOUND,
    a_kind,
    compared,
    kind_of,
    needed,
    read,
    side_by_side,
)
from masksearch.synthesis.oracle.teacher import Oracle
from masksearch.synthesis.oracle.wording import turn
from masksearch.types import ChainStep, MaskedTask, Task

NO_STEP = "a step was not found"


def step_turns(oracle: Oracle, task: Task) -> Iterator[str]:
    """Yields the turns: a plan, one or more searches for each step, and the conclusion.

    If a step's evidence is not among the results of any query, the teacher says so; it answers "not found" if
    the evidence was hidden from it on purpose, and gives up otherwise.
    """
    steps = task.steps
    thought, values = plan(task), list[str]()
    for place, step in enumerate(steps):
        found = None
        for query in step_queries(step):
            if not oracle.may_ask(query):
                continue
            yield turn(thought, "search", query)
            found = _find(oracle, task, place)
            if found is not None:
                break
            thought = f"No result gives {needed(step)}. I search again in other words."
        if found is None:
            if oracle.hidden:
                yield turn(
                    f"No result gives {needed(step)}. The answer is not in the results.", "answer", NOT_FOUND
                )
            oracle.gave_up = NO_STEP
            return
        values.append(found.value)
        thought = _stated(task, place, found)
    yield turn(f"{thought} {conclusion(task, values)}", "answer", task.answers[0])


def _find(oracle: Oracle, task: Task, place: int) -> Found | None:
    """Returns the value of a step in the results of the last search; of a list, its first entity that is
    looked up."""
    step = task.steps[place]
    value = step.value
    if task.shape == "intersection" and place == 0:
        listed = find_value(
            oracle.results, task.steps[1].subject, lambda result: _states(result.passage_id, step)
        )
        if listed is not None:
            return listed
    return find_value(oracle.results, value, lambda result: _states(result.passage_id, step))


def _states(passage_id: str, step: ChainStep) -> bool:
    return passage_id == step.passage_id


def plan(task: Task) -> str:
    """Returns the first thought: what is needed, in order."""
    steps = task.steps
    first = needed(steps[0])
    if task.shape in ("chain", "inference"):
        later = ", then ".join(step.need for step in steps[1:])
        rule = f"{_rule(task)} " if task.shape == "inference" else ""
        return f"{rule}I need {first} first, then {later}."
    if task.shape == "intersection":
        return f"I need {first} first, then {steps[-1].need} of each."
    if task.shape == "bridge-comparison":
        return f"I need {steps[1].need} of {first} and of {needed(steps[2])}. First {first}."
    if task.shape == "comparison":
        one, two = steps[0].subject, steps[1].subject
        return f"I need {steps[0].need} of {one} and of {two}. First {one}."
    return f"I need {first}."


def _stated(task: Task, place: int, found: Found) -> str:
    """Returns the thought after a step: the quote, what it says, and what is needed next."""
    step, steps = task.steps[place], task.steps
    last = place == len(steps) - 1
    if task.shape == "intersection":
        return _stated_of_list(task, place, found)
    said = read(step, found.line, found.value)
    if last:
        return said
    following = steps[place + 1]
    if task.shape == "comparison" or (task.shape == "bridge-comparison" and place == 1):
        return f"{said} Next {following.subject if task.shape == 'comparison' else needed(following)}."
    return f"{said} Next I need {needed(following)}."


def _stated_of_list(task: Task, place: int, found: Found) -> str:
    steps, wanted = task.steps, task.steps[-1].value
    if place == 0:
        return f"{found.line} So {found.value} is one of {needed(steps[0])}. I look up {steps[1].subject}."
    said = read(steps[place], found.line, found.value)
    if place == len(steps) - 1:
        return said
    return (
        f"{said} The question says {wanted}, so not {steps[place].subject}. Next {steps[place + 1].subject}."
    )


def conclusion(task: Task, values: Sequence[str]) -> str:
    """Returns the last sentences: the comparison or inference said out loud, and the kind of the answer."""
    answer = task.answers[0]
    if task.verdict in ("same", "before", "after", "more", "fewer"):
        a, b = values if task.shape == "comparison" else values[1::2]
        one, two = task.steps[0].subject, task.steps[len(task.steps) // 2].subject
        first = not isinstance(task, MaskedTask) and _named_first(task.question, answer)
        said = f"{side_by_side(one, a, two, b)} {compared(task.verdict, a, b, answer, first)}"
        return f"{said} So the answer is {answer}."
    if task.verdict == "fits":
        return f"That fits. The question asks for {a_kind(kind_of(task))}: {answer}."
    kind = task.verdict or kind_of(task)
    return f"The question asks for {a_kind(kind)}: {answer}."


def _rule(task: Task) -> str:
    """Returns what a relative is: "A paternal grandfather is the father of a father."."""
    one, two = (step.need.removeprefix("the ") for step in task.steps[:2])
    kind = a_kind(task.verdict)
    return f"{kind[:1].upper()}{kind[1:]} is the {two} of {a_kind(one)}."


def _named_first(question: str, answer: str) -> bool:
    """Whether the answer is the first of the two that a question names before and after "or"."""
    return answer in question.split(" or ")[0]
