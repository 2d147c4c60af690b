"""The data card that is written beside the shards: what a data set hub shows of them, and what another person needs to use them."""

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
FIELDS = (
    ("id", "unique; the passage and its number of masks"),
    ("doc_id, passage_id, title", "where the text is from"),
    ("text", "the text with `[mask]`, as the model sees it"),
    ("answers", "what stood there: one for each mask, in text order"),
    ("masks", "how many; the number of `[mask]` in `text`"),
    ("original", "the text before masking"),
    ("categories", "of each answer"),
    ("ranks", "for each mask, the rank of the first passage with its answer, in a search with visible words"),
    ("retriever", "fingerprint of the index it was searched in"),
    (
        "language, strategy, source_hidden",
        "of the text; how the masks were chosen; whether its article must be hidden from searches",
    ),
    ("verdicts", "what each check said, by name"),
)


def render_card(report: Mapping[str, Any], files: Sequence[Mapping[str, Any]], kind: str) -> str:
    """The card as Markdown with the front matter that hubs read."""
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
    body = [
        "# RAMP tasks",
        "",
        f"{report['tasks']} tasks of Retrieval-Augmented Mask Prediction in {len(files)} {kind} file{'s' if len(files) != 1 else ''}, made by MaskSearch "
        f"{report['versions']['masksearch']} from the corpus `{settings['corpus']}`. The licence is that of the corpus; name it before you publish this.",
        "",
        "## How they were made",
        "",
        *_how(settings, report),
        "",
        "## Counts",
        "",
        *_table("masks", "tasks", report["masks"]),
        *_table("category", "masks", report["categories"]),
        *_table("language", "tasks", report["languages"]),
        *_table("dropped because", "passages", report["dropped"]),
        *_table("evidence from elsewhere", "masks", report["survival"]),
        "## Fields",
        "",
        "| field | what it is |\n| --- | --- |",
        *(f"| {name} | {told} |" for name, told in FIELDS),
    ]
    return "\n".join([*front, "", *body]) + "\n"


def _how(settings: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    lines = [
        f"- spans: {', '.join(settings['extractors'])}; masks: {settings['masks']}, strategy `{settings['strategy']}`",
        f"- checks: {', '.join(settings['verify'])}" + _evidence(settings, report),
        f"- split: {settings['split']} (held-out share {settings['heldout_share']}, by a hash of the title); seed {settings['seed']}",
    ]
    if settings["exclude"]:
        lines.append(
            f"- decontaminated ({settings['exclude_ngram']}-grams and titles) against {', '.join(settings['exclude'])}"
        )
    if report.get("retriever"):
        lines.append(f"- retriever: `{report['retriever']}`")
    return lines


def _evidence(settings: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    if settings["hide_source"]:
        return f"; evidence in another article, the source hidden, within {settings['retrieve_k']} results"
    return f"; evidence within {settings['retrieve_k']} results" if report.get("retriever") else ""


def _size(tasks: int) -> str:
    return next((name for most, name in SIZES if tasks < most), "n>10M")


def _table(name: str, counted: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    return [
        f"| {name} | {counted} |",
        "| --- | ---: |",
        *(f"| {key} | {count} |" for key, count in counts.items()),
        "",
    ]
