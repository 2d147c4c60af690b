"""LLaMA-Factory's and verl's own loaders on exported data.

Both pin other versions of transformers than we do, so these tests need a separate environment: `pip install
llamafactory verl` and this package. Last run with llamafactory 0.9.5 and verl 0.9.1.
"""

import json

import pytest
from kit.export_fakes import (
    bad,
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

from masksearch.agent.prompts import messages
from masksearch.interop.export.command import export


@pytest.fixture
def exported(tmp_path):
    """Returns trajectories and a function that exports them."""
    kept = [*good(), *loop_trajectories()]
    path = save(tmp_path / "t.jsonl", [*kept, *bad()])
    return kept, lambda to, name, **given: export(settings_for(path, to, **given), str(tmp_path / name))


@pytest.mark.parametrize("shape", ["tags", "calls"])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("template", ["chatml", "qwen", "qwen3"])
def test_llamafactory(shape, ending, template, exported, tmp_path, monkeypatch):
    pytest.importorskip("llamafactory")
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments

    kept, write = exported
    write("llamafactory", f"search.{ending}", shape=shape)
    tokenizer = make_tiny_tokenizer()
    data = DataArguments(
        dataset="search",
        dataset_dir=str(tmp_path),
        template=template,
        cutoff_len=100_000,
        overwrite_cache=True,
    )
    model = ModelArguments(model_name_or_path="x", cache_dir=str(tmp_path / "cache"))
    found = get_template_and_fix_tokenizer(tokenizer, data)
    training = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False)
    rows = get_dataset(found, model, data, training, "sft", tokenizer)["train_dataset"]
    assert len(rows) == len(kept)
    for one, row in zip(kept, rows, strict=True):
        learnt = segments(tokenizer, row["input_ids"], row["labels"])
        if shape == "tags":
            assert learnt == model_turns(one)
        else:
            assert len(learnt) == len(model_turns(one))
            assert all("information" not in text for text in learnt)
            assert all(text.startswith("<think>\n") for text in learnt)
            assert learnt[-1].endswith(f"</think>\n\n{one.answer}")
            assert all('"name": "' in text or "Action: " in text for text in learnt[:-1])


@pytest.mark.parametrize("role", ["user", "tool"])
def test_verl_multiturn(role, exported, tmp_path):
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    kept, write = exported
    write("verl", "t.parquet", tool_role=role)
    tokenizer = make_tiny_tokenizer()
    config = OmegaConf.create({"max_length": 100_000, "pad_mode": "no_padding", "truncation": "error"})
    rows = MultiTurnSFTDataset([str(tmp_path / "t.parquet")], tokenizer, config)
    assert len(rows) == len(kept)
    for one, row in zip(kept, rows, strict=False):
        labels = [
            token if learnt else -100
            for token, learnt in zip(row["input_ids"].tolist(), row["loss_mask"].tolist(), strict=True)
        ]
        assert segments(tokenizer, row["input_ids"].tolist(), labels) == model_turns(one)


def test_verl_reinforcement_learning(tmp_path):
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    tasks = [question(0), masked(1), question(2)]
    export(settings_for(save(tmp_path / "t.jsonl", tasks), "verl"), str(tmp_path / "t.parquet"))
    config = OmegaConf.create(
        {
            "max_prompt_length": 4096,
            "cache_dir": str(tmp_path / "cache"),
            "filter_overlong_prompts_workers": 1,
        }
    )
    rows = RLHFDataset([str(tmp_path / "t.parquet")], make_tiny_tokenizer(), config)
    assert len(rows) == 3
    for number, task in enumerate(tasks):
        row = rows[number]
        assert row["index"] == number
        assert row["raw_prompt"] == messages(task, "agent", "spans")
        assert row["reward_model"]["ground_truth"]["target"] == list(task.answers)
        assert json.loads(row["extra_info"]["task"])["id"] == task.id


def test_verl_finds_the_reward(tmp_path):
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    from masksearch.interop.export import verl_reward

    place = {"path": verl_reward.__file__, "name": "compute_score"}
    function = get_custom_reward_fn(
        OmegaConf.create({"reward": {"custom_reward_function": place}, "custom_reward_function": place})
    )
    task = json.dumps({**masked(1).to_json(), "answer_form": "spans"})
    rollout = (
        "<think>x</think><search>Ada</search><information>\nx\n</information>"
        "<think>y</think><answer>1: London\n2: 1815</answer>"
    )
    scored = function(data_source="x", solution_str=rollout, ground_truth={}, extra_info={"task": task})
    assert scored["score"] == 1.2
