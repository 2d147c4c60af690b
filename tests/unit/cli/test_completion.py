"""The completion script, run by bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from masksearch.cli.completion import SHELLS, script
from masksearch.cli.main import main

pytestmark = pytest.mark.slow

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
COMPREPLY=(); _shtab_masksearch
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "masksearch.bash"
    path.write_text(script("bash"), encoding="utf-8")
    return path


def completed(bash_script: Path, words: str, folder: Path) -> set[str]:
    arguments = ["bash", "-c", ASK, "bash", str(bash_script), *words.split(" ")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=folder, timeout=60)
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("masksearch ev", {"eval", "evolve"}),
        ("masksearch help sy", {"synthesize"}),
        ("masksearch rl --alg", {"--algorithm"}),
        ("masksearch rl --algorithm d", {"dapo", "dr-grpo"}),
        ("masksearch eval --method r", {"rag"}),
        ("masksearch mask --extractor n", {"ner", "numbers"}),
        ("masksearch run dem", {"demo"}),
        ("masksearch sft --recipe paper/s", {"paper/sft-rl", "paper/sft-sft"}),
        ("masksearch sft --model ch", {"checkpoint"}),
        ("masksearch index do", {"docs.jsonl"}),
        ("masksearch completion z", {"zsh"}),
    ],
)
def test_bash_completes(bash_script: Path, tmp_path: Path, words: str, found: set[str]) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "docs.jsonl").touch()
    assert completed(bash_script, words, tmp_path) == found


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert "synthesize" in printed
    assert "masksearch" in printed.splitlines()[0] or len(printed.splitlines()) > 50


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bsh"]) == 2
    assert "There is no completion for 'bsh'; did you mean 'bash'?" in capsys.readouterr().err
