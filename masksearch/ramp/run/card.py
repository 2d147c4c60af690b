"""The data card (README) of a folder of tasks: metadata for data set hubs, and a description for users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
"""(number of tasks, the hub's name for a data set of fewer tasks than this number)."""
FIELDS = (
    ("id", "unique; the passage and its number of masks"),
    ("doc_id, passage_id, title", "source of the text"),
    ("text", "the text with `[mask]`, as the model sees it"),
    ("answers", "the masked spans, one for each mask, in text order"),
    ("masks", "number of `[mask]` in `text`"),
    ("original", "the text before masking"),
    ("categories", "category of each answer"),
    ("ranks", "for each mask, the rank of the first passage with its answer, in a search with visible words"),
    ("retriever", "fingerprint of the index that was searched"),
    ("language", "language of the text"),
    ("strategy", "how the masked spans were chosen"),
    ("source_hidden", "whether the source article must be hidden from searches"),
    ("verdicts", "name of a check -> its result"),
)
"""(names of fields of a task, description) for the table of fields."""


def render_card(report: Mapping[str, Any], files: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Renders the card as Markdown, with the front matter that hubs read."""
    settings = report["settings"]
    languages = sorted(name for name in report["languages"] if len(name) == 2) or [settings["language"]]
    front = [
        "---",
        "task_categories:",
        "- fill-mask",
        "- question-answering",
        "language:",
        *(f"- {name}" for name in languages),
        "tags:",
        "- masksearch",
        "- retrieval-augmented-mask-prediction",
        f"size_categories:\n- {_size(report['tasks'])}",
        "configs:",
        "- config_name: default",
        f'  data_files: "tasks-*.{kind}"',
        "---",
    ]
    plural = "s" if len(files) != 1 else ""
    body = [
        "# RAMP tasks",
        "",
        f"{report['tasks']} tasks of Retrieval-Augmented Mask Prediction in {len(files)} {kind} "
        f"file{plural}, made by MaskSearch {report['versions']['masksearch']} "
        f"from the corpus `{settings['corpus']}`. "
        "The licence of the corpus applies; name it before you publish the tasks.",
        "",
        "## How the tasks were made",
        "",
        *_how(settings, report),
        "",
        "## Counts",
        "",
        *_table("masks", "tasks", report["masks"]),
        *_table("category", "masks", report["categories"]),
        *_table("language", "tasks", report["languages"]),
        *_table("drop reason", "passages", report["dropped"]),
        *_table("evidence in another article", "masks", report["survival"]),
        "## Fields",
        "",
        "| field | content |\n| --- | --- |",
        *(f"| {name} | {content} |" for name, content in FIELDS),
    ]
    return "\n".join([*front, "", *body]) + "\n"


def _how(settings: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    """Returns the lines of the card that list the settings with which the tasks were made."""
    lines = [
        f"- spans: {', '.join(settings['extractors'])}; masks: {settings['masks']}, "
        f"strategy `{settings['strategy']}`",
        f"- checks: {', '.join(settings['verify'])}" + _evidence(settings, report),
        f"- split: {settings['split']} (held-out share {settings['heldout_share']}, by a hash of the title); "
        f"seed {settings['seed']}",
    ]
    if settings["exclude"]:
        excluded = ", ".join(settings["exclude"])
        lines.append(f"- decontaminated ({settings['exclude_ngram']}-grams and titles) against {excluded}")
    if report.get("retriever"):
        lines.append(f"- retriever: `{report['retriever']}`")
    return lines


def _evidence(settings: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Describes the search for evidence; returns an empty string without a search."""
    if settings["hide_source"]:
        return f"; evidence in another article, the source hidden, within {settings['retrieve_k']} results"
    return f"; evidence within {settings['retrieve_k']} results" if report.get("retriever") else ""


def _size(tasks: int) -> str:
    return next((name for most, name in SIZES if tasks < most), "n>10M")


def _table(name: str, counted: str, counts: Mapping[str, int]) -> list[str]:
    """Renders counts as the lines of a Markdown table; returns an empty list without counts."""
    if not counts:
        return []
    return [
        f"| {name} | {counted} |",
        "| --- | ---: |",
        *(f"| {key} | {count} |" for key, count in counts.items()),
        "",
    ]
