"""`masksearch rewards audit`: measures the reward that scripted attacks earn, on the user's tasks or on
tasks from packaged text."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from masksearch.cli.flags import command_settings
from masksearch.errors import MaskSearchError, UsageError
from masksearch.protocols import Searcher
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.records import read_tasks
from masksearch.scoring.rewards.audit import audit, audit_table, make_cases, named_reward, reward_names
from masksearch.scoring.settings import RewardAuditSettings, RewardSettings
from masksearch.search.settings import IndexSettings
from masksearch.text.nearest import nearest
from masksearch.types import MaskedTask, Question, Task

DOCUMENTS = 600
"""Number of documents of the packaged text from which tasks are made, if the user names no task file."""
MASKS = (1, 2, 3)
AUDIT = "audit"


def rewards_command(arguments: argparse.Namespace) -> None:
    """Runs `masksearch rewards audit`. Raises MaskSearchError if an attack pays under the default reward."""
    if arguments.action != AUDIT:
        raise UsageError(
            f"There is no `masksearch rewards {arguments.action}`{nearest(arguments.action, [AUDIT])}"
        )
    settings = command_settings(RewardAuditSettings, arguments)
    rewards = chosen_rewards(settings)
    if settings.tasks and not settings.index:
        raise UsageError(
            "The attacks search, as honest rollouts do; give the index that they search with --index."
        )
    with naming_extras("The audit"), tempfile.TemporaryDirectory() as folder:
        tasks, searcher = _work(settings, Path(folder))
        found = audit(
            make_cases(tasks, settings.agent.answer_form),
            searcher,
            rewards,
            settings.agent,
            settings.allowed,
            Path(folder) / "verdicts.jsonl",
        )
    print(json.dumps(found.to_json(), ensure_ascii=False, indent=1) if arguments.json else audit_table(found))
    if "default" in rewards and (paying := found.failures("default")):
        raise MaskSearchError(f"These attacks pay under the default reward: {', '.join(paying)}.")


def chosen_rewards(settings: RewardAuditSettings) -> dict[str, RewardSettings]:
    """Returns the rewards to audit: name -> settings of the reward. Raises UsageError for an unknown name.

    If the user names no rewards, these are all rewards; `judge` is included only if a judge has a URL.
    """
    names = settings.reward or tuple(name for name in reward_names() if name != "judge" or settings.judge.url)
    return {name: named_reward(name, settings.judge) for name in names}


def _work(settings: RewardAuditSettings, folder: Path) -> tuple[list[Task], Searcher]:
    from masksearch.search import open_searcher

    if not settings.tasks:
        return _made(settings, folder)
    tasks = [task for path in settings.tasks for task in read_tasks(path)]
    return spread(tasks, settings.limit), open_searcher(settings.index)


def _made(settings: RewardAuditSettings, folder: Path) -> tuple[list[Task], Searcher]:
    """Makes RAMP tasks with one to three masks from packaged text, and opens an index of this text.

    Each task with one mask also becomes a question. All files are written to `folder`.
    """
    from masksearch.ramp.run.stage import run_mask
    from masksearch.search import build_index, open_searcher

    build_index(IndexSettings(limit=DOCUMENTS), folder / "index", folder / "index.work")
    wanted = MaskSettings(
        index=str(folder / "index"),
        masks=f"{MASKS[0]}-{MASKS[-1]}",
        limit=8 * settings.limit,
        extractors=("dates", "numbers"),
        seed=settings.seed,
    )
    run_mask(wanted, folder / "tasks.jsonl", folder / "tasks.work")
    tasks = spread(read_tasks(folder / "tasks.jsonl"), settings.limit)
    questions = [as_question(task) for task in tasks if isinstance(task, MaskedTask) and task.masks == 1]
    return [*tasks, *questions], open_searcher(str(folder / "index"))


def as_question(task: MaskedTask) -> Question:
    """Turns a text with one mask into a question."""
    return Question(
        id=f"{task.id}?",
        question=f"Which words belong in the place of the mask? {task.text}",
        answers=task.answers,
    )


def spread(tasks: Sequence[Task], limit: int) -> list[Task]:
    """Returns the first `limit` tasks of each kind. Questions are one kind; masked texts with equally many
    masks are one kind."""
    taken: dict[int, list[Task]] = {}
    for task in tasks:
        taken.setdefault(task.masks if isinstance(task, MaskedTask) else 0, []).append(task)
    return [task for kind in sorted(taken) for task in taken[kind][:limit]]
