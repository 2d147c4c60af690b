"""Trajectories for tests of grounding: turns written in short."""

from __future__ import annotations

from masksearch.types import MaskedTask, Question, Task, Trajectory, Turn, task_json


def shown(*results: str) -> Turn:
    """Returns the tool's turn for a search; each result is `Title: text`."""
    lines = [f"[{number}] {result}" for number, result in enumerate(results, 1)] or ["Nothing was found."]
    return Turn(role="tool", text="\n<information>\n" + "\n".join(lines) + "\n</information>\n")


def searched(thought: str, query: str = "words") -> Turn:
    """Returns a model's turn that searches."""
    return Turn(role="model", text=f"<think>{thought}</think>\n<search>{query}</search>")


def answered(thought: str, answer: str) -> Turn:
    """Returns a model's turn that answers."""
    return Turn(role="model", text=f"<think>{thought}</think>\n<answer>{answer}</answer>")


def question(text: str, answer: str = "gold", **more: object) -> Question:
    """Returns a question."""
    return Question.model_validate({"id": "q", "question": text, "answers": (answer,), **more})


def masked(text: str, *answers: str, language: str = "") -> MaskedTask:
    """Returns a masked text; its title is `T`."""
    original = text
    for answer in answers:
        original = original.replace("[mask]", answer, 1)
    return MaskedTask(
        id="t",
        doc_id="d",
        title="T",
        text=text,
        answers=answers,
        masks=len(answers),
        original=original,
        language=language,
    )


def trajectory(task: Task, *turns: Turn, answer: str = "") -> Trajectory:
    """Returns an answered trajectory; the answer is that of the last turn unless it is given."""
    last = turns[-1].text
    said = last.partition("<answer>")[2].partition("</answer>")[0]
    return Trajectory(id=task.id, task=task_json(task), turns=turns, answer=answer or said, status="answered")
