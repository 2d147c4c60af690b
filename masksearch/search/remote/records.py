"""What a service is, what it is asked, and how it complains: plain records, none of which holds a key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from masksearch.errors import UsageError


@dataclass(frozen=True)
class Key:
    """The environment variable a key is read from, and where it goes: into a header (behind `prefix`) or a URL parameter."""

    variable: str
    header: str = ""
    prefix: str = ""
    parameter: str = ""


@dataclass(frozen=True)
class Service:
    """A server that answers in JSON. `name` is also the fingerprint of a search there; `remedy` ends the sentence that access was refused."""

    name: str
    base: str
    remedy: str
    key: Key | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request, without the key. `path` is put behind the service's base URL; `body` is sent as JSON."""

    method: Literal["GET", "POST"]
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Complaint:
    """An error that a service reports in its JSON: for good, for now, or because of who asks."""

    message: str
    kind: Literal["permanent", "passing", "access"] = "permanent"


def moved(service: Service, base: str) -> Service:
    """The service at another base URL, under a name that tells the two apart."""
    return replace(service, base=base, name=f"{service.name}-{short_hash(base)[:8]}")


def short_hash(text: str) -> str:
    """12 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def base_url(url: str) -> str:
    """An http(s) URL without the slash at its end. Raises UsageError where it is none, or holds what would be shown with it: a password, a query."""
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and url.isprintable()
            and " " not in url
        )
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            "A search over the network needs a URL such as http://127.0.0.1:8000; the one given is none."
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of a search at '{parts.hostname}' may not hold a user name, a password, a query or a fragment: URLs are shown and logged."
        )
    return url.rstrip("/")
