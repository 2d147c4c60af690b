"""Streams data sets of the Hugging Face hub (or a folder of data files): `hf:OWNER/NAME[:CONFIG][@SPLIT]`.

The data set must have columns of a known layout (layouts/fields.py), or such that the user names. A row
without an id gets the id NAME#ROW. The data set is streamed, not downloaded as a whole. A lost connection
raises DataError instead of ending the corpus early, because a shorter corpus would give other tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from masksearch.corpus.layouts import MADE
from masksearch.corpus.layouts.fields import columns, text_columns
from masksearch.errors import DataError, MissingExtraError, UsageError

PREFIX = "hf:"
_SOURCE = re.compile(rf"{PREFIX}(?P<name>[^:@]+)(?::(?P<config>[^:@]+))?(?:@(?P<split>[^:@]+))?")


def parse(source: str) -> tuple[str, str | None, str | None]:
    """Returns name, configuration and split of `hf:OWNER/NAME[:CONFIG][@SPLIT]`.

    Raises UsageError for an invalid name.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise UsageError(
            f"'{source}' is not the name of a data set; write {PREFIX}OWNER/NAME, {PREFIX}OWNER/NAME:CONFIG "
            f"or {PREFIX}OWNER/NAME:CONFIG@SPLIT."
        )
    return match["name"], match["config"], match["split"]


def loader(source: str) -> Any:
    """Returns `datasets.load_dataset`. Raises MissingExtraError if the library is not installed."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError("datasets", "readers", f"The data set '{source}'") from error
    return load_dataset


def phrase(error: Exception) -> str:
    """Returns the first line of an error's message, or its type if the message is empty.

    The error may be of any type, because `datasets` raises some thirty types from several packages.
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def read_hub(source: str, fields: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a data set with their places; the split is `train` unless the source names another.
    `fields` are the names of columns that the user gives.

    Raises UsageError for an invalid name, DataError if the data set cannot be reached or read, and
    MissingExtraError if the library is not installed.
    """
    name, config, split = parse(source)
    load_dataset, number = loader(source), 0
    try:
        rows = load_dataset(name, config, split=split or "train", streaming=True)
        if rows.column_names is not None:
            wanted = columns(fields)
            chosen = [column for column in rows.column_names if column in wanted]
            if not text_columns(fields).isdisjoint(chosen):
                rows = rows.select_columns(chosen)
        for number, row in enumerate(rows, 1):
            if number == 1:
                _check_columns(source, row, fields)
            if row.get("id") is None:
                row = {**row, MADE: f"{name}#{number}"}
            yield f"{source}, row {number}", row
    except DataError:
        raise
    except Exception as error:
        where = f" after row {number}" if number else ""
        raise DataError(
            f"The data set {source} could not be read{where}: {phrase(error)}; check its name and the "
            "connection."
        ) from error


def _check_columns(source: str, row: dict[str, Any], fields: Mapping[str, str]) -> None:
    if text_columns(fields).isdisjoint(row):
        present = ", ".join(row) or "none"
        raise DataError(
            f"The data set {source} has no column '{fields.get('text', 'text')}' (it has: {present}); name "
            "its columns with --fields, such as --fields text=body,title=headline."
        )
