"""Who may use the server: a bearer token, and browsers under the server's own names alone.

The token is the environment variable MASKSEARCH_TOKEN. The page itself, the documentation, `/health` and
`/ready` need none: they hold nothing of the corpus, and a browser cannot send a token with a link.

A browser sends the header `Origin` with every POST. A web page of somebody else can send one to a server on
the reader's machine, so `Origin` must name the server itself. Without a token, a server on loopback also
demands one of this machine's own names, because DNS could lead a stranger's name here.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import to_json

from masksearch.search.remote.retrieve import TOKEN_VARIABLE
from masksearch.serving.body import Receive

VARIABLE = TOKEN_VARIABLE
OPEN_PATHS = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
OPEN_FOLDER = "/static-offline-docs/"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine for itself."""
NO_TOKEN = (
    "This server needs a token; send it as the header 'Authorization: Bearer TOKEN' (the server has it in "
    f"{VARIABLE})."
)
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def token_from_environment() -> str:
    """Returns the token that clients must send; empty if there is none."""
    return os.environ.get(VARIABLE, "").strip()


@dataclass(frozen=True)
class Rules:
    """Who may use a server."""

    token: str = ""
    """Token that clients must send; empty if there is none."""
    hosts: tuple[str, ...] = ()
    """Names besides the header `Host` under which browsers may ask."""
    local: bool = False
    """Whether browsers must otherwise use one of this machine's own names."""
    browsers: bool = False
    """Whether `Origin` is checked at all."""


def restricted(app: App, rules: Rules, body: Callable[[str, int, str], Any]) -> App:
    """Returns an application that answers only what `rules` allow. `body(path, status, sentence)` returns the
    JSON of a refusal."""
    expected = f"Bearer {rules.token}".encode()

    async def call(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers, path = dict(scope["headers"]), scope["path"]
        if rules.token and not _is_open(path) and not _same(headers.get(b"authorization", b""), expected):
            await _refuse(send, 401, body(path, 401, NO_TOKEN), [(b"www-authenticate", b"Bearer")])
        elif sentence := foreign(headers, rules):
            await _refuse(send, 403, body(path, 403, sentence), [])
        else:
            await app(scope, receive, send)

    return call


def foreign(headers: Mapping[bytes, bytes], rules: Rules) -> str:
    """Returns why a browser's request is refused, as a sentence; empty if it is allowed."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    address = urlsplit(origin)
    if not origin or not rules.browsers or address.hostname in rules.hosts:
        return ""
    if address.netloc.lower() != headers.get(b"host", b"").decode("latin-1").lower():
        return f"A page of {origin} asked, but this server answers only its own page; see --hosts."
    if rules.local and address.hostname not in LOOPBACK:
        return (
            f"This server does not know the name {address.hostname}; allow it with --hosts, or protect the "
            f"server with a token ({VARIABLE})."
        )
    return ""


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _same(given: bytes, expected: bytes) -> bool:
    """Compares in constant time. The scheme's name may be written in any case."""
    scheme, _, token = given.partition(b" ")
    return hmac.compare_digest(scheme.title() + b" " + token.strip(), expected)


async def _refuse(send: Send, status: int, answer: Any, headers: list[tuple[bytes, bytes]]) -> None:
    body = to_json(answer)
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
