"""The live Wikipedia, or another MediaWiki, through its API: search with the beginnings of articles, and whole articles by title.

Needs the extension TextExtracts, which every Wikipedia has.
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
from masksearch.search.remote.records import Complaint, Request, Service, base_url, moved
from masksearch.text.display import encodable, one_line, printable
from masksearch.types import Hit, Page, Passage

CONTACT = "MASKSEARCH_CONTACT"
"""Environment variable: a web page or mail address of whoever runs this, as Wikimedia's User-Agent policy asks."""
MOST = 20
"""Extracts the API gives at a time (exlimit), where they are introductions."""
LONGEST_QUERY = 300
"""Characters; beyond them the search is refused."""
PASSING = (
    "maxlag",
    "ratelimited",
    "readonly",
    "internal_api_error",
    "cirrussearch-too-busy-error",
    "cirrussearch-backend-error",
)
"""Beginnings of the error codes that stand for a wiki's own trouble."""
# maxlag: "not now" rather than an answer while the wiki's databases lag behind; asked of programs for which nobody sits and waits.
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
    """The adapter. A passage is the introduction of an article; its id is the article's page id."""

    service: Service
    language: str

    def request(self, query: str, k: int) -> Request:
        """As `Provider.request`: up to 20 results; a query is cut to 300 characters, beyond which the wiki refuses it."""
        # As many extracts as results, and no more than the API gives at a time: nothing is left over to be continued.
        search = {
            "generator": "search",
            "gsrsearch": shortened(query, LONGEST_QUERY),
            "gsrlimit": str(min(k, MOST)),
            "exintro": "1",
            "exlimit": str(MOST),
        }
        return Request("GET", params=QUERY | search)

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """As `Provider.hits`. Without results the answer is complete (`batchcomplete`) and has no `query`."""
        if isinstance(payload, dict) and "query" not in payload and "batchcomplete" in payload:
            return []
        pages = [page for page in _pages(payload) if not page.get("missing")]
        if not all(isinstance(page.get("index"), int) for page in pages):
            raise UnexpectedShape("a number in 'index'")
        pages.sort(key=lambda page: int(page["index"]))  # they come by page id
        return [Hit(passage=self._passage(page), score=1 / rank) for rank, page in enumerate(pages[:k], 1)]

    def complaint(self, payload: Any) -> Complaint | None:
        """`{"error": {"code", "info"}}`, mostly with the status 200."""
        error = payload.get("error") if isinstance(payload, dict) else None
        if not error:
            return None
        code = message(error.get("code")) if isinstance(error, dict) else ""
        return Complaint(
            message(error) or "no reason given", "passing" if code.startswith(PASSING) else "permanent"
        )

    def page_request(self, title: str) -> Request:
        """Asks for the whole text of one article; redirects of titles are followed by the wiki."""
        # One extract, of one article: again nothing to be continued.
        return Request(
            "GET",
            params=QUERY | {"titles": title, "redirects": "1", "exlimit": "1", "exsectionformat": "plain"},
        )

    def page(self, payload: Any) -> Page | None:
        """The article of an answer, None where there is none of the title. Raises UnexpectedShape."""
        query = member(payload, "query")
        if (
            isinstance(query, dict) and "interwiki" in query
        ):  # a title such as "fr:Paris" leads to another wiki
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
    """A `Searcher` and a `PageReader`. Not reproducible: articles change, and the ranking with them."""

    provider: Wikipedia

    def page(self, title: str) -> Page | None:
        """As `PageReader.page`.

        A wiki tells the case of letters apart, but for the first; a title it does not have is looked for among the results of a search.
        """
        title = one_line(encodable(title))
        page = self._page(title)
        if page is None and title:
            wanted = normal_title(title)
            spelt = [
                hit.passage.title
                for hit in self._search(title, 5)
                if normal_title(hit.passage.title) == wanted
            ]
            page = self._page(spelt[0]) if spelt and spelt[0] != title else None
        return page

    async def apage(self, title: str) -> Page | None:
        """As `PageReader.apage`."""
        return await in_thread(self.page, title)

    def _page(self, title: str) -> Page | None:
        if not title or "|" in title:  # which is in no title, and to the API stands between two
            return None
        return self.client.ask(self.provider.page_request(title), self.provider.complaint, self.provider.page)


def wikipedia(language: str, url: str = "") -> Wikipedia:
    """The Wikipedia in a language (en, fr, zh, simple ...), or the wiki at a URL (its root, or its api.php). Raises UsageError."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", language):
        raise UsageError(f"'{language}' is no language of Wikipedia; write wikipedia:en, for example.")
    contact = (
        one_line(printable(os.environ.get(CONTACT, ""))).encode("ascii", "replace").decode()
        or f"no contact given; {CONTACT} is not set"
    )
    headers = {"User-Agent": user_agent(contact), "Accept": "application/json"}
    remedy = f"it turns away programs that do not say whose they are: set the environment variable {CONTACT} to a web page or mail address of yours"
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
    """A wiki without the extension leaves it out, as the API does for pages beyond its limit: no text is then not an empty one."""
    member(page, "extract")
    return text(page, "extract")
