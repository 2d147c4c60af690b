"""Renders the part of Go's text/template that our templates for Ollama use; not part of the package.

Actions: `{{ value }}`, `{{ $name := value }}`, `{{ $name = value }}`, if, else, end, range over messages.
Functions: and, or, eq, ne, ge, len, slice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|[^\s()]+')
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "ge": lambda a, b: a >= b,
    "len": lambda a: len(a.encode()),
    "slice": lambda a, start, end: a.encode()[start:end].decode(errors="replace"),
}


def render(template: str, system: str, messages: Sequence[Mapping[str, str]]) -> str:
    """Renders a template of Ollama; `messages` may hold the system message too, as in Ollama."""
    pieces = re.split(r"\{\{ (.*?) \}\}", template, flags=re.DOTALL)
    places = [("text" if number % 2 == 0 else "action", piece) for number, piece in enumerate(pieces)]
    return _Template(places, system, messages).run()


class _Template:
    def __init__(
        self, places: list[tuple[str, str]], system: str, messages: Sequence[Mapping[str, str]]
    ) -> None:
        self.places, self.system, self.messages = places, system, messages
        self.names: dict[str, Any] = {}
        self.output: list[str] = []

    def run(self) -> str:
        assert self._block(0, {}) == len(self.places)
        return "".join(self.output)

    def _block(self, place: int, dot: Mapping[str, str], shown: bool = True) -> int:
        """Renders up to the `else` or `end` that closes the block; returns its place."""
        while place < len(self.places):
            kind, text = self.places[place]
            words = text.split(maxsplit=1)
            if kind == "action" and words[0] in ("else", "end"):
                return place
            if kind == "text":
                self.output += [text] * shown
            elif words[0] == "range":
                place = self._range(place, shown)
            elif words[0] == "if":
                place = self._if(place, words[1], dot, shown)
            elif shown:
                self._act(text, dot)
            place += 1
        return place

    def _range(self, place: int, shown: bool) -> int:
        end = self._block(place + 1, {}, False)
        for message in self.messages if shown else ():
            end = self._block(place + 1, message)
        return end

    def _if(self, place: int, condition: str, dot: Mapping[str, str], shown: bool) -> int:
        done = False
        while True:
            holds = shown and not done and (not condition or bool(self._value(condition, dot)))
            done = done or holds
            place = self._block(place + 1, dot, holds)
            if self.places[place][1] == "end":
                return place
            condition = self.places[place][1].removeprefix("else").strip().removeprefix("if").strip()

    def _act(self, text: str, dot: Mapping[str, str]) -> None:
        if match := re.fullmatch(r"(\$\w+) (:?=) (.*)", text, re.DOTALL):
            assert match[2] == ":=" or match[1] in self.names
            self.names[match[1]] = self._value(match[3], dot)
        else:
            self.output.append(self._value(text, dot))

    def _value(self, text: str, dot: Mapping[str, str]) -> Any:
        return self._call(_TOKEN.findall(text), dot)

    def _call(self, tokens: list[str], dot: Mapping[str, str]) -> Any:
        """Evaluates tokens to the end or to the closing bracket, and removes them."""
        first = tokens.pop(0) if tokens[0] != "(" else ""
        if first in ("and", "or"):
            value: Any = first == "and"
            while tokens and tokens[0] != ")":
                # Go stops at the first operand that decides; the others are skipped, not evaluated.
                decided = bool(value) is (first == "or")
                other = None if self._skip(tokens, decided) else self._operand(tokens, dot)
                value = value if decided else other
        elif first in _FUNCTIONS:
            values = []
            while tokens and tokens[0] != ")":
                values.append(self._operand(tokens, dot))
            value = _FUNCTIONS[first](*values)
        else:
            value = self._operand([first] if first else tokens, dot)
        if tokens:
            assert tokens.pop(0) == ")"
        return value

    def _skip(self, tokens: list[str], skips: bool) -> bool:
        """Removes one operand if `skips`; returns `skips`."""
        depth = 0
        while skips:
            depth += {"(": 1, ")": -1}.get(tokens.pop(0), 0)
            if not depth:
                break
        return skips

    def _operand(self, tokens: list[str], dot: Mapping[str, str]) -> Any:
        token = tokens.pop(0)
        if token == "(":
            return self._call(tokens, dot)
        if token.startswith('"'):
            return json.loads(token)
        if token.startswith("$"):
            return self.names[token]
        if token.isdigit():
            return int(token)
        return {".System": self.system, ".Role": dot.get("role"), ".Content": dot.get("content")}[token]
