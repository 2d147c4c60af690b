"""The pictures of the pages are those that benchmarks/pictures.py draws."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.finished_run import demo_run
from kit.places import REPOSITORY

from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.load import load_run

DRAWINGS: dict[str, Any] = runpy.run_path(str(REPOSITORY / "benchmarks" / "pictures.py"))
before_after: Callable[[Conclusion], str] = DRAWINGS["before_after"]


@pytest.mark.parametrize("name", ["pipeline", "rooms"])
def test_the_drawn_pictures_are_current(name: str) -> None:
    drawn = (REPOSITORY / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == DRAWINGS[name](), "run: python benchmarks/pictures.py"


def test_the_rooms_are_those_of_the_package() -> None:
    folders = {path.parent.name for path in (REPOSITORY / "masksearch").glob("*/__init__.py")}
    assert set(DRAWINGS["ROOMS"]) - {"types errors protocols"} == folders


def test_before_and_after_come_from_the_run(tmp_path: Path) -> None:
    demo_run(tmp_path / "run")
    found = conclude(load_run(tmp_path / "run"))
    assert found.example is not None
    assert found.example.before is not None
    picture = xml.etree.ElementTree.fromstring(before_after(found))
    words = "".join(picture.itertext())
    for part in ("Before training", "After training", "[mask]", found.example.after.answer, "right"):
        assert part in words
    assert len(picture) > 20


def test_a_run_without_an_example_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no question"):
        before_after(Conclusion((), (), None, ()))
