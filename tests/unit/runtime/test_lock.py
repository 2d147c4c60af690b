"""One process at a time; the lock goes with its process, and a killed one leaves nothing in the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit.waiting import LONG

from masksearch.errors import UsageError
from masksearch.runtime.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from masksearch.runtime.lock import locked
with locked(Path(sys.argv[1]), "here", "wait"):
    print("held", flush=True)
    time.sleep(3600)
"""


COUNTER = """
import time
from pathlib import Path
from masksearch.errors import UsageError
from masksearch.runtime.lock import locked
folder, done = Path({folder!r}), 0
while done < 10:
    try:
        with locked(folder / "lock", "here", "wait"):
            count = int((folder / "count").read_text()) if (folder / "count").exists() else 0
            time.sleep(0.002)
            (folder / "count").write_text(str(count + 1))
            done += 1
    except UsageError:
        pass
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


def test_a_held_lock_is_refused_within_one_process_too(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "here", "wait"):
        taken = rf"process {os.getpid()}\) is working in here; wait for it, or wait"
        with pytest.raises(UsageError, match=taken), locked(tmp_path / "lock", "here", "wait"):
            pass
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_many_processes_that_take_turns_are_never_inside_together(tmp_path: Path) -> None:
    """Each holder removes the file at the end, so a waiting process may lock a removed file."""
    script = COUNTER.format(folder=str(tmp_path))
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(4)]
    assert [process.wait(timeout=LONG) for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "40"
