"""The replies of the team's roles: JSON schemas, functions that read a reply, and records of a task's rounds.

A reader function returns the parsed reply, or a string that describes the fault of the reply. The role gets
this string in the request to repair its reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from masksearch.types import Hit

LONGEST_QUERY = 400
"""Maximum length of a query in characters; longer queries are cut."""
Action = Literal["answer", "next", "reflect", "knowledge"]
"""The observer's decision: answer, go on to the next step of the plan, search again for the same step, or
answer from its own knowledge."""


@dataclass(frozen=True)
class Plan:
    """The planner's reply: its steps, the thought before the first search, and the first query."""

    steps: tuple[str, ...]
    thought: str
    query: str


@dataclass(frozen=True)
class Observation:
    """The observer's reply to the results of a round."""

    action: Action
    thought: str
    evidence: tuple[int, ...] = ()
    """Numbers (from 1) of the merged results of the round that support the thought."""
    answer: str = ""
    query: str = ""
    """The query of the next round."""


@dataclass(frozen=True)
class Step:
    """One round: the thought before its search, its queries and their results, and the observation."""

    thought: str
    query: str
    """The query that the planner or the observer wrote."""
    queries: tuple[str, ...]
    """All queries of the round: `query`, then those of the rewriter."""
    rankings: tuple[tuple[Hit, ...], ...]
    """The results of each query, in the order of `queries`."""
    merged: tuple[Hit, ...]
    """The results of all queries, merged round-robin; the observer reads these."""
    observation: Observation


def read_plan(value: Mapping[str, Any]) -> Plan | str:
    """Reads the JSON object of a planner's reply; returns the plan, or the fault as text."""
    thought, query, steps = _text(value, "thought"), _text(value, "query"), value.get("steps")
    if not thought or not query:
        return "the object lacks 'thought' or 'query'"
    listed = [str(step).strip() for step in steps if str(step).strip()] if isinstance(steps, list) else []
    return Plan(tuple(listed), thought, query[:LONGEST_QUERY])


def read_queries(least: int) -> Any:
    """Returns a reader for a rewriter's reply, which must hold at least `least` different queries."""

    def read(value: Mapping[str, Any]) -> tuple[str, ...] | str:
        listed = value.get("queries")
        if not isinstance(listed, list):
            return "the object lacks the list 'queries'"
        texts = [query for query in listed if isinstance(query, str) and query.strip()]
        queries = tuple(dict.fromkeys(" ".join(query.split())[:LONGEST_QUERY] for query in texts))
        if len(queries) < least:
            return f"'queries' holds {len(queries)} different queries, and at least {least} are needed"
        return queries

    return read


def read_observation(allowed: tuple[str, ...], results: int) -> Any:
    """Returns a reader for an observer's reply.

    A valid reply has one of the `allowed` actions and cites results by their numbers, 1 to `results`.
    """

    def read(value: Mapping[str, Any]) -> Observation | str:
        action, thought = _text(value, "action").lower(), _text(value, "thought")
        if action not in allowed:
            return f"'action' must be one of {', '.join(allowed)}"
        if not thought:
            return "the object lacks 'thought'"
        answer, query = _text(value, "answer"), _text(value, "query")[:LONGEST_QUERY]
        if action in ("answer", "knowledge") and not answer:
            return f"the action '{action}' needs 'answer'"
        if action in ("next", "reflect") and not query:
            return f"the action '{action}' needs 'query'"
        evidence = _numbers(value.get("evidence"))
        if evidence is None:
            return "'evidence' must be a list of the numbers of results"
        if any(not 1 <= number <= results for number in evidence):
            return f"'evidence' names a result that there is not; they are numbered from 1 to {results}"
        return Observation(action, thought, tuple(dict.fromkeys(evidence)), answer, query)  # type: ignore[arg-type]

    return read


def _numbers(listed: Any) -> list[int] | None:
    """Returns the numbers of results in a list, or None if it is not a list of numbers.

    "2" and "[2]" are numbers. A missing list is empty.
    """
    if listed is None:
        return []
    # JSON's true and false become "True" and "False", which are no numbers.
    texts = [str(item).strip().strip("[]") for item in listed] if isinstance(listed, list) else ["none"]
    return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else None


def _text(value: Mapping[str, Any], name: str) -> str:
    """Returns the value of the field `name` as text; empty if it is missing or of another type.

    A text or a number is accepted, and for the field `answer` also a list.
    """
    found = value.get(name)
    if isinstance(found, list):
        # Some models answer a task of several masks with a list of fills.
        numbered = (f"{number}. {item}" for number, item in enumerate(found, 1))
        found = "\n".join(numbered) if name == "answer" else ""
    return str(found).strip() if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
PLAN_SCHEMA = _object({"steps": {"type": "array", "items": _TEXT}, "thought": _TEXT, "query": _TEXT})
QUERIES_SCHEMA = _object({"queries": {"type": "array", "items": _TEXT}})


def observation_schema(allowed: tuple[str, ...]) -> dict[str, Any]:
    """Returns the JSON schema of an observer's reply with the `allowed` actions."""
    action = {"type": "string", "enum": list(allowed)}
    return _object(
        {
            "thought": _TEXT,
            "evidence": {"type": "array", "items": {"type": "integer"}},
            "action": action,
            "query": _TEXT,
            "answer": _TEXT,
        }
    )
