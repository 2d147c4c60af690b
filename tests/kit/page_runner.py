"""Runs a page's commands from top to bottom in an empty folder.

    python -m kit.page_runner docs/search.md ...     (with PYTHONPATH=tests; without a page: all)

writes the printed output into the page wherever it differs from the page's; shorten it with `...` afterwards.
`page_standins.py` lists what is replaced.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml
from kit.endpoint import Endpoint
from kit.launch import free_port
from kit.page_standins import (
    KEYS,
    MODEL,
    RUN,
    SEARCH,
    any_page,
    any_role,
    flags,
    overrides,
    remembered_pipelines,
    small_data,
)
from kit.pages import Command, commands, matches, pages
from kit.places import REPOSITORY
from kit.remote_servers import serving
from kit.tiny import make_tiny_checkpoint

from masksearch.cli.main import main
from masksearch.cli.parser import build_parser
from masksearch.recipe.load import load_recipe

SHELL = ("gunzip", "head", "cut", "cat", "ls", "cp", "mkdir", "rm", "grep", "wc", "sort")
"""Other programs that pages may use, as they are."""
SKIPPED = ("git", "cd", ".", "source")
"""Commands that fetch the repository or activate its environment."""
_PROGRESS = re.compile(r"^  [A-Za-z][^:]*: \d[\d,]*(/[\d,]+)?( \w+)*, (\d+[hms])+.*\n?", re.MULTILINE)
_SYNTAX = re.compile(r"[|<>&;]")
_FOREIGN = re.compile(r"\bverl\.trainer\.main_ppo\b")
SECONDS = 120
WIDEST = 104
"""Columns of a row that the script writes; the rest of a longer row is left out."""


class PageError(AssertionError):
    """A command of a page that does not do what the page says."""


class Runner:
    """An empty folder with `data` and `recipes`, and the servers of a page."""

    ran: ClassVar[dict[str, Path]] = {}
    """Recipe that this process has run for a page -> the page's folder. Other pages get a copy of the run."""

    def __init__(self, folder: Path, tiny: Path, data: Path) -> None:
        self.folder, self.tiny, self.data = folder, tiny, data
        self.urls: dict[str, str] = {}
        """URL of a page -> its stand-in."""
        self.web = ""
        self.environment: dict[str, str] = {}
        self.stack = contextlib.ExitStack()
        (folder / "data").symlink_to(data)
        (folder / "recipes").symlink_to(REPOSITORY / "recipes")

    def __enter__(self) -> Runner:
        self.stack.enter_context(remembered_pipelines())
        endpoint = self.stack.enter_context(Endpoint(any_role))
        self.urls[MODEL] = endpoint.url
        self.web = self.stack.enter_context(serving(answer=any_page)).url
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def run(self, text: str) -> str:
        """Runs one command and returns what it prints. Raises PageError if it fails."""
        for url, real in self.urls.items():
            text = text.replace(url, real)
        words = shlex.split(text.partition("\n")[0], comments=True)
        while words and re.match(r"^[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.environment[name] = value
        if words[0] == "export":
            self.environment.update(dict([words[1].split("=", 1)]))
            return ""
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|\s#.*", "", text.partition("\n")[0])
        if words[0] in SHELL or _SYNTAX.search(bare):
            return self._shell(text)
        handler = HANDLERS.get(words[0])
        if handler is None:
            raise PageError(f"{words[0]} is no program that pages may use; see page_runner.py.")
        printed = handler(self, words[1:])
        for url, real in self.urls.items():
            printed = printed.replace(real, url)
        return _PROGRESS.sub("", printed.replace(f"{self.folder}/", ""))

    def _variables(self) -> dict[str, str]:
        return {**KEYS, "COLUMNS": "100", "NO_COLOR": "1", **self.environment}

    def _shell(self, text: str) -> str:
        programs = self.folder / ".bin"
        if not programs.exists():
            programs.mkdir()
            script = programs / "masksearch"
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m masksearch "$@"\n')
            script.chmod(0o755)
        environment = {**os.environ, **self._variables(), "MASKSEARCH_RESTARTED": "1"}
        environment["HOME"] = str(self.folder)  # `~` of a page is no place of the developer
        environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(REPOSITORY)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        # `head` closes the pipe, which is no failure of the program before it.
        if done.returncode not in (0, 141):
            raise PageError(f"`{text}` ended with {done.returncode}: {done.stdout}")
        return _PROGRESS.sub("", done.stdout)

    def masksearch(self, words: list[str]) -> str:
        """Runs a command of ours in this process; checks the arguments as the page has them first."""
        if words[:1] == ["serve"]:
            return self._serve(words[1:])
        with self._terminal() as terminal:
            try:
                build_parser().parse_args(words)
                status = 0 if _needs_vllm(words) else main(self._replaced(words))
            except SystemExit as ended:
                status = int(ended.code or 0)
        if status:
            raise PageError(f"`masksearch {shlex.join(words)}` ended with {status}: {terminal.getvalue()}")
        return terminal.getvalue()

    @contextlib.contextmanager
    def _terminal(self) -> Iterator[io.StringIO]:
        """Collects standard output and standard error, with the page's folder and environment."""
        terminal, saved = io.StringIO(), dict(os.environ)
        os.environ.update(self._variables())
        try:
            with (
                contextlib.chdir(self.folder),
                contextlib.redirect_stdout(terminal),
                contextlib.redirect_stderr(terminal),
            ):
                yield terminal
        finally:
            os.environ.clear()
            os.environ.update(saved)

    def _replaced(self, words: list[str]) -> list[str]:
        """Returns the arguments with the stand-ins."""
        command = words[0]
        if command == "model" and (len(words) < 2 or words[1].startswith("-")):
            return ["model", str(self.tiny), *words[1:]]
        if command == "run":
            return self._replaced_run(words)
        if "--recipe" in words:
            return [*words, *self._changes(words[words.index("--recipe") + 1], words)]
        more = [] if "--help" in words or "--help-all" in words else flags(command)
        if any(word.startswith("web:") for word in words):
            more += ["--search.url", self.web]
        return [*words, *more]

    def _replaced_run(self, words: list[str]) -> list[str]:
        if "--help" in words:
            return words
        recipe = load_recipe(words[1]).name
        again = recipe == "demo" and (self.ran.setdefault(recipe, self.folder) / "runs" / recipe).is_dir()
        if again and not (run := self.folder / "runs" / recipe).exists():
            shutil.copytree(self.ran[recipe] / "runs" / recipe, run, symlinks=True)
        if recipe not in RUN or again:
            return [*words, *([] if "--dry-run" in words else ["--dry-run"])]
        return [*words, *self._changes(words[1], words)]

    def _changes(self, name: str, words: list[str]) -> list[str]:
        """Returns the stand-ins for a run, or for a stage, of the recipe `name` as `--set` flags."""
        given = [value for flag, value in itertools.pairwise(words) if flag == "--set"]
        fixed = {"model": self.tiny, "data": self.data}
        if not any(setting.startswith("corpus=") for setting in given):
            fixed["corpus"] = self.data / "hotpotqa" / "corpus.jsonl.gz"
        changes = [word for key, value in fixed.items() for word in ("--set", f"{key}={value}")]
        return [*overrides(load_recipe(name, given).stages), *changes]

    def _serve(self, words: list[str]) -> str:
        """Starts the server of a page at a free port; it runs until the page ends."""
        build_parser().parse_args(["serve", *words])
        command, port = [sys.executable, "-m", "masksearch", "serve", *words], free_port()
        if "--mcp" not in words:
            command += ["--port", str(port)]
        environment = {
            **os.environ,
            **self._variables(),
            "PYTHONPATH": str(REPOSITORY),
            "MASKSEARCH_RESTARTED": "1",
        }
        server = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(server.wait)
        self.stack.callback(server.terminate)
        if "--mcp" in words:
            assert server.stderr is not None
            error = server.stderr.read()
            if server.wait(SECONDS):
                raise PageError(f"`masksearch serve {shlex.join(words)}` failed: {error}")
            return error
        assert server.stderr is not None
        started = time.monotonic()
        first = server.stderr.readline()
        if "Serving" not in first:
            raise PageError(
                f"`masksearch serve {shlex.join(words)}` after {time.monotonic() - started:.0f} s: {first}"
            )
        self.urls[SEARCH] = f"http://127.0.0.1:{port}"
        return first

    def make(self, words: list[str]) -> str:
        """Checks targets and variables; `make demo` runs the recipe."""
        makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        for word in words:
            name, equals, _ = word.partition("=")
            pattern = rf"^{name} *\?=" if equals else rf"^{name}:"
            if not re.search(pattern, makefile, re.MULTILINE):
                raise PageError(f"The Makefile has no {name}.")
        return self.masksearch(["run", "recipes/demo.toml", "--out", "runs/demo"]) if "demo" in words else ""

    def pip(self, words: list[str]) -> str:
        """Checks that the extras exist and that other packages are in a list of requirements."""
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        known = project["optional-dependencies"]
        pinned = "".join(path.read_text() for path in REPOSITORY.glob("constraints*.txt")).lower()
        if words[0] != "install":
            raise PageError("pip is used for `pip install` only.")
        for word in words[1:]:
            found = re.fullmatch(r"(?:masksearch|\.)(?:\[([\w,-]+)\])?", word)
            for extra in (found[1] or "").split(",") if found else []:
                if extra and extra not in known:
                    raise PageError(f"pyproject.toml has no extra {extra}.")
            if not found and not word.startswith("-") and f"\n{word.lower()}" not in pinned:
                raise PageError(f"{word} is neither masksearch nor pinned in constraints.txt.")
        return ""

    def python(self, words: list[str]) -> str:
        """Checks that a script exists and has the flags; verl's trainer needs its written configuration."""
        if words[:2] == ["-m", "venv"]:
            return ""
        if words[0] == "-m":
            if not _FOREIGN.search(words[1]):
                raise PageError(f"python -m {words[1]} is not known here.")
            path = words[words.index("--config-path") + 1].replace("$PWD", str(self.folder))
            name = words[words.index("--config-name") + 1]
            if not (Path(path) / f"{name}.yaml").is_file():
                raise PageError(f"{path}/{name}.yaml does not exist.")
            return ""
        script = REPOSITORY / words[0]
        if not script.is_file():
            raise PageError(f"{words[0]} does not exist.")
        text = script.read_text(encoding="utf-8")
        for word in words[1:]:
            if word.startswith("--") and f'"{word}"' not in text:
                raise PageError(f"{words[0]} has no flag {word}.")
        return ""

    def accelerate(self, words: list[str]) -> str:
        """Reads the configuration and runs the command in one process."""
        if words[:2] != ["launch", "--config_file"] or words[3:5] != ["-m", "masksearch"]:
            raise PageError("Write: accelerate launch --config_file FILE -m masksearch COMMAND ...")
        if "num_processes" not in yaml.safe_load((self.folder / words[2]).read_text(encoding="utf-8")):
            raise PageError(f"{words[2]} sets no num_processes.")
        return self.masksearch(words[5:])

    def inspect(self, words: list[str]) -> str:
        """Checks the task's parameters."""
        if words[:2] != ["eval", "masksearch/suite"]:
            raise PageError("Our only task of Inspect is masksearch/suite.")
        tree = ast.parse((REPOSITORY / "masksearch/interop/inspect/tasks.py").read_text(encoding="utf-8"))
        names = {
            argument.arg
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == "masksearch_suite"
            for argument in node.args.args
        }
        for flag, value in itertools.pairwise(words):
            if flag == "-T" and value.partition("=")[0] not in names:
                raise PageError(f"masksearch/suite has no parameter {value.partition('=')[0]}.")
        return ""

    def vllm(self, words: list[str]) -> str:
        """Checks the command only: vllm is in no environment of ours."""
        if words[0] != "serve":
            raise PageError("vllm is used for `vllm serve` only.")
        return ""


def _needs_vllm(words: list[str]) -> bool:
    return any(flag == "--rollouts" and value.startswith("vllm") for flag, value in itertools.pairwise(words))


HANDLERS: dict[str, Callable[[Runner, list[str]], str]] = {
    "masksearch": Runner.masksearch,
    "make": Runner.make,
    "pip": Runner.pip,
    "python": Runner.python,
    "accelerate": Runner.accelerate,
    "inspect": Runner.inspect,
    "vllm": Runner.vllm,
    **dict.fromkeys(SKIPPED, lambda runner, words: ""),
}


def run_page(text: str, runner: Runner) -> Iterator[tuple[Command, str]]:
    """Yields each command with what it printed. Raises PageError at the first one that fails."""
    for command in commands(text):
        try:
            yield command, runner.run(command.text)
        except PageError as error:
            raise PageError(f"line {command.line}: {error}") from error


def main_script(paths: list[str]) -> None:
    """Writes the printed outputs into the pages."""
    with tempfile.TemporaryDirectory() as scratch:
        tiny = Path(scratch) / "tiny"
        make_tiny_checkpoint(tiny, ["Marie Curie discovered radium in Paris in 1898."])
        data = small_data(Path(scratch) / "data")
        for number, page in enumerate([Path(path) for path in paths] or pages()):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            refresh(page, folder, tiny, data)


def refresh(page: Path, folder: Path, tiny: Path, data: Path) -> None:
    """Writes the printed outputs of one page into it."""
    text: Any = page.read_text(encoding="utf-8")
    changes = []
    with Runner(folder, tiny, data) as runner:
        for command, printed in run_page(text, runner):
            if command.output is not None and not matches(command.output, printed):
                changes.append((command, printed))
    rows = text.splitlines()
    for command, printed in reversed(changes):
        print(f"{page}:{command.line}: {command.text}")
        rows[command.first : command.last] = map(shortened, printed.splitlines())
    if changes:
        page.write_text("\n".join(rows) + "\n", encoding="utf-8")


def shortened(row: str) -> str:
    """Returns a row that fits a screen."""
    row = row.rstrip()
    return row if len(row) <= WIDEST else row[: WIDEST - 4].rsplit(" ", 1)[0].rstrip() + " ..."


if __name__ == "__main__":
    main_script(sys.argv[1:])
