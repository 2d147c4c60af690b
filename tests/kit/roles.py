"""A script for the loopback endpoint that plays the roles of the teacher `agents` from the request alone.

    with Endpoint(Roles()) as endpoint: ...

The requested JSON schema identifies the role. The observer answers with the river that a search result
gives for the task's town, or asks for another search. `replies` replaces the reply of a role; its keys
are a role, or (role, number of that role's request from 0).
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from typing import Any

from kit.endpoint import Reply, say, verdict
from kit.waiting import LONG

FACT = re.compile(r"^\[(\d+)\] [^:]*: (Town\d+) lies on the river (\w+)", re.MULTILINE)


class Roles:
    """A script for `Endpoint`."""

    towns = 1_000_000
    """The planner of a town with this number or a higher one waits until `admit` raises it, so that no run
    ends before a test has killed it."""

    def __init__(self, replies: dict[Any, Reply] | None = None, tokens: int = 7) -> None:
        self.replies, self.tokens = replies or {}, tokens
        self.asked: Counter[str] = Counter()
        self.lock = threading.Condition()

    def admit(self, towns: int) -> None:
        """Answers from now on for the towns below this number."""
        with self.lock:
            self.towns = towns
            self.lock.notify_all()

    def __call__(self, body: dict[str, Any], number: int) -> Reply:
        role = role_of(body)
        with self.lock:
            if role == "planner":
                town = town_of(body["messages"][1]["content"]).removeprefix("Town")
                self.lock.wait_for(lambda: not town.isdigit() or int(town) < self.towns, LONG)
            turn = self.asked[role]
            self.asked[role] += 1
        for key in ((role, turn), role):
            if key in self.replies:
                return self.replies[key]
        prompt = body["messages"][1]["content"]
        if role == "judge":
            return verdict("correct")
        return say(json.dumps(getattr(self, role)(prompt)), tokens=self.tokens)

    @staticmethod
    def planner(prompt: str) -> dict[str, Any]:
        """Plans a search for the river of the town."""
        town = town_of(prompt)
        return {
            "steps": [f"find the river of {town}"],
            "thought": f"I need the river of {town}.",
            "query": f"{town} river",
        }

    @staticmethod
    def rewriter(prompt: str) -> dict[str, Any]:
        """Writes three queries for the river."""
        town = town_of(prompt)
        return {"queries": [f"river {town} lies on", f"{town} town", f"where does {town} lie"]}

    @staticmethod
    def observer(prompt: str) -> dict[str, Any]:
        """Answers with the river in the search results, or asks for another search."""
        town = town_of(prompt)
        for found, name, river in FACT.findall(prompt):
            if name == town:
                return {
                    "thought": f"[{found}] says that {town} lies on the river {river}.",
                    "evidence": [int(found)],
                    "action": "answer",
                    "query": "",
                    "answer": river,
                }
        last = "the last search" in prompt
        action = (
            {"action": "answer", "answer": "unknown", "query": ""}
            if last
            else {"action": "reflect", "answer": "", "query": f"{town} water"}
        )
        return {"thought": f"Nothing tells of {town}.", "evidence": [], **action}


def role_of(body: dict[str, Any]) -> str:
    """Returns the role that a request is for, by its JSON schema or its system prompt."""
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


def town_of(prompt: str) -> str:
    """Returns the first town of the task."""
    found = re.search(r"Town\d+", prompt)
    return found[0] if found else "nowhere"
