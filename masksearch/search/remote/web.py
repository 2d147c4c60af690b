"""Web search providers, with one adapter for each provider, written from the provider's documentation.

A passage is the snippet that the provider shows of a page, not the page itself. Only the first page of
results is requested; if k is larger than a provider's page, fewer results are returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from masksearch.errors import UsageError
from masksearch.search.remote.answers import (
    UnexpectedShape,
    member,
    message,
    plain,
    rows,
    score,
    shortened,
    text,
)
from masksearch.search.remote.base import Provider
from masksearch.search.remote.client import user_agent
from masksearch.search.remote.records import Key, ReportedError, Request, Service, base_url, moved
from masksearch.text.nearest import guess
from masksearch.types import Hit, Passage


def _service(name: str, base: str, key: Key) -> Service:
    headers = {"User-Agent": user_agent(), "Accept": "application/json"}
    return Service(
        f"web-{name}", base, f"check the key in the environment variable {key.variable}", key, headers
    )


SERPER = _service("serper", "https://google.serper.dev", Key("SERPER_API_KEY", header="X-API-KEY"))
SERPAPI = _service("serpapi", "https://serpapi.com", Key("SERPAPI_API_KEY", parameter="api_key"))
BRAVE = _service("brave", "https://api.search.brave.com", Key("BRAVE_API_KEY", header="X-Subscription-Token"))
TAVILY = _service(
    "tavily", "https://api.tavily.com", Key("TAVILY_API_KEY", header="Authorization", prefix="Bearer ")
)


@dataclass(frozen=True)
class Serper:
    """Google through serper.dev. Up to 100 results per search; serper charges more for over ten results."""

    service: Service = SERPER

    def request(self, query: str, k: int) -> Request:
        """Builds the request (see `Provider.request`)."""
        return Request("POST", "/search", body={"q": query, "num": min(k, 100)})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the results (see `Provider.hits`). An empty result has an empty list `organic`."""
        return _hits(rows(member(payload, "organic"), "organic"), k, "link", "snippet")

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error of `{"message", "statusCode"}`: 403 for a wrong key, 400 without credits."""
        if not isinstance(payload, dict) or "organic" in payload:
            return None
        return _complaint(payload, "message")


@dataclass(frozen=True)
class SerpApi:
    """Google through serpapi.com. About ten results per search, the size of a page of Google."""

    service: Service = SERPAPI

    def request(self, query: str, k: int) -> Request:
        """Builds the request (see `Provider.request`)."""
        return Request("GET", "/search.json", {"engine": "google", "q": query})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the results (see `Provider.hits`).

        An empty result has the status Success, and `error` in place of `organic_results`.
        """
        if self._status(payload) == "Success" and "organic_results" not in payload:
            return []
        return _hits(rows(member(payload, "organic_results"), "organic_results"), k, "link", "snippet")

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error of `{"error": ...}`. With the status Error, the search may succeed later."""
        status = self._status(payload)
        return None if status == "Success" else _complaint(payload, "error", passing=status == "Error")

    def _status(self, payload: Any) -> str:
        metadata = payload.get("search_metadata") if isinstance(payload, dict) else None
        return str(metadata.get("status")) if isinstance(metadata, dict) else ""


@dataclass(frozen=True)
class Brave:
    """Brave's index. Up to 20 results per search; queries are cut to its limits: 400 characters, 50 words."""

    service: Service = BRAVE

    def request(self, query: str, k: int) -> Request:
        """Builds the request (see `Provider.request`)."""
        params = {
            "q": shortened(query, 400, 50),
            "count": str(min(k, 20)),
            "result_filter": "web",
            "text_decorations": "false",
        }
        return Request("GET", "/res/v1/web/search", params)

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the results (see `Provider.hits`). Brave leaves out empty parts, such as `web`."""
        if member(payload, "type") == "search" and "web" not in payload:
            return []
        return _hits(rows(member(member(payload, "web"), "results"), "web.results"), k, "url", "description")

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error of `{"type": "ErrorResponse", "error": {..}}`; the status of a wrong key is 422.

        `error` has the fields code, detail and status.
        """
        found = _complaint(payload, "error")
        error = payload["error"] if found else None
        refused = isinstance(error, dict) and str(error.get("code")).startswith("SUBSCRIPTION_TOKEN")
        return ReportedError(found.message, "access") if found and refused else found


@dataclass(frozen=True)
class Tavily:
    """Tavily. Up to 20 results per search, with scores; queries are cut to 400 characters, Tavily's limit."""

    service: Service = TAVILY

    def request(self, query: str, k: int) -> Request:
        """Builds the request (see `Provider.request`)."""
        return Request("POST", "/search", body={"query": shortened(query, 400), "max_results": min(k, 20)})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the results (see `Provider.hits`). An empty result has an empty list `results`."""
        return _hits(rows(member(payload, "results"), "results"), k, "url", "content")

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error of `{"detail": {"error": ...}}`; 432 and 433 mean that the plan is used up."""
        return _complaint(payload, "detail") or _complaint(payload, "error")


PROVIDERS: dict[str, Callable[[Service], Provider]] = {
    "serper": Serper,
    "serpapi": SerpApi,
    "brave": Brave,
    "tavily": Tavily,
}
SERVICES = {"serper": SERPER, "serpapi": SERPAPI, "brave": BRAVE, "tavily": TAVILY}


def web_provider(name: str, url: str = "") -> Provider:
    """Returns the provider with this name, at `url` if given. Raises UsageError if name or URL is wrong."""
    if name not in PROVIDERS:
        raise UsageError(
            f"There is no web search '{name}'{guess(name, PROVIDERS)}; choose one of {', '.join(PROVIDERS)}."
        )
    service = SERVICES[name]
    return PROVIDERS[name](moved(service, base_url(url)) if url else service)


def _complaint(payload: Any, name: str, passing: bool = False) -> ReportedError | None:
    error = payload.get(name) if isinstance(payload, dict) else None
    if not error:
        return None
    return ReportedError(message(error) or "no reason given", "passing" if passing else "permanent")


def _hits(found: list[dict[str, Any]], k: int, link: str, snippet: str) -> list[Hit]:
    """Builds the hits from result rows: each page occurs once, at its best rank. Skips rows without a URL."""
    hits: dict[str, Hit] = {}
    for row in found:
        url = text(row, link)
        if url and url not in hits:
            passage = Passage(
                id=url, doc_id=url, title=plain(text(row, "title")), text=plain(text(row, snippet))
            )
            hits[url] = Hit(passage=passage, score=score(row, len(hits) + 1))
    if found and not hits:
        raise UnexpectedShape(f"results with a '{link}'")
    return list(hits.values())[:k]
