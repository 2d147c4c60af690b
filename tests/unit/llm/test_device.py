"""The number format: the requested one, otherwise the one that the hardware multiplies fast."""

import pytest
import torch

from masksearch.llm import device


@pytest.mark.parametrize(("asked", "found"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_what_is_asked_for_is_used_whatever_the_hardware(asked, found):
    assert device.find_dtype(asked) is found


@pytest.mark.parametrize(
    ("features", "yes"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx512_vnni": True, "amx_int8": True}, False),
        ({}, False),
    ],
)
def test_bfloat16_only_where_the_processor_multiplies_it(features, yes):
    assert device.cpu_multiplies_bfloat16(features) is yes


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU, the GPU's capabilities decide")
def test_auto_follows_the_processor():
    expected = torch.bfloat16 if device.cpu_multiplies_bfloat16(device.cpu_features()) else torch.float32
    assert device.find_dtype() is expected
    assert device.dtype_name(expected) in ("bfloat16", "float32")


def test_this_torch_names_the_features_that_are_looked_for():
    features = device.cpu_features()
    if features.get("architecture") == "x86_64":
        assert {"avx512_bf16", "amx_bf16"} <= set(features)
