"""What a run costs: tokens and money by role, and a limit beyond which nothing more is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Prices = Mapping[str, float]
"""Model -> US dollars for a million tokens."""


@dataclass(frozen=True)
class Spent:
    """Of one role on one task, or of many."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    """US dollars by the price table; 0 for a model that is not in it."""

    @property
    def tokens(self) -> int:
        """Of prompts and replies."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in records and summaries."""
        values = {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
        return {**values, "cost": round(self.cost, 6)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Spent:
        """What `to_json` wrote; what is missing counts as nothing."""
        requests, prompt, completion = (
            int(values.get(name, 0)) for name in ("requests", "prompt_tokens", "completion_tokens")
        )
        return cls(requests, prompt, completion, float(values.get("cost", 0.0)))


def price(
    model: str, prompt_tokens: int, completion_tokens: int, price_in: Prices, price_out: Prices
) -> float:
    """US dollars."""
    return (prompt_tokens * price_in.get(model, 0.0) + completion_tokens * price_out.get(model, 0.0)) / 1e6


@dataclass
class Purse:
    """The sum over all tasks, and its limits (0: none)."""

    max_tokens: int = 0
    max_cost: float = 0.0
    by_role: dict[str, Spent] = field(default_factory=dict)

    def add(self, roles: Mapping[str, Spent]) -> None:
        """Counts what a task has cost."""
        for role, spent in roles.items():
            self.by_role[role] = self.by_role.get(role, Spent()) + spent

    @property
    def total(self) -> Spent:
        """Over all roles."""
        return sum(self.by_role.values(), Spent())

    def empty(self) -> bool:
        """Whether a limit has been reached."""
        total = self.total
        return bool(
            (self.max_tokens and total.tokens >= self.max_tokens)
            or (self.max_cost and total.cost >= self.max_cost)
        )

    def told(self) -> str:
        """What is said where a limit has been reached."""
        return f"the limit is reached: {self.total.tokens:,} tokens, {self.total.cost:.2f} US dollars"
