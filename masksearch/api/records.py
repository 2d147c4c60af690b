"""Lists of dicts as files, and records as data frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from masksearch.errors import DataError, UsageError
from masksearch.runtime import files
from masksearch.runtime.extras import naming_extras

if TYPE_CHECKING:
    import pandas

INPUTS = "inputs"
"""Folder beside the stages that holds what was given as a list."""
TITLE_WORDS = 8
"""Number of words of a title that is made from a text without one."""


def is_rows(value: Any) -> bool:
    """Whether a value is a list of records: not the path of a file, and not a single record."""
    return not isinstance(value, str | bytes | Path | Mapping) and (_is_frame(value) or _is_iterable(value))


def written(rows: Any, folder: Path, name: str, kind: str) -> Path:
    """Writes records to a JSON Lines file whose name depends on their content, and returns its path.

    `rows` are dicts, records of masksearch.types, a data frame, or for a corpus also texts. `kind` is
    `document`, `question` or `record`: a document or question without an id gets one.
    """
    lines = [
        json.dumps(_row(row, number, kind), ensure_ascii=False, default=_plain)
        for number, row in enumerate(_rows(rows))
    ]
    if not lines:
        raise DataError(f"The list of {kind}s is empty.")
    text = "\n".join(lines) + "\n"
    path = folder / INPUTS / f"{name}-{files.hash_json(text)[:12]}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, text)
    return path


def frame(rows: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """Returns a data frame with one row per record. Raises MissingExtraError without the package pandas."""
    with naming_extras("A data frame"):
        import pandas
    return pandas.DataFrame.from_records(list(rows))


def _row(row: Any, number: int, kind: str) -> dict[str, Any]:
    if isinstance(row, BaseModel):
        return row.model_dump(mode="json")
    if kind == "document" and isinstance(row, str):
        row = {"text": row}
    if kind == "question" and isinstance(row, str):
        row = {"question": row}
    if not isinstance(row, Mapping):
        raise UsageError(f"{kind.capitalize()} {number + 1} is a {type(row).__name__}; it should be a dict.")
    value = {str(name): _plain(field) for name, field in row.items()}
    if kind != "record":
        value.setdefault("id", str(number))
    if kind == "document" and "text" in value:
        value.setdefault("title", " ".join(str(value["text"]).split()[:TITLE_WORDS]))
    return value


def _rows(rows: Any) -> list[Any]:
    if not _is_frame(rows):
        return list(rows)
    # NaN marks a missing value in a data frame; in JSON it would be no valid value.
    return [{name: value for name, value in row.items() if value == value} for row in rows.to_dict("records")]


def _plain(value: Any) -> Any:
    """Returns a number of numpy as a Python number, an array as a list, other values as they are."""
    if isinstance(value, str | int | float | bool | Mapping | list | tuple) or value is None:
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "columns")


def _is_iterable(value: Any) -> bool:
    return isinstance(value, Iterable)
