"""Tables in all formats, character by character; text in a cell is never executed as a command."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.evaluation.tables import (
    Cell,
    Table,
    cells,
    format_table,
    latex_text,
    render,
    with_interval,
)

TABLE = Table(
    "Recall (%)",
    ("model", "A_1"),
    "lr",
    (
        (Cell("x|y"), Cell("71.9", best=True, star=True, aside="[64.2, 78.8]")),
        (Cell("50%\n& more"), Cell("-1.5", star=True)),
        (Cell("模"), Cell("-")),
    ),
    "* p < 0.05.",
    frozenset({2}),
)

TABLE_WITHOUT_CHINESE = replace(TABLE, rows=TABLE.rows[:2], breaks=frozenset())

TEXT = """\
Recall (%):

model                       A_1
----------  -------------------
x|y         71.9^* [64.2, 78.8]
50% & more  -1.5*
----------  -------------------
模             -

^ best of its column. * p < 0.05.

Note: one
"""

MARKDOWN = """\
Recall (%):

| model      |                     A_1 |
| ---------- | ----------------------: |
| x\\|y       | **71.9**\\* [64.2, 78.8] |
| 50% & more |                  -1.5\\* |
| 模         |                       - |

\\* p \\< 0.05.

- Note: one
"""

LATEX = r"""% Needs \usepackage{booktabs} and \usepackage{tabularx} in the preamble.

\begin{table}[t]
\centering
\small
\setlength{\tabcolsep}{3pt}
\caption{Recall (\%). * p \textless{} 0.05.}
\begin{tabular}{lr}
\toprule
model & A\_1 \\
\midrule
x\textbar{}y & \textbf{71.9}$^{*}$ {\scriptsize [64.2, 78.8]} \\
50\% \& more & $-$1.5$^{*}$ \\
\midrule
模 & -- \\
\bottomrule
\end{tabular}
\end{table}

% Note: one
"""


def test_text() -> None:
    """The marks of a column have the same width in every row."""
    assert render([TABLE], ["one"], "text") + "\n" == TEXT


def test_markdown() -> None:
    assert render([TABLE], ["one"], "markdown") + "\n" == MARKDOWN


def test_latex() -> None:
    assert render([TABLE], ["one"], "latex") + "\n" == LATEX
    assert "\n{[x]} \\\\\n" in render([Table("c", ("h",), "l", (cells(["[x]"]),))], [], "latex")


def wide(columns: int) -> Table:
    """Returns a table with long names and `columns` columns of a score with its interval."""
    headers = ("suite", "model", "n", *(f"FreshEval strict {number}" for number in range(columns)))
    names = cells(
        ["2WikiMultiHopQA", "runs/demo/stages/Qwen2.5-7B-Instruct+sft+rl (agent-prompted)", "12576"]
    )
    rows = tuple((*names, *[Cell("71.9", True, True, "[64.2, 78.8]")] * columns) for _ in range(3))
    return Table("Scores (%)", headers, "llr" + "r" * columns, rows, "* p < 0.05.")


def test_latex_of_a_table_over_both_columns() -> None:
    text = render([Table("c", ("model",), "l", (cells(["x" * 60]),))], [], "latex")
    assert "\\begin{table*}[t]\n\\centering\n\\footnotesize\n" in text


def test_latex_of_a_table_that_is_too_wide_is_split_and_names_its_rows_again() -> None:
    text = render([wide(9)], [], "latex")
    assert text.count("\\begin{tabularx}{\\textwidth}") == text.count("Scores (\\%) (part ") == 3
    assert text.count("2WikiMultiHopQA") == 9
    assert "runs/\\allowbreak{}demo/\\allowbreak{}stages" in text
    headers = [f"FreshEval\\\\strict\\\\{number}\\end" for number in range(9)]
    assert all(text.count(header) == 1 for header in headers)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX is installed")
def test_latex_compiles_and_no_table_is_wider_than_its_page(tmp_path: Path) -> None:
    tables = [TABLE_WITHOUT_CHINESE, *(wide(columns) for columns in (1, 2, 3, 5, 9, 14))]
    text = render(tables, ["one"], "latex")
    preamble = "\\usepackage{booktabs}\\usepackage{tabularx}\\textwidth=455pt\\columnsep=17pt\\hfuzz=1pt"
    (tmp_path / "a.tex").write_text(
        f"\\documentclass[twocolumn]{{article}}{preamble}\n\\begin{{document}}\n{text}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, done.stdout[-4000:]


def test_latex_of_hostile_names() -> None:
    assert latex_text(r"a\b{c}_^~ #1 $x$ <|> --" + '"') == (
        r"a\textbackslash{}b\{c\}\_\textasciicircum{}\textasciitilde{} \#1 \$x\$ "
        r"\textless{}\textbar{}\textgreater{} -{}-{\char34}"
    )
    assert latex_text("Qwen2.5-7B at -3.2 [-1, 2]") == "Qwen2.5-7B at $-$3.2 [$-$1, 2]"


@given(st.text())
def test_no_character_of_a_name_is_a_command(name: str) -> None:
    bare = re.sub(r"\\text[a-z]+\{\}|\{\\char34\}|-\{\}(?=-)|\$-\$|\\[{}$&#_%]", "", latex_text(name))
    assert not set(bare) & set("\\{}$&#_%^~\n")


@given(st.text())
def test_a_name_is_one_cell_of_one_line(name: str) -> None:
    for form in ("text", "markdown", "latex"):
        found = render([Table("c", ("h", "i"), "ll", (cells([name, "x"]),))], [], form)  # type: ignore[arg-type]
        assert found.isprintable() or set(found) - {"\n"} <= {char for char in found if char.isprintable()}
        lines = found.split("\n")
        assert len(lines) == {"text": 5, "markdown": 5, "latex": 15}[form]
    row = render([Table("c", ("h", "i"), "ll", (cells([name, "x"]),))], [], "markdown").split("\n")[4]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3


def test_tables_line_up_and_are_markdown() -> None:
    assert format_table(("name", "n"), [("a|b", "5"), ("long\nname", "1234")], "lr").splitlines() == [
        "| name      |    n |",
        "| --------- | ---: |",
        "| a\\|b      |    5 |",
        "| long name | 1234 |",
    ]
    assert format_table(("x",), []) == "| x   |\n| --- |"


def test_values_with_intervals() -> None:
    assert with_interval(0.714, (0.6, 0.8)) == "71.4 [60.0, 80.0]"
    assert with_interval(0.0, (-0.1, 0.1), signed=True) == "+0.0 [-10.0, +10.0]"
    assert with_interval(1, None) == "100.0"
    assert with_interval(-0.0001, None) == "0.0"
