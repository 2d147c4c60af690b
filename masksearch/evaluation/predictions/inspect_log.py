"""Reads logs of Inspect: `.json` as text, `.eval` with the package `inspect_ai`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, FormatError, MissingExtraError
from masksearch.runtime.files import open_binary

ZIP = b"PK\x03\x04"
Sample = tuple[str, Mapping[str, Any]]
"""Place of a sample, for messages, and its values."""


def is_inspect(path: str) -> bool:
    """Whether a file is a log of Inspect: an archive named .eval, or JSON with the parts of a log."""
    if path == "-" or not Path(path).is_file():
        return False
    if path.endswith(".eval"):
        return True
    if not path.endswith(".json"):
        return False
    with open_binary(path) as stream:
        try:
            value = json.load(stream)
        except (ValueError, RecursionError):
            return False
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "status" in value


def read_log(path: str) -> tuple[str, list[Sample]]:
    """Returns the model's name and the samples of a log. Raises DataError or FormatError for other files."""
    with open_binary(path) as stream:
        start = stream.read(4)
    log = _archive(path) if start == ZIP else _text(path)
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise DataError(f"{path} is a log of Inspect without samples (status {log.get('status')}).")
    spec = log.get("eval")
    model = str(spec.get("model", "")) if isinstance(spec, dict) else ""
    return model, [(_place(path, number, value), value) for number, value in enumerate(samples, 1)]


def _place(path: str, number: int, value: Any) -> str:
    if not isinstance(value, dict) or "id" not in value:
        raise FormatError(f"{path}, sample {number} has no id.")
    return f"{path}, sample '{value['id']}' of epoch {value.get('epoch', 1)}"


def _text(path: str) -> dict[str, Any]:
    with open_binary(path) as stream:
        try:
            value = json.load(stream)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is not a log of Inspect ({error}).") from error
    if not isinstance(value, dict) or "samples" not in value:
        raise FormatError(f"{path} is not a log of Inspect: it has no samples.")
    return value


def _archive(path: str) -> dict[str, Any]:
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise MissingExtraError("inspect-ai", "inspect", "A log of Inspect in the form .eval") from error
    try:
        log = read_eval_log(path)
    except Exception as error:  # the package names no errors of its own
        raise DataError(f"{path} could not be read as a log of Inspect: {error}.") from error
    # A sample's messages and events may be large, and only a few fields are used.
    wanted = {"id", "epoch", "input", "output", "scores", "metadata", "store", "error"}
    return {
        "status": log.status,
        "eval": {"model": log.eval.model},
        "samples": [sample.model_dump(mode="json", include=wanted) for sample in log.samples or ()],
    }


def sample_values(value: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Returns id, question and prediction of a sample.

    The prediction is the answer that the scorers extracted, if they agree; otherwise the model's last text.
    It is None for a sample that ended with an error.
    """
    asked = value.get("input")
    question = asked if isinstance(asked, str) else ""
    scores = value.get("scores") or {}
    answers = {
        score["answer"]
        for score in scores.values()
        if isinstance(score, dict) and score.get("answer") is not None
    }
    if len(answers) == 1:
        return str(value["id"]), question, str(answers.pop())
    return str(value["id"]), question, None if value.get("error") else _completion(value.get("output"))


def _completion(output: Any) -> str | None:
    if not isinstance(output, dict):
        return None
    completion = output.get("completion")
    if isinstance(completion, str):
        return completion
    choices = output.get("choices") or [{}]
    content = choices[0].get("message", {}).get("content")
    if isinstance(content, list):
        texts = [
            part.get("text", "") for part in content if isinstance(part, dict) and part.get("type") == "text"
        ]
        return "".join(texts)
    return content if isinstance(content, str) else None
