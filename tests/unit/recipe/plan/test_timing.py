"""The expected time of a run: scaled by the stages that are done, robust to short ones."""

from __future__ import annotations

import pytest
from kit.root_fakes import FAKES, MakeSettings

from masksearch.recipe.load import Stage
from masksearch.recipe.plan.timing import Timing


def stage(name: str, expect: float | None) -> Stage:
    return Stage(name, FAKES["make"], MakeSettings(), (), expect)


def test_a_short_stage_does_not_decide() -> None:
    long = stage("long", 600)
    timing = Timing([long], [(stage("index", 3), 30.0)])
    assert timing.seconds(long) == pytest.approx(600, rel=0.2)


def test_a_long_stage_does() -> None:
    rest = stage("rest", 600)
    assert Timing([rest], [(stage("sft", 400), 800.0)]).seconds(rest) == pytest.approx(1200, rel=0.15)
    assert Timing([rest], [(stage("sft", 400), 200.0)]).seconds(rest) == pytest.approx(300, rel=0.15)
    assert Timing([rest], [(stage("sft", 4000), 1e6)]).seconds(rest) == 3000


def test_resumed_stages_need_only_the_rest() -> None:
    half = stage("half", 100)
    assert Timing([half], spent={"half": 60}).seconds(half) == pytest.approx(40)
    assert Timing([half], spent={"half": 500}).seconds(half) == pytest.approx(10)


def test_the_outlook() -> None:
    known, unknown = stage("known", 100), stage("unknown", None)
    timing = Timing([known, unknown])
    assert timing.outlook(known) == " (about 2m, more than 2m left in all)"
    timing.done(known, 100.0, resumed=False)
    assert timing.outlook(unknown) == ""
