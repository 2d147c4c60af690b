"""Flip matrices: of two evaluations of the same questions, how many answers turned right, turned wrong, or
stayed, with links to these questions in the explorer.

An answer is right by the one rule of `evaluation.rules`. Where only one of the two files was judged, both are
counted by F1; the explorer shows each file's own verdict, so such a matrix has no links.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from masksearch.evaluation.compare.entries import shared_ids
from masksearch.evaluation.rules import DESCRIPTIONS, Rule, common_rule, is_right, rule_of
from masksearch.evaluation.suites.registry import same_name
from masksearch.report.conclusion.card import reference
from masksearch.report.conclusion.suites import Suite, stage_of, suites_of
from masksearch.report.load import Run, Stage
from masksearch.types import Results

PAIRS = {(False, True): "here", (True, False): "there", (True, True): "both", (False, False): "neither"}
"""(right before, right after) -> value of the explorer's field `pair` (see page/find.js)."""


@dataclass(frozen=True)
class Cell:
    """One of the four outcomes of a question."""

    words: str
    """Such as `wrong before, right after`."""
    count: int
    share: float
    link: str
    """Link to the questions in the explorer; empty if it would show others."""


@dataclass(frozen=True)
class Flips:
    """The flip matrix of two evaluations of the same questions."""

    suite: str
    before: str
    """Title of the first evaluation."""
    after: str
    n: int
    """Number of questions that both evaluations asked and that were judged in both."""
    gained: Cell
    lost: Cell
    both: Cell
    neither: Cell
    note: str
    """The rule, where both are not counted by their own; and questions without a verdict."""


def flip_matrices(run: Run) -> tuple[list[Flips], list[Flips]]:
    """Returns the matrices of before and after, one for each suite, and those of other pairs.

    The other pairs are every evaluation of a suite with the last trained model, and every pair that a
    comparison of the run tests. `run` may have evaluations of other runs too.
    """
    by_title = {stage.title: stage for stage in run.stages if stage.results}
    main, more = [], []
    for suite in suites_of(run):
        pair = _main_pair(suite)
        if pair:
            main.append(pair)
        if suite.after:
            last = suite.after.stages[0]
            more += [(name, last) for name in _titles(suite.name, by_title) if name != last]
    more += [pair for stage in run.stages for pair in _tested(stage)]
    more = [pair for pair in dict.fromkeys(more) if pair not in main and pair[::-1] not in main]
    found = ([_matrix(pair, by_title) for pair in pairs] for pairs in (main, more))
    first, others = ([one for one in matrices if one] for matrices in found)
    return first, others


def _main_pair(suite: Suite) -> tuple[str, str] | None:
    """Returns the stages that the card at the top compares, of several seeds the first."""
    other = reference(suite)[0] if suite.after else None
    return (other.stages[0], suite.after.stages[0]) if other and suite.after else None


def _titles(suite: str, stages: dict[str, Stage]) -> list[str]:
    return [
        title
        for title, stage in stages.items()
        if stage.results and same_name(stage.results.suite) == same_name(suite)
    ]


def _tested(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yields (before, after) of the pairs that a comparison of the page's own run tests."""
    comparison = (stage.comparison or {}) if not stage.run else {}
    for pair in (*comparison.get("pairs", ()), *comparison.get("robustness", ())):
        before, after = (stage_of(str(pair.get(name, ""))) for name in ("baseline_source", "source"))
        if before and after:
            yield before, after


def _matrix(pair: tuple[str, str], stages: dict[str, Stage]) -> Flips | None:
    """Returns the matrix of a pair of stages; None if one has no results, or they share no question."""
    before, after = (stages.get(title) for title in pair)
    if before is None or after is None or before.results is None or after.results is None:
        return None
    outcomes, left_out = _outcomes(before.results, after.results)
    if not outcomes:
        return None
    own = rule_of(before.results) == rule_of(after.results)
    rule = DESCRIPTIONS[common_rule([before.results, after.results])]
    notes = [] if own else [f"Only one of the two was judged, so both are counted by {rule}."]
    notes += [f"{left_out} without a readable verdict in both are left out."] if left_out else []

    def cell(outcome: tuple[bool, bool]) -> Cell:
        count = outcomes.count(outcome)
        words = " and ".join(
            f"{'right' if right else 'wrong'} {when}"
            for right, when in zip(outcome, ("before", "after"), strict=True)
        )
        link = _link(before.title, after.title, PAIRS[outcome]) if own else ""
        return Cell(words, count, count / len(outcomes), link)

    return Flips(
        suite=after.results.suite,
        before=before.title,
        after=after.title,
        n=len(outcomes),
        gained=cell((False, True)),
        lost=cell((True, False)),
        both=cell((True, True)),
        neither=cell((False, False)),
        note=" ".join(notes),
    )


def _outcomes(before: Results, after: Results) -> tuple[list[tuple[bool, bool]], int]:
    """Returns (right before, right after) of every shared question, and how many have no verdict."""
    rule, ids = common_rule([before, after]), shared_ids([before, after])
    verdicts = _verdicts((before, after), rule, ids)
    known = [(first, second) for first, second in verdicts if first is not None and second is not None]
    return known, len(ids) - len(known)


def _verdicts(
    sides: Sequence[Results], rule: Rule, ids: Sequence[str]
) -> Iterator[tuple[bool | None, bool | None]]:
    first, second = ({row["id"]: row for row in results.per_question} for results in sides)
    for key in ids:
        yield is_right(first[key], rule), is_right(second[key], rule)


def _link(before: str, after: str, pair: str) -> str:
    """Returns the link to the questions with one outcome, side by side (see page/address.js)."""
    return f"#stage={quote(after, safe='')}&beside={quote(before, safe='')}&pair={pair}"
