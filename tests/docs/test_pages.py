"""README.md and docs/: every command runs, printed outputs are the pages', and named flags exist."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from kit.page_runner import Runner, run_page
from kit.pages import HISTORY, commands, inline, matches, pages, unlabelled
from kit.places import REPOSITORY

from masksearch.cli.parser import build_parser

PAGES = [page for page in pages() if page.name != HISTORY]
FOREIGN = {
    "--num_processes",
    "--cpu",
    "--max-model-len",
    "--weight-transfer-config",
    "--logprobs-mode",
    "--max-logprobs",
    "--no-deps",
    "--only",
    "--rounds",
    "--extra-index-url",
}
"""Flags of other programs (accelerate, vllm, pip) and of the benchmarks."""


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_runs_and_prints_what_the_page_shows(
    page: Path, tmp_path: Path, tiny_checkpoint: Path, data: Path
) -> None:
    text = page.read_text(encoding="utf-8")
    with Runner(tmp_path, tiny_checkpoint, data) as runner:
        for command, printed in run_page(text, runner):
            if command.output is not None:
                assert matches(command.output, printed), (
                    f"{name(page)}:{command.line}: `{command.text}` prints:\n{printed}\n"
                    f"To write it into the page: PYTHONPATH=tests python -m kit.page_runner {name(page)}"
                )


@pytest.mark.parametrize("page", pages(), ids=name)
def test_no_command_is_outside_a_block_that_is_run(page: Path) -> None:
    assert unlabelled(page.read_text(encoding="utf-8")) == [], "label the block `sh` or `console`"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_flags_in_the_text_exist(page: Path) -> None:
    wrong = []
    for line, code in inline(page.read_text(encoding="utf-8")):
        for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*", code):
            if flag not in all_flags() and flag not in FOREIGN:
                wrong.append((line, flag))
        found = re.match(r"masksearch ([a-z]\S*)", code)
        if found and found[1] not in parsers():
            wrong.append((line, code))
        target = re.match(r"make ([a-z]\S*)", code)
        if target and not re.search(rf"^{target[1]}:", makefile(), re.MULTILINE):
            wrong.append((line, code))
    assert wrong == []


def test_every_command_of_ours_has_an_example() -> None:
    shown = " ".join(command.text for page in PAGES for command in commands(page.read_text(encoding="utf-8")))
    missing = [command for command in parsers() if f"masksearch {command} " not in f"{shown} "]
    assert missing == []


def makefile() -> str:
    return (REPOSITORY / "Makefile").read_text(encoding="utf-8")


@cache
def parsers() -> dict[str, ArgumentParser]:
    return {name: parser.filled() for name, parser in build_parser().commands.items()}


@cache
def all_flags() -> set[str]:
    return set(_flags())


def _flags() -> Iterator[str]:
    for parser in (build_parser(), *parsers().values()):
        for action in parser._actions:
            yield from action.option_strings
