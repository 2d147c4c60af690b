"""Rows of a data set of the hub, as `datasets` streams them: nothing is downloaded as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.corpus.hub import PREFIX, loader, parse, phrase
from masksearch.errors import DataError, UsageError
from masksearch.evaluation.suites.registry import Suite
from masksearch.evaluation.suites.rows import Row


def named_source(suite: Suite, split: str = "") -> str:
    """A suite's own data set as `hf:OWNER/NAME[:CONFIG]@SPLIT`. Raises UsageError where it has none, saying what to fetch instead."""
    if suite.hub:
        return f"{PREFIX}{suite.hub}{f':{suite.config}' if suite.config else ''}@{split or suite.split}"
    if suite.name == "ramp":
        raise UsageError("RAMP tasks are on no hub; make some with `masksearch mask` and name the file.")
    latest = (
        f"; the latest one known here is of {suite.releases[-1].date}, {suite.releases[-1].url}"
        if suite.releases
        else ""
    )
    raise UsageError(
        f"{suite.title} is on no hub in a form that can be read; download its {suite.formats[0]} from {suite.home} and name the file{latest}."
    )


def read_hub(source: str) -> Iterator[Row]:
    """The rows of `hf:OWNER/NAME[:CONFIG][@SPLIT]` with their places; the split is `validation` unless one is named.

    Raises UsageError for a name that cannot be one, DataError where the data set cannot be reached or read, MissingExtraError.
    """
    name, config, split = parse(source)
    load_dataset, number = loader(source), 0
    try:
        rows = iter(load_dataset(name, config, split=split or "validation", streaming=True))
    except Exception as error:
        raise _unreadable(source, 0, error) from error
    while True:
        try:
            row = next(rows, None)
        except Exception as error:
            raise _unreadable(source, number, error) from error
        if row is None:
            return
        yield Row(f"{source}, row {number + 1}", number, dict(row))
        number += 1


def _unreadable(source: str, number: int, error: Exception) -> DataError:
    where = f" after row {number}" if number else ""
    return DataError(
        f"The data set {source} could not be read{where}: {phrase(error)}; check its name and the connection, "
        f"or name another copy ({PREFIX}OWNER/NAME@SPLIT) or a file of the published release."
    )
