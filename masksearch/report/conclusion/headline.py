"""One headline for each suite, in words: what the trained model does, what it did before, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.evaluation.tables import percent
from masksearch.report.conclusion.paired import Tests
from masksearch.report.conclusion.suites import Side, Suite
from masksearch.report.load import Run

HOW = {
    "agent": "by searching",
    "agent-prompted": "prompted with the protocol and an example",
    "rag": "given the results of one search",
    "closed-book": "from memory",
    "external": "by another system",
}
"""Method -> how a model answers by it."""
_WHY = {
    "failed": "met a failed endpoint or search",
    "ran_out": "ran out of turns or tokens",
    "unjudged": "got no readable verdict",
    "not_known": "came from memory, and were wrong",
    "never_searched": "came without a search",
    "not_retrieved": "came from searches that missed the evidence",
    "not_used": "did not use the evidence that was found",
    "answer_lost": "replaced the right answer by another one",
    "over_long": "were too long to count as right",
}
"""Kind of failure -> the end of the sentence `12 answers ...`. `bad_format` counts as invalid instead."""
_NUMBERS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True)
class Headline:
    """A suite with one or two sentences about it."""

    suite: str
    text: str
    good: bool
    """Whether a test shows that the trained model is better than before."""


def headlines(suites: Sequence[Suite], tests: Tests) -> list[Headline]:
    """Returns a headline for each suite."""
    return [headline(suite, tests) for suite in suites if suite.sides]


def headline(suite: Suite, tests: Tests) -> Headline:
    """Returns the headline of a suite."""
    after = suite.after
    if after is None:
        return Headline(suite.name, " ".join(_untrained(suite)), False)
    text = f"{_done(suite)} {count(after)} of {after.n} {_things(suite)} {HOW[after.method]}"
    text += _over_seeds(after)
    if suite.before:
        text += f"; before, {_with_reason(suite.before, after.n)}"
    text += "."
    test = tests.between(after, suite.before) if suite.before else None
    better = test is not None and test.verdict == "better"
    sentences = [text, _steps(suite), _bare(suite.bare, after.n), _shown(suite, after, tests)]
    return Headline(suite.name, " ".join(filter(None, sentences)), better)


def _shown(suite: Suite, after: Side, tests: Tests) -> str:
    """Returns the gains that the tests show: over before, and over the best untrained model."""
    gains = []
    best = max(suite.bare, key=lambda side: side.right / side.n, default=None)
    for side, name in ((suite.before, "before"), (best, "untrained, " + HOW[best.method] if best else "")):
        test = tests.between(after, side) if side else None
        if test and test.verdict == "better":
            gains.append(f"over {name} {test.text}")
    return f"Gain {'; '.join(gains)}." if gains else ""


def _done(suite: Suite) -> str:
    return "Filled" if suite.masks else "Answered"


def _things(suite: Suite) -> str:
    """Returns what is counted: masked facts, texts with several masks, or questions."""
    if not suite.masks:
        return "questions"
    where = " in unseen articles" if suite.unseen else ""
    if suite.masks == {1}:
        return f"masked facts{where}"
    if len(suite.masks) > 1:
        return f"texts with {min(suite.masks)} to {max(suite.masks)} masks{where}"
    (masks,) = suite.masks
    return f"texts with {_NUMBERS.get(masks, masks)} masks{where}"


def count(side: Side) -> str:
    """Returns a side's number of right answers; with several seeds their mean."""
    return f"{side.right:.0f}" if len(side.results) == 1 else f"{side.right:.1f}"


def _over_seeds(side: Side) -> str:
    return f" (mean of {len(side.results)} seeds)" if len(side.results) > 1 else ""


def _with_reason(side: Side, n: int) -> str:
    """Returns `0, of which 98 were not in the asked form` for the model before training: its right answers,
    and the most frequent reason for the others."""
    found = count(side) + _of_first(side, n)
    if side.right >= side.n:
        return found
    failures = side.first.failures
    reasons = {_WHY[kind]: failures[kind] for kind in _WHY if failures.get(kind)}
    reasons["were not in the asked form"] = round(side.invalid)
    reason, number = max(reasons.items(), key=lambda item: item[1])
    if not number:
        return found
    if number == 1:
        reason = reason.replace("were ", "was ", 1)
    return f"{found} ({number} answer{'s' * (number != 1)} {reason})"


def _steps(suite: Suite) -> str:
    """Returns the counts of the other trained models: earlier steps of the same training, or other arms."""
    sentences = []
    for side in suite.steps:
        earlier = suite.after is not None and is_step(side, suite.after)
        name = side.maker or side.name
        number = count(side) + _of_first(side, suite.after.n if suite.after else side.n)
        sentences.append(f"{f'After {name} alone' if earlier else f'Trained by {name}'}: {number}.")
    return " ".join(sentences)


def is_step(earlier: Side, later: Side) -> bool:
    """Whether the later model was trained from the earlier one, by the names of their checkpoints."""
    return later.first.model.startswith(f"{earlier.first.model}+")


def _bare(sides: Sequence[Side], n: int) -> str:
    """Returns the counts of the untrained model with other methods; each prompts it better than `before`."""
    if not sides:
        return ""
    counts = [f"{HOW[side.method]}: {count(side)}{_of_first(side, n)}" for side in sides]
    return f"The untrained model {', '.join(counts)}."


def _of_first(side: Side, n: int) -> str:
    """Returns ` of the first 40` for an evaluation on a part of the suite's `n` questions."""
    return f" of the first {side.n}" if side.n < n else "" if side.n == n else f" of {side.n}"


def _untrained(suite: Suite) -> list[str]:
    """Returns a sentence for each model of a suite without trained models."""
    verb = _done(suite).lower()
    sentences = []
    for side in suite.sides:
        why = _with_reason(side, side.n).removeprefix(count(side))
        name = side.first.settings.get("label") or side.first.model
        sentences.append(f"{name} {verb} {count(side)} of {side.n} {_things(suite)} {HOW[side.method]}{why}.")
    return sentences


def evolved(run: Run) -> list[Headline]:
    """Returns a headline for each finished stage of self-evolution: its rounds and the chosen model."""
    found = []
    for stage in run.stages:
        summary = stage.summary if isinstance(stage.summary, dict) else {}
        if stage.kind != "evolve" or not stage.done or stage.run or not summary.get("rounds"):
            continue
        shares = ", ".join(percent(share) for share in summary.get("heldout") or [])
        measured = f"Held-out F1 by round: {shares}%. " if shares else ""
        text = (
            f"{measured}The model is that of round {summary.get('model_round')}; "
            f"{summary.get('kept')} trajectories were kept in addition to {summary.get('seed_data')}."
        )
        found.append(Headline(stage.name, f"{summary.get('stopped', '')} {text}".strip(), False))
    return found
