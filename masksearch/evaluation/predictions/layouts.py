"""Reads prediction files. The layout is detected from the content.

    plain       {"id", "prediction"} a line or in a list; or one object {id: prediction}, also inside
                {"answer": {...}} (HotpotQA's and 2WikiMultiHopQA's official form)
    search-r1   Parquet of verl's generation (`responses`, next to the question's own fields), or the JSON
                Lines of its validation (`input`, `output`)
    flashrag    intermediate_data.json: a list with `output.pred`
    inspect     a log of Inspect (inspect_log.py)

Trajectories of MaskSearch are read too (`id`, `answer`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from masksearch.errors import DataError, FormatError, UsageError
from masksearch.evaluation.predictions.inspect_log import is_inspect, read_log, sample_values
from masksearch.evaluation.suites.containers import read_file
from masksearch.evaluation.suites.rows import Row
from masksearch.evaluation.suites.shared import asked_in, search_r1_id
from masksearch.runtime.files import open_binary

LayoutName = Literal["auto", "plain", "search-r1", "flashrag", "inspect"]
PREDICTIONS = ("prediction", "pred", "predicted_answer", "model_answer", "output", "response", "completion")
"""Names of a prediction's field in the layout plain, the most usual first."""
IDS = ("id", "_id", "qid", "question_id", "task_id")
FIELDS = ("id", "prediction", "question")
"""Fields whose names a user can give."""


@dataclass(frozen=True)
class Prediction:
    """One prediction of a file, as it is written there."""

    place: str
    """File and line, record or row, for messages."""
    id: str
    """Id of the question; empty if the file names none."""
    question: str
    """Text of the question; empty if the file has none."""
    value: Any
    """The prediction; None if the system gave none."""
    rollout: bool = False
    """Whether `value` is all that the model wrote, so that an answer needs its tags."""


@dataclass(frozen=True)
class PredictionFile:
    """The predictions of a file, and what else it says."""

    layout: str
    predictions: tuple[Prediction, ...]
    model: str = ""
    """Name of the model; empty if the file names none."""


def parse_fields(given: Iterable[str]) -> dict[str, str]:
    """Returns the names of fields that a user gives: ("id=qid", ...) -> {"id": "qid", ...}."""
    fields: dict[str, str] = {}
    for text in given:
        field, _, name = (part.strip() for part in text.partition("="))
        if field not in FIELDS or not name:
            raise UsageError(f"'{text}' names no field; write id=NAME, prediction=NAME or question=NAME")
        fields[field] = name
    return fields


def read_predictions(path: str, layout: LayoutName = "auto", fields: Sequence[str] = ()) -> PredictionFile:
    """Reads a file of predictions.

    Raises DataError for a file that is missing, unreadable or empty, FormatError for one without predictions
    or with a record that has none, and UsageError for `fields` that the layout does not take.
    """
    names = parse_fields(fields)
    if is_inspect(path) or layout == "inspect":
        _check_fields(names, "inspect")
        model, samples = read_log(path)
        found = [_of_sample(place, value) for place, value in samples]
        return PredictionFile("inspect", _some(found, path), model)
    single = _single_object(path)
    if single is not None:
        return PredictionFile("plain", _some(_of_object(single, path), path))
    rows = list(read_file(path))
    if not rows:
        raise DataError(f"{path} holds no predictions.")
    chosen = layout if layout != "auto" else _recognise(rows[0], bool(names))
    if chosen != "plain":
        _check_fields(names, chosen)
    read = {"plain": _plain, "search-r1": _search_r1, "flashrag": _flashrag}[chosen]
    return PredictionFile(chosen, _some([one for row in rows for one in read(row, names)], path))


def _some(found: Sequence[Prediction], path: str) -> tuple[Prediction, ...]:
    if not found:
        raise DataError(f"{path} holds no predictions.")
    return tuple(found)


def _check_fields(names: Mapping[str, str], layout: str) -> None:
    if names:
        raise UsageError(
            f"The layout {layout} has its own fields; leave --fields out, or use --layout plain."
        )


