"""LoRA: new adapters change nothing, adapters alone are trained, and a stage writes a plain checkpoint.

Weights sliced over several processes are put together.
"""

import copy
import types

import pytest
import torch
from kit.train_helpers import farthest, weights, write_index, write_questions, write_trajectories

from masksearch.errors import TrainingError
from masksearch.train.head import apply_head_where_loss
from masksearch.train.lora import adapt, plain_weights
from masksearch.train.rl.decoders import copy_weights
from masksearch.train.rl.stage import run_rl
from masksearch.train.settings import RlSettings, SftSettings
from masksearch.train.sft.stage import run_sft

needs_peft = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("peft") is None, reason="peft is not installed (extra `lora`)"
)
SETTINGS = types.SimpleNamespace(lora=True, lora_rank=4, lora_alpha=8.0, frozen_layers=0, seed=1)


@needs_peft
def test_merged_weights_compute_what_the_adapted_model_does(tiny_model):
    plain = copy.deepcopy(tiny_model)
    ids = torch.arange(5, 25)[None]
    before = tiny_model(ids).logits
    adapt(tiny_model, SETTINGS)
    assert torch.equal(tiny_model(ids).logits, before)
    learning = [name for name, weight in tiny_model.named_parameters() if weight.requires_grad]
    assert learning
    assert all(".lora_" in name for name in learning)
    assert not any("lm_head" in name for name in learning)
    with torch.no_grad():
        for name, weight in tiny_model.named_parameters():
            if ".lora_" in name:
                weight.normal_()
    assert {name for name, _ in plain_weights(tiny_model)} == set(plain.state_dict())
    copy_weights(tiny_model, plain)
    assert torch.allclose(plain(ids).logits, tiny_model(ids).logits, atol=1e-4)
    assert not torch.allclose(plain(ids).logits, before, atol=1e-1)


@needs_peft
@pytest.mark.slow
def test_a_stage_leaves_a_plain_checkpoint(tmp_path, tiny_checkpoint):
    given = {
        "model": str(tiny_checkpoint),
        "dtype": "float32",
        "lora": True,
        "lora_rank": 4,
        "learning_rate": 1e-2,
    }
    sft = SftSettings.model_validate(
        {**given, "trajectories": (write_trajectories(tmp_path / "t.jsonl"),), "batch_size": 4}
    )
    run_sft(sft, tmp_path / "sft", tmp_path / "sft.work")
    assert weights(tmp_path / "sft").keys() == weights(tiny_checkpoint).keys()
    assert farthest(weights(tmp_path / "sft"), weights(tiny_checkpoint)) > 1e-3
    assert torch.equal(
        weights(tmp_path / "sft")["lm_head.weight"], weights(tiny_checkpoint)["lm_head.weight"]
    )
    rl = RlSettings.model_validate(
        {
            **given, "model": str(tmp_path / "sft"), "tasks": write_questions(tmp_path / "q.jsonl"),
            "index": write_index(tmp_path / "index"), "steps": 1, "prompts_per_step": 2, "group_size": 2,
            "micro_batch_size": 2, "decode_slots": 4, "dynamic_sampling": False,
            "agent": {"max_tokens": 24, "turn_tokens": 12, "max_length": 512},
            "reward": {"max_tokens": 24, "cache_tokens": 8},
        }
    )  # fmt: skip
    run_rl(rl, tmp_path / "rl", tmp_path / "rl.work")
    assert weights(tmp_path / "rl").keys() == weights(tiny_checkpoint).keys()


def test_lora_beside_frozen_layers_is_refused(tiny_model):
    with pytest.raises(TrainingError, match="leave frozen_layers at 0"):
        adapt(
            tiny_model, types.SimpleNamespace(lora=True, lora_rank=4, lora_alpha=8.0, frozen_layers=1, seed=1)
        )


@pytest.fixture
def one_process():
    import torch.distributed as distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_sliced_by_fsdp_it_computes_and_comes_out_the_same(tiny_model, one_process):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    plain, empty = copy.deepcopy(tiny_model), copy.deepcopy(tiny_model)
    ids = torch.arange(5, 25)[None]
    mesh = init_device_mesh("cpu", (1,))
    for layer in tiny_model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(tiny_model, mesh=mesh)
    for model in (plain, tiny_model):
        apply_head_where_loss(model)
        model(input_ids=ids, labels=ids, fused_lm_head=True).loss.backward()
    for (name, one), two in zip(plain.named_parameters(), tiny_model.parameters(), strict=True):
        assert hasattr(two, "full_tensor"), name
        assert torch.allclose(one.grad, two.grad.full_tensor(), atol=1e-5), name
    with torch.no_grad():
        for weight in empty.parameters():
            weight.zero_()
    copy_weights(tiny_model, empty)
    assert all(torch.equal(one, two) for one, two in zip(plain.parameters(), empty.parameters(), strict=True))
