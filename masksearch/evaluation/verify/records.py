"""Checks the trajectories of an evaluation: their hash, their scores, their prompts, their searches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.agent.prompts import (
    messages,
    messages_hash,
    method_prompt,
    render_failure,
    render_information,
    task_language,
)
from masksearch.agent.protocol import Search, parse_turn
from masksearch.errors import MaskSearchError
from masksearch.evaluation.rows import AGENTS, row
from masksearch.evaluation.run import retrieval_query, style
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.verify.carried import TRAJECTORIES
from masksearch.evaluation.verify.checks import RESCORED, Check, named
from masksearch.evaluation.verify.inputs import Inputs, compared
from masksearch.evaluation.verify.scores import differing_rows, differing_scores, other_columns, scores_text
from masksearch.protocols import Searcher
from masksearch.runtime.files import hash_file
from masksearch.runtime.progress import Progress
from masksearch.runtime.records import read_records
from masksearch.scoring.metrics import score_task
from masksearch.search.wrappers.hiding import search_for_task
from masksearch.types import Results, Task, Trajectory, task_from_json

PROMPTS = "prompts of the trajectories"
JUDGED = ("judge_strict", "judge_relaxed", "supported", "judge_error")


def find_trajectories(results: Path, given: str) -> Path | None:
    """Returns the file of an evaluation's trajectories; None if it is not there."""
    beside = results if results.is_dir() else results.parent
    places = [Path(given)] if given else [beside / TRAJECTORIES, Path(f"{results}.work") / TRAJECTORIES]
    return next((path for path in places if path.is_file()), None)


def check_records(results: Results, path: Path | None, inputs: Inputs) -> list[Check]:
    """Checks the trajectories in `path`."""
    if path is None:
        return [
            Check(
                "trajectories",
                "left out",
                f"there is no {TRAJECTORIES} next to the results; see --trajectories",
            )
        ]
    recorded = results.provenance.get("trajectories_hash")
    found = [compared("trajectories", recorded, hash_file(path))]
    try:
        trajectories = read_records(path, Trajectory)
    except MaskSearchError as error:
        return [Check("trajectories", "differs", str(error).rstrip("."))]
    if [one.id for one in trajectories] != [str(one["id"]) for one in results.per_question]:
        return [Check("trajectories", "differs", f"{path} holds other questions than the results")]
    return [
        *found,
        _tasks(inputs.tasks, trajectories),
        *_rescored(results, trajectories, inputs.settings),
        _prompts(trajectories, inputs.settings),
        *_searches(trajectories, inputs),
    ]


def _tasks(tasks: Sequence[Task] | None, trajectories: Sequence[Trajectory]) -> Check:
    """Checks that the trajectories answer the questions of the file, with the same gold answers."""
    name = "questions of the trajectories"
    if tasks is None:
        return Check(name, "left out", "the questions could not be read")
    changed = [
        task.id
        for task, one in zip(tasks, trajectories, strict=True)
        if (held := task_from_json(one.task)).answers != task.answers
        or retrieval_query(held) != retrieval_query(task)
    ]
    if changed:
        return Check(name, "differs", f"other texts or gold answers in {named(changed)}")
    return Check(name, "same", f"{len(tasks)} questions")


def _asked(task: Task) -> tuple[str, tuple[str, ...]]:
    return retrieval_query(task), task.answers


def _rescored(
    results: Results, trajectories: Sequence[Trajectory], settings: EvalSettings
) -> Iterator[Check]:
    """Scores the recorded answers again."""
    if not results.scored:
        yield Check(RESCORED, "left out", "the questions have no gold answers")
        return
    rows = []
    for one, recorded in zip(trajectories, results.per_question, strict=True):
        scores = score_task(one.answer, task_from_json(one.task), settings.agent.answer_form).to_json()
        judged = {name: recorded[name] for name in JUDGED if name in recorded}
        rows.append(row(one.model_copy(update={"scores": scores}), settings, recorded.get("seconds"), judged))
    yield from score_checks(RESCORED, results, rows, scores_text(results))


