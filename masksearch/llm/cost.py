"""The cost of a run: tokens and money by role, and the limits at which a run stops asking models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Prices = Mapping[str, float]
"""Price table: model name -> US dollars for a million tokens."""


@dataclass(frozen=True)
class Spent:
    """Requests, tokens and money that a role spent on one task, or on many."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    """US dollars by the price table; 0 for a model without a price."""

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the object that records and summaries hold."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": round(self.cost, 6),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Spent:
        """Reads the values of `to_json`; a missing field counts as 0."""
        return cls(
            int(values.get("requests", 0)),
            int(values.get("prompt_tokens", 0)),
            int(values.get("completion_tokens", 0)),
            float(values.get("cost", 0.0)),
        )


def price(
    model: str, prompt_tokens: int, completion_tokens: int, price_in: Prices, price_out: Prices
) -> float:
    """Returns the price of one request in US dollars; a model without a price costs 0."""
    return (prompt_tokens * price_in.get(model, 0.0) + completion_tokens * price_out.get(model, 0.0)) / 1e6


@dataclass
class Budget:
    """The tokens and money spent on all tasks so far, by role, and the limits of a run. A limit of 0 means
    no limit."""

    max_tokens: int = 0
    max_cost: float = 0.0
    by_role: dict[str, Spent] = field(default_factory=dict)

    def add(self, roles: Mapping[str, Spent]) -> None:
        """Adds the cost of one task, by role."""
        for role, spent in roles.items():
            self.by_role[role] = self.by_role.get(role, Spent()) + spent

    @property
    def total(self) -> Spent:
        """Returns the tokens and money of all roles together."""
        return sum(self.by_role.values(), Spent())

    def empty(self) -> bool:
        """Whether the budget is used up: the sum over all roles has reached a limit."""
        total = self.total
        if self.max_tokens and total.tokens >= self.max_tokens:
            return True
        return bool(self.max_cost and total.cost >= self.max_cost)

    def limit_message(self) -> str:
        """Returns the message for a run that has reached a limit."""
        return f"the limit is reached: {self.total.tokens:,} tokens, {self.total.cost:.2f} US dollars"
