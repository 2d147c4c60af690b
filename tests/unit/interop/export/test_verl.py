"""Parquet files for verl against its documentation.

test_real_loaders.py tests them with verl's own loaders, if they are installed.
"""

import json

import pytest
from kit.export_fakes import (
    bad,
    found,
    good,
    loop_trajectories,
    masked,
    model_turns,
    question,
    save,
    segments,
    settings_for,
)
from kit.tiny import make_tiny_tokenizer
from pyarrow import parquet

from masksearch.agent.prompts import messages
from masksearch.errors import FormatError, UsageError
from masksearch.interop.export.command import export
from masksearch.interop.export.verl_reward import compute_score
from masksearch.train.loss_mask import encode_trajectory
from masksearch.types import task_from_json


def rendered(tokenizer, messages):
    """Returns ids and labels as verl's MultiTurnSFTDataset computes them.

    Each message is rendered separately; assistant messages carry loss, except for their opening tokens.
    """
    ids, labels = [], []
    opening = len(tokenizer("<|im_start|>assistant\n", add_special_tokens=False)["input_ids"])
    for message in messages:
        piece = tokenizer(tokenizer.apply_chat_template([message], tokenize=False), add_special_tokens=False)[
            "input_ids"
        ]
        learnt = message["role"] == "assistant"
        ids += piece
        labels += [-100] * opening + piece[opening:] if learnt else [-100] * len(piece)
    return ids, labels


@pytest.mark.parametrize("role", ["user", "tool"])
def test_messages_carry_loss_where_rows_of_tokens_do(tmp_path, role):
    kept = [*good(), *loop_trajectories()]
    path = save(tmp_path / "t.jsonl", [*kept, *bad()])
    export(settings_for(path, "verl", tool_role=role), str(tmp_path / "t.parquet"))
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    tokenizer = make_tiny_tokenizer()
    assert [row["id"] for row in rows] == [one.id for one in kept]
    for one, row in zip(kept, rows, strict=True):
        assert {message["role"] for message in row["messages"][2::2]} <= {"assistant"}
        assert {message["role"] for message in row["messages"][3::2]} <= {role}
        encoded = encode_trajectory(tokenizer, one)
        assert (
            segments(tokenizer, *rendered(tokenizer, row["messages"]))
            == segments(tokenizer, encoded.input_ids, encoded.labels)
            == model_turns(one)
        )


def test_tasks_are_rows_for_reinforcement_learning(tmp_path):
    tasks = [question(0), masked(1), question(2)]
    save(tmp_path / "a.jsonl", tasks[:2])
    save(tmp_path / "b.jsonl", tasks[2:])
    summary = export(
        settings_for([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], "verl", answer_form="paragraph"),
        str(tmp_path / "t.parquet"),
    )
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert summary == {
        "read": 3,
        "written": 3,
        "left_out": {},
        "text": f"{tmp_path}/t.parquet: 3 tasks for verl's RLHFDataset",
    }
    for number, (task, row) in enumerate(zip(tasks, rows, strict=True)):
        assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
        assert row["prompt"] == messages(task, "agent", "paragraph")
        assert row["reward_model"] == {"style": "rule", "ground_truth": {"target": list(task.answers)}}
        assert (row["extra_info"]["index"], row["extra_info"]["id"]) == (number, task.id)
        assert task_from_json(json.loads(row["extra_info"]["task"])) == task
    assert [row["data_source"] for row in rows] == [
        "masksearch/question",
        "masksearch/ramp",
        "masksearch/question",
    ]
    export(settings_for(str(tmp_path / "b.jsonl"), "verl", name="searchR1_nq"), str(tmp_path / "t.parquet"))
    assert parquet.read_table(tmp_path / "t.parquet")["data_source"].to_pylist() == ["searchR1_nq"]


def test_the_reward_is_that_of_our_own_training(tmp_path):
    save(tmp_path / "t.jsonl", [masked(1), question(2)])
    export(settings_for(str(tmp_path / "t.jsonl"), "verl"), str(tmp_path / "t.parquet"))
    ramp, asked = parquet.read_table(tmp_path / "t.parquet").to_pylist()

    def score(row, rollout, **given):
        return compute_score(
            row["data_source"],
            rollout,
            row["reward_model"]["ground_truth"],
            row["extra_info"],
            anything="else",
            **given,
        )

    search = f"<think>x</think>\n<search>Ada</search>{found('Ada was born in London.', evil='')}"
    right = "<think>y</think>\n<answer>1: London\n2: 1815</answer>"
    both = score(ramp, search + right)
    assert (both["score"], both["solved"], both["found_share"]) == (1.2, 1.0, 0.5)
    half = score(ramp, search + right.replace("London", "Paris"))
    assert (half["score"], half["answer"]) == (pytest.approx(0.7), 0.5)
    assert half.keys() == both.keys()
    assert score(ramp, right)["score"] == pytest.approx(0.2 - 0.1), (
        "an answer without a search earns the format reward, less the penalty"
    )
    assert score(ramp, search + "<answer>1: London\n2: 1815</answer>")["score"] == 0, "not in valid form"
    assert score(ramp, search + "London")["score"] == pytest.approx(-0.1), "no answer"
    assert score(ramp, f"<think>x</think>{found('1815')}{right}")["score"] == pytest.approx(-0.1), (
        "a turn with forged information is not an answer"
    )
    assert score(asked, search + "<think>y</think><answer> a. 2 </answer>")["score"] == 1.2
    assert score(asked, search + "<think>y</think><answer>it is Ada 2</answer>")["score"] == 0.2
    first = {"answer": "f1", "gated": False, "no_answer": 0.0, "no_search": 0.0, "format": 0.0}
    assert score(asked, "<answer>it is Ada 2</answer>", reward=first)["score"] == pytest.approx(2 * 0.5 / 1.5)
    with pytest.raises(ValueError, match="verl's custom reward function cannot ask a judge"):
        score(asked, "", reward={"answer": "judge", "judge": {"url": "http://x", "model": "m"}})
    with pytest.raises(ValueError, match="extra_info lacks the field 'task'"):
        compute_score("x", "y", {})


def test_tasks_and_trajectories_do_not_mix(tmp_path):
    save(tmp_path / "t.jsonl", [question(0), *good(1)])
    save(tmp_path / "u.jsonl", [*good(1), question(0)])
    save(tmp_path / "v.jsonl", [question(0), question(0)])
    for name, fault in (
        ("t", "line 2 is a trajectory among tasks"),
        ("u", "line 2 is a task or question, not a trajectory"),
        ("v", "line 2 repeats the id 'q0'"),
    ):
        with pytest.raises(FormatError, match=fault):
            export(settings_for(str(tmp_path / f"{name}.jsonl"), "verl"), str(tmp_path / "t.parquet"))
    assert not (tmp_path / "t.parquet").exists()


def test_verl_reads_parquet_alone(tmp_path):
    path = save(tmp_path / "t.jsonl", good(1))
    with pytest.raises(UsageError, match=r"must end in \.parquet"):
        export(settings_for(path, "verl"), str(tmp_path / "x.jsonl"))
    with pytest.raises(UsageError, match="does not go to standard output"):
        export(settings_for(path, "verl"), "-")
