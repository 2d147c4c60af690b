"""Fake stages for the tests of recipes and of the run.

They are quick, need no optional library, and record every call in OUT/calls.txt.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.errors import DataError
from masksearch.recipe.stages import StageKind
from masksearch.runtime import files
from masksearch.runtime.settings import Ref, Refs, Settings


class MakeSettings(Settings):
    text: str = "some"
    corpus: str = "wiki-summaries:en"
    source: str = "tiny"
    seed: int = 1


class TrainSettings(Settings):
    model: Ref
    data: Refs = ()
    rate: float = 0.1
    steps: int = 3
    hold: str = ""
    """A file that is no input of the stage; while it exists, the stage stands still after its third step."""
    fail: str = ""
    """A file that is no input of the stage; while its text is 'yes', the stage fails after its first step."""
    agent: AgentSettings = AgentSettings()
    seed: int = 1


class JoinSettings(Settings):
    inputs: Refs = ()
    one: Ref = ""
    groups: dict[str, Refs] = Field({})


class AskSettings(Settings):
    answers: str
    """A file with the available answers, which is no input of the stage."""


class PageSettings(Settings):
    title: str = ""


def note(output: Path, text: str) -> None:
    """Appends a line to OUT/calls.txt, which has one for each call of a stage function."""
    with open(output.parent.parent.parent / "calls.txt", "a", encoding="utf-8") as stream:
        stream.write(f"{output.parent.name} {text}\n")


def run_make(settings: MakeSettings, output: Path, work: Path) -> dict[str, Any]:
    note(output, "made")
    files.write_text(output, settings.model_dump_json())
    return {"text": f"made {settings.text}"}


def run_train(settings: TrainSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes a line per step and resumes after the last complete line."""
    done = len(files.read_appended(work / "steps.jsonl"))
    note(output, f"from {done}")
    for step in range(done, settings.steps):
        files.append_json_lines(work / "steps.jsonl", [{"step": step}])
        while step >= 2 and settings.hold and Path(settings.hold).exists():
            time.sleep(0.01)
        if settings.fail and Path(settings.fail).read_text().strip() == "yes":
            raise DataError("The data are bad.")
    inputs = [Path(path).read_text(encoding="utf-8") for path in (settings.model, *settings.data)]
    steps = files.read_appended(work / "steps.jsonl")
    files.write_json(output, {"inputs": inputs, "rate": settings.rate, "steps": steps})
    return {"steps": settings.steps}


def run_join(settings: JoinSettings, output: Path, work: Path) -> dict[str, Any]:
    note(output, "joined")
    files.write_json(output, settings.model_dump(mode="json"))
    return {"table": "| the table |"}


def run_ask(settings: AskSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the available answers to two questions; the summary counts the unanswered ones."""
    note(output, "asked")
    answered = Path(settings.answers).read_text(encoding="utf-8").split()
    files.write_text(output, " ".join(answered))
    return {"unfinished": 2 - len(answered)} if len(answered) < 2 else {}


def run_full(settings: JoinSettings, output: Path, work: Path) -> dict[str, Any]:
    """Fails because the disk is full."""
    raise OSError(28, "No space left on device", str(output))


def run_missing(settings: JoinSettings, output: Path, work: Path) -> dict[str, Any]:
    """Fails because an optional package is missing."""
    raise ModuleNotFoundError("No module named 'trl'", name="trl")


def run_empty(settings: JoinSettings, output: Path, work: Path) -> dict[str, Any]:
    """Ends without writing its product."""
    return {}


def build_page(run_dir: Path, output: Path, settings: PageSettings) -> dict[str, Any]:
    note(output, "page")
    rows = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["stages"]
    files.write_text(output, " ".join(f"{row['name']}={row['status']}" for row in rows))
    return {}


_KINDS = (
    StageKind("make", MakeSettings, "kit.root_fakes:run_make", "made.json", "making"),
    StageKind("train", TrainSettings, "kit.root_fakes:run_train", "trained.json", "training"),
    StageKind("join", JoinSettings, "kit.root_fakes:run_join", "joined.json", "joining"),
    StageKind("ask", AskSettings, "kit.root_fakes:run_ask", "answers.txt", "asking"),
    StageKind("full", JoinSettings, "kit.root_fakes:run_full", "full.json", "filling the disk"),
    StageKind("missing", JoinSettings, "kit.root_fakes:run_missing", "x.json", "needing a package"),
    StageKind("empty", JoinSettings, "kit.root_fakes:run_empty", "x.json", "forgetting to write"),
    StageKind("page", PageSettings, "kit.root_fakes:build_page", "page.html", "reporting", takes_run=True),
)
FAKES = {kind.kind: kind for kind in _KINDS}


def killed_run(arguments: Sequence[str]) -> int:
    """Runs r.toml with the overrides `arguments[1:]`. Kills this process before the rename or new folder with
    the number `arguments[0]`, if the run comes that far."""
    from masksearch.recipe.load import load_recipe
    from masksearch.recipe.run import run_recipe

    left = int(arguments[0])

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *more: Any, **options: Any) -> Any:
            nonlocal left
            if "stages" in str(path) or "replaced" in str(path):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
            return function(path, *more, **options)

        return call

    Path.rename = counted(Path.rename)  # type: ignore[method-assign]
    Path.mkdir = counted(Path.mkdir)  # type: ignore[method-assign]
    run_recipe(load_recipe("r.toml", list(arguments[1:]), FAKES), "out")
    return 0
