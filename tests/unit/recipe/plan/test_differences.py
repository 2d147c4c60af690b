"""Reasons for which a stage runs again: the setting, file or stage that differs is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.root_fakes import JoinSettings, TrainSettings

from masksearch.recipe.plan.differences import CHANGED, UNKNOWN, WILL_RUN, differences
from masksearch.runtime.resume import Basis, key_basis


def train(**values: Any) -> Basis:
    keys = values.pop("keys", {"base": "K"})
    return key_basis("train", TrainSettings.model_validate({"model": "base", **values}), keys)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.jsonl").write_text("1")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"steps": 10}, {"steps": 3}, ["steps 10 -> 3"]),
        ({"agent": {"top_k": 4}}, {"agent": {"top_k": 3}}, ["agent.top_k 4 -> 3"]),
        ({"fail": ""}, {"fail": "x y"}, ['fail "" -> x y']),
        ({"rate": 0.1, "seed": 1}, {"rate": 0.2, "seed": 2}, ["rate 0.1 -> 0.2", "seed 1 -> 2"]),
        ({"data": ["q.jsonl", "a"]}, {"data": ["b", "q.jsonl"]}, ["data - a, + b"]),
        ({"data": ["a", "b"]}, {"data": ["b", "a"]}, ["data in another order"]),
        ({"model": "base"}, {"model": "sft", "keys": {"sft": "S"}}, ["model base -> sft"]),
    ],
)
def test_settings(before: dict[str, Any], now: dict[str, Any], expected: list[str]) -> None:
    assert differences(train(**before).to_json(), train(**now), {}) == expected


def test_long_values_are_cut_in_the_middle() -> None:
    (found,) = differences(train(fail="a" * 100).to_json(), train(fail="b" * 100), {})
    assert len(found) < 100
    assert "…" in found


def test_changed_and_moved_files() -> None:
    before = train(data=["q.jsonl"]).to_json()
    Path("q.jsonl").write_text("2")
    assert differences(before, train(data=["q.jsonl"]), {}) == ["data file changed: q.jsonl"]
    Path("moved").mkdir()
    Path("moved/q.jsonl").write_text("1")
    assert differences(before, train(data=["moved/q.jsonl"]), {}) == [UNKNOWN], "the content is the same"


def test_stages() -> None:
    before = train(keys={"base": "K"}).to_json()
    now = train(keys={"base": "L"})
    assert differences(before, now, {"base": WILL_RUN}) == ["stage 'base', which it reads, will run again"]
    assert differences(before, now, {"base": CHANGED}) == ["stage 'base', which it reads, has changed"]


def test_a_stage_that_reads_the_whole_run() -> None:
    def page(name: str, about: str, keys: dict[str, str]) -> Basis:
        return key_basis("page", JoinSettings(), {}, name, about, keys)

    before = page("n", "old", {"a": "1", "b": "2"}).to_json()
    now = page("n", "new", {"a": "3", "c": "4"})
    assert differences(before, now, {"a": WILL_RUN, "c": WILL_RUN}) == [
        "the recipe's description changed",
        "stage 'a', which it reads, will run again",
        "stage 'c' is new",
        "stage 'b' is gone",
    ]


def test_work_that_an_earlier_version_marked() -> None:
    now = train(steps=3)
    table = {"kind": "train", "settings": {**train(steps=10).settings}}
    assert differences(table, now, {}) == ["steps 10 -> 3"]
    same = {"kind": "train", "settings": dict(now.settings)}
    assert differences(same, now, {"base": WILL_RUN}) == ["stage 'base', which it reads, will run again"]
    assert differences(same, now, {"base": CHANGED}) == differences({}, now, {}) == [UNKNOWN]
    assert differences({**now.to_json(), "version": 1}, now, {}) == [
        "a version of MaskSearch made it whose work is not used again"
    ]
    assert differences({**now.to_json(), "kind": "make"}, now, {}) == ["kind make -> train"]
