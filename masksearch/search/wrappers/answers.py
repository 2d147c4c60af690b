"""Answers of a search as JSON: what the cache keeps and what a record holds."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter

from masksearch.types import Hit, Page

HITS: Final = TypeAdapter(list[Hit])
PAGE: Final = TypeAdapter(Page | None)