def score_checks(
    name: str,
    results: Results,
    rows: Sequence[dict[str, Any]],
    text: str,
    skipped: Sequence[str] = (),
    exactly: bool = True,
) -> Iterator[Check]:
    """Yields the check that the rows have the scores of the first results, and a note on other columns.

    `text` is the detail of equal scores. Unless `exactly`, the scores are the same if their means are.
    """
    then = results.per_question[: len(rows)]
    changed, means = differing_rows(then, rows), differing_scores(then, rows)
    others = f"other scores in questions: {named(changed)}"
    if means or (changed and exactly):
        yield Check(name, "differs", f"{means or 'the same means'}; {others}")
    else:
        yield Check(name, "same", f"{text}; {others}" if changed else text)
    if other := other_columns(then, rows, skipped):
        yield Check(name.replace("score", "other columns"), "note", other)


def _prompts(trajectories: Sequence[Trajectory], settings: EvalSettings) -> Check:
    """Renders the prompt of every trajectory again."""
    known = [one for one in trajectories if one.prompt_hash]
    if not known:
        return Check(PROMPTS, "lacks", "the trajectories have no hash of their prompts")
    changed = [one.id for one in known if one.prompt_hash != _prompt(one, settings)]
    if changed:
        return Check(PROMPTS, "differs", f"other prompts in questions: {named(changed)}")
    return Check(PROMPTS, "same", f"{len(known)} prompts rendered again")


def _prompt(trajectory: Trajectory, settings: EvalSettings) -> str:
    task, agent = task_from_json(trajectory.task), settings.agent
    if settings.method in AGENTS:
        prompt = method_prompt(trajectory.tools, style(settings))
        chat = messages(
            task,
            prompt,
            agent.answer_form,
            max_searches=agent.max_searches,
            max_opens=agent.max_opens,
        )
        return messages_hash(chat)
    information = next((turn.text for turn in trajectory.turns if turn.role == "tool"), "")
    return messages_hash(messages(task, settings.method, agent.answer_form, information))


def _searches(trajectories: Sequence[Trajectory], inputs: Inputs) -> Iterator[Check]:
    """Searches again for every recorded query, and compares the texts that the model was shown."""
    name = "recorded searches"
    if inputs.settings.method == "closed-book":
        return
    if inputs.searcher is None:
        yield Check(name, "left out", "the search is not the same, or could not be opened")
        return
    changed, count = [], 0
    try:
        with Progress("verify searches", len(trajectories), "questions") as progress:
            for one in trajectories:
                pairs = list(_again(one, inputs.searcher, inputs.settings))
                count += len(pairs)
                changed += [one.id] * any(then != now for then, now in pairs)
                progress.step()
    except MaskSearchError as error:
        yield Check(name, "left out", str(error).rstrip("."))
        return
    if changed:
        yield Check(name, "differs", f"other results in questions: {named(changed)}")
    else:
        yield Check(name, "same", f"{count} searches made again")


def _again(trajectory: Trajectory, searcher: Searcher, settings: EvalSettings) -> Iterator[tuple[str, str]]:
    """Yields (text that was shown, text that is shown now) of every search that did not fail."""
    task = task_from_json(trajectory.task)
    language, view = task_language(task), search_for_task(task, searcher)
    for query, shown in _queries(trajectory, task, settings):
        if shown != render_failure(language):
            hits = view.search([query], settings.agent.top_k)[0]
            yield shown, render_information(hits, settings.agent.passage_words, language)


def _queries(trajectory: Trajectory, task: Task, settings: EvalSettings) -> Iterator[tuple[str, str]]:
    if settings.method == "rag":
        yield from ((retrieval_query(task), turn.text) for turn in trajectory.turns if turn.role == "tool")
        return
    for turn, answer in itertools.pairwise(trajectory.turns):
        if turn.role == "model" and answer.role == "tool":
            action = parse_turn(turn.text, trajectory.tools)
            if isinstance(action, Search):
                yield action.query, answer.text
