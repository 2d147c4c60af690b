"""Computes the conclusion of a run from its folder's files."""

from __future__ import annotations

from dataclasses import dataclass

from masksearch.report.conclusion.card import Card, cards
from masksearch.report.conclusion.example import Example, find_example
from masksearch.report.conclusion.headline import Headline, evolved, headlines
from masksearch.report.conclusion.not_shown import not_shown
from masksearch.report.conclusion.paired import Tests
from masksearch.report.conclusion.score_rows import ScoreRow, score_rows
from masksearch.report.conclusion.suites import suites_of
from masksearch.report.load import Run


@dataclass(frozen=True)
class Conclusion:
    """What a run shows and does not show; empty for a run without a finished evaluation."""

    headlines: tuple[Headline, ...]
    not_shown: tuple[str, ...]
    example: Example | None
    scores: tuple[ScoreRow, ...]
    cards: tuple[Card, ...] = ()
    """One entry for each suite at the top of the page."""


def conclude(run: Run) -> Conclusion:
    """Returns the conclusion of a run, finished or not."""
    suites, tests = suites_of(run), Tests(run)
    return Conclusion(
        (*headlines(suites, tests), *evolved(run)),
        tuple(not_shown(run, suites, tests)),
        find_example(run, suites),
        tuple(score_rows(run, suites)),
        tuple(cards(suites, tests)),
    )
