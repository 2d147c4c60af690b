"""Settings of `masksearch init`."""

from __future__ import annotations

from pydantic import Field, field_validator

from masksearch.corpus.layouts.fields import parse_fields
from masksearch.llm.settings import DEFAULT_MODEL
from masksearch.runtime.settings import Settings
from masksearch.types import Language


class InitSettings(Settings):
    """Looks at your documents, and writes a recipe that trains a model to search them."""

    basic = ("model", "fields", "questions", "minutes", "language")

    model: str = DEFAULT_MODEL
    """Model to train: `smollm2-135m` (packaged), a checkpoint folder, or a model of the hub."""
    fields: tuple[str, ...] = ()
    """Names of the documents' fields: id=NAME, title=NAME, text=NAME, language=NAME. Known ones need no
    names."""
    questions: str = ""
    """Questions of your own with answers, to measure with beside the held-out passages: a file of
    {"id", "question", "answers"}."""
    minutes: int = Field(15, ge=1)
    """Minutes that the training should take on this machine; it decides the number of trajectories."""
    language: Language | None = None
    """Language of documents that do not name their own. Unset: the one whose common words most of the
    documents use."""
    sample: int = Field(150, ge=10)
    """Number of documents that are parsed to see whether questions of several steps can be made."""
    seed: int = 1
    """Seed of the recipe."""

    @field_validator("fields")
    @classmethod
    def _fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_fields(value)
        return value
