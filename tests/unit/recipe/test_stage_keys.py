"""The key of a stage: what its product depends on changes it, and how the work is done does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masksearch.evaluation.settings import EvalSettings
from masksearch.recipe.stage_keys import settings_key
from masksearch.recipe.stages import STAGES
from masksearch.search.settings import IndexSettings


def eval_key(**search: Any) -> str:
    settings = EvalSettings.model_validate(
        {"questions": "q", "model": "m", "index": "web:brave", "search": search}
    )
    return settings_key(STAGES["eval"], settings, {})


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
            STAGES["index"],
            IndexSettings.model_validate(
                {"corpus": "-", "kind": "dense", "dense": {"encoder": str(tmp_path)}}
            ),
            {},
        )

    before = key()
    (tmp_path / "weights").write_text("two")
    assert key() != before