def _single_object(path: str) -> dict[str, Any] | None:
    """Returns the content of a file that is one JSON object over several lines, or one of ids; else None."""
    if path == "-":
        return None
    with open_binary(path) as stream:
        data = stream.read()
    if data[:4] == b"PAR1":
        return None
    if not data.strip():
        raise DataError(f"{path} is empty: it holds no predictions.")
    if data.lstrip()[:1] != b"{":
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    one_record = isinstance(value, dict) and any(name in value for name in (*PREDICTIONS, *IDS, "question"))
    return None if one_record or not isinstance(value, dict) else value


def _of_object(value: Mapping[str, Any], path: str) -> list[Prediction]:
    inner = value["answer"] if isinstance(value.get("answer"), dict) else value
    return [Prediction(f"{path}, '{key}'", str(key), "", answer) for key, answer in inner.items()]


def _recognise(row: Row, named: bool) -> LayoutName:
    """Returns the layout of a file's first record."""
    values, output = row.values, row.values.get("output")
    if named:
        return "plain"
    if isinstance(output, dict) and "golden_answers" in values:
        return "flashrag"
    if "responses" in values or ("input" in values and isinstance(output, str)):
        return "search-r1"
    return "plain"


def _id(row: Row, name: str = "") -> str:
    """Returns the id of a record: text or a number. Empty if it has none. Raises FormatError for others."""
    value = (
        given(row.values, name) if name else next((row.values[key] for key in IDS if key in row.values), None)
    )
    if name and value is None:
        raise row.fault(f"lacks the field '{name}'")
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise row.fault(f"has an id that is neither text nor a whole number but a {type(value).__name__}")
    return str(value).strip()


def given(values: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a field, which may be inside others (`output.pred`); None if it is missing."""
    if name in values:
        return values[name]
    found: Any = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _question(row: Row, name: str = "question") -> str:
    value = given(row.values, name)
    return value.strip() if isinstance(value, str) else ""


def _plain(row: Row, names: Mapping[str, str]) -> list[Prediction]:
    known = (names["prediction"],) if "prediction" in names else PREDICTIONS
    if row.values.get("format") == "masksearch-trajectory/1":
        known = ("answer",)
    present = [name for name in known if name in row.values or given(row.values, name) is not None]
    if not present:
        fields = ", ".join(sorted(row.values)[:12]) or "none"
        raise row.fault(
            f"has no prediction ('{known[0]}'), but the fields {fields}; "
            "name the right one with --fields prediction=NAME"
        )
    identity, question = _id(row, names.get("id", "")), _question(row, names.get("question", "question"))
    if not identity and not question:
        raise row.fault("names no question: it has neither 'id' nor 'question'; see --fields")
    return [Prediction(row.place, identity, question, given(row.values, present[0]))]


def _flashrag(row: Row, names: Mapping[str, str]) -> list[Prediction]:
    output = row.values.get("output")
    if not isinstance(output, dict) or "pred" not in output:
        raise row.fault("has no prediction of FlashRAG (the field 'pred' inside 'output')")
    return [Prediction(row.place, _id(row), _question(row), output["pred"])]


def _search_r1(row: Row, names: Mapping[str, str]) -> list[Prediction]:
    values = row.values
    written = values.get("responses", values.get("output"))
    if written is None and "responses" not in values and "output" not in values:
        raise row.fault("has no output of Search-R1 (the field 'responses' or 'output')")
    question = _question(row) or asked_in(values)
    identity = search_r1_id(row) if "data_source" in values else _id(row)
    if not identity and not question:
        raise row.fault(
            "names no question: it has neither 'id' nor 'question', nor a prompt with 'Question:'"
        )
    texts = list(written) if isinstance(written, list | tuple) else [written]
    return [Prediction(row.place, identity, question, text, rollout=True) for text in texts]


def _of_sample(place: str, value: Mapping[str, Any]) -> Prediction:
    try:
        identity, question, prediction = sample_values(value)
    except (KeyError, TypeError) as error:
        raise FormatError(f"{place} is not a sample of Inspect (it lacks {error}).") from error
    return Prediction(place, identity, question, prediction)
