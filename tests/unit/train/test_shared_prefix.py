"""The length of the start that all rows of a batch share, and the models that can be split there."""

import types

import pytest
import torch

from masksearch.train.shared_prefix import can_share, padded_at_end, shared_length


def lengths(ids, attention=None, labels=None):
    ids = torch.tensor(ids)
    attention = torch.ones_like(ids) if attention is None else torch.tensor(attention)
    labels = torch.full_like(ids, -100) if labels is None else torch.tensor(labels)
    return shared_length(ids, attention, labels)


def test_it_ends_where_a_row_differs():
    assert lengths([[1, 2, 3, 4], [1, 2, 9, 4]]) == 2
    assert lengths([[1, 2, 3, 4], [9, 2, 3, 4]]) == 0


def test_it_ends_before_the_position_that_predicts_a_label():
    assert lengths([[1, 2, 3, 4], [1, 2, 3, 5]], labels=[[-100, -100, 3, 4], [-100] * 4]) == 1


def test_a_label_of_the_first_token_is_predicted_by_no_position():
    assert lengths([[1, 2, 3, 4], [1, 2, 3, 5]], labels=[[1, -100, -100, 4], [-100] * 4]) == 2


def test_padding_is_not_shared():
    assert lengths([[0, 2, 3], [0, 2, 3]], attention=[[0, 1, 1], [0, 1, 1]]) == 0


def test_equal_rows_keep_a_token_for_the_second_pass():
    assert lengths([[1, 2, 3], [1, 2, 3]]) == 2


def test_a_single_row_shares_with_no_other():
    assert lengths([[1, 2, 3]]) == 0


@pytest.mark.parametrize(
    ("attention", "yes"),
    [
        ([[1, 1, 1], [1, 1, 0]], True),
        ([[1, 1, 1], [1, 1, 1]], True),
        ([[1, 1, 1], [0, 1, 1]], False),
        ([[1, 1, 1], [1, 0, 1]], False),
        ([[1, 1, 1], [0, 0, 0]], False),
    ],
)
def test_padding_only_at_the_end_needs_no_mask(attention, yes):
    assert padded_at_end(torch.tensor(attention)) is yes


@pytest.mark.parametrize(
    ("config", "device", "yes"),
    [
        ({}, "cpu", True),
        ({}, "cuda", False),
        ({"sliding_window": 4096}, "cpu", False),
        ({"layer_types": ["full_attention", "full_attention"]}, "cpu", True),
        ({"layer_types": ["full_attention", "linear_attention"]}, "cpu", False),
    ],
)
def test_models_that_can_be_split(config, device, yes):
    text = types.SimpleNamespace(**config)
    model = types.SimpleNamespace(
        config=types.SimpleNamespace(get_text_config=lambda: text),
        device=torch.device(device),
        modules=list,
    )
    columns = {"input_ids": torch.ones(2, 3), "attention_mask": torch.ones(2, 3), "use_cache": False}
    assert can_share(model, columns) is yes
    assert not can_share(model, columns | {"position_ids": torch.ones(2, 3)})
    assert not can_share(model, {"input_ids": torch.ones(2, 3)})
