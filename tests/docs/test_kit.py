"""The checks of the pages fail where a page is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.order import together
from kit.page_runner import PageError, Runner, run_page, shortened
from kit.pages import commands, inline, matches, unlabelled

PAGE = """# A page

Text with `masksearch stats tasks.jsonl`.

```console
$ masksearch suites
name  title
...
$ masksearch index docs.jsonl \\
>   -o index
```

```sh
# a comment
cat > docs.jsonl <<'END'
{"id": "1"}
END
make demo   # with a comment
```
"""


def test_commands_of_a_page() -> None:
    found = [(command.line, command.text, command.output) for command in commands(PAGE)]
    assert found == [
        (6, "masksearch suites", ("name  title", "...")),
        (9, "masksearch index docs.jsonl -o index", None),
        (15, 'cat > docs.jsonl <<\'END\'\n{"id": "1"}\nEND', None),
        (18, "make demo   # with a comment", None),
    ]
    assert list(inline(PAGE)) == [(3, "masksearch stats tasks.jsonl")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("```sh\nmasksearch stats tasks\n```", []),
        ("```\nmasksearch stats tasks\n```", [2]),
        ("```text\n$ make demo\n```", [2]),
        ("Text:\n\n    pip install .\n", [3]),
        ("    BRAVE_API_KEY=x masksearch search web:brave words\n", [1]),
        ("masksearch turns texts into tasks.", []),
        ("```text\nmasksearch is a package\n```", [2]),
    ],
)
def test_a_command_that_no_test_would_run_is_found(text: str, lines: list[int]) -> None:
    assert unlabelled(text) == lines


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="no end"):
        list(commands("```sh\nmake demo\n"))


def test_output_in_a_console_block_needs_a_command() -> None:
    with pytest.raises(ValueError, match="starts with"):
        list(commands("```console\nname\n```\n"))


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "a\nc\n", False),
        (["a"], "a\nb\n", False),
        (["a", "..."], "a\nb\nc\n", True),
        (["a", "...", "c"], "a\nc\n", True),
        (["...", "c"], "a\nb\n", False),
        (["a ... c"], "a b c\n", True),
        (["a (0.5)"], "a (0.5)  \n", True),
        (["a (0.5)"], "a (005)\n", False),
    ],
)
def test_an_output_is_the_pages(expected: list[str], printed: str, same: bool) -> None:
    assert matches(expected, printed) is same


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("masksearch stats tasks.jsonl", "ended with"),
        ("masksearch suites --no-such-flag", "ended with 2"),
        ("masksearch eval questions.jsonl --model base", "ended with 2"),
        ("make no-such-target", "no no-such-target"),
        ("make demo NO_SUCH=1", "no NO_SUCH"),
        ("pip install 'masksearch[no-such]'", "no extra no-such"),
        ("pip install no-such-package", "neither"),
        ("python benchmarks/no_such.py", "does not exist"),
        ("python benchmarks/search.py --no-such", "no flag"),
        ("accelerate launch -m masksearch sft", "Write: accelerate"),
        ("inspect eval masksearch/suite -T no_such=1", "no parameter no_such"),
        ("curl http://127.0.0.1", "no program that pages may use"),
        ("gunzip -c no-such.gz | head -n 1", "ended with"),
    ],
)
def test_a_command_that_does_not_work_is_an_error(
    tmp_path: Path, tiny_checkpoint: Path, data: Path, command: str, reason: str
) -> None:
    with Runner(tmp_path, tiny_checkpoint, data) as runner, pytest.raises(PageError, match=reason) as error:
        list(run_page(f"```sh\n{command}\n```\n", runner))
    assert "line 2" in str(error.value)


def test_long_rows_are_shortened() -> None:
    assert shortened("a  ") == "a"
    row = shortened("word " * 40)
    assert len(row) <= 104
    assert matches([row], "word " * 40)


def test_pages_are_spread_over_the_workers_and_other_files_are_not() -> None:
    pages = "tests/docs/test_pages.py::test_every_command_runs"
    assert together(f"{pages}[docs/ramp.md]") != together(f"{pages}[docs/search.md]")
    assert together(f"{pages}[docs/asking.md]") == together(f"{pages}[README.md]"), "one run of the demo"
    assert together("tests/docs/test_pages.py::test_a") == "tests/docs/test_pages.py"
    assert together("tests/unit/test_b.py::test_a[docs/ramp.md]") == "tests/unit/test_b.py"
