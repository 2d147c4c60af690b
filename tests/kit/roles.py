"""Roles of the teacher `agents` for the loopback endpoint, played from a script: they know no more than what stands in the request.

    with Endpoint(Roles()) as endpoint: ...

A role is told by the form it is asked for. The observer answers with what a result says of the town that the task names, or asks for another search.
`say_instead` puts a reply of one's own in the place of a role's: by role, or (role, number of that role's request from 0).
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from typing import Any

from kit.endpoint import Reply, say, verdict

FACT = re.compile(r"^\[(\d+)\] [^:]*: (Town\d+) lies on the river (\w+)", re.MULTILINE)


class Roles:
    """A script for `Endpoint`."""

    def __init__(self, say_instead: dict[Any, Reply] | None = None, tokens: int = 7) -> None:
        self.say_instead, self.tokens = say_instead or {}, tokens
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any], number: int) -> Reply:
        role = role_of(body)
        with self.lock:
            turn = self.asked[role]
            self.asked[role] += 1
        for key in ((role, turn), role):
            if key in self.say_instead:
                return self.say_instead[key]
        told = body["messages"][1]["content"]
        if role == "judge":
            return verdict("correct")
        return say(json.dumps(getattr(self, role)(told)), tokens=self.tokens)

    @staticmethod
    def planner(told: str) -> dict[str, Any]:
        """Looks for the town."""
        town = town_of(told)
        return {
            "steps": [f"find the river of {town}"],
            "thought": f"I need the river of {town}.",
            "query": f"{town} river",
        }

    @staticmethod
    def rewriter(told: str) -> dict[str, Any]:
        """Three ways to ask for it."""
        town = town_of(told)
        return {"queries": [f"river {town} lies on", f"{town} town", f"where does {town} lie"]}

    @staticmethod
    def observer(told: str) -> dict[str, Any]:
        """Reads the river off the results."""
        town = town_of(told)
        for found, name, river in FACT.findall(told):
            if name == town:
                return {
                    "thought": f"[{found}] says that {town} lies on the river {river}.",
                    "evidence": [int(found)],
                    "action": "answer",
                    "query": "",
                    "answer": river,
                }
        last = "the last search" in told
        action = (
            {"action": "answer", "answer": "unknown", "query": ""}
            if last
            else {"action": "reflect", "answer": "", "query": f"{town} water"}
        )
        return {"thought": f"Nothing tells of {town}.", "evidence": [], **action}


def role_of(body: dict[str, Any]) -> str:
    """Which role a request is for."""
    form = body.get("response_format", {})
    name = form.get("json_schema", {}).get("name", "")
    if name:
        return "judge" if name == "verdict" else str(name)
    system = body["messages"][0]["content"]
    for words, role in (
        ("You plan", "planner"),
        ("You write queries", "rewriter"),
        ("You read search results", "observer"),
    ):
        if system.startswith(words):
            return role
    return "judge"


def town_of(told: str) -> str:
    """The first town of the task."""
    found = re.search(r"Town\d+", told)
    return found[0] if found else "nowhere"
