"""Checks what an evaluation was made from: questions, prompts, checkpoint, search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from masksearch.errors import DataError, MaskSearchError
from masksearch.evaluation.provenance import model_hash, prompt_hash, questions_hash, versions
from masksearch.evaluation.run import load_searcher, load_tasks
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.verify.carried import machine
from masksearch.evaluation.verify.checks import Check
from masksearch.evaluation.verify.settings import VerifySettings
from masksearch.llm.settings import ENDPOINTS
from masksearch.protocols import Searcher
from masksearch.runtime.records import explain
from masksearch.types import Results, Task

HASH = 64
"""Length of a hash."""
NO_RECORD = "the results file does not record it; it is of an earlier version"


@dataclass(frozen=True)
class Inputs:
    """What the evaluation can be checked and replayed with; None where it could not be read."""

    settings: EvalSettings
    tasks: Sequence[Task] | None
    searcher: Searcher | None
    checks: tuple[Check, ...]


def recorded_settings(results: Results, settings: VerifySettings) -> EvalSettings:
    """Returns the evaluation's settings, with the places where its inputs are now.

    Raises DataError for settings that this version cannot read.
    """
    values = _known(EvalSettings, results.settings)
    search = dict(values.get("search") or {})
    search |= {"record": "", "cache": ""}
    if settings.searches:
        search["replay"] = settings.searches
    places = {name: getattr(settings, name) for name in ("questions", "model", "index", "llm")}
    values |= {"search": search, **{name: place for name, place in places.items() if place}}
    try:
        return EvalSettings.model_validate(values)
    except ValidationError as error:
        raise DataError(f"The settings in {settings.results} {explain(error)}.") from error


def _known(kind: type[EvalSettings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that this version has; another version may have had others."""
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if name not in values:
            continue
        inner = field.annotation
        nested = hasattr(inner, "model_fields") and isinstance(values[name], Mapping)
        found[name] = _known(inner, values[name]) if nested else values[name]  # type: ignore[arg-type]
    return found


def check_inputs(results: Results, settings: VerifySettings) -> Inputs:
    """Reads and checks what an evaluation was made from."""
    chosen = recorded_settings(results, settings)
    recorded = results.provenance
    tasks, question_check = _questions(results, chosen)
    searcher, search_checks = _search(results, chosen, tasks or ())
    checks = (
        question_check,
        compared("prompts", recorded.get("prompt_hash"), prompt_hash(chosen)),
        _checkpoint(results, chosen),
        *search_checks,
        *_conditions(recorded),
    )
    return Inputs(chosen, tasks, searcher, checks)


def compared(name: str, recorded: Any, now: Any) -> Check:
    """Returns the check of one hash."""
    if not recorded:
        return Check(name, "lacks", NO_RECORD)
    if recorded == now:
        return Check(name, "same", _short(now))
    return Check(name, "differs", f"{_short(recorded)} then, {_short(now) or 'nothing'} now")


def _short(text: Any) -> str:
    """Returns a hash as its first digits; a fingerprint, which names the kind of search, as a whole."""
    return str(text)[:12] if len(str(text)) == HASH else str(text)


def _questions(results: Results, settings: EvalSettings) -> tuple[list[Task] | None, Check]:
    try:
        _, tasks = load_tasks(settings, unanswered=True)
    except MaskSearchError as error:
        return None, Check("questions", "left out", str(error).rstrip("."))
    found = compared("questions", results.provenance.get("questions_hash"), questions_hash(tasks))
    ids = [str(row["id"]) for row in results.per_question]
    if [task.id for task in tasks] != ids:
        return None, Check("questions", "differs", f"{len(ids)} then, {len(tasks)} now, or other ids")
    return tasks, found


def _checkpoint(results: Results, settings: EvalSettings) -> Check:
    if settings.model.startswith(ENDPOINTS):
        return Check(
            "checkpoint", "left out", f"{settings.model} is behind an endpoint, which shows no weights"
        )
    now = model_hash(settings.model)
    if not now:
        return Check("checkpoint", "left out", f"there is no folder {settings.model}; see --model")
    return compared("checkpoint", results.provenance.get("model_hash"), now)


def _search(
    results: Results, settings: EvalSettings, tasks: Sequence[Task]
) -> tuple[Searcher | None, list[Check]]:
    if not results.retriever:
        return None, []
    try:
        searcher = load_searcher(settings, tasks)
    except MaskSearchError as error:
        return None, [Check("search", "left out", str(error).rstrip("."))]
    now = searcher.fingerprint if searcher else ""
    found = compared("search", results.retriever, now)
    return (searcher if found.status == "same" else None), [found]


def _conditions(recorded: Mapping[str, Any]) -> Iterator[Check]:
    """Yields what may explain a difference: other versions of packages, another machine."""
    yield _condition("versions", recorded.get("versions"), versions())
    yield _condition("machine", recorded.get("machine"), machine())


def _condition(name: str, then: Any, now: Mapping[str, Any]) -> Check:
    if not isinstance(then, Mapping) or not then:
        return Check(name, "lacks", NO_RECORD)
    # What this process has not loaded, such as torch, it cannot compare.
    other = [key for key, value in then.items() if now.get(key, value) != value]
    changed = [f"{key} {then[key]} then, {now[key]} now" for key in other]
    return Check(name, "note" if changed else "same", ", ".join(changed) or f"{len(then)} entries")
