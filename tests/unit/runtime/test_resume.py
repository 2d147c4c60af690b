"""Cache keys and resume marks: settings and inputs change a key, the means of the work do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from masksearch.errors import UsageError
from masksearch.evaluation.settings import EvalSettings
from masksearch.recipe.stages import STAGES
from masksearch.runtime.resume import (
    COMMAND,
    WorkFolder,
    claim,
    is_whole,
    key_basis,
    mark_whole,
    read_mark,
    settings_key,
)
from masksearch.runtime.settings import Settings
from masksearch.search.settings import IndexSettings

KEYS_OF_RELEASE_0_1: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({}, "b5a3c1a3c415c4d8"),
    "index": ({"kind": "hybrid"}, "e948d0d613de7798"),
    "mask": (
        {
            "index": "index",
            "verify": ["retrievable", "not-guessable"],
            "guess_model": "openai:m",
            "workers": 3,
            "tasks_per_document": 1,
        },
        "7f6ed161a957a302",
    ),
    "synthesize": (
        {"tasks": "tasks", "index": "index", "oracle": "first", "max_tokens": 7},
        "09d6a30ffb1f4362",
    ),
    "evolve": (
        {
            "model": "base",
            "trajectories": ["t"],
            "tasks": ["a", "b"],
            "index": "index",
            "search": {"timeout": 3, "rerank_depth": 9},
        },
        "4e8e7ec5760ca3f1",
    ),
    "sft": ({"model": "base", "trajectories": ["t"], "lora": True}, "2a8003985f6fe055"),
    "rl": ({"model": "sft", "tasks": "tasks", "index": "index"}, "78a41ba8c62f1db7"),
    "eval": (
        {"questions": "q", "model": "rl", "index": "index", "judge": {"timeout": 9}},
        "2985499d22c173a6",
    ),
    "compare": ({"results": ["e"], "groups": {"x": ["e"]}}, "c0298c1ea9d12285"),
    "report": ({}, "e2f19c3c2d95ff07"),
}
"""Kind -> settings, and the beginning of their key as the first release computed it.

