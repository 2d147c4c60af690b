"""Colour is shown on terminals alone, and NO_COLOR and FORCE_COLOR decide first."""

from __future__ import annotations

import io

import pytest

from masksearch.runtime import colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("environment", "terminal", "shown"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_the_environment_decides_first(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, shown: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert colour.shows_colour(stream) is shown
    assert colour.red("no", stream) == ("\x1b[31mno\x1b[0m" if shown else "no")


def test_every_style_and_its_width() -> None:
    stream = Terminal()
    for function in (
        colour.bold,
        colour.dim,
        colour.red,
        colour.green,
        colour.yellow,
        colour.cyan,
        colour.heading,
    ):
        shown = function("four", stream)
        assert shown.startswith("\x1b[")
        assert (colour.plain(shown), colour.width(shown)) == ("four", 4)
        assert function("", stream) == ""
        assert function("four", io.StringIO()) == "four"


def test_an_outer_style_continues_after_an_inner_one() -> None:
    stream = Terminal()
    inner = colour.green("b", stream)
    assert colour.bold(f"a{inner}c", stream) == "\x1b[1ma\x1b[32mb\x1b[0m\x1b[1mc\x1b[0m"


def test_a_closed_stream_shows_no_colour() -> None:
    closed = io.StringIO()
    closed.close()
    assert colour.shows_colour(closed) is False


def test_the_default_is_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    assert colour.bold("x") == "\x1b[1mx\x1b[0m"
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert colour.bold("x") == "x"
