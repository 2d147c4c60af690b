"""What must not be compared, and what may be but not without a word: other retrievers, other questions, other decoding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import Loaded, same_question, shared_ids
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics import least_adjusted_p
from masksearch.types import Results

_WORSENED = re.compile(r"-(?:noisy-[0-9a-f]{8}|without-(?:[0-9a-f]{8}|gold))(?![0-9a-z])")
"""What wrappers that worsen a search on purpose add to its fingerprint."""
_SEES = ("top_k", "passage_words")
_ACTS = ("max_searches", "max_opens", "open_words")
_WRITES = ("answer_form", "max_tokens", "turn_tokens", "max_length")
_LIMITS = {
    "closed-book": _WRITES,
    "rag": (*_SEES, *_WRITES),
    "agent-prompted": (*_SEES, *_ACTS, *_WRITES),
    "agent": (*_SEES, *_ACTS, *_WRITES),
}
"""Which settings of the agent say something about each method."""


def check_retrievers(entries: Iterable[Loaded]) -> None:
    """Raises UsageError if two results of one suite searched with different retrievers.

    Closed-book has none, and is fine. Noise and hidden gold passages are looked through: what lies below must be the same.
    """
    seen: dict[str, Loaded] = {}
    for entry in entries:
        retriever = _WORSENED.sub("", entry.results.retriever)
        if not retriever:
            continue
        other = seen.setdefault(entry.results.suite, entry)
        if _WORSENED.sub("", other.results.retriever) != retriever:
            raise UsageError(
                f"{other.source} and {entry.source} both measure '{entry.results.suite}', but with different retrievers "
                f"({other.results.retriever} and {entry.results.retriever}), so their scores cannot be compared; "
                "evaluate both with the same index, or set allow_different_retrievers."
            )


def check_questions(entries: Iterable[Loaded]) -> None:
    """Raises UsageError if two results of one suite are of different questions: other ids, other golds, or other texts (by their hash)."""
    first: dict[str, Loaded] = {}
    for entry in entries:
        other = first.setdefault(entry.results.suite, entry)
        told = _questions_apart(other.results, entry.results)
        if told:
            raise UsageError(
                f"{other.source} and {entry.source} both measure '{entry.results.suite}', but on different questions ({told}); "
                "evaluate both on the same ones, give the suites different names with 'eval --suite', or set allow_different_questions "
                f"to compare them over the {len(shared_ids([other.results, entry.results]))} that they share."
            )


def _questions_apart(a: Results, b: Results) -> str:
    """In what the questions differ; empty where they do not."""
    rows_a, rows_b = ({row["id"]: row for row in results.per_question} for results in (a, b))
    only = len(rows_a.keys() - rows_b.keys()), len(rows_b.keys() - rows_a.keys())
    if any(only):
        return f"{only[0]} are only in the first, {only[1]} only in the second"
    other = [key for key, row in rows_a.items() if not same_question(row, rows_b[key])]
    if other:
        return f"{len(other)} with other gold answers, such as '{other[0]}'"
    hashes = [results.provenance.get("questions_hash") for results in (a, b)]
    # The hash goes by the order too, which is no other set.
    comparable = all(hashes) and list(rows_a) == list(rows_b)
    return "the same ids, but other texts" if comparable and hashes[0] != hashes[1] else ""


def warnings(entries: Sequence[Loaded]) -> list[str]:
    """A sentence for each file with questions that failed, and for each way in which results of one suite were made differently,
    naming the first two such files."""
    failed = [(entry, entry.results.failures.get("failed", 0)) for entry in entries]
    told = [
        f"{count} of the {entry.results.n} questions of {entry.source} failed (the endpoint or a search); they count as they came out."
        for entry, count in failed
        if count
    ]
    return [*told, *_made_differently(entries)]


def _made_differently(entries: Sequence[Loaded]) -> list[str]:
    found: dict[tuple[str, tuple[str, ...]], str] = {}
    first: dict[tuple[str, str], Loaded] = {}
    for entry in entries:
        suite = entry.results.suite
        # The prompts of one method are told apart among themselves.
        for other in (
            first.setdefault((suite, ""), entry),
            first.setdefault((suite, entry.results.method), entry),
        ):
            apart = list(_apart(other.results, entry.results))
            if apart:
                told = ", ".join(f"{name} {_short(a)} and {_short(b)}" for name, a, b in apart)
                sentence = f"{other.source} and {entry.source} ('{suite}') were made differently ({told}); part of a difference may come from that."
                found.setdefault((suite, tuple(name for name, _, _ in apart)), sentence)
    return list(found.values())


def _apart(a: Results, b: Results) -> Iterator[tuple[str, Any, Any]]:
    """(what, in a, in b) of what should be the same; only what both files tell."""
    first, second = _conditions(a), _conditions(b)
    if a.method != b.method:
        first.pop("prompt", None)
    yield from (
        (name, value, second[name]) for name, value in first.items() if second.get(name, value) != value
    )


def _conditions(results: Results) -> dict[str, Any]:
    settings, provenance = results.settings, results.provenance
    agent, decoding, judge = (
        _table(found) for found in (settings.get("agent"), provenance.get("decoding"), settings.get("judge"))
    )
    found = {name: agent[name] for name in _LIMITS[results.method] if name in agent}
    found |= {name: settings[name] for name in ("temperature",) if name in settings}
    found |= {
        name: value for name, value in decoding.items() if name not in ("seed", *_SEES, *_ACTS, *_WRITES)
    }
    if provenance.get("prompt_hash"):
        found["prompt"] = provenance["prompt_hash"]
    if any(name.startswith("judge_") for name in results.metrics):
        found["judge"] = judge.get("model") or settings.get("judge")
    return {name: value for name, value in found.items() if value not in ("", None)}


def _table(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _short(found: Any) -> str:
    text = str(found)
    return text if len(text) <= 24 else f"{text[:20]}..."


def resample_warning(settings: CompareSettings, tests: Mapping[str, int]) -> list[str]:
    """A sentence where there are too few resamples for any single test to survive the correction."""
    most = max(tests.values(), default=0)
    least = least_adjusted_p(settings.bootstrap, most, settings.correction)
    if not most or least < 0.05:
        return []
    return [
        f"With {most} tests of one measure and {settings.bootstrap} resamples no p can be below {least:.2g} once corrected; "
        f"set bootstrap to {max(2000, 100 * most)} or more, or compare fewer results."
    ]
