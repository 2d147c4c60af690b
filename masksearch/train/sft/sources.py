"""Reads the sources of SFT: files of trajectories as tokens.

A source is one entry of the settings `trajectories` or `replay`. A row is one trajectory as tokens, with the
name of its source. Trajectories are not selected by their scores: one that honestly ends without an answer
(`not_found` in its scores) is trained on like any other, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from masksearch.errors import TrainingError
from masksearch.runtime.records import read_records
from masksearch.train.loss_mask import IGNORED, Encoded, encode_trajectory
from masksearch.train.settings import SftSettings, repeated
from masksearch.types import Trajectory

OF_SOURCE = "\t"
"""Separates a source's name from the task's id, where two sources have tasks with the same id."""


@dataclass(frozen=True)
class Source:
    """The rows of one entry of the settings `trajectories` or `replay`."""

    name: str
    """Name of the stage that wrote the file, or of the file."""
    path: str
    replay: bool
    rows: tuple[Encoded, ...]
    too_long: int
    """Number of trajectories left out because they are longer than `max_length`."""
    not_found: int
    """Number of rows that end with the honest answer that the evidence was not found."""
    prompts: frozenset[tuple[str, str, str]]
    """Kinds of prompts: (kind of task, tools, answer form)."""
    retrievers: frozenset[str] = frozenset()
    """Fingerprints of the searches that the rows were made with."""


def read_sources(settings: SftSettings, tokenizer: Any) -> list[Source]:
    """Returns the rows of `trajectories` and then of `replay`, source by source.

    Raises TrainingError for a file that is named twice, a trajectory without a model token, a trajectory
    made with another prompt, sources whose prompts differ, a source with a share but without rows, and if no
    trajectory is short enough.
    """
    paths = (*settings.trajectories, *settings.replay)
    if again := repeated(paths):
        raise TrainingError(f"{again} is named twice in trajectories and replay; name each file once.")
    names = source_names(paths)
    sources = [
        read_source(path, name, number >= len(settings.trajectories), settings, tokenizer)
        for number, (path, name) in enumerate(zip(paths, names, strict=True))
    ]
    if not any(source.rows for source in sources if not source.replay):
        too_long = sum(source.too_long for source in sources if not source.replay)
        raise TrainingError(
            f"No trajectory is short enough to train on ({too_long} are longer than "
            f"max_length = {settings.max_length} tokens)."
        )
    for source in sources:
        check_alike(sources[0], source)
        if not source.rows and (settings.shares or source.replay):
            name = "replay" if source.replay else "shares"
            raise TrainingError(
                f"{source.path}: {name} gives it a share of the rows, but none of its trajectories is short "
                f"enough to train on ({source.too_long} are longer than max_length = {settings.max_length} "
                "tokens); raise max_length, or leave the file out."
            )
    return unique_tasks(sources)


def read_source(path: str, name: str, replay: bool, settings: SftSettings, tokenizer: Any) -> Source:
    """Reads one file of trajectories as tokens; `name` becomes the source of its rows."""
    rows, prompts, retrievers, too_long, not_found = [], set(), set(), 0, 0
    for trajectory in read_records(path, Trajectory):
        try:
            row = encode_trajectory(tokenizer, trajectory)
        except TrainingError as error:
            raise TrainingError(f"{path}: {error}") from None
        prompts.add(prompt_kind(trajectory))
        if len(row.input_ids) > settings.max_length:
            too_long += 1
            continue
        if all(label == IGNORED for label in row.labels):
            raise TrainingError(
                f"{path}: trajectory '{trajectory.id}' has no model turn, so it cannot be trained on; "
                "remove it from the file."
            )
        rows.append(replace(row, source=name))
        retrievers.add(trajectory.retriever)
        not_found += trajectory.scores.get("not_found", 0.0) > 0
    kinds, searches = frozenset(prompts), frozenset(retrievers)
    return Source(name, path, replay, tuple(rows), too_long, not_found, kinds, searches)


def source_names(paths: Sequence[str]) -> list[str]:
    """Returns a short name for each path: the stage's name for a product in a run, otherwise the file's name
    without its endings, or its folder's name for `trajectories.jsonl`. A name that two paths would share is
    the whole path."""
    short = []
    for path in map(Path, paths):
        stem, folder = path.name.split(".")[0], path.absolute().parent
        in_run = folder.parent.name == "stages"
        short.append(folder.name if in_run or stem == "trajectories" else stem)
    return [path if short.count(name) > 1 else name for path, name in zip(paths, short, strict=True)]


def prompt_kind(trajectory: Trajectory) -> tuple[str, str, str]:
    """Returns what a trajectory's prompt depends on: the kind of task, the tools and the answer form."""
    kind, form = trajectory.task.get("kind", ""), trajectory.task.get("answer_form", "spans")
    return str(kind), ", ".join(trajectory.tools), str(form)


def check_alike(first: Source, other: Source) -> None:
    """Raises TrainingError if two sources have tasks of one kind whose prompts differ.

    A model trained on both would learn two ways to answer under prompts that its users cannot tell apart.
    """
    for kind in sorted({kind for kind, _, _ in first.prompts} & {kind for kind, _, _ in other.prompts}):
        mine, others = (
            sorted({prompt[1:] for prompt in source.prompts if prompt[0] == kind})
            for source in (first, other)
        )
        if mine != others:
            shown = [
                " and ".join(f"tools {tools}, answer form {form}" for tools, form in prompts)
                for prompts in (mine, others)
            ]
            raise TrainingError(
                f"{first.path} and {other.path} were made with different prompts ({shown[0]}; {shown[1]}), "
                "so they cannot be mixed; make both with the same agent settings, or train on one after the "
                "other in two stages."
            )


def unique_tasks(sources: Sequence[Source]) -> list[Source]:
    """Returns the sources with task ids that no two sources share: a shared id gets the source's name.

    A row is identified by its source and its task's id, so that two tasks with one id have two solve rates.
    """
    found = Counter(task for source in sources for task in {row.task for row in source.rows})
    return [
        replace(
            source,
            rows=tuple(
                replace(row, task=f"{source.name}{OF_SOURCE}{row.task}") if found[row.task] > 1 else row
                for row in source.rows
            ),
        )
        for source in sources
    ]


def encode_all(settings: SftSettings, tokenizer: Any) -> tuple[list[Encoded], int]:
    """Returns the rows of all `trajectories`, and the number of trajectories left out as too long; raises the
    errors of `read_sources`."""
    sources = [source for source in read_sources(settings, tokenizer) if not source.replay]
    return [row for source in sources for row in source.rows], sum(source.too_long for source in sources)


def read_heldout(settings: SftSettings, tokenizer: Any) -> list[Encoded]:
    """Returns the held-out trajectories that are short enough; an empty list if `heldout` is empty."""
    if not settings.heldout:
        return []
    alone = {"trajectories": (settings.heldout,), "shares": (), "replay": ()}
    return encode_all(settings.model_copy(update=alone), tokenizer)[0]
