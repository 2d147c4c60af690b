"""Rates of matrix products: fair turns, the fastest repetition, one file per processor and shape."""

import json

import pytest
import torch

from masksearch.llm import product_rates
from masksearch.llm.product_rates import Product, Rates, measure_rates, measured_rates, rates_folder

SMALL = Product(rows=(8,), hidden=16, intermediate=32)


class Clock:
    """A timer that returns given seconds per format, and counts its calls."""

    def __init__(self, float32, bfloat16):
        self.seconds = {torch.float32: list(float32), torch.bfloat16: list(bfloat16)}
        self.order = []

    def __call__(self, work):
        dtype = work().dtype
        self.order.append(dtype)
        times = self.seconds[dtype]
        return times.pop(0) if len(times) > 1 else times[0]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(product_rates, "rates_folder", lambda: tmp_path / "rates")
    return tmp_path / "rates"


@pytest.mark.slow
def test_the_fastest_repetition_counts_and_the_formats_take_turns():
    product = Product((2760,))  # 4.88 GFLOP
    clock = Clock(float32=[9.0, 0.02, 0.015, 0.03], bfloat16=[7.0, 0.06, 0.03, 0.05])
    found = measure_rates(product, clock)
    assert found.float32 == pytest.approx(2 * 2760 * 576 * 1536 / 0.015 / 1e9, rel=1e-3)
    assert found.bfloat16 == pytest.approx(found.float32 / 2, rel=1e-3)
    assert clock.order == [torch.float32, torch.bfloat16] * 4


@pytest.mark.slow
def test_few_rows_are_multiplied_by_many_weights():
    found = measure_rates(Product((48, 192)), Clock([0.018], [0.009]))
    # 18 and 14 weight matrices of 576 x 1536 in a repetition
    seconds = 0.018 / 18 + 0.018 / 14
    assert found.float32 == pytest.approx(2 * (48 + 192) * 576 * 1536 / seconds / 1e9, rel=1e-3)
    assert found.bfloat16 == pytest.approx(2 * found.float32, rel=1e-3)


@pytest.mark.slow
def test_wide_models_are_cut_to_bounded_work():
    shapes = []

    def timer(work):
        shapes.append(tuple(work().shape))
        return 0.1

    measure_rates(Product((256,), hidden=4096, intermediate=14336), timer)
    assert set(shapes) == {(256, 2384)}  # 2 x 256 x 4096 x 2384 = 5.0e9


def test_this_machine_multiplies():
    found = measure_rates(SMALL, product_rates.seconds_of)
    assert found.float32 > 0
    assert found.bfloat16 > 0


def test_rates_are_measured_once_per_processor_threads_torch_and_shape(monkeypatch, cache):
    first = measured_rates(SMALL, Clock([0.1], [0.2]))
    kept = Clock([5.0], [1.0])
    assert measured_rates(SMALL, kept) == first
    assert kept.order == []
    for change in (
        lambda: monkeypatch.setattr(product_rates, "processor_name", lambda: "another"),
        lambda: monkeypatch.setattr(torch, "get_num_threads", lambda: 77),
        lambda: monkeypatch.setattr(torch, "__version__", "9.9"),
    ):
        change()
        clock = Clock([0.1], [0.2])
        measured_rates(SMALL, clock)
        assert clock.order, "was not measured again"
    measured_rates(Product((9,), 16, 32), clock)
    assert len(list(cache.iterdir())) == 5


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[1]",
        '{"gflops": 3}',
        '{"key": {}, "gflops": {"float32": 1.0}}',
        '{"key": {}, "gflops": {"float32": 1.0, "bfloat16": "x"}}',
        '{"key": {}, "gflops": {"float32": 0.0, "bfloat16": NaN}}',
        '{"key": {}, "gflops": {"float32": 1.0, "bfloat16": 2.0}}',
    ],
)
def test_an_unreadable_file_is_measured_again(cache, damage):
    first = measured_rates(SMALL, Clock([0.1], [0.2]))
    (file,) = cache.iterdir()
    file.write_text(damage)
    assert measured_rates(SMALL, Clock([0.1], [0.2])) == first
    assert json.loads(file.read_text())["gflops"] == {"float32": first.float32, "bfloat16": first.bfloat16}


def test_a_folder_that_cannot_be_written_is_no_obstacle(cache):
    cache.write_text("a file, not a folder")
    assert measured_rates(SMALL, Clock([0.1], [0.2])).float32 > 0


def test_the_processor_is_named_by_more_than_its_name():
    assert product_rates.processor_name()


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [
        ("linux", "XDG_CACHE_HOME", "masksearch/product-rates"),
        ("win32", "LOCALAPPDATA", "masksearch/product-rates"),
    ],
)
def test_the_cache_folder_of_each_system(monkeypatch, tmp_path, platform, variable, tail):
    monkeypatch.undo()
    monkeypatch.setattr(product_rates.sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert rates_folder() == tmp_path / tail


def test_the_cache_folder_without_variables(monkeypatch):
    monkeypatch.undo()
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    for platform, parts in (
        ("linux", (".cache", "masksearch", "product-rates")),
        ("darwin", ("Library", "Caches", "masksearch", "product-rates")),
        ("win32", ("AppData", "Local", "masksearch", "product-rates")),
    ):
        monkeypatch.setattr(product_rates.sys, "platform", platform)
        assert rates_folder().parts[-len(parts) :] == parts


def test_rates_are_plain_values():
    assert Rates(1.0, 2.0) == Rates(float32=1.0, bfloat16=2.0)