A key that changes makes every user's finished stage run again; raise KEY_FORMAT where that is wanted.
Settings whose default has changed are written out (`oracle`, `tasks_per_document`).
"""
STAGE_KEYS = {"base": "KB", "index": "KI", "tasks": "KT", "t": "KTR", "sft": "KS", "rl": "KR", "e": "KE"}


@pytest.mark.parametrize("kind", KEYS_OF_RELEASE_0_1)
def test_run_folders_of_the_first_release_stay_valid(kind: str) -> None:
    values, expected = KEYS_OF_RELEASE_0_1[kind]
    settings = STAGES[kind].settings.model_validate(values)
    assert settings_key(kind, settings, STAGE_KEYS, "more").startswith(expected)


def test_every_kind_of_stage_has_a_recorded_key() -> None:
    assert set(KEYS_OF_RELEASE_0_1) == set(STAGES)


class Nested(Settings):
    added = ("new",)

    old: int = 1
    new: int = 2


class Newer(Settings):
    added = ("extra",)

    old: int = 1
    extra: bool = True
    nested: Nested = Nested()


class Before(Settings):
    old: int = 1


class Older(Settings):
    old: int = 1
    nested: Before = Before()


def test_a_setting_of_a_later_version_counts_unless_it_has_its_default() -> None:
    before = settings_key("kind", Older(), {})
    assert settings_key("kind", Newer(), {}) == before
    assert "extra" not in key_basis("kind", Newer(), {}).settings
    others = [Newer(extra=False), Newer(nested=Nested(new=3)), Newer(nested=Nested(old=3))]
    keys = {settings_key("kind", settings, {}) for settings in others}
    assert len(keys | {before}) == 4


def eval_key(**search: Any) -> str:
    settings = EvalSettings.model_validate(
        {"questions": "q", "model": "m", "index": "web:brave", "search": search}
    )
    return settings_key("eval", settings, {})


def test_a_record_counts_by_its_content(tmp_path: Path) -> None:
    record = tmp_path / "r.jsonl"
    record.write_text("one")
    before = eval_key(replay=str(record))
    assert before == eval_key(replay=str(record))
    record.write_text("two")
    assert eval_key(replay=str(record)) != before


def test_how_a_search_is_done_does_not_count_and_what_it_finds_does() -> None:
    assert eval_key(retries=9, timeout=1, rate=2, concurrency=3) == eval_key()
    assert (
        len(
            {
                eval_key(),
                eval_key(noise={"drop": 0.1}),
                eval_key(rerank="owner/name"),
                eval_key(rerank_depth=5),
            }
        )
        == 4
    )


def test_an_encoder_counts_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("one")

    def key() -> str:
        return settings_key(
            "index",
            IndexSettings.model_validate(
                {"corpus": "-", "kind": "dense", "dense": {"encoder": str(tmp_path)}}
            ),
            {},
        )

    before = key()
    (tmp_path / "weights").write_text("two")
    assert key() != before


def folder(tmp_path: Path, key: str = "k") -> WorkFolder:
    return WorkFolder(tmp_path / "work", tmp_path / "work" / "product", key)


def finished(tmp_path: Path, key: str = "k", **record: Any) -> WorkFolder:
    work = folder(tmp_path, key)
    work.start()
    work.product.write_text("x")
    work.finish({"seconds": 1.0, "summary": {}, **record})
    return work


def test_only_a_finished_product_with_the_same_key_is_done(tmp_path: Path) -> None:
    work = folder(tmp_path)
    work.start()
    work.product.write_text("x")
    assert work.done() is None
    assert work.holds_this_work()
    work.finish({"seconds": 1.0, "summary": {}})
    assert work.done() == {**(work.done() or {}), "key": "k", "seconds": 1.0}
    assert folder(tmp_path, "other").done() is None
    work.product.unlink()
    assert work.done() is None


def test_starting_resumes_the_same_key_and_clears_another(tmp_path: Path) -> None:
    work = folder(tmp_path)
    assert work.start() == 0.0
    (work.folder / "log").write_text("x")
    (work.folder / ".half.tmp").write_text("x")
    work.pause(12.5)
    assert folder(tmp_path).start() == 12.5
    assert (work.folder / "log").exists()
    assert not (work.folder / ".half.tmp").exists()
    assert folder(tmp_path, "other").start() == 0.0
    assert not (work.folder / "log").exists()


def test_dependents_see_the_content_of_an_incomplete_product(tmp_path: Path) -> None:
    assert finished(tmp_path).key_for_dependents() == "k"
    work = finished(tmp_path, unfinished=True)
    before = work.key_for_dependents()
    assert before != "k"
    work.product.write_text("y")
    assert work.key_for_dependents() != before
    assert finished(tmp_path, retried=True).key_for_dependents() != "k"


def test_what_no_mark_explains_is_never_cleared(tmp_path: Path) -> None:
    work = folder(tmp_path)
    work.folder.mkdir()
    work.check_free("remedy")
    (work.folder / "weights").write_text("x")
    with pytest.raises(UsageError, match=r"work, the folder of this stage, holds other files; remedy\."):
        work.check_free("remedy")
    assert (work.folder / "weights").exists()


def test_work_with_another_key_is_cleared_by_its_maker_alone(tmp_path: Path) -> None:
    def work(key: str, made_by: str = "") -> WorkFolder:
        return WorkFolder(tmp_path / "work", tmp_path / "work" / "product", key, made_by)

    work("launched", COMMAND).start()
    work("launched").check_free("remedy")
    with pytest.raises(UsageError, match="holds the work of a single command with other settings"):
        work("run").check_free("remedy")
    with pytest.raises(UsageError, match="holds the work of a single command with other settings"):
        work("other", COMMAND).check_free("remedy")
    work("run").start()
    work("changed recipe").check_free("remedy")
    with pytest.raises(UsageError, match="holds the work of a run with other settings"):
        work("launched", COMMAND).check_free("remedy")


def test_a_kill_before_the_mark_is_written_is_no_obstacle(tmp_path: Path) -> None:
    """A kill can leave the temporary file of the mark, done.json, or a folder that was being removed."""
    work = folder(tmp_path)
    work.folder.mkdir()
    (work.folder / ".stage.json.123.tmp").write_text("{")
    (work.folder / "done.json").write_text("{}")
    (tmp_path / ".work.123.tmp").mkdir()
    (tmp_path / ".work.123.tmp" / "log").write_text("x")
    work.check_free("remedy")
    work.start()
    assert [entry.name for entry in work.folder.iterdir()] == ["stage.json"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


def test_clearing_renames_the_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = folder(tmp_path)
    work.start()
    (work.folder / "log").write_text("x")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("masksearch.runtime.resume.files.remove", killed)
    with pytest.raises(KeyboardInterrupt):
        folder(tmp_path, "other").clear()
    monkeypatch.undo()
    assert not work.folder.exists(), "no folder without its mark is left"
    folder(tmp_path, "other").start()
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


def test_a_cache_is_kept_for_the_same_content_alone(tmp_path: Path) -> None:
    mark, cleared = tmp_path / "cache" / "of", []
    for content in ("a", "a", "b", "b", "a"):
        claim(mark, content, lambda content=content: cleared.append(content))  # type: ignore[misc]
    assert cleared == ["a", "b", "a"]


def test_a_mark_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "mark").write_text("{")
    assert read_mark(tmp_path / "mark") == read_mark(tmp_path / "none") == {}


def test_a_state_is_whole_once_it_is_marked(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)
    mark_whole(tmp_path)
    assert is_whole(tmp_path)
