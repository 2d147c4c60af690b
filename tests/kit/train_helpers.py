"""Helpers of the training tests: trajectories, tasks and an index on disk, and comparison of weights."""

from __future__ import annotations

import torch

from masksearch.llm.checkpoint import load_checkpoint
from masksearch.runtime.files import write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.train.curriculum import index_at
from masksearch.types import Passage, Question, Trajectory, Turn, task_json

PEOPLE = ["Ada", "Bob", "Cid", "Dora", "Eve", "Fay", "Gus", "Hal"]
RETRIEVER = "bm25-0123456789ab"


class ShuffledTasks:
    """A task stream of passes over all tasks, each pass shuffled with a seed."""

    def __init__(self, tasks, seed):
        self.tasks, self.seed = tasks, seed

    def __getitem__(self, place):
        return self.tasks[index_at(place, len(self.tasks), self.seed)]


class Killed(BaseException):
    """Ends a run like a signal: no handler of Exception catches it."""


def make_trajectory(number, words=1):
    name = PEOPLE[number % len(PEOPLE)]
    task = Question(id=f"q{number}", question=f"Who is {name}?", answers=(name,))
    turns = (
        Turn(role="model", text=f"<think>look</think>\n<search>{name}</search>"),
        Turn(role="tool", text="\n<information>\n[1] " + f"{name} lives. " * words + "\n</information>\n"),
        Turn(role="model", text=f"<think>{name}</think>\n<answer>{name}</answer>"),
    )
    return Trajectory(
        id=f"q{number}",
        task=task_json(task),
        turns=turns,
        answer=name,
        status="answered",
        retriever=RETRIEVER,
    )


def write_trajectories(path, count=8):
    write_json_lines(path, (make_trajectory(number, 1 + number % 3).to_json() for number in range(count)))
    return str(path)


def write_questions(path, count=6):
    write_json_lines(
        path,
        (
            Question(
                id=f"q{number}", question=f"Who is {PEOPLE[number]}?", answers=(PEOPLE[number],)
            ).to_json()
            for number in range(count)
        ),
    )
    return str(path)


def write_index(folder):
    build(
        [Passage(id=name, doc_id=name, title=name, text=f"{name} lives in a town.") for name in PEOPLE],
        folder,
        IndexSettings(corpus="x"),
    )
    return str(folder)


def weights(folder):
    return load_checkpoint(folder, torch.float32)[0].state_dict()


def farthest(one, other):
    """Returns the largest absolute difference of any weight."""
    return max(float((one[name] - other[name]).abs().max()) for name in one)
