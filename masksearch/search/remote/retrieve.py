"""Client of servers of Search-R1's retrieval protocol, such as `masksearch serve`.

POST /retrieve  {"queries": [..], "topk": k, "return_scores": true}
                {"result": [[{"document": {"id", "contents": "\\"Title\\"\\ntext"}, "score": x}, ..], ..]}
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from masksearch.errors import SearchError
from masksearch.search.batching import in_thread
from masksearch.search.remote.answers import UnexpectedShape, member, message, rows, score, text
from masksearch.search.remote.client import JsonClient, user_agent
from masksearch.search.remote.records import ReportedError, Request, Service, base_url, short_hash
from masksearch.text.display import encodable, one_line
from masksearch.types import Hit, Passage

MAX_QUERIES, MAX_RESULTS = 256, 100_000
"""Maximum number of queries and results per request; `masksearch serve` rejects more results (its
max_results)."""
MAX_BYTES = 64_000_000
"""Longest answer that is read, in bytes. This is room for 256 queries with whole passages."""
HEALTH_TIMEOUT = 3.0
"""Timeout in seconds of the request for the server's fingerprint."""
TOKEN_VARIABLE = "MASKSEARCH_TOKEN"
"""Environment variable with the token that `masksearch serve` demands if it is set there."""
REMEDY = f"it asks for credentials; set {TOKEN_VARIABLE} to the server's token"


class RetrieveSearcher:
    """A `Searcher` over a server of the protocol, with one attempt per request.

    Threads may share a searcher, and it can be pickled. `timeout` is in seconds.
    """

    def __init__(self, url: str, timeout: float = 30.0, max_bytes: int = MAX_BYTES) -> None:
        self.url = base_url(url).removesuffix("/retrieve").rstrip("/")
        headers = {"User-Agent": user_agent(), "Accept": "application/json"}
        if token := os.environ.get(TOKEN_VARIABLE, "").strip():
            headers["Authorization"] = f"Bearer {token}"
        self.client = JsonClient(Service("http", self.url, REMEDY, headers=headers), timeout, max_bytes)
        self._lock = threading.Lock()
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        """`http-` and the server's fingerprint from its `/health`, or a hash of the URL. The fingerprint is
        requested once, at first use."""
        with self._lock:
            if not self._fingerprint:
                self._fingerprint = f"http-{self._retriever() or short_hash(self.url)}"
            return self._fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches all queries (see `Searcher.search`), up to 256 per request and fewer for a large k."""
        cleaned = [one_line(encodable(query)) for query in queries]
        asked = [query for query in cleaned if query] if k > 0 else []
        found: list[list[Hit]] = []
        size = max(1, min(MAX_QUERIES, MAX_RESULTS // max(k, 1)))
        for start in range(0, len(asked), size):
            found += self._retrieve(asked[start : start + size], k)
        answers = iter(found)
        return [next(answers) if query and k > 0 else [] for query in cleaned]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query in a thread (see `Searcher.asearch`)."""
        return (await in_thread(self.search, [query], k))[0]

    def close(self) -> None:
        """Closes the connections; the next search opens new ones."""
        self.client.close()

    def _retrieve(self, queries: list[str], k: int) -> list[list[Hit]]:
        request = Request("POST", "/retrieve", body={"queries": queries, "topk": k, "return_scores": True})
        return self.client.ask(request, _complaint, partial(_results, count=len(queries), k=k))

    def _retriever(self) -> str:
        try:
            return self.client.ask(
                Request("GET", "/health"),
                lambda payload: None,
                _named,
                min(HEALTH_TIMEOUT, self.client.timeout),
            )
        except SearchError:
            return ""

    def __reduce__(self) -> tuple[Any, ...]:
        # The fingerprint is pickled, so that all processes of a run record the same one.
        return _rebuilt, (self.url, self.client.timeout, self.client.max_bytes, self._fingerprint)


def _rebuilt(url: str, timeout: float, max_bytes: int, fingerprint: str) -> RetrieveSearcher:
    searcher = RetrieveSearcher(url, timeout, max_bytes)
    searcher._fingerprint = fingerprint
    return searcher


def _named(payload: Any) -> str:
    name = member(payload, "retriever")
    if not isinstance(name, str) or not re.fullmatch(r"[\w.:+/@-]{1,200}", name, re.ASCII):
        raise UnexpectedShape("a fingerprint in 'retriever'")
    return name


def _complaint(payload: Any) -> ReportedError | None:
    """Returns the error in `detail` (servers built with FastAPI) or in `error`."""
    if not isinstance(payload, dict) or "result" in payload:
        return None
    found = message(payload.get("detail")) or message(payload.get("error"))
    return ReportedError(found) if found else None


def _results(payload: Any, count: int, k: int) -> list[list[Hit]]:
    result = member(payload, "result")
    if not isinstance(result, list) or len(result) != count:
        raise UnexpectedShape(f"a list of {count} lists in 'result', one for each query")
    return [[_hit(row, rank) for rank, row in enumerate(rows(found, "result")[:k], 1)] for found in result]


def _hit(row: Mapping[str, Any], rank: int) -> Hit:
    """Parses a row: `{"document", "score"}`, or the document alone from servers without scores."""
    document = row.get("document", row)
    if not isinstance(document, dict):
        raise UnexpectedShape("an object in 'document'")
    title, body = _title_and_text(document)
    name = _identity(document, "id") or short_hash(f"{title}\n{body}")
    passage = Passage(id=name, doc_id=_identity(document, "doc_id") or name, title=title, text=body)
    return Hit(passage=passage, score=score(row, rank))


def _title_and_text(document: Mapping[str, Any]) -> tuple[str, str]:
    """Returns title and text, from their own fields or from `contents`.

    The first line of `contents` is the title, usually in quotes; the rest is the text.
    """
    if "contents" not in document and "text" not in document:
        raise UnexpectedShape("a document with 'contents' or 'text'")
    title, body = one_line(text(document, "title")), one_line(text(document, "text"))
    contents = text(document, "contents").strip()
    head, newline, rest = contents.partition("\n")
    head = one_line(head)
    if len(head) > 1 and head[0] == head[-1] == '"':
        head = head[1:-1].strip()
    if title and head != title:  # `contents` is the text without a title
        rest = contents
    elif not newline:
        head, rest = "", contents
    return title or head, body or one_line(rest)


def _identity(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return encodable(str(value)) if isinstance(value, str | int) else ""
