"""Environment variables of a command: set before torch is loaded, unless the user has set them."""

import os
import signal
import subprocess
import sys

import pytest

from masksearch.runtime import process


@pytest.fixture
def prepared(monkeypatch):
    """Returns a function that prepares a command in an environment and returns the new environment."""

    def run(**given):
        for name in (*process.WAITING_OF_THE_USER, *process.MALLOC, process.RESTARTED):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(signal, "signal", lambda number, handler: None)
        monkeypatch.setattr(os, "execv", lambda program, arguments: None)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        process.prepare("search")
        return dict(os.environ)

    return run


def test_waiting_threads_sleep(prepared):
    assert prepared()["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize(
    "given", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "1000"}, {"KMP_BLOCKTIME": "200"}]
)
def test_a_value_of_the_user_stays_in_force(prepared, given):
    found = prepared(**given)
    policies = {name: found[name] for name in process.WAITING_OF_THE_USER if name in found}
    assert policies == given


SCRIPT = """
import sys
from masksearch.runtime import process
process.prepare("search")
assert "torch" not in sys.modules
import torch
torch.ones(300, 300) @ torch.ones(300, 300)
"""


@pytest.mark.slow
def test_torch_reads_the_policy():
    """GNU's OpenMP prints what it uses; other libraries print another word for the same."""
    environment = {
        name: value for name, value in os.environ.items() if name not in process.WAITING_OF_THE_USER
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**environment, "OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr or "OMP_WAIT_POLICY" not in done.stderr
