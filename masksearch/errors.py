"""Every error a user can meet, and the exit status it ends the command line with.

    MaskSearchError              1   something in the work failed
    +-- DataError                1   a file: missing, unreadable, malformed, empty (names file and line)
    |   +-- FormatError          1   one record is not what it should be
    +-- SearchError              1   the index or a search back end failed
    |   +-- SearchUnavailableError 1  ... for now: a time-out, too many requests, a server's own fault
    +-- ModelError               1   a model cannot be loaded or does not answer
    +-- TrainingError            1   training cannot start or cannot go on
    +-- UsageError               2   wrong use: a flag, a recipe key, a value
        +-- RecipeError          2   the recipe file itself
        +-- MissingExtraError    2   an optional dependency is not installed (names the extra)

Messages are whole sentences: what was wrong, where, and what to do.
"""

from __future__ import annotations


class MaskSearchError(Exception):
    """Base of all errors that are shown to users as one sentence."""

    exit_status: int = 1


class DataError(MaskSearchError):
    """A file is missing, unreadable, malformed or empty."""


class FormatError(DataError):
    """One record of a file is not what it should be."""


class SearchError(MaskSearchError):
    """The index or a search back end failed."""


class SearchUnavailableError(SearchError):
    """A search back end failed in a way that may pass: worth another try, after `retry_after` seconds where it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[SearchUnavailableError], tuple[str, float | None]]:
        """So that it can come back from a worker process."""
        return type(self), (str(self), self.retry_after)


class ModelError(MaskSearchError):
    """A model cannot be loaded, or does not answer."""


class TrainingError(MaskSearchError):
    """Training cannot start, or cannot go on."""


class UsageError(MaskSearchError):
    """Wrong use: a flag, a recipe key, a value."""

    exit_status: int = 2


class RecipeError(UsageError):
    """The recipe is not valid."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._parts = (package, extra, purpose)
        super().__init__(
            f"{purpose} needs the package '{package}'; install it with: pip install 'masksearch[{extra}]'."
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """So that it can come back from a worker process."""
        return type(self), self._parts
