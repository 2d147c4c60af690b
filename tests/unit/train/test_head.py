"""The head on labelled positions gives the same losses, figures and gradients as full logits."""

import types

import pytest
import torch

from masksearch.train import head as module
from masksearch.train.head import apply_head_where_loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 300, (3, 11), generator=generator)
    attention = torch.ones_like(ids)
    attention[0, 8:] = 0
    labels = torch.where(torch.rand(ids.shape, generator=generator) < 0.5, ids, -100)
    labels[attention == 0] = -100
    labels[:, 0] = ids[:, 0]  # no position predicts the first token, so it must not count
    return {"input_ids": ids, "attention_mask": attention, "labels": labels}


def whole(model, batch, temperature=1.0, items=None):
    """Returns log-probs, entropies, top-1 (all (batch, length - 1)) and loss from full logits."""
    logits = (
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
        / temperature
    )
    targets = batch["labels"][:, 1:]
    mask = targets != -100
    logp = torch.log_softmax(logits, dim=-1)
    picked = logp.gather(2, targets.clamp(min=0)[..., None])[..., 0] * mask
    entropy = -(logp.exp() * logp).sum(-1) * mask
    return (
        picked,
        entropy,
        (logits.argmax(-1) == targets) & mask,
        -picked.sum() / (mask.sum() if items is None else items),
    )


def gradients(model):
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    return found


@pytest.mark.parametrize("chunk", [4096, 4, 1])
@pytest.mark.parametrize(("temperature", "items"), [(1.0, None), (0.7, None), (1.0, 40)])
def test_equals_full_logits(tiny_model, batch, monkeypatch, chunk, temperature, items):
    monkeypatch.setattr(module, "CHUNK", chunk)
    picked, entropy, top, loss = whole(tiny_model, batch, temperature, items)
    loss.backward()
    expected = gradients(tiny_model)
    apply_head_where_loss(tiny_model, temperature)
    out = tiny_model(**batch, fused_lm_head=True, **({"num_items_in_batch": items} if items else {}))
    out.loss.backward()
    assert torch.allclose(out.log_probs, picked, atol=1e-5)
    assert torch.allclose(out.entropy, entropy, atol=1e-5)
    assert torch.equal(out.is_top1.bool(), top)
    assert torch.equal(out.label_mask, batch["labels"][:, 1:] != -100)
    assert out.loss.item() == pytest.approx(loss.item(), abs=1e-5)
    for name, gradient in gradients(tiny_model).items():
        assert torch.allclose(gradient, expected[name], atol=1e-6), name


def test_without_any_label_the_loss_is_zero_and_gradients_exist(tiny_model, batch):
    apply_head_where_loss(tiny_model)
    out = tiny_model(**{**batch, "labels": torch.full_like(batch["labels"], -100)}, fused_lm_head=True)
    assert out.loss.item() == 0
    out.loss.backward()
    assert all(torch.all(gradient == 0) for gradient in gradients(tiny_model).values())
    assert out.log_probs.shape == batch["labels"][:, 1:].shape


def test_an_ordinary_forward_pass_stays_as_it_was(tiny_model, batch):
    before = tiny_model(**batch)
    apply_head_where_loss(tiny_model)
    after = tiny_model(**batch)
    assert torch.equal(before.logits, after.logits)
    assert torch.equal(before.loss, after.loss)
    assert torch.equal(
        tiny_model(input_ids=batch["input_ids"], fused_lm_head=True).logits,
        tiny_model(input_ids=batch["input_ids"]).logits,
    )
    assert isinstance(tiny_model.forward, types.MethodType)


@pytest.fixture
def prompted(batch):
    """A batch whose rows start with the same 20 tokens without labels."""
    prefix = torch.arange(30, 50).repeat(3, 1)
    return {
        "input_ids": torch.cat([prefix, batch["input_ids"]], dim=1),
        "attention_mask": torch.cat([torch.ones_like(prefix), batch["attention_mask"]], dim=1),
        "labels": torch.cat([torch.full_like(prefix, -100), batch["labels"]], dim=1),
    }


