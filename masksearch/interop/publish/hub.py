"""Uploads a folder to a model hub with `huggingface_hub`. A token never appears in a message."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from masksearch.errors import DataError, MaskSearchError, MissingExtraError, UsageError

Kind = Literal["model", "dataset"]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TOKEN = re.compile(r"\bhf_\w+")
_REASONS = {
    401: "the hub does not accept the token; make one with write access, and set HF_TOKEN",
    403: "the token may not write there; use one with write access to this repository",
    404: "the hub knows no such owner or repository, or hides it from this token",
    409: "the hub reports a conflict; try again",
    413: "a file is too large for the hub",
    429: "the hub asks to wait; try again later",
}
"""HTTP status -> the reason and the remedy."""


def check_push(name: str) -> str:
    """Returns the token for an upload to the repository `name`.

    Raises UsageError for a wrong name or without a token, MissingExtraError without huggingface_hub.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"--push {name} is not the name of a repository; write OWNER/NAME.")
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingExtraError("huggingface_hub", "hub", "An upload") from error
    token = huggingface_hub.get_token()
    if not token:
        raise UsageError(
            "--push needs a token of the hub; set HF_TOKEN, or log in with: hf auth login. "
            "Nothing was written."
        )
    return str(token)


def push(folder: Path, name: str, kind: Kind, private: bool, token: str) -> str:
    """Uploads a folder in one commit; returns the repository's URL.

    Makes the repository if there is none. Raises DataError with the reason if the upload fails; the folder
    stays as it is.
    """
    import huggingface_hub

    with _sentences(folder, name, kind, token):
        # The endpoint is given, because the library reads HF_ENDPOINT only when it is imported.
        api = huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
        url = api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, repo_type=kind, commit_message="Publish with MaskSearch"
        )
        return without_token(str(url), token)


@contextlib.contextmanager
def _sentences(folder: Path, name: str, kind: Kind, token: str) -> Iterator[None]:
    """Turns every error of the library into a DataError."""
    try:
        yield
    except MaskSearchError:
        raise
    except Exception as error:  # the library, httpx and hf_xet raise errors of many types
        command = f"hf upload {name} {folder} --repo-type {kind}"
        raise DataError(
            f"The upload to {name} failed: {without_token(_reason(error), token)}. "
            f"The folder {folder} is complete; upload it later with: {command}"
        ) from None


def _reason(error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in _REASONS:
        return f"{_REASONS[status]} (status {status})"
    if status:
        return f"the hub answered with status {status}"
    kind, text = type(error).__name__, (str(error).strip().splitlines() or [""])[0].rstrip(".")
    if "Offline" in kind:  # also a ConnectionError
        return "HF_HUB_OFFLINE is set, which forbids uploads"
    if "Connect" in kind or "Timeout" in kind or isinstance(error, ConnectionError):
        return "the hub cannot be reached; check the network and HF_ENDPOINT"
    return f"{kind}: {text}" if text else kind


def without_token(text: str, token: str) -> str:
    """Returns a text without the token, and without anything that looks like one."""
    return _TOKEN.sub("[token]", text.replace(token, "[token]") if token else text)
