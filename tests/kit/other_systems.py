"""Makes this process behave like Windows, as far as Linux can.

    python -m kit.other_systems COMMAND ARGUMENT ... --then COMMAND ...

- The modules that only POSIX systems have cannot be imported, and the functions that only POSIX has are gone.
- A file that is open or mapped cannot be removed, renamed or replaced, nor can a folder with such a file.
- Without `encoding`, text files have the encoding cp1252, and line ends are CR LF.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import io
import os
import pathlib
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any

MODULES = (
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "syslog",
    "readline",
    "crypt",
    "posix_ipc",
)
FUNCTIONS = [
    "fork",
    "forkpty",
    "killpg",
    "getpgid",
    "setsid",
    "setpgid",
    "sync",
    "getuid",
    "geteuid",
    "getgid",
    "getpgrp",
    "nice",
    "sched_setaffinity",
    "mkfifo",
    "chown",
    "lchown",
]
SIGNALS = ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGSTOP", "SIGQUIT")
LIBRARIES = ("numpy", "bm25s", "filelock", "pydantic", "rensa", "Stemmer", "jinja2", "numba", "dateutil")
"""Libraries that the tests need; see `become`."""
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "inspect_ai",
    "mcp",
    "fastapi",
    "uvicorn",
    "openai",
)
"""Further libraries that modules of the package import at the top."""


class _Blocked:
    """Finds no blocked module."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


def block_modules() -> None:
    """Makes the modules of POSIX systems impossible to import."""
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Blocked())


def remove_functions() -> None:
    """Removes the functions and signals that Windows lacks."""
    for name in FUNCTIONS:
        if hasattr(os, name):
            delattr(os, name)
    for name in SIGNALS:
        if hasattr(signal, name):
            delattr(signal, name)


def opened_below(path: str | os.PathLike[str]) -> list[str]:
    """Returns the files at or below `path` that this process has open or mapped."""
    root = os.path.abspath(path)
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{entry}"))
    with REAL_OPEN("/proc/self/maps", encoding="utf-8") as maps:
        found |= {line.split(None, 5)[5].rstrip("\n") for line in maps if len(line.split(None, 5)) == 6}
    return sorted(name for name in found if name == root or name.startswith(root + os.sep))


REAL_OPEN = open


def guard_open_files() -> None:
    """Makes removing, renaming and replacing open files fail, as on Windows."""

    def guarded(function: Callable[..., Any], places: int) -> Callable[..., Any]:
        def checked(*arguments: Any, **options: Any) -> Any:
            for path in arguments[:places]:
                if isinstance(path, str | os.PathLike) and not options.get("dir_fd"):
                    held = opened_below(path)
                    if held:
                        raise PermissionError(13, "The file is open (as on Windows)", str(held[0]))
            return function(*arguments, **options)

        return checked

    for name, places in (("remove", 1), ("unlink", 1), ("rename", 2), ("replace", 2), ("rmdir", 1)):
        setattr(os, name, guarded(getattr(os, name), places))
    shutil.rmtree = guarded(shutil.rmtree, 1)  # type: ignore[assignment]
    pathlib.os = os  # type: ignore[attr-defined]


def windows_text() -> None:
    """Gives text files without an encoding the encoding and the line ends of Windows."""

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *more: Any, **options: Any
    ) -> Any:
        if "b" not in mode:
            encoding = encoding or "cp1252"
            if not more and options.get("newline") is None and set(mode) & set("wax"):
                options["newline"] = "\r\n"
        return REAL_OPEN(file, mode, buffering, encoding, *more, **options)

    builtins.open = opened  # type: ignore[assignment]
    io.open = opened  # type: ignore[assignment]


def become() -> None:
    """Applies all of the above. Libraries of others are imported before, because they look at `sys.platform`
    and use what this system has."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    block_modules()
    remove_functions()
    windows_text()
    guard_open_files()


def import_everything() -> None:
    """Imports every module of the package while the modules and functions of POSIX are missing; prints their
    number."""
    import masksearch

    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    become()
    root = pathlib.Path(masksearch.__file__).parent
    count = 0
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            # The package of an extra that is not installed here.
            if (error.name or "").partition(".")[0] in ("masksearch", *MODULES):
                raise
        count += 1
    print(count)


def commands(arguments: list[str]) -> int:
    """Runs commands of masksearch in this process, one after the other; returns the first exit status other
    than 0. `--then` separates the commands."""
    from masksearch.cli.main import main

    while arguments:
        end = arguments.index("--then") if "--then" in arguments else len(arguments)
        status = main(arguments[:end])
        if status:
            return status
        arguments = arguments[end + 1 :]
        gc.collect()  # as the end of a process would
    return 0


if __name__ == "__main__" and sys.argv[1:] == ["--import-everything"]:
    import_everything()
elif __name__ == "__main__":
    become()
    sys.exit(commands(sys.argv[1:]))
