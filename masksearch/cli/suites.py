"""`masksearch suites`: lists the suites, or writes one as files to evaluate on."""

from __future__ import annotations

import argparse
import dataclasses
import json

from masksearch.errors import UsageError
from masksearch.evaluation.suites.export import CORPUS, QUESTIONS, Exported, write_suite
from masksearch.evaluation.suites.registry import SUITES, find_suite
from masksearch.evaluation.tables import format_table
from masksearch.runtime.progress import say


def suites_command(arguments: argparse.Namespace) -> None:
    """`masksearch suites` prints a table (or JSON); `masksearch suites NAME [FILE] -o DIR` writes a suite's
    questions, and its corpus if it has a corpus."""
    if arguments.name is None:
        if arguments.output:
            raise UsageError(
                f"-o {arguments.output} needs the name of a suite before it: {', '.join(SUITES)}."
            )
        if arguments.json:
            suites = [dataclasses.asdict(suite) for suite in SUITES.values()]
            print(json.dumps(suites, ensure_ascii=False, indent=1))
        else:
            print(table())
        return
    find_suite(arguments.name if arguments.file else arguments.name.partition("@")[0])
    if not arguments.output:
        raise UsageError(f"-o is needed: the folder to write {arguments.name} to.")
    exported = write_suite(
        arguments.file or arguments.name, arguments.name if arguments.file else "", arguments.output
    )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(exported), ensure_ascii=False))
    else:
        say(outcome(exported, arguments.output))


def table() -> str:
    """Renders a table of the suites: name, title, source of the questions, scoring, corpus."""
    rows = [(suite.name, suite.title, suite.source, suite.scoring, suite.corpus) for suite in SUITES.values()]
    return format_table(("name", "title", "questions from", "scored", "corpus"), rows)


def outcome(exported: Exported, folder: str) -> str:
    """Describes the written files on one line."""
    parts = [f"{folder}/{QUESTIONS}: {exported.questions} questions"]
    if exported.passages:
        parts.append(f"{folder}/{CORPUS}: {exported.passages} passages")
    parts += [f"left out {count} {reason}" for reason, count in exported.left_out.items()]
    if exported.incomplete:
        parts.append(
            f"{exported.incomplete} questions, which name titles only, lack gold passages in the corpus"
        )
    if exported.empty:
        parts.append(f"{exported.empty} titles without a text")
    return "; ".join(parts)
