"""Rows that TRL's own trainer trains on, compared with the rows of stage `sft`."""

import pytest
import torch
from datasets import load_dataset
from kit.export_fakes import (
    EVIL,
    GENERATION,
    bad,
    good,
    lines,
    loop_trajectories,
    model_turns,
    save,
    segments,
    settings_for,
)
from kit.tiny import make_tiny_model, make_tiny_tokenizer
from trl import SFTConfig, SFTTrainer

from masksearch.errors import ModelError, UsageError
from masksearch.interop.export.command import export
from masksearch.llm.token_session import encode_plain
from masksearch.train.loss_mask import encode_trajectory


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns trajectories of every kind, including ones from the agent loop, and their file."""
    folder = tmp_path_factory.mktemp("trl")
    kept = [*good(), *(one.model_copy(update={"id": f"loop-{one.id}"}) for one in loop_trajectories())]
    assert len(kept) == 9
    return kept, save(folder / "t.jsonl", [*kept[:4], *bad(), *kept[4:]])


def rows_of_trl(path, tokenizer, tmp_path, **config):
    """Returns (input ids, labels) of each row as TRL's collator passes it to the model."""
    kind = "parquet" if str(path).endswith("parquet") else "json"
    dataset = load_dataset(kind, data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    arguments = SFTConfig(
        output_dir=str(tmp_path / "out"),
        use_cpu=True,
        bf16=False,
        max_length=None,
        per_device_train_batch_size=2,
        report_to=[],
        disable_tqdm=True,
        **config,
    )
    trainer = SFTTrainer(
        model=make_tiny_model(tokenizer), args=arguments, train_dataset=dataset, processing_class=tokenizer
    )
    loader = torch.utils.data.DataLoader(
        trainer.train_dataset.remove_columns("id"), batch_size=2, collate_fn=trainer.data_collator
    )
    rows = []
    for batch in loader:
        for ids, labels, kept in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
        ):
            size = int(kept.sum())
            assert set(labels[size:].tolist()) <= {-100}
            rows.append((ids[:size].tolist(), labels[:size].tolist()))
    trainer.args.max_steps = 1
    assert trainer.train().training_loss > 0
    return rows


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "parquet"])
def test_rows_of_tokens_are_the_rows_that_sft_trains_on(
    ending, trained, tiny_checkpoint, tiny_tokenizer, tmp_path
):
    kept, path = trained
    summary = export(settings_for(path, "trl", model=str(tiny_checkpoint)), str(tmp_path / f"rows.{ending}"))
    assert summary["written"] == len(kept) + 1  # special tokens in a model turn do no harm here
    rows = rows_of_trl(tmp_path / f"rows.{ending}", tiny_tokenizer, tmp_path)
    expected = [encode_trajectory(tiny_tokenizer, one) for one in [*kept[:4], bad()[4], *kept[4:]]]
    assert rows == [(row.input_ids, row.labels) for row in expected]


@pytest.mark.slow
def test_messages_carry_loss_where_rows_of_tokens_do(trained, tmp_path):
    kept, path = trained
    tokenizer = make_tiny_tokenizer(chat_template=GENERATION)
    for role in ("user", "tool"):
        export(settings_for(path, "trl", shape="messages", tool_role=role), str(tmp_path / f"{role}.jsonl"))
        rows = rows_of_trl(tmp_path / f"{role}.jsonl", tokenizer, tmp_path, assistant_only_loss=True)
        assert len(rows) == len(kept)
        for one, (ids, labels) in zip(kept, rows, strict=True):
            row = encode_trajectory(tokenizer, one)
            assert (
                segments(tokenizer, ids, labels)
                == segments(tokenizer, row.input_ids, row.labels)
                == model_turns(one)
            )
            # Each turn is one message, and no retrieved text has started another message.
            starts = sum(token == tokenizer.convert_tokens_to_ids("<|im_start|>") for token in ids)
            assert starts == 2 + len(one.turns)


def test_completions_carry_loss_with_any_template(trained, tmp_path):
    kept, path = trained
    tokenizer = make_tiny_tokenizer()
    summary = export(settings_for(path, "trl", shape="completions"), str(tmp_path / "rows.parquet"))
    rows = rows_of_trl(tmp_path / "rows.parquet", tokenizer, tmp_path)
    assert summary["written"] == len(rows) == sum(len(model_turns(one)) for one in kept)
    assert [segments(tokenizer, *row) for row in rows] == [
        [text] for one in kept for text in model_turns(one)
    ]


def test_completions_go_on_from_each_other(trained, tmp_path):
    kept, path = trained
    export(settings_for(path, "trl", shape="completions"), str(tmp_path / "rows.jsonl"))
    rows = lines(tmp_path / "rows.jsonl")
    last = {row["id"].partition("#")[0]: row for row in rows}
    export(settings_for(path, "trl", shape="messages"), str(tmp_path / "whole.jsonl"))
    assert [last[one.id]["prompt"] + last[one.id]["completion"] for one in kept] == [
        row["messages"] for row in lines(tmp_path / "whole.jsonl")
    ]
    assert [row["id"] for row in rows if row["id"].startswith(kept[2].id)] == [
        f"{kept[2].id}#{number}" for number in (1, 2, 3)
    ]


def test_rows_that_are_too_long_are_left_out(trained, tiny_checkpoint, tiny_tokenizer, tmp_path):
    _, path = trained
    export(settings_for(path, "trl", model=str(tiny_checkpoint)), str(tmp_path / "all.jsonl"))
    lengths = sorted(len(row["input_ids"]) for row in lines(tmp_path / "all.jsonl"))
    summary = export(
        settings_for(path, "trl", model=str(tiny_checkpoint), max_length=lengths[3]),
        str(tmp_path / "short.jsonl"),
    )
    assert [len(row["input_ids"]) <= lengths[3] for row in lines(tmp_path / "short.jsonl")] == [
        True
    ] * summary["written"]
    assert summary["left_out"]["too long"] == sum(length > lengths[3] for length in lengths) > 0


def test_the_tokenizer_must_be_there(trained, tmp_path):
    _, path = trained
    out = str(tmp_path / "rows.jsonl")
    with pytest.raises(
        UsageError, match="name a checkpoint with --model, or write text with --shape messages"
    ):
        export(settings_for(path, "trl"), out)
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(ModelError, match=r"No tokenizer can be loaded from .*masksearch model -o DIR"):
            export(settings_for(path, "trl", model=str(source)), out)
    with pytest.raises(ModelError, match="is a file"):
        export(settings_for(path, "trl", model=path), out)
    assert not (tmp_path / "rows.jsonl").exists()


def test_the_attack_would_act_if_it_were_not_made_harmless(tiny_tokenizer):
    assert tiny_tokenizer.convert_tokens_to_ids("<|im_end|>") in tiny_tokenizer(EVIL)["input_ids"]
    assert tiny_tokenizer.convert_tokens_to_ids("<|im_end|>") not in encode_plain(tiny_tokenizer, EVIL)
