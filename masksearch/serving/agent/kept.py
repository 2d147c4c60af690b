"""The last answers with their searches, for links to them. They are kept in memory."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Any


class Kept:
    """Up to `most` records by id; a new one replaces the oldest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def add(self, record: dict[str, Any]) -> None:
        """Keeps a record under its `id`."""
        self._records[record["id"]] = record
        while len(self._records) > self._most:
            self._records.popitem(last=False)

    def get(self, key: str) -> dict[str, Any] | None:
        """Returns the record with this id; None if it is not kept."""
        return self._records.get(key)

    def __len__(self) -> int:
        return len(self._records)


def new_id() -> str:
    """Returns an id that nobody can guess: the link to an answer is shown to those who have it."""
    return secrets.token_urlsafe(12)
