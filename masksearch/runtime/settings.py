"""Base class of all settings, and the marks of fields that name another stage of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict


class _Reference:
    """Marks a field that may name another stage of the recipe."""


Ref = Annotated[str, _Reference()]
Refs = Annotated[tuple[str, ...], _Reference()]


class Settings(BaseModel):
    """Base of all stage settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
