"""Web search providers, one small adapter each; facts as their documentation gives them.

Snippets are what the provider shows of a page, not the page. All ask for one page of results only, the first; where more results are wanted
than a provider gives at a time, there are fewer.
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
from masksearch.search.remote.records import Complaint, Key, Request, Service, base_url, moved
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
    """Google through serper.dev. Up to 100 results are asked for; more than ten cost more."""

    service: Service = SERPER

    def request(self, query: str, k: int) -> Request:
        """As `Provider.request`."""
        return Request("POST", "/search", body={"q": query, "num": min(k, 100)})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """As `Provider.hits`. Without results `organic` is an empty list."""
        return _hits(rows(member(payload, "organic"), "organic"), k, "link", "snippet")

    def complaint(self, payload: Any) -> Complaint | None:
        """`{"message": ..., "statusCode": ...}`; 403 for a wrong key, 400 when the credits are used up."""
        return (
            _complaint(payload, "message") if isinstance(payload, dict) and "organic" not in payload else None
        )


@dataclass(frozen=True)
class SerpApi:
    """Google through serpapi.com. About ten results: Google gives no more on a page, and SerpAPI cannot make it."""

    service: Service = SERPAPI

    def request(self, query: str, k: int) -> Request:
        """As `Provider.request`."""
        return Request("GET", "/search.json", {"engine": "google", "q": query})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """As `Provider.hits`. A search that found nothing is a success by its status, and has an `error` in place of `organic_results`."""
        if self._status(payload) == "Success" and "organic_results" not in payload:
            return []
        return _hits(rows(member(payload, "organic_results"), "organic_results"), k, "link", "snippet")

    def complaint(self, payload: Any) -> Complaint | None:
        """`{"error": ...}`, with the status Error where the search was begun and broke off."""
        status = self._status(payload)
        return None if status == "Success" else _complaint(payload, "error", passing=status == "Error")

    def _status(self, payload: Any) -> str:
        metadata = payload.get("search_metadata") if isinstance(payload, dict) else None
        return str(metadata.get("status")) if isinstance(metadata, dict) else ""


@dataclass(frozen=True)
class Brave:
    """Brave's own index. Up to 20 results; a query is cut to 400 characters and 50 words, beyond which Brave refuses it."""

    service: Service = BRAVE

    def request(self, query: str, k: int) -> Request:
        """As `Provider.request`."""
        params = {
            "q": shortened(query, 400, 50),
            "count": str(min(k, 20)),
            "result_filter": "web",
            "text_decorations": "false",
        }
        return Request("GET", "/res/v1/web/search", params)

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """As `Provider.hits`. The answer has the parts for which there are results: without `web` there are none."""
        if member(payload, "type") == "search" and "web" not in payload:
            return []
        return _hits(rows(member(member(payload, "web"), "results"), "web.results"), k, "url", "description")

    def complaint(self, payload: Any) -> Complaint | None:
        """`{"type": "ErrorResponse", "error": {"code", "detail", "status"}}`; a wrong key is a 422."""
        found = _complaint(payload, "error")
        error = payload["error"] if found else None
        refused = isinstance(error, dict) and str(error.get("code")).startswith("SUBSCRIPTION_TOKEN")
        return Complaint(found.message, "access") if found and refused else found


@dataclass(frozen=True)
class Tavily:
    """Tavily. Up to 20 results, with scores; a query is cut to 400 characters, beyond which Tavily refuses it."""

    service: Service = TAVILY

    def request(self, query: str, k: int) -> Request:
        """As `Provider.request`."""
        return Request("POST", "/search", body={"query": shortened(query, 400), "max_results": min(k, 20)})

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """As `Provider.hits`. Without results `results` is an empty list."""
        return _hits(rows(member(payload, "results"), "results"), k, "url", "content")

    def complaint(self, payload: Any) -> Complaint | None:
        """`{"detail": {"error": ...}}`; 432 and 433 for a plan that is used up."""
        return _complaint(payload, "detail") or _complaint(payload, "error")


PROVIDERS: dict[str, Callable[[Service], Provider]] = {
    "serper": Serper,
    "serpapi": SerpApi,
    "brave": Brave,
    "tavily": Tavily,
}
SERVICES = {"serper": SERPER, "serpapi": SERPAPI, "brave": BRAVE, "tavily": TAVILY}


def web_provider(name: str, url: str = "") -> Provider:
    """The provider of that name, at another base URL where one is given. Raises UsageError."""
    if name not in PROVIDERS:
        raise UsageError(f"There is no web search '{name}'; there are {', '.join(PROVIDERS)}.")
    service = SERVICES[name]
    return PROVIDERS[name](moved(service, base_url(url)) if url else service)


def _complaint(payload: Any, name: str, passing: bool = False) -> Complaint | None:
    error = payload.get(name) if isinstance(payload, dict) else None
    return (
        Complaint(message(error) or "no reason given", "passing" if passing else "permanent")
        if error
        else None
    )


def _hits(found: list[dict[str, Any]], k: int, link: str, snippet: str) -> list[Hit]:
    """Each page once, at its best rank. A result without a URL is none."""
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
