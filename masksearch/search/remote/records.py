"""Plain records of a service, a request and a reported error. These records never hold a key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from masksearch.errors import UsageError


@dataclass(frozen=True)
class Key:
    """The environment variable that holds a key, and its place in a request: a header (after `prefix`) or
    a parameter."""

    variable: str
    header: str = ""
    prefix: str = ""
    parameter: str = ""


@dataclass(frozen=True)
class Service:
    """A server that answers in JSON.

    `name` is the fingerprint of its searches; `remedy` completes the error message for refused access.
    """

    name: str
    base: str
    remedy: str
    key: Key | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request, without the key. `path` is appended to the service's base URL; `body` is sent as JSON."""

    method: Literal["GET", "POST"]
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ReportedError:
    """An error that a service reports in its JSON: permanent, passing (the search may succeed later), or
    refused access."""

    message: str
    kind: Literal["permanent", "passing", "access"] = "permanent"


def moved(service: Service, base: str) -> Service:
    """Returns the service with another base URL, and with a hash of this URL in its name."""
    return replace(service, base=base, name=f"{service.name}-{short_hash(base)[:8]}")


def short_hash(text: str) -> str:
    """Returns 12 hex digits of the text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def base_url(url: str) -> str:
    """Returns an http(s) URL without slashes at its end.

    Raises UsageError if it is not an http(s) URL, or contains a user name, password, query or fragment,
    because URLs are shown and logged.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        valid = valid and url.isprintable() and " " not in url
        _ = parts.port  # `port` raises ValueError for a wrong port
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            "A search over the network needs a URL such as http://127.0.0.1:8000; the value given is not "
            "a URL."
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of a search at '{parts.hostname}' must not contain a user name, a password, a query "
            "or a fragment: URLs are shown and logged."
        )
    return url.rstrip("/")
