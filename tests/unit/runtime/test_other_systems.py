"""Windows and macOS, as far as Linux shows them: no module needs POSIX, no open file is removed or replaced.

`kit/other_systems.py` takes the modules and functions of POSIX away, forbids to rename or remove open files,
and gives text files the encoding and the line ends of Windows.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import other_systems
from kit.places import REPOSITORY
from kit.waiting import LONG

from masksearch.cli.main import main
from masksearch.runtime import lock
from masksearch.runtime.needs import memory

PACKAGE = REPOSITORY / "masksearch"
MODULES = sorted(PACKAGE.rglob("*.py"))
WITHOUT_ENCODING = ("r", "w", "a", "x", "rt", "wt")
RECIPE = """
name = "small"
corpus = "docs.jsonl"
[stages.index]
kind = "index"
[stages.tasks]
kind = "mask"
index = "index"
masks = "1"
limit = 10
extractors = ["dates", "numbers"]
verify = ["retrievable"]
[stages.trajectories]
kind = "synthesize"
tasks = "tasks"
index = "index"
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kit.other_systems", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=10 * LONG,
    )


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    rows = [
        {
            "id": f"d{number}",
            "title": f"Café number {number} of Élan",
            "text": f"The café Élan{number} was founded in {1800 + number} by Zoë Quill{number}. It sold "
            f"{1000 + 7 * number} cups — in May {1850 + number} it moved to Straße {number + 3}.",
        }
        for number in range(40)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "docs.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_every_module_is_imported_without_posix(tmp_path: Path) -> None:
    done = run("--import-everything", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 250


@pytest.mark.slow
def test_a_small_recipe_runs_and_gives_the_same_bytes(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With other settings earlier work is moved away; then it is put back.
    command = ["run", "small.toml", "--out", "there"]
    done = run(
        *command, "--then", *command, "--set", "stages.index.max_words=20", "--then", *command, cwd=documents
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(documents)
    assert main(["run", "small.toml", "--out", "here"]) == 0
    for name in ("tasks/tasks.jsonl", "trajectories/trajectories.jsonl", "index/index/passages.jsonl"):
        data = (documents / "here/stages" / name).read_bytes()
        assert (documents / "there/stages" / name).read_bytes() == data, name
    assert not list((documents / "there").rglob("*.tmp"))
    assert b"\r" not in (documents / "there/run.json").read_bytes()


@pytest.mark.slow
def test_single_commands_replace_their_products(documents: Path) -> None:
    commands = [
        f"index docs.jsonl -o index --limit {limit}"
        f" --then mask docs.jsonl -o tasks.jsonl --extractor dates --masks 1 --limit {limit}"
        f" --then mask docs.jsonl -o folder --extractor numbers --masks 1 --limit {limit}"
        for limit in (10, 20)
    ]
    done = run(*" --then ".join([*commands, "search index café -k 1"]).split(), cwd=documents)
    assert done.returncode == 0, done.stderr
    assert len((documents / "tasks.jsonl").read_bytes().splitlines()) == 20
    assert "Élan" in done.stdout


def test_the_guard_sees_open_and_mapped_files(tmp_path: Path) -> None:
    # The checks of this file rest on it.
    import mmap

    (tmp_path / "a").write_bytes(b"text")
    assert not other_systems.opened_below(tmp_path)
    with open(tmp_path / "a", "rb") as stream:
        assert other_systems.opened_below(tmp_path) == [str(tmp_path / "a")]
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    assert other_systems.opened_below(tmp_path) == [str(tmp_path / "a")]
    data.close()
    assert not other_systems.opened_below(tmp_path)


def test_no_module_imports_posix_or_opens_text_without_an_encoding() -> None:
    found = [f"{path.relative_to(PACKAGE)}:{fault}" for path in MODULES for fault in faults(path)]
    assert not found, "\n".join(found)


def faults(path: Path) -> Iterator[str]:
    """Uses of what only POSIX has, outside `try`, and text files opened without an encoding."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    missing = {("os", name) for name in other_systems.FUNCTIONS}
    missing |= {("signal", name) for name in other_systems.SIGNALS}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if set(names) & set(other_systems.MODULES) and id(node) not in guarded:
            yield f"{node.lineno} imports {names}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in missing
        ):
            yield f"{node.lineno} uses {node.value.id}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            mode = (
                node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else "r"
            )
            if mode in WITHOUT_ENCODING and not any(word.arg == "encoding" for word in node.keywords):
                yield f"{node.lineno} opens text without an encoding"


def test_the_search_for_posix_finds_it(tmp_path: Path) -> None:
    lines = [
        "import fcntl, os",
        "os.fork()",
        "open('a', 'w')",
        "try:",
        "    import resource",
        "except ImportError:",
    ]
    code = "\n".join([*lines, "    open('a', 'rb')"])
    (tmp_path / "a.py").write_text(code, encoding="utf-8")
    assert [fault.split()[0] for fault in faults(tmp_path / "a.py")] == ["1", "3", "2"]


def test_a_lock_works_where_the_locked_file_cannot_be_written_or_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "locked")

    for name in ("write_text", "read_text", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with (
        lock.locked(tmp_path / ".lock", "here", "wait"),
        pytest.raises(Exception, match="process unknown"),
        lock.locked(tmp_path / ".lock", "here", "wait"),
    ):
        pass


def test_memory_without_resource_and_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (memory.peak_memory_mb() or 0) > 10
    assert (memory.available_memory() or 0) > 10_000_000
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert memory.peak_memory_mb() is None
    assert (memory.available_memory() or 0) > 10_000_000  # from Linux itself
    monkeypatch.setattr(memory, "Path", lambda name: Path("/nowhere") / name.lstrip("/"))
    assert memory.available_memory() is None


@pytest.mark.parametrize(("system", "expected"), [("linux", 2), ("darwin", 0)])
def test_peak_memory_is_in_the_unit_of_the_system(
    system: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    class Usage:
        ru_maxrss = 2 * 1024

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)
    assert memory.peak_memory_mb() == expected


def test_a_container_has_the_memory_of_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "max").write_text("5000\n")
    (tmp_path / "current").write_text("3000\n")
    monkeypatch.setattr(memory, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert memory.available_memory() == 2000
    (tmp_path / "max").write_text("max\n")
    assert (memory.available_memory() or 0) > 10_000_000


def test_standard_streams_are_utf8_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from masksearch.runtime import process

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(3)]
    for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    process._use_utf8()
    assert {stream.encoding for stream in streams} == {"cp1252"}
    monkeypatch.setattr(sys, "platform", "win32")
    process._use_utf8()
    assert {stream.encoding for stream in streams} == {"utf-8"}
