"""Names on the Hugging Face hub: well-formed, and either in the local cache or reachable."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from masksearch.runtime.needs import Fault
from masksearch.runtime.needs.packages import installed

NAME = re.compile(r"[\w.-]+/[\w.-]+")
TIMEOUT = 10.0
"""Seconds to wait for the hub."""


@dataclass(frozen=True)
class HubName:
    """A model or a data set on the hub, as OWNER/NAME."""

    name: str
    kind: Literal["model", "dataset"] = "model"

    def faults(self) -> Sequence[Fault]:
        """Returns a fault for a malformed name, or one that is neither cached nor found on the hub."""
        what = f"The {'data set' if self.kind == 'dataset' else 'model'} {self.name}"
        if not NAME.fullmatch(self.name):
            return (Fault(f"{what} is not of the form OWNER/NAME, as the hub names it.", wrong_use=True),)
        if not installed("huggingface_hub") or cached(self.name, self.kind):
            return ()
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            return (
                Fault(
                    f"{what} is not in the local cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE "
                    "is set; unset it, download the files on a machine with a connection, or name a folder."
                ),
            )
        return self._asked(what)

    def _asked(self, what: str) -> Sequence[Fault]:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        try:
            _repository(HfApi(endpoint=os.environ.get("HF_ENDPOINT")), self.name, self.kind)
        except GatedRepoError:
            return (Fault(f"{what} is gated: accept its conditions on the hub, and set HF_TOKEN."),)
        except RepositoryNotFoundError:
            return (
                Fault(
                    f"{what} is not on the hub, or is private; check the name, or set HF_TOKEN.", False, True
                ),
            )
        except Exception as error:  # the libraries below raise errors of many types
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
            return (
                Fault(
                    f"{what} is not in the local cache, and the hub cannot be reached ({reason}); check the "
                    "connection, or name a folder."
                ),
            )
        return ()


def _repository(api: Any, name: str, kind: str) -> None:
    api.repo_info(name, repo_type=kind, timeout=TIMEOUT)


def cached(name: str, kind: str = "model") -> Path | None:
    """Returns the newest snapshot of a repository in the local cache, or None. A model's has config.json."""
    if not installed("huggingface_hub"):
        return None
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{name.replace('/', '--')}" / "snapshots"
    if not folder.is_dir():
        return None
    snapshots = [entry for entry in folder.iterdir() if kind != "model" or (entry / "config.json").exists()]
    return max(snapshots, key=lambda entry: entry.stat().st_mtime) if snapshots else None
