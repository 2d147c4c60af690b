"""Pooled HTTP connections. Only this module adds the key to a request, after all layers that log or store
requests."""

from __future__ import annotations

import ssl
import urllib.request
from functools import cache
from urllib.parse import urlsplit

import httpx

from masksearch.errors import UsageError
from masksearch.search.batching import SEARCH_THREADS
from masksearch.search.remote.keys import Secret
from masksearch.search.remote.records import Key, Service


def connections(service: Service, secret: Secret | None) -> httpx.Client:
    """Returns a client that adds the service's headers and key and uses the proxy of the environment.

    The client follows no redirects. Raises UsageError if the proxy cannot be used.
    """
    limits = httpx.Limits(max_connections=2 * SEARCH_THREADS, max_keepalive_connections=SEARCH_THREADS)
    try:
        transport = _KeyTransport(service.key, secret, limits=limits, proxy=_proxy(service.base))
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"The proxy that the environment names cannot be used: {type(error).__name__}; check "
            "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."
        ) from None
    return httpx.Client(transport=transport, headers=dict(service.headers), follow_redirects=False)


class _KeyTransport(httpx.HTTPTransport):
    """Adds the key to a copy of each request, so that the request in httpx's logs and errors has no key."""

    def __init__(
        self, key: Key | None, secret: Secret | None, limits: httpx.Limits, proxy: str | None
    ) -> None:
        super().__init__(verify=_tls(), limits=limits, proxy=proxy)
        self._key, self._secret = key, secret

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(self._with_key(request))

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        if not self._key or not self._secret:
            return request
        url, headers, value = request.url, request.headers.copy(), self._secret.reveal()
        if self._key.header:
            headers[self._key.header] = self._key.prefix + value
        if self._key.parameter:
            url = url.copy_add_param(self._key.parameter, value)
        return httpx.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )


@cache
def _tls() -> ssl.SSLContext:
    """Returns the TLS context, created once per process: reading the certificates takes longer than many
    searches."""
    return httpx.create_ssl_context()


def _proxy(base: str) -> str | None:
    """Returns the proxy URL from the environment, which httpx ignores when it gets a transport."""
    url = urlsplit(base)
    if urllib.request.proxy_bypass(url.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
