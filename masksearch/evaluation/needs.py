"""Needs of the stage `eval`, and of the commands that check questions and results."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.corpus.hub import PREFIX as HUB
from masksearch.corpus.hub import parse
from masksearch.errors import UsageError
from masksearch.evaluation.audit.settings import AuditSettings
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.suites.hub import named_source
from masksearch.evaluation.suites.registry import SUITES, suite_of
from masksearch.llm.needs import policy_needs
from masksearch.runtime.needs import Broken, Made, Need
from masksearch.runtime.needs.hub import HubName
from masksearch.runtime.needs.packages import Package, file_needs
from masksearch.scoring.needs import judge_needs
from masksearch.search.needs import search_needs


def eval_needs(settings: EvalSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of measuring a model."""
    if settings.questions not in made:
        yield from question_needs(settings.questions)
    for source in settings.not_trained_on:
        if source not in made:
            yield from file_needs(source)
    if settings.method != "closed-book":
        if not settings.index:
            yield Broken(
                f"The method '{settings.method}' searches, so it needs an index; give one with --index."
            )
        yield from search_needs(settings.index, settings.search, made)
    yield from policy_needs(settings.model, settings.llm, made)
    yield from judge_needs(settings.judge)


def score_needs(settings: ScoreSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of scoring predictions."""
    if settings.questions not in made:
        yield from question_needs(settings.questions)
    yield from file_needs(settings.predictions)
    yield from judge_needs(settings.judge)


def audit_needs(settings: AuditSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of an audit of questions."""
    if settings.questions not in made:
        yield from question_needs(settings.questions)
    for source in settings.trained_on:
        yield from file_needs(source)
    yield from search_needs(settings.index, settings.search, made)
    if settings.model:
        yield from policy_needs(settings.model, settings.llm, made)


def question_needs(source: str) -> Iterator[Need]:
    """Yields the needs of a question file, or of a suite on the hub."""
    name, split = suite_of(source)
    try:
        if name:
            source = named_source(SUITES[name], split)
        if not source.startswith(HUB):
            yield from file_needs(source)
            return
        repository = parse(source)[0]
    except UsageError as error:
        yield Broken(str(error))
        return
    yield Package("datasets", f"The data set '{source}'", extra="readers")
    yield HubName(repository, "dataset")
