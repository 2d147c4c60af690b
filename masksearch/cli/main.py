"""The command line: `masksearch COMMAND ...` runs one stage, a whole recipe (`run`), or a tool such as
`search`.

Exit status: 0 success, 1 the work failed, 2 wrong use, 130 interrupted. Errors are one sentence on standard
error; --debug adds the traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from masksearch.cli.parser import build_parser
from masksearch.errors import MaskSearchError, PreflightError
from masksearch.runtime import colour, process
from masksearch.runtime.needs.disk import disk_is_full


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    Without `argv` it also sets up this process (runtime/process.py).
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    if argv is None:
        process.prepare(arguments.command)
    try:
        with contextlib.ExitStack() as stack:
            if getattr(arguments, "quiet", False):
                silent = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(contextlib.redirect_stderr(silent))
            arguments.function(arguments)
            sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # The program that read our output has closed the pipe, so the rest of the output is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nInterrupted; start the same command again to go on.", file=sys.stderr)
        if argv is None:
            # If the signal came during an import, the interpreter would end by SIGINT whatever status we
            # return.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)
        return 130
    except Exception as error:
        if getattr(arguments, "debug", False):
            traceback.print_exc()
        prefix = colour.red(colour.bold("masksearch:", sys.stderr), sys.stderr)
        print(f"{prefix} {sentence(error)}", file=sys.stderr)
        return error.exit_status if isinstance(error, MaskSearchError) else 1


def sentence(error: Exception) -> str:
    """Returns the error's message for the user, as one sentence."""
    if isinstance(error, PreflightError):
        return str(error)
    if isinstance(error, MaskSearchError):
        return " ".join(str(error).split())
    if disk_is_full(error, Path()):
        return "The disk is full; free some space and start the same command again to go on."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    where = "".join(f" {note}" for note in getattr(error, "__notes__", []))
    if isinstance(error, MemoryError):
        return f"There is not enough memory{where}; use a smaller batch or a smaller model."
    message = " ".join(str(error).split())[:300]
    return f"Unexpected {type(error).__name__}{where}: {message} (run again with --debug for the traceback)."


if __name__ == "__main__":
    sys.exit(main())
