"""What a run does not show: differences without a significant test, gains without a measurement before,
training that is too short, a single seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from masksearch.evaluation.compare.entries import variant
from masksearch.evaluation.compare.pairs import MACRO
from masksearch.report.conclusion.headline import is_step
from masksearch.report.conclusion.paired import Difference, Tests
from masksearch.report.conclusion.suites import Side, Suite
from masksearch.report.load import Run, Stage

BARE = {
    "agent": "the untrained model",
    "agent-prompted": "the untrained model prompted with an example",
    "rag": "the untrained model given the results of one search",
    "closed-book": "the untrained model from memory",
    "external": "the other system",
}


def not_shown(run: Run, suites: Sequence[Suite], tests: Tests) -> list[str]:
    """Returns a sentence for everything that a reader might take for shown, but that is not."""
    stages = {stage.name: stage for stage in run.stages if not stage.run}
    sentences = [text for suite in suites for text in _of_suite(suite, tests, stages)]
    sentences += _of_arms(tests)
    sentences += _of_degraded(suites, tests)
    sentences += _short_training(stages, sentences)
    trained = [side for suite in suites for side in suite.sides if side.trained]
    if trained and max(len(side.results) for side in trained) == 1:
        sentences.append(
            "One training seed: intervals and p cover the choice of questions, not the seeds' variance."
        )
    return list(dict.fromkeys(sentences))


def _of_suite(suite: Suite, tests: Tests, stages: dict[str, Stage]) -> Iterator[str]:
    after, before = suite.after, suite.before
    if after is None:
        return
    if before is None and not suite.bare and not suite.steps:
        yield f"{suite.name}: not measured before training, so no gain is shown."
    if before is not None:
        yield from _against(suite, after, before, "before", tests)
    for side in suite.bare:
        yield from _against(suite, after, side, BARE[side.method], tests)
    for earlier, later in _training_steps(suite):
        yield from _step(suite, earlier, later, tests, stages)
    others = [side for side in suite.steps if not any(side in pair for pair in _training_steps(suite))]
    for side in others if not tests.arms else ():
        yield from _against(suite, after, side, side.maker or side.name, tests)


def _training_steps(suite: Suite) -> list[tuple[Side, Side]]:
    """Returns (earlier, later) for every trained model with a model that was trained further from it."""
    trained = [*suite.steps, *([suite.after] if suite.after else [])]
    return [(a, b) for a in trained for b in trained if a is not b and is_step(a, b)]


def _against(suite: Suite, after: Side, other: Side, name: str, tests: Tests) -> Iterator[str]:
    test = tests.between(after, other)
    if test is not None and test.verdict != "better":
        yield f"{suite.name}: {_figure(test, f'over {name}')}: {test.verdict}."


def _figure(test: Difference, over: str) -> str:
    """Returns `+5.8 F1 over before [-1.7, +13.3], n 60, p = 0.130`."""
    difference, _, rest = test.text.partition(" [")
    return f"{difference} {over} [{rest}"


def _step(suite: Suite, earlier: Side, later: Side, tests: Tests, stages: dict[str, Stage]) -> Iterator[str]:
    test = tests.between(later, earlier)
    if test is None or test.verdict == "better":
        return
    name = later.maker or later.name
    steps = _steps_of(stages.get(name))
    outcome = "a loss" if test.verdict == "worse" else "no measurable gain"
    figure = _figure(test, f"over {earlier.maker or earlier.name}")
    yield f"{name}: {f'{steps} steps, ' if steps else ''}{outcome}. {suite.name} {figure}."


def _steps_of(stage: Stage | None) -> int:
    summary = stage.summary if stage is not None and isinstance(stage.summary, dict) else {}
    steps = summary.get("steps")
    return steps if isinstance(steps, int) else 0


def _of_arms(tests: Tests) -> Iterator[str]:
    """Yields the differences between arms that are not shown: on the mean of the suites, if there is one."""
    averaged = {suite for suite, _, _, _ in tests.arms} & {MACRO}
    for suite, arm, against, test in tests.arms:
        if (not averaged or suite in averaged) and not test.shown:
            yield f"{suite}: {arm} {_figure(test, f'over {against}')}: not shown."


def _of_degraded(suites: Sequence[Suite], tests: Tests) -> Iterator[str]:
    for suite in suites:
        for side in suite.degraded:
            original = next((one for one in suite.sides if one.first.model == side.first.model), None)
            test = tests.between(side, original) if original else None
            if test and not test.shown:
                name = variant(side.first).name
                yield f"{suite.name}, {name}: {_figure(test, 'against the original search')}: no loss shown."


def _short_training(stages: dict[str, Stage], sentences: Sequence[str]) -> Iterator[str]:
    """Yields the note of each RL stage that was too short to show a gain, unless a test says so already."""
    for stage in stages.values():
        summary = stage.summary if isinstance(stage.summary, dict) else {}
        if stage.kind != "rl" or not stage.done or not summary.get("note") or summary.get("stopped"):
            continue
        if not any(text.startswith(f"{stage.name}: ") for text in sentences):
            yield f"{stage.name}: {summary['note']}"
