"""ShareGPT rows against LLaMA-Factory's documented schema (its data/README.md).

test_real_loaders.py tests them with LLaMA-Factory's own loader, if it is installed.
"""

import json

import pytest
from kit.export_fakes import (
    bad,
    good,
    lines,
    loop_trajectories,
    model_turns,
    save,
    segments,
    settings_for,
    trajectory,
)
from kit.tiny import make_tiny_tokenizer
from pyarrow import parquet

from masksearch.errors import DataError, UsageError
from masksearch.interop.export.chat import chat_of
from masksearch.interop.export.command import export
from masksearch.train.loss_mask import encode_trajectory
from masksearch.types import task_from_json

LEARNT, SHOWN = ("gpt", "function_call"), ("human", "observation")


def check_documented(row, info, tools=False):
    """Asserts what the README requires: named columns, alternating roles, loss on the last message."""
    assert info["formatting"] == "sharegpt"
    columns = info["columns"]
    assert set(columns) <= {"messages", "system", "tools"}
    assert set(columns.values()) == set(row) - {"id"}
    conversation = row[columns["messages"]]
    assert conversation
    assert len(conversation) % 2 == 0
    for place, message in enumerate(conversation):
        assert set(message) == {"from", "value"}
        assert message["from"] in (LEARNT if place % 2 else SHOWN)
        assert isinstance(message["value"], str)
    assert isinstance(row[columns["system"]], str)
    if tools:
        assert all(
            {"name", "description", "parameters"} <= set(tool) for tool in json.loads(row[columns["tools"]])
        )


def rendered(tokenizer, row):
    """Returns ids and labels as documented, with the template chatml.

    Each pair of messages is a prompt without loss and an answer with loss.
    """
    roles = {"human": "user", "observation": "tool"}
    ids, labels = [], []
    for place, message in enumerate(row["conversations"]):
        learnt = message["from"] in LEARNT
        text = f"{message['value']}<|im_end|>\n"
        if not learnt:
            text = f"<|im_start|>{roles[message['from']]}\n{text}<|im_start|>assistant\n"
        if place == 0:
            text = f"<|im_start|>system\n{row['system']}<|im_end|>\n{text}"
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        labels += piece if learnt else [-100] * len(piece)
    return ids, labels


def test_tags_carry_loss_where_rows_of_tokens_do(tmp_path):
    kept = [*good(), *loop_trajectories()]
    path = save(tmp_path / "t.jsonl", [*bad(), *kept])
    summary = export(settings_for(path, "llamafactory"), str(tmp_path / "data" / "search.jsonl"))
    info = json.loads((tmp_path / "data" / "dataset_info.json").read_text())
    rows = lines(tmp_path / "data" / "search.jsonl")
    tokenizer = make_tiny_tokenizer()
    assert info["search"]["file_name"] == "search.jsonl"
    assert len(rows) == summary["written"] == len(kept)
    for one, row in zip(kept, rows, strict=True):
        check_documented(row, info["search"])
        encoded = encode_trajectory(tokenizer, one)
        assert (
            segments(tokenizer, *rendered(tokenizer, row))
            == segments(tokenizer, encoded.input_ids, encoded.labels)
            == model_turns(one)
        )
        chat = chat_of(one, task_from_json(one.task))
        assert (row["system"], row["conversations"][0]["value"]) == (chat.system, chat.user)
        assert [message["value"] for message in row["conversations"][2::2]] == [
            turn.text.strip() for turn in one.turns if turn.role == "tool"
        ]
    assert "data set 'search' in" in summary["text"]


def test_calls_are_json_behind_the_thought(tmp_path):
    kept = [trajectory(number, searches=number, tools=("search", "open")) for number in range(4)]
    path = save(tmp_path / "t.jsonl", [*kept, *bad()])
    export(settings_for(path, "llamafactory", shape="calls", name="calls"), str(tmp_path / "c.jsonl"))
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    tokenizer = make_tiny_tokenizer()
    for one, row in zip(kept, lines(tmp_path / "c.jsonl"), strict=True):
        check_documented(row, info["calls"], tools=True)
        assert [tool["name"] for tool in json.loads(row["tools"])] == ["search", "open"]
        learnt = segments(tokenizer, *rendered(tokenizer, row))
        number = int(one.id[1:])
        calls = [json.loads(text.partition("</think>\n\n")[2]) for text in learnt[:-1]]
        first = [{"name": "search", "arguments": {"query": f'who is "{number}"'}}]
        assert (
            calls
            == (first + [{"name": "open", "arguments": {"title": f'who is "{number}"'}}] * (number - 1))[
                :number
            ]
        )
        assert all(
            text.startswith(f'<think>\nnée "{number}", \\ step {place}\n</think>\n\n')
            for place, text in enumerate(learnt[:-1])
        )
        assert learnt[-1] == f"<think>\nso 東京 [{number}]\n</think>\n\nAda {number}"
        assert all("information" not in text for text in learnt)


def test_turns_out_of_form_cannot_be_told_as_calls(tmp_path):
    path = save(tmp_path / "t.jsonl", [*good(2), *bad()])
    summary = export(settings_for(path, "llamafactory", shape="calls", all=True), str(tmp_path / "c.jsonl"))
    assert summary["left_out"] == {"not expressible as calls": 1, "no model turn": 1}


def test_the_other_entries_stay(tmp_path):
    path = save(tmp_path / "t.jsonl", good(2))
    (tmp_path / "dataset_info.json").write_text('{"theirs": {"file_name": "é.json"}, "mine": 1}')
    export(settings_for(path, "llamafactory", name="mine"), str(tmp_path / "x.parquet"))
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert info["theirs"] == {"file_name": "é.json"}
    for row in parquet.read_table(tmp_path / "x.parquet").to_pylist():
        check_documented(row, info["mine"])


@pytest.mark.parametrize("text", ["[]", "{", "\xff"])
def test_a_damaged_entry_file_is_left_alone(tmp_path, text):
    path = save(tmp_path / "t.jsonl", good(2))
    (tmp_path / "dataset_info.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"dataset_info.json.*repair it, or write to another folder"):
        export(settings_for(path, "llamafactory"), str(tmp_path / "x.jsonl"))
    assert (tmp_path / "dataset_info.json").read_bytes() == text.encode("latin-1")
    assert not (tmp_path / "x.jsonl").exists()


def test_standard_output_has_no_entry(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "t.jsonl", good(2))
    export(settings_for(path, "llamafactory"), "-")
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert not (tmp_path / "dataset_info.json").exists()
    with pytest.raises(UsageError, match=r"must end in .jsonl or .parquet"):
        export(settings_for(path, "llamafactory"), str(tmp_path / "x.jsonl.gz"))
