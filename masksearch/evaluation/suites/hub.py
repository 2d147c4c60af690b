"""Streams the rows of a data set on the Hugging Face hub, without downloading the whole data set."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.corpus.hub import PREFIX, loader, parse, phrase
from masksearch.errors import DataError, UsageError
from masksearch.evaluation.suites.registry import Suite
from masksearch.evaluation.suites.rows import Row


def named_source(suite: Suite, split: str = "") -> str:
    """Returns the source of a suite on the hub: `hf:OWNER/NAME[:CONFIG]@SPLIT`.

    Raises UsageError for a suite that is not on the hub; the message names the file to download instead.
    """
    if suite.hub:
        return f"{PREFIX}{suite.hub}{f':{suite.config}' if suite.config else ''}@{split or suite.split}"
    if suite.name == "ramp":
        raise UsageError(
            "RAMP tasks are not on the hub; create them with `masksearch mask` and name the file."
        )
    latest = ""
    if suite.releases:
        release = suite.releases[-1]
        latest = f"; the latest one known here is of {release.date}, {release.url}"
    raise UsageError(
        f"{suite.title} is not on the hub in a readable form; "
        f"download its {suite.formats[0]} from {suite.home} and name the file{latest}."
    )


def read_hub(source: str) -> Iterator[Row]:
    """Yields the rows of the data set `hf:OWNER/NAME[:CONFIG][@SPLIT]`; the default split is `validation`.

    Raises UsageError for an invalid name, DataError for a data set that cannot be reached or read,
    MissingExtraError without the package `datasets`.
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
        f"The data set {source} could not be read{where}: {phrase(error)}; "
        f"check its name and the connection, or name another copy ({PREFIX}OWNER/NAME@SPLIT) "
        "or a file of the published release."
    )
