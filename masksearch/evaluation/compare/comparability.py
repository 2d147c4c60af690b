"""Checks whether results can be compared.

Results of one suite with different retrievers or different questions are rejected. Results with different
decoding settings, prompts or judges are compared, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import Loaded, same_question, shared_ids
from masksearch.evaluation.rules import DESCRIPTIONS, RULE, common_rule, rule_of
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.correction import least_adjusted_p
from masksearch.types import Results

_DEGRADED = re.compile(r"-(?:noisy-[0-9a-f]{8}|without-(?:[0-9a-f]{8}|gold))(?![0-9a-z])")
"""Matches the suffixes that noise and hidden gold passages add to the fingerprint of a search."""
_RETRIEVAL = ("top_k", "passage_words")
_ACTIONS = ("max_searches", "max_opens", "open_words")
_ANSWER = ("answer_form", "max_tokens", "turn_tokens", "max_length")
_AGENT_SETTINGS = {
    "closed-book": _ANSWER,
    "rag": (*_RETRIEVAL, *_ANSWER),
    "agent-prompted": (*_RETRIEVAL, *_ACTIONS, *_ANSWER),
    "agent": (*_RETRIEVAL, *_ACTIONS, *_ANSWER),
}
"""Method -> names of the agent settings that affect the results of the method."""


def check_scored(entries: Sequence[Loaded]) -> None:
    """Raises UsageError for results without scores, whose questions have no gold answers."""
    for entry in entries:
        if not entry.results.scored:
            raise UsageError(
                f"{entry.source} has no scores, because its questions have no answers; leave it out of the "
                "comparison, or add the answers and evaluate again."
            )


def check_retrievers(entries: Iterable[Loaded]) -> None:
    """Raises UsageError if two results of one suite used different retrievers.

    Closed-book results have no retriever and are always allowed. A search that is degraded by noise or by
    hidden gold passages counts as the same retriever as the original search.
    """
    first: dict[str, Loaded] = {}
    for entry in entries:
        retriever = _DEGRADED.sub("", entry.results.retriever)
        if not retriever:
            continue
        other = first.setdefault(entry.results.suite, entry)
        if _DEGRADED.sub("", other.results.retriever) != retriever:
            raise UsageError(
                f"{other.source} and {entry.source} both measure '{entry.results.suite}', "
                f"but with different retrievers ({other.results.retriever} and {entry.results.retriever}), "
                "so their scores cannot be compared; evaluate both with the same index, "
                "or set allow_different_retrievers."
            )


def check_questions(entries: Iterable[Loaded]) -> None:
    """Raises UsageError if two results of one suite have different questions.

    Compares the ids, the gold answers, and the hash of all questions with their texts.
    """
    first: dict[str, Loaded] = {}
    for entry in entries:
        other = first.setdefault(entry.results.suite, entry)
        difference = _question_difference(other.results, entry.results)
        if difference:
            shared = len(shared_ids([other.results, entry.results]))
            raise UsageError(
                f"{other.source} and {entry.source} both measure '{entry.results.suite}', "
                f"but on different questions ({difference}); evaluate both on the same questions, "
                "give the suites different names with 'eval --suite', "
                f"or set allow_different_questions to compare them over the {shared} questions "
                "that they share."
            )


def _question_difference(a: Results, b: Results) -> str:
    """Returns a description of how the questions of two results differ; empty if they are the same."""
    rows_a, rows_b = ({row["id"]: row for row in results.per_question} for results in (a, b))
    only = len(rows_a.keys() - rows_b.keys()), len(rows_b.keys() - rows_a.keys())
    if any(only):
        return f"{only[0]} are only in the first, {only[1]} only in the second"
    changed = [key for key, row in rows_a.items() if not same_question(row, rows_b[key])]
    if changed:
        return f"{len(changed)} with other gold answers, such as '{changed[0]}'"
    hashes = [results.provenance.get("questions_hash") for results in (a, b)]
    # The hash also depends on the order of the questions, so it is compared only if the order is the same.
    comparable = all(hashes) and list(rows_a) == list(rows_b)
    return "the same ids, but other texts" if comparable and hashes[0] != hashes[1] else ""


def check_rules(entries: Sequence[Loaded], metrics: Sequence[str]) -> None:
    """Raises UsageError if the share of right answers is asked for and two results count it by different
    rules."""
    if RULE not in metrics:
        return
    different = _different_rules(entries)
    if different:
        raise UsageError(
            f"{different} One column would hold both; evaluate both with the same judge or without one, "
            "or compare another measure, such as f1."
        )


def _different_rules(entries: Sequence[Loaded]) -> str:
    """Returns a sentence about two results that count right answers by different rules; empty without."""
    for entry in entries:
        first, second = rule_of(entries[0].results), rule_of(entry.results)
        if first != second:
            return (
                f"{entries[0].source} and {entry.source} count an answer as right by different rules "
                f"({DESCRIPTIONS[first]}; {DESCRIPTIONS[second]})."
            )
    return ""


def _rules(entries: Sequence[Loaded]) -> list[str]:
    """Returns a warning on results that count right answers by different rules."""
    different = _different_rules(entries)
    if not different:
        return []
    rule = DESCRIPTIONS[common_rule(entry.results for entry in entries)]
    return [
        f"{different} Kinds of failure are in a table for each rule; shares of right answers with and "
        f"without the evidence count all files by {rule}."
    ]


def warnings(entries: Sequence[Loaded]) -> list[str]:
    """Returns warnings on failed questions and on different conditions, such as another temperature.

    There is one warning for each file with failed questions. Conditions are compared between results of one
    suite. Files that differ in the same set of conditions share one warning, which names the first two of
    them.
    """
    failed = [(entry, entry.results.failures.get("failed", 0)) for entry in entries]
    sentences = [
        f"{count} of the {entry.results.n} questions of {entry.source} failed (the endpoint or a search); "
        "each is scored with the answer it has."
        for entry, count in failed
        if count
    ]
    return [*sentences, *_rules(entries), *_different_conditions(entries), *_different_batches(entries)]


def _different_batches(entries: Sequence[Loaded]) -> list[str]:
    """Returns a warning on checkpoints that decoded one suite in bfloat16 in other batches."""
    first: dict[str, tuple[Loaded, Any]] = {}
    for entry in entries:
        provenance = entry.results.provenance
        batch = _table(provenance.get("batch"))
        if not batch or _table(provenance.get("decoding")).get("dtype") != "bfloat16":
            continue
        other, earlier = first.setdefault(entry.results.suite, (entry, batch))
        differing = [f"{name} {earlier.get(name)} and {batch[name]}" for name in batch]
        if earlier != batch:
            return [
                f"{other.source} and {entry.source} were decoded in bfloat16 in different batches "
                f"({', '.join(differing)}). There a greedy answer may depend on its batch, so single answers "
                "may differ for this reason alone; evaluate both with the same --chunk, --decode-slots and "
                "questions, or with --dtype float32."
            ]
    return []


def _different_conditions(entries: Sequence[Loaded]) -> list[str]:
    found: dict[tuple[str, tuple[str, ...]], str] = {}
    first: dict[tuple[str, str], Loaded] = {}
    for entry in entries:
        suite = entry.results.suite
        # Results are compared with the first result of the suite. Prompts can be compared only within a
        # method, so each result is also compared with the suite's first result of the same method.
        for other in (
            first.setdefault((suite, ""), entry),
            first.setdefault((suite, entry.results.method), entry),
        ):
            differing = list(_differing(other.results, entry.results))
            if differing:
                values = ", ".join(f"{name} {_short(a)} and {_short(b)}" for name, a, b in differing)
                sentence = (
                    f"{other.source} and {entry.source} ('{suite}') were evaluated under different "
                    f"conditions ({values}), which may explain part of a difference."
                )
                found.setdefault((suite, tuple(name for name, _, _ in differing)), sentence)
    return list(found.values())


def _differing(a: Results, b: Results) -> Iterator[tuple[str, Any, Any]]:
    """Yields (name, value in a, value in b) of every condition that both results record and that differs."""
    first, second = _conditions(a), _conditions(b)
    if a.method != b.method:
        first.pop("prompt", None)
    yield from (
        (name, value, second[name]) for name, value in first.items() if second.get(name, value) != value
    )


def _conditions(results: Results) -> dict[str, Any]:
    """Returns the conditions that should be the same in a fair comparison: name -> value.

    These are settings of the agent and of decoding, the prompt's hash, and the judge.
    """
    settings, provenance = results.settings, results.provenance
    agent, decoding, judge = (
        _table(found) for found in (settings.get("agent"), provenance.get("decoding"), settings.get("judge"))
    )
    found = {name: agent[name] for name in _AGENT_SETTINGS.get(results.method, ()) if name in agent}
    found |= {name: settings[name] for name in ("temperature",) if name in settings}
    # `decoding` repeats some settings of the agent. They are skipped here, because those that affect the
    # method were added above.
    skipped = ("seed", *_RETRIEVAL, *_ACTIONS, *_ANSWER)
    found |= {name: value for name, value in decoding.items() if name not in skipped}
    if provenance.get("prompt_hash"):
        found["prompt"] = provenance["prompt_hash"]
    if any(name.startswith("judge_") for name in results.metrics):
        found["judge"] = judge.get("model") or settings.get("judge")
        hashes = _table(provenance.get("judge_hashes"))
        found |= {f"prompt of the {mode} judge": value for mode, value in hashes.items()}
        found["date of the judge"] = judge.get("date", "")
    return {name: value for name, value in found.items() if value not in ("", None)}


def _table(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _short(found: Any) -> str:
    text = str(found)
    return text if len(text) <= 24 else f"{text[:20]}..."


def resample_warning(settings: CompareSettings, tests: Mapping[str, int], resampled: bool) -> list[str]:
    """Returns a warning if a corrected p below 0.05 is impossible with the number of resamples.

    `resampled`: whether a test resamples questions. Those over several seeds do not.
    """
    if not resampled:
        return []
    most = max(tests.values(), default=0)
    least = least_adjusted_p(settings.bootstrap, most, settings.correction)
    if not most or least < 0.05:
        return []
    return [
        f"With {most} tests of one measure and {settings.bootstrap} resamples "
        f"no corrected p can be below {least:.2g}; set bootstrap to {max(2000, 100 * most)} or more, "
        "or compare fewer results."
    ]
