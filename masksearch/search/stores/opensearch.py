"""OpenSearch, through its official client: a cluster stores the passages and ranks them with its BM25.

User and password are read from OPENSEARCH_USER and OPENSEARCH_PASSWORD; the store's URL must not contain
them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError, UsageError
from masksearch.runtime.progress import Progress
from masksearch.search.stores.base import Engine, first_document, rows
from masksearch.types import Hit, Passage

TIMEOUT = 30
"""Seconds after which a request fails."""
PAGE_PASSAGES = 1000
"""Largest number of passages of an opened page."""
MAPPING = {
    "settings": {"analysis": {"analyzer": {"terms": {"type": "custom", "tokenizer": "whitespace"}}}},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "id": {"type": "keyword"},
            "number": {"type": "long"},
            "doc_id": {"type": "keyword"},
            "title_key": {"type": "keyword", "ignore_above": 8000},
            "terms": {"type": "text", "analyzer": "terms", "index_options": "freqs"},
            "record": {"type": "keyword", "index": False, "doc_values": False},
        },
    },
}


class OpenSearchEngine(Engine):
    """One index of an OpenSearch cluster."""

    packages = ("opensearch-py",)

    def __init__(self, client: Any, index: str, where: str) -> None:
        self._client, self._index, self._where = client, index, where

    @classmethod
    def connect(cls, store: str, table: str) -> OpenSearchEngine:
        """Creates the client for the index NAME-TABLE of the `store` http://HOST:PORT/NAME. Sends no
        request."""
        parts = urlsplit(store)
        name = parts.path.strip("/")
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        if not is_url or not name or "/" in name or name != name.lower():
            raise UsageError(
                f"--store {store} is not of the form http://HOST:9200/INDEX (with the name in lower case)."
            )
        if parts.username or parts.password:
            raise UsageError(
                "--store must not hold a user or a password; set OPENSEARCH_USER and OPENSEARCH_PASSWORD "
                "in the environment."
            )
        try:
            from opensearchpy import OpenSearch
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "opensearch-py", "opensearch", "An index of the kind opensearch"
            ) from error
        user, password = os.environ.get("OPENSEARCH_USER"), os.environ.get("OPENSEARCH_PASSWORD")
        host = {
            "host": parts.hostname,
            "port": parts.port or (443 if parts.scheme == "https" else 9200),
            "use_ssl": parts.scheme == "https",
        }
        client = OpenSearch(
            [host],
            http_auth=(user, password) if user and password else None,
            timeout=TIMEOUT,
            max_retries=3,
            retry_on_timeout=True,
        )
        return cls(client, f"{name}-{table}", f"{parts.scheme}://{parts.hostname}:{host['port']}")

    def fill(self, passages: Sequence[Passage], language: str) -> None:
        from opensearchpy import helpers

        # The index's name contains the fingerprint of its content, so several index folders may share the
        # index. A complete index is not filled again: filling empties it first, so other users would find
        # no passages for a while, or permanently if this build is interrupted.
        counted = self._ask("preparing the index", lambda: self._client.count(index=self._index, ignore=404))
        if counted.get("count") == len(passages):
            return
        self._ask(
            "preparing the index",
            lambda: self._client.indices.delete(index=self._index, ignore_unavailable=True),
        )
        self._ask("creating the index", lambda: self._client.indices.create(index=self._index, body=MAPPING))
        with Progress("Writing to OpenSearch", len(passages), "passages") as progress:

            def actions() -> Iterator[dict[str, Any]]:
                for row in rows(passages, language):
                    yield {"_index": self._index, "_id": row["id"], "_source": row}
                    progress.step()

            # The client resends a chunk that the cluster rejected as overloaded (429), after a pause.
            self._ask("indexing passages", lambda: helpers.bulk(self._client, actions(), max_retries=8))
        self._ask("refreshing", lambda: self._client.indices.refresh(index=self._index))

    def find(self, terms: Sequence[str], k: int) -> list[Hit]:
        query = {"match": {"terms": {"query": " ".join(terms), "operator": "or"}}}
        body = {"query": query, "size": k, "sort": ["_score", {"id": "asc"}], "_source": ["record"]}
        found = self._ask("searching", lambda: self._client.search(index=self._index, body=body))
        return [
            Hit(passage=Passage.model_validate_json(row["_source"]["record"]), score=row["_score"])
            for row in self._rows(found)
        ]

    def document(self, title_key: str) -> list[Passage]:
        body = {
            "query": {"term": {"title_key": title_key}},
            "size": PAGE_PASSAGES,
            "sort": [{"number": "asc"}],
            "_source": ["record"],
        }
        found = self._ask("looking up a title", lambda: self._client.search(index=self._index, body=body))
        return first_document([row["_source"]["record"] for row in self._rows(found)])

    def _rows(self, found: Any) -> list[dict[str, Any]]:
        """Returns the rows of a complete answer.

        Raises SearchUnavailableError if shards failed or timed out, because the remaining results would be
        silently wrong.
        """
        failed = found.get("_shards", {}).get("failed", 0)
        if found.get("timed_out") or failed:
            raise SearchUnavailableError(
                f"OpenSearch at {self._where} answered only in part ({failed} shards failed); try again, "
                "and check the cluster's health."
            )
        return list(found["hits"]["hits"])

    def _ask(self, doing: str, request: Any) -> Any:
        """Runs a request and turns the client's errors into SearchError or SearchUnavailableError."""
        from opensearchpy import exceptions
        from opensearchpy.helpers import BulkIndexError

        try:
            return request()
        except BulkIndexError as error:
            raise SearchError(
                f"OpenSearch at {self._where} refused {len(error.errors)} passages "
                f"({str(error.errors[0])[:200]})."
            ) from error
        except exceptions.ConnectionError as error:
            raise SearchUnavailableError(
                f"OpenSearch at {self._where} cannot be reached while {doing} ({type(error).__name__})."
            ) from error
        except exceptions.TransportError as error:
            kind = SearchUnavailableError if error.status_code in (429, 502, 503, 504) else SearchError
            refused = error.status_code in (401, 403)
            remedy = " Set OPENSEARCH_USER and OPENSEARCH_PASSWORD." if refused else ""
            raise kind(
                f"OpenSearch at {self._where} answered {error.status_code} while {doing} "
                f"({str(error.error)[:200]}).{remedy}"
            ) from error
        except exceptions.OpenSearchException as error:
            raise SearchError(
                f"OpenSearch at {self._where} failed while {doing} ({str(error)[:200]})."
            ) from error