def test_a_shared_prefix_is_computed_once_and_changes_nothing(tiny_model, prompted):
    picked, entropy, _, loss = whole(tiny_model, prompted)
    loss.backward()
    expected = gradients(tiny_model)
    widths = []
    tiny_model.base_model.register_forward_pre_hook(
        lambda model, args, kwargs: widths.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    apply_head_where_loss(tiny_model)
    out = tiny_model(**prompted, fused_lm_head=True)
    out.loss.backward()
    # The first label is that of token 20, so position 19 predicts it and belongs to the rows.
    assert widths == [(1, 19), (3, 12)]
    assert torch.allclose(out.log_probs, picked, atol=1e-5)
    assert torch.allclose(out.entropy, entropy, atol=1e-5)
    assert out.loss.item() == pytest.approx(loss.item(), abs=1e-5)
    for name, gradient in gradients(tiny_model).items():
        assert torch.allclose(gradient, expected[name], atol=1e-6), name


def test_frozen_layers_share_a_prefix_too(tiny_model, prompted):
    from masksearch.train.lora import freeze_layers

    freeze_layers(tiny_model, 1)
    *_, loss = whole(tiny_model, prompted)
    loss.backward()
    trained = [(name, weight) for name, weight in tiny_model.named_parameters() if weight.requires_grad]
    expected = {name: weight.grad.clone() for name, weight in trained}
    tiny_model.zero_grad()
    apply_head_where_loss(tiny_model)
    tiny_model(**prompted, fused_lm_head=True).loss.backward()
    assert expected
    for name, weight in trained:
        assert torch.allclose(weight.grad, expected[name], atol=1e-6), name


@pytest.fixture
def long(batch):
    """A batch whose rows share too little for a pass of its own; the second and third have padding at the
    end."""
    lengths = torch.tensor([120, 90, 101])
    ids = torch.randint(10, 60, (3, 120), generator=torch.Generator().manual_seed(2))
    ids[:, :17] = ids[:1, :17]
    attention = (torch.arange(120) < lengths[:, None]).long()
    labels = ids.masked_fill(attention == 0, -100)
    labels[:, :40] = -100
    return {"input_ids": ids, "attention_mask": attention, "labels": labels}


@pytest.mark.parametrize("left", [False, True], ids=["padded at the end", "padded at the start"])
def test_long_rows_are_read_without_a_mask_and_nothing_changes(tiny_model, long, left):
    if left:
        long = {name: column.flip(1) for name, column in long.items()}
        long["labels"][:, :40] = -100
    picked, entropy, _, loss = whole(tiny_model, long)
    loss.backward()
    expected = gradients(tiny_model)
    masked = []
    tiny_model.base_model.register_forward_pre_hook(
        lambda model, args, kwargs: masked.append(kwargs.get("attention_mask") is not None), with_kwargs=True
    )
    apply_head_where_loss(tiny_model)
    out = tiny_model(**long, fused_lm_head=True)
    out.loss.backward()
    assert masked == [left]
    assert torch.allclose(out.log_probs, picked, atol=1e-5)
    assert torch.allclose(out.entropy, entropy, atol=1e-5)
    assert out.loss.item() == pytest.approx(loss.item(), abs=1e-5)
    for name, gradient in gradients(tiny_model).items():
        assert torch.allclose(gradient, expected[name], atol=1e-6), name


@pytest.mark.parametrize("change", ["padded", "checkpointing", "other tokens", "one row", "labelled"])
def test_batches_that_cannot_share_are_computed_whole(tiny_model, prompted, change):
    if change == "padded":
        prompted["attention_mask"][1, :2] = 0  # padding on the left, as in RL
    if change == "checkpointing":
        tiny_model.gradient_checkpointing_enable()
        tiny_model.train()
    if change == "other tokens":
        prompted["input_ids"][2, 3] += 1
    if change == "one row":
        prompted = {name: column[:1] for name, column in prompted.items()}
    if change == "labelled":
        prompted["labels"][0, 5] = prompted["input_ids"][0, 5]
    widths = []
    tiny_model.base_model.register_forward_pre_hook(
        lambda model, args, kwargs: widths.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    apply_head_where_loss(tiny_model)
    tiny_model(**prompted, fused_lm_head=True).loss.backward()
    assert widths == [tuple(prompted["input_ids"].shape)]
