"""Trackers are found, named and refused without importing them."""

import sys

import pytest

from masksearch.errors import UsageError
from masksearch.train import trackers as module
from masksearch.train.trackers import chosen, run_name, tracking, tracking_callbacks


@pytest.fixture
def there(monkeypatch):
    """Returns a function that pretends that the given trackers are installed."""

    def give(*names):
        monkeypatch.setattr(
            module.importlib.util, "find_spec", lambda name: object() if name in names else None
        )

    return give


def test_trackio_by_default_where_it_is_installed(there):
    there("trackio")
    assert chosen(("auto",)) == ["trackio"]
    assert chosen(("auto", "trackio")) == ["trackio"]
    there()
    assert chosen(("auto",)) == []
    assert chosen(("none",)) == []


def test_a_tracker_that_is_not_installed_is_refused(there):
    there("trackio", "tensorboardX")
    with pytest.raises(
        UsageError,
        match="The tracker wandb is not installed; install it with: pip install wandb, "
        "or leave it out of trackers",
    ):
        chosen(("auto", "wandb"))
    assert chosen(("tensorboard",)) == ["tensorboard"]


def test_what_the_trainer_is_told(there, tmp_path):
    there("trackio", "wandb")
    before = set(sys.modules)
    work = tmp_path / "run" / "stages" / "rl"
    arguments = tracking(("auto", "wandb"), work)
    assert arguments == {
        "report_to": ["trackio", "wandb"],
        "project": "masksearch",
        "run_name": "run/rl",
        "trackio_static_space_id": False,
    }
    assert run_name(tmp_path / "alone") == "alone"
    assert tracking_callbacks(("auto",), work) == []
    assert not {"trackio", "wandb"} & (set(sys.modules) - before)
