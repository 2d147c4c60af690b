"""Sends one JSON request over HTTP, in one attempt, and turns every failure into a named error.

Failures that may pass (time-outs, lost connections, 408, 425, 429, 5xx) raise SearchUnavailableError, all
other failures raise SearchError. Callers decide about retries. Errors of the HTTP library are not chained:
their messages may quote the server's answer, which may contain the key.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from masksearch import __version__
from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError
from masksearch.search.remote.answers import LONGEST_MESSAGE, UnexpectedShape
from masksearch.search.remote.keys import Secret
from masksearch.search.remote.records import ReportedError, Request, Service
from masksearch.text.display import one_line, printable

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
MAX_BYTES = 10_000_000
"""Longest answer that is read, in bytes after decompression."""
RETRYABLE_STATUSES = frozenset({408, 425, 429})
"""HTTP statuses of failures that may pass, in addition to 5xx."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class JsonClient:
    """Client of one service. Threads may share it and its connections, which are opened at the first request.

    `timeout` is in seconds. It limits each wait, and the total time of an answer that arrives in pieces.
    Raises MissingExtraError if httpx is not installed, UsageError if the service's key is missing.
    """

    def __init__(self, service: Service, timeout: float, max_bytes: int = MAX_BYTES) -> None:
        try:
            import httpx  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError("httpx", "web", "A search over the network") from error
        self.service, self.timeout, self.max_bytes = service, timeout, max_bytes
        self._secret = Secret(service.key.variable) if service.key else None
        self._lock = threading.Lock()
        self._pool: httpx.Client | None = None

    def ask(
        self,
        request: Request,
        complaint: Callable[[Any], ReportedError | None],
        read: Callable[[Any], T],
        timeout: float | None = None,
    ) -> T:
        """Sends a request and returns the JSON answer as parsed by `read`.

        `complaint` extracts the error that a service reports in its JSON; `read` raises UnexpectedShape if
        the answer differs from the documentation. Raises SearchError or SearchUnavailableError.
        """
        payload = self._payload(self._answer(request, timeout or self.timeout), complaint)
        try:
            return read(payload)
        except UnexpectedShape as error:
            raise SearchError(f"{self._who} answered in an undocumented form: expected {error}.") from None

    def close(self) -> None:
        """Closes the connections; the next request opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            pool.close()

    @property
    def _who(self) -> str:
        return f"The search {self.service.name} at {self.service.base}"

    def _connections(self) -> httpx.Client:
        with self._lock:
            if self._pool is None:
                from masksearch.search.remote.transport import connections

                self._pool = connections(self.service, self._secret)
                weakref.finalize(self, self._pool.close)
            return self._pool

    def _answer(self, request: Request, timeout: float) -> _Answer:
        import httpx

        try:
            return self._exchange(request, timeout)
        except httpx.TimeoutException:
            failure: SearchError = SearchUnavailableError(
                f"{self._who} did not answer within {timeout:g} seconds."
            )
        except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError) as error:
            failure = SearchUnavailableError(f"{self._who} cannot be reached ({self._shown(str(error))}).")
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            UnicodeError,
        ) as error:  # an invalid host name raises UnicodeError
            failure = SearchError(
                f"{self._who} cannot be asked ({type(error).__name__}: {self._shown(str(error))})."
            )
        raise failure  # outside the handlers, so that the library's error is not chained as the context

    def _exchange(self, request: Request, timeout: float) -> _Answer:
        import httpx

        deadline = time.monotonic() + timeout
        body = bytearray()
        url, params = self.service.base + request.path, dict(request.params) or None
        with self._connections().stream(
            request.method, url, params=params, json=request.body, timeout=timeout
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > self.max_bytes:
                    raise SearchError(
                        f"{self._who} answered with more than {self.max_bytes:,} bytes, which is too long "
                        "to read."
                    )
                # httpx limits each single wait, but not the total time of all waits.
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("", request=response.request)
            return _Answer(response.status_code, response.headers, bytes(body))

    def _payload(self, answer: _Answer, complaint: Callable[[Any], ReportedError | None]) -> Any:
        """Returns the JSON of a successful answer. Raises SearchError for any other answer."""
        try:
            payload, is_json = json.loads(answer.body), True
        except (ValueError, RecursionError):
            payload, is_json = None, False
        reported = complaint(payload) if is_json else None
        if not 200 <= answer.status < 300 or reported:
            self._fail(answer, reported)
        if not is_json:
            kind = self._shown(answer.headers.get("content-type", "") or "of no stated type", 60)
            start = self._shown(answer.body.decode("utf-8", "replace"), 80)
            raise SearchError(
                f"{self._who} answered with something other than JSON ({kind}), which starts with: '{start}'."
            )
        return payload

    def _fail(self, answer: _Answer, reported: ReportedError | None) -> NoReturn:
        status, kind = answer.status, reported.kind if reported else ""
        detail = f"{status}: {self._shown(reported.message)}" if reported else str(status)
        if 300 <= status < 400:
            # Following a redirect could send the key to another host.
            target = self._shown(answer.headers.get("location", "").partition("?")[0])
            raise SearchError(
                f"{self._who} redirects to '{target}' ({status}), and redirects are not followed; check "
                "the URL."
            )
        if status in RETRYABLE_STATUSES or status >= 500 or kind == "passing":
            raise SearchUnavailableError(
                f"{self._who} is unavailable at present ({detail}).",
                retry_after(answer.headers.get("retry-after", "")),
            )
        if status in (401, 403) or kind == "access":
            raise SearchError(f"{self._who} refused access ({detail}); {self.service.remedy}.")
        raise SearchError(f"{self._who} answered with an error ({detail}).")

    def _shown(self, text: str, longest: int = LONGEST_MESSAGE) -> str:
        """Returns a server's text for an error message: without the key, printable, cut to `longest`."""
        # The key is removed before the text is cut, because a part of a cut key would not be found.
        text = self._secret.scrub(text) if self._secret else text
        text = one_line(printable(text[: 10 * longest]))
        return text if len(text) <= longest else f"{text[:longest]} ..."


def user_agent(contact: str = "") -> str:
    """Returns the User-Agent header of requests."""
    return f"masksearch/{__version__}" + (f" ({contact})" if contact else "")


def retry_after(value: str, now: float | None = None) -> float | None:
    """Returns the wait in seconds from a Retry-After header (seconds or an HTTP date), or None if the
    header is invalid.

    `now` is the Unix time in seconds.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
        if not moment.tzinfo:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - (time.time() if now is None else now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, seconds)
