"""What the roles say, read from JSON, and what a task's record holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from masksearch.types import Hit

LONGEST_QUERY = 400
"""Characters."""
Action = Literal["answer", "next", "reflect", "knowledge"]


@dataclass(frozen=True)
class Plan:
    """The planner's: the steps, why, and what is looked for first."""

    steps: tuple[str, ...]
    thought: str
    query: str


@dataclass(frozen=True)
class Observation:
    """The observer's: what the results say, and what follows."""

    action: Action
    thought: str
    evidence: tuple[int, ...] = ()
    """Numbers (from 1) of the results that it rests on."""
    answer: str = ""
    query: str = ""


@dataclass(frozen=True)
class Step:
    """One round: what was looked for, with which queries, and what they brought."""

    thought: str
    query: str
    queries: tuple[str, ...]
    rankings: tuple[tuple[Hit, ...], ...]
    merged: tuple[Hit, ...]
    observation: Observation


def read_plan(value: Mapping[str, Any]) -> Plan | str:
    """A planner's object."""
    thought, query, steps = _text(value, "thought"), _text(value, "query"), value.get("steps")
    if not thought or not query:
        return "the object lacks 'thought' or 'query'"
    listed = [str(step).strip() for step in steps if str(step).strip()] if isinstance(steps, list) else []
    return Plan(tuple(listed), thought, query[:LONGEST_QUERY])


def read_queries(least: int) -> Any:
    """A reader of a rewriter's object with at least so many different queries."""

    def read(value: Mapping[str, Any]) -> tuple[str, ...] | str:
        listed = value.get("queries")
        if not isinstance(listed, list):
            return "the object lacks the list 'queries'"
        queries = tuple(
            dict.fromkeys(
                " ".join(query.split())[:LONGEST_QUERY]
                for query in listed
                if isinstance(query, str) and query.strip()
            )
        )
        return (
            queries
            if len(queries) >= least
            else f"'queries' holds {len(queries)} different queries, and at least {least} are needed"
        )

    return read


def read_observation(allowed: tuple[str, ...], results: int) -> Any:
    """A reader of an observer's object, which may take one of these actions and point at so many results."""

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
        listed = value.get("evidence")
        evidence = (
            [number for number in listed if isinstance(number, int) and not isinstance(number, bool)]
            if isinstance(listed, list)
            else []
        )
        if any(not 1 <= number <= results for number in evidence):
            return f"'evidence' names a result that there is not; they are numbered from 1 to {results}"
        return Observation(action, thought, tuple(dict.fromkeys(evidence)), answer, query)  # type: ignore[arg-type]

    return read


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    # A list of fills is an answer too.
    if isinstance(found, list):
        found = (
            "\n".join(f"{number}. {item}" for number, item in enumerate(found, 1)) if name == "answer" else ""
        )
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
    """What an observer may say."""
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
