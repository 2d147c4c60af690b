"""The number format: the requested one, or the one that this machine computes in faster; and its record."""

import json

import pytest
import torch

from masksearch.llm import device
from masksearch.llm.device import NumberFormat, choose_format, resumed_format
from masksearch.llm.product_rates import Rates

UNITS = {"avx512_bf16": True, "amx_bf16": False}
NONE = {"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}


def rates(float32, bfloat16):
    return lambda product: Rates(float32=float32, bfloat16=bfloat16)


def not_measured(product):
    raise AssertionError("was measured")


@pytest.fixture
def on_cpu(monkeypatch):
    """Returns a function that sets the features of the processor; no GPU is found."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return lambda features: monkeypatch.setattr(device, "cpu_features", lambda: features)


@pytest.mark.parametrize(("asked", "found"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_what_is_asked_for_is_used_whatever_the_hardware(on_cpu, asked, found):
    on_cpu(UNITS)
    assert device.find_dtype(asked) is found
    assert choose_format(asked, rates=not_measured) == NumberFormat(asked, "asked")


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
def test_features_that_multiply_bfloat16(features, yes):
    assert device.cpu_multiplies_bfloat16(features) is yes


def test_a_processor_without_bfloat16_multiplication_is_not_measured(on_cpu):
    on_cpu(NONE)
    assert choose_format(rates=not_measured) == NumberFormat("float32", "features")


@pytest.mark.parametrize(
    ("float32", "bfloat16", "name"),
    [
        (324.0, 166.0, "float32"),  # two processors with the same features, AVX512-BF16 without AMX
        (182.0, 393.0, "bfloat16"),
        (300.0, 300.0, "float32"),
        (300.0, 359.0, "float32"),  # within the margin
        (300.0, 361.0, "bfloat16"),
    ],
)
def test_on_processors_with_the_same_features_the_measurement_decides(on_cpu, float32, bfloat16, name):
    on_cpu(UNITS)
    found = choose_format(rates=rates(float32, bfloat16))
    assert found.to_json() == {
        "dtype": name,
        "reason": "measured",
        "gflops": {"float32": float32, "bfloat16": bfloat16},
    }


def test_unknown_features_are_measured(on_cpu):
    on_cpu({})
    assert choose_format(rates=rates(100.0, 10.0)).reason == "measured"


@pytest.mark.parametrize(("native", "name"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_is_not_measured(monkeypatch, native, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_format(rates=not_measured) == NumberFormat(name, "gpu")


def test_products_have_the_widths_of_the_model_and_the_rows_of_the_use(on_cpu, tiny_checkpoint):
    on_cpu(UNITS)
    seen = []

    def record(product):
        seen.append(product)
        return Rates(1.0, 2.0)

    choose_format(model=str(tiny_checkpoint), rates=record)
    choose_format(model="no-such-folder/at/all", use="decoding", rates=record)
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    assert (seen[0].hidden, seen[0].intermediate) == (config["hidden_size"], config["intermediate_size"])
    assert (seen[1].hidden, seen[1].intermediate) == (576, 1536)
    assert seen[0].rows == (2760,)
    assert seen[1].rows == (48, 192)


def test_resumed_work_keeps_its_format(tmp_path):
    first = resumed_format(
        "auto",
        tmp_path / "w",
        lambda: NumberFormat("bfloat16", "measured", {"float32": 1.0, "bfloat16": 2.0}),
    )
    again = resumed_format("auto", tmp_path / "w", lambda: NumberFormat("float32", "features"))
    assert again == first
    assert again.name == "bfloat16"
    assert again.gflops == {"float32": 1.0, "bfloat16": 2.0}


def test_a_setting_wins_over_the_record(tmp_path):
    resumed_format("auto", tmp_path, lambda: NumberFormat("bfloat16", "measured"))
    assert resumed_format("float32", tmp_path, lambda: NumberFormat("bfloat16", "measured")).name == "float32"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"dtype": "int8", "reason": "x"}', '{"dtype": "float32"}'])
def test_an_unreadable_record_is_replaced(tmp_path, text):
    (tmp_path / device.RECORD).write_text(text)
    assert resumed_format("auto", tmp_path, lambda: NumberFormat("bfloat16", "gpu")).name == "bfloat16"
    assert json.loads((tmp_path / device.RECORD).read_text()) == {"dtype": "bfloat16", "reason": "gpu"}


def test_names_of_formats():
    assert device.dtype_name(torch.bfloat16) == "bfloat16"
    assert device.dtype_name(device.find_dtype()) in ("bfloat16", "float32")


def test_this_torch_names_the_features_that_are_looked_for():
    features = device.cpu_features()
    if features.get("architecture") == "x86_64":
        assert {"avx512_bf16", "amx_bf16"} <= set(features)
