"""One process at a time; the lock goes with its process, and a killed one leaves nothing in the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from masksearch.errors import UsageError
from masksearch.runtime.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from masksearch.runtime.lock import locked
with locked(Path(sys.argv[1]), "here", "wait"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """A process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_another_process_is_named_and_a_killed_one_is_no_obstacle(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    told = rf"process {holder.pid}\) is working in tasks.work; wait for it, or choose another -o"
    with pytest.raises(UsageError, match=told), locked(tmp_path / "lock", "tasks.work", "choose another -o"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock").exists()
    with locked(tmp_path / "lock", "tasks.work", "choose another -o"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "lock").exists()


def test_a_lock_whose_file_was_removed_between_opening_and_locking_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    plain, calls = fcntl.flock, []

    def remove_first(stream, operation):
        calls.append(operation)
        if len(calls) == 1:
            (tmp_path / "lock").unlink()
        plain(stream, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with locked(tmp_path / "lock", "here", "wait"):
        assert len(calls) == 2
        with pytest.raises(UsageError), locked(tmp_path / "lock", "here", "wait"):
            pass
