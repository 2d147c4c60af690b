"""Back ends over the network, each a `Searcher`; one attempt a search (trying again is a wrapper's business).

web:serper, web:serpapi, web:brave, web:tavily     web search; the key is read from SERPER_API_KEY, SERPAPI_API_KEY, BRAVE_API_KEY, TAVILY_API_KEY
wikipedia:LANGUAGE                                 the live Wikipedia, which opens pages as well
http://HOST:PORT, https://HOST                     a server that speaks Search-R1's protocol
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.errors import UsageError

if TYPE_CHECKING:
    from masksearch.search.remote.base import RemoteSearcher
    from masksearch.search.remote.retrieve import RetrieveSearcher

__all__ = ["is_remote", "open_remote"]

_URL, _WEB, _WIKIPEDIA = ("http://", "https://"), "web:", "wikipedia:"


def is_remote(spec: str) -> bool:
    """Whether `spec` is meant for `open_remote`, rather than a folder's path."""
    return spec.startswith((*_URL, _WEB, _WIKIPEDIA))


def open_remote(spec: str, timeout: float, url: str = "") -> RemoteSearcher | RetrieveSearcher:
    """The back end that `spec` names. `timeout` is in seconds; `url` is another base URL for a web provider or a wiki. Nothing is sent yet.

    The fingerprints `web-NAME` and `wikipedia-LANGUAGE` (with a hash of `url`, where it is given) say who was asked, not that the same
    queries will bring the same results.

    Raises UsageError: an unknown name, no key in the environment, a wrong URL; MissingExtraError without httpx.
    """
    if spec.startswith(_URL):
        if url:
            raise UsageError(
                f"The search {spec} is a URL already; another base URL goes with web:NAME or wikipedia:LANGUAGE."
            )
        from masksearch.search.remote.retrieve import RetrieveSearcher

        return RetrieveSearcher(spec, timeout)
    if spec.startswith(_WEB):
        from masksearch.search.remote.base import RemoteSearcher
        from masksearch.search.remote.web import web_provider

        return RemoteSearcher(web_provider(spec.removeprefix(_WEB), url), timeout)
    if spec.startswith(_WIKIPEDIA):
        from masksearch.search.remote.wikipedia import WikipediaSearcher, wikipedia

        return WikipediaSearcher(wikipedia(spec.removeprefix(_WIKIPEDIA), url), timeout)
    names = "web:serper, web:serpapi, web:brave, web:tavily, wikipedia:LANGUAGE, http://HOST:PORT"
    raise UsageError(f"There is no search '{spec}' over the network; there are {names}.")
