"""Search back ends on the network, each a `Searcher`. A back end makes one attempt per search;
`wrappers/retrying.py` retries.

    web:NAME             web search: serper, serpapi, brave, tavily; the key is read from NAME_API_KEY
    wikipedia:LANGUAGE   the live Wikipedia, which also opens pages
    http://HOST:PORT     a server of Search-R1's retrieval protocol; https too

A new back end needs its module here and its name in `is_remote` and `open_remote`.
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
    """Whether `spec` names a back end of `open_remote` instead of a folder."""
    return spec.startswith((*_URL, _WEB, _WIKIPEDIA))


def open_remote(spec: str, timeout: float, url: str = "") -> RemoteSearcher | RetrieveSearcher:
    """Opens the back end that `spec` names. Sends no request yet.

    `timeout` is in seconds; `url` replaces the base URL of a web provider or a wiki. The fingerprints
    `web-NAME` and `wikipedia-LANGUAGE` (with a hash of `url` if it is given) identify the service. They do
    not guarantee that the same queries return the same results.

    Raises UsageError for an unknown name, a wrong URL or a missing key in the environment;
    MissingExtraError if httpx is not installed.
    """
    if spec.startswith(_URL):
        if url:
            raise UsageError(
                f"The search {spec} is a URL already; set another base URL only with web:NAME or "
                "wikipedia:LANGUAGE."
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
    raise UsageError(f"There is no search '{spec}' over the network; choose one of {names}.")
