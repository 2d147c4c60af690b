"""All errors that users see, and the exit status of the command for each error.

    MaskSearchError              1   the work failed
    +-- DataError                1   a file: missing, unreadable, malformed, empty (names file and line)
    |   +-- FormatError          1   one record is not valid
    +-- SearchError              1   the index or a search back end failed
    |   +-- SearchUnavailableError 1  temporarily: a time-out, too many requests, a server error
    +-- ModelError               1   a model cannot be loaded or does not answer
    +-- TrainingError            1   training cannot start or continue
    +-- PreflightError         1, 2  several faults that were found before anything was computed, one a line
    +-- UsageError               2   wrong use: a flag, a recipe key, a value
        +-- RecipeError          2   the recipe file itself
        +-- MissingExtraError    2   an optional dependency is not installed (names the extra)

A message is one or more whole sentences that name the fault, its place, and the remedy.
"""

from __future__ import annotations


class MaskSearchError(Exception):
    """Base of all errors whose message is shown to users."""

    exit_status: int = 1


class DataError(MaskSearchError):
    """A file is missing, unreadable, malformed or empty."""


class FormatError(DataError):
    """One record of a file is not valid."""


class SearchError(MaskSearchError):
    """The index or a search back end failed."""


class SearchUnavailableError(SearchError):
    """A search back end failed temporarily, so the search can be repeated. `retry_after` is the number of
    seconds to wait, if the back end named one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[SearchUnavailableError], tuple[str, float | None]]:
        """Pickles the error with its arguments, so that it can pass from a worker process to its parent."""
        return type(self), (str(self), self.retry_after)


class ModelError(MaskSearchError):
    """A model cannot be loaded, or does not answer."""


class TrainingError(MaskSearchError):
    """Training cannot start or continue."""


class PreflightError(MaskSearchError):
    """Several faults were found before anything was computed. The message has a line for each."""


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
        """Pickles the error with its arguments, so that it can pass from a worker process to its parent."""
        return type(self), self._parts
