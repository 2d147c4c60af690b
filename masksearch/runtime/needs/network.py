"""Whether a server accepts connections."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from masksearch.runtime.needs import Fault

TIMEOUT = 5.0
"""Seconds within which a server must accept a connection."""
TRIAL_TIMEOUT = 20.0
"""Seconds to wait for the answer to a trial request."""


@dataclass(frozen=True)
class Server:
    """A server that must accept connections, or, with `later`, that may still come up."""

    url: str
    what: str
    """Subject of the sentence, such as "The OpenSearch server"."""
    remedy: str
    later: bool = False

    def faults(self) -> Sequence[Fault]:
        """Returns a fault if the server accepts no connection."""
        reason = unreachable(self.url)
        if not reason:
            return ()
        return (Fault(f"{self.what} {self.url} cannot be reached ({reason}); {self.remedy}.", self.later),)


def unreachable(url: str) -> str:
    """Returns the reason why the server of a URL accepts no connection; empty if it accepts one.

    Also empty where the environment names a proxy for the URL: only the proxy can tell then.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return f"not a valid URL: {error}"
    if not host:
        return "the URL names no host"
    proxies = urllib.request.getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(host):
        return ""
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except TimeoutError:
        return f"no connection within {TIMEOUT:g} seconds"
    except socket.gaierror:
        return f"the host {host} is not known"
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""
