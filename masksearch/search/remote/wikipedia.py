"""The live Wikipedia, or another MediaWiki, through its API: searches for introductions of articles, and
opens articles by title.

The wiki needs the extension TextExtracts, which every Wikipedia has.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from masksearch.corpus import normal_title
from masksearch.errors import UsageError
from masksearch.search.batching import in_thread
from masksearch.search.remote.answers import UnexpectedShape, member, message, rows, shortened, text
from masksearch.search.remote.base import RemoteSearcher
from masksearch.search.remote.client import user_agent
from masksearch.search.remote.records import ReportedError, Request, Service, base_url, moved
from masksearch.text.display import encodable, one_line, printable
from masksearch.types import Hit, Page, Passage

CONTACT = "MASKSEARCH_CONTACT"
"""Environment variable with the user's web page or mail address, for Wikimedia's User-Agent policy."""
MAX_RESULTS = 20
"""Largest number of introductions per request (the API's exlimit)."""
LONGEST_QUERY = 300
"""Longest query in characters; the API rejects longer queries."""
PASSING = (
    "maxlag",
    "ratelimited",
    "readonly",
    "internal_api_error",
    "cirrussearch-too-busy-error",
    "cirrussearch-backend-error",
)
"""Prefixes of the error codes for temporary failures of a wiki."""
# maxlag: the wiki rejects the request while its databases lag by more than 5 seconds. Wikimedia asks
# programs for this limit if no user waits for their answer.
QUERY = {
    "action": "query",
    "format": "json",
    "formatversion": "2",
    "maxlag": "5",
    "prop": "extracts",
    "explaintext": "1",
}


@dataclass(frozen=True)
class Wikipedia:
    """Adapter of a wiki. A passage is the introduction of an article; its id is the article's page id."""

    service: Service
    language: str

    def request(self, query: str, k: int) -> Request:
        """Builds the request for up to 20 results; cuts the query to 300 characters."""
        # Requests one extract for each result, up to the API's limit, so that a single request suffices.
        search = {
            "generator": "search",
            "gsrsearch": shortened(query, LONGEST_QUERY),
            "gsrlimit": str(min(k, MAX_RESULTS)),
            "exintro": "1",
            "exlimit": str(MAX_RESULTS),
        }
        return Request("GET", params=QUERY | search)

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the results (see `Provider.hits`). An empty result has `batchcomplete` and no `query`."""
        if isinstance(payload, dict) and "query" not in payload and "batchcomplete" in payload:
            return []
        pages = [page for page in _pages(payload) if not page.get("missing")]
        if not all(isinstance(page.get("index"), int) for page in pages):
            raise UnexpectedShape("a number in 'index'")
        pages.sort(key=lambda page: int(page["index"]))  # the API orders them by page id
        return [Hit(passage=self._passage(page), score=1 / rank) for rank, page in enumerate(pages[:k], 1)]

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error of `{"error": {"code", "info"}}`, which usually comes with the status 200."""
        error = payload.get("error") if isinstance(payload, dict) else None
        if not error:
            return None
        code = message(error.get("code")) if isinstance(error, dict) else ""
        passing = code.startswith(PASSING)
        return ReportedError(message(error) or "no reason given", "passing" if passing else "permanent")

    def page_request(self, title: str) -> Request:
        """Builds the request for the whole text of one article. The wiki follows redirects of titles."""
        article = {"titles": title, "redirects": "1", "exlimit": "1", "exsectionformat": "plain"}
        return Request("GET", params=QUERY | article)

    def page(self, payload: Any) -> Page | None:
        """Returns the article of an answer, or None if no article has the title. Raises UnexpectedShape."""
        query = member(payload, "query")
        # A title such as "fr:Paris" belongs to another wiki.
        if isinstance(query, dict) and "interwiki" in query:
            return None
        for page in _pages(payload):
            if not any(page.get(reason) for reason in ("missing", "invalid", "special")):
                return Page(
                    doc_id=_page_id(page),
                    title=text(page, "title"),
                    text=_extract(page).strip(),
                    language=self.language,
                )
        return None

    def _passage(self, page: dict[str, Any]) -> Passage:
        name = _page_id(page)
        return Passage(
            id=name,
            doc_id=name,
            title=text(page, "title"),
            text=one_line(_extract(page)),
            language=self.language,
        )


class WikipediaSearcher(RemoteSearcher):
    """A `Searcher` and `PageReader` over a wiki. Its results are not reproducible, because articles and
    rankings change."""

    provider: Wikipedia

    def page(self, title: str) -> Page | None:
        """Returns the article with this title, or None (see `PageReader.page`).

        Titles of a wiki are case-sensitive except for the first letter. An unknown title is therefore
        searched for, and a result whose title differs only in case or white space is opened.
        """
        title = one_line(encodable(title))
        page = self._page(title)
        if page is None and title:
            wanted = normal_title(title)
            titles = [hit.passage.title for hit in self._search(title, 5)]
            matching = [found for found in titles if normal_title(found) == wanted]
            page = self._page(matching[0]) if matching and matching[0] != title else None
        return page

    async def apage(self, title: str) -> Page | None:
        """Runs `page` in a thread."""
        return await in_thread(self.page, title)

    def _page(self, title: str) -> Page | None:
        if not title or "|" in title:  # a title cannot have "|"; the API splits at it
            return None
        return self.client.ask(self.provider.page_request(title), self.provider.complaint, self.provider.page)


def wikipedia(language: str, url: str = "") -> Wikipedia:
    """Returns the adapter of the Wikipedia in a language (en, fr, zh, simple ...), or of the wiki at a URL.

    The URL is the wiki's root or its api.php. Raises UsageError for a wrong language or URL.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", language):
        raise UsageError(f"'{language}' is not a language of Wikipedia; write wikipedia:en, for example.")
    contact = one_line(printable(os.environ.get(CONTACT, ""))).encode("ascii", "replace").decode()
    contact = contact or f"no contact given; {CONTACT} is not set"
    headers = {"User-Agent": user_agent(contact), "Accept": "application/json"}
    remedy = (
        "it rejects programs that do not name their user: set the environment variable "
        f"{CONTACT} to your web page or mail address"
    )
    service = Service(
        f"wikipedia-{language}", f"https://{language}.wikipedia.org/w/api.php", remedy, headers=headers
    )
    if url:
        base = base_url(url)
        service = moved(service, base if base.endswith(".php") else f"{base}/w/api.php")
    return Wikipedia(service, language)


def _pages(payload: Any) -> list[dict[str, Any]]:
    return rows(member(member(payload, "query"), "pages"), "query.pages")


def _page_id(page: dict[str, Any]) -> str:
    return str(member(page, "pageid"))


def _extract(page: dict[str, Any]) -> str:
    """Returns the text of a page. Raises UnexpectedShape if `extract` is missing.

    Wikis without TextExtracts leave out `extract`, and so does the API for pages beyond its limit; the text
    is then unknown, not empty.
    """
    member(page, "extract")
    return text(page, "extract")
