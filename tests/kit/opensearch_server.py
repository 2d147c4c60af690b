"""A fake OpenSearch node: index, bulk, count and search calls, answered as OpenSearch 2 and 3 document them.

Ranking is BM25 over white-space terms (k1 1.2, b 0.75, IDF log(1 + (N - n + 0.5) / (n + 0.5))), in the
requested order.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Node(ThreadingHTTPServer):
    """An HTTP server with indexes in memory. Each request takes the next of `answers`, (status, JSON or
    text), if any."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.indexes: dict[str, dict[str, dict[str, Any]]] = {}
        self.mappings: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Node
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def _answer(self, status: int, value: Any) -> None:
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/html" if isinstance(value, str) else "application/json; charset=UTF-8"
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = self.path.partition("?")[0].strip("/")
        self.server.asked.append((self.command, self.path, text))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.server.answers:
            self._answer(*self.server.answers.pop(0))
        elif path == "_bulk" or path.endswith("/_bulk"):
            self._answer(200, self._bulk(text))
        elif path.endswith("/_search"):
            self._search(path.removesuffix("/_search"), json.loads(text))
        elif path.endswith("/_count"):
            rows = self.server.indexes.get(path.removesuffix("/_count"))
            shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
            if rows is None:
                self._answer(404, _missing(path))
            else:
                self._answer(200, {"count": len(rows), "_shards": shards})
        elif path.endswith("/_refresh"):
            self._answer(200, {"_shards": {"total": 2, "successful": 1, "failed": 0}})
        elif self.command == "PUT":
            self.server.indexes[path], self.server.mappings[path] = {}, json.loads(text)
            self._answer(200, {"acknowledged": True, "shards_acknowledged": True, "index": path})
        elif self.command == "DELETE":
            found = self.server.indexes.pop(path, None) is not None
            if found or "ignore_unavailable=true" in self.path:
                self._answer(200, {"acknowledged": True})
            else:
                self._answer(404, _missing(path))
        else:
            self._answer(400, {"error": "unsupported", "status": 400})

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def _bulk(self, text: str) -> dict[str, Any]:
        lines = [json.loads(line) for line in text.splitlines() if line]
        items = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            index, name = action["index"]["_index"], action["index"]["_id"]
            self.server.indexes[index][name] = source
            items.append({"index": {"_index": index, "_id": name, "result": "created", "status": 201}})
        return {"took": 1, "errors": False, "items": items}

    def _search(self, index: str, body: dict[str, Any]) -> None:
        if index not in self.server.indexes:
            self._answer(404, _missing(index))
            return
        rows = self.server.indexes[index]
        query = body["query"]
        if "term" in query:
            [(field, value)] = query["term"].items()
            found = [(None, name, row) for name, row in rows.items() if row[field] == value]
        else:
            scores = _bm25(rows, query["match"]["terms"]["query"].split())
            found = [(score, name, rows[name]) for name, score in scores.items()]
        for rule in reversed(body["sort"]):
            if rule == "_score":
                found.sort(key=lambda hit: -(hit[0] or 0))
            else:
                [(field, _)] = rule.items()
                found.sort(key=lambda hit, field=field: hit[2][field])
        hits = [
            {
                "_index": index,
                "_id": name,
                "_score": score,
                "_source": {field: row[field] for field in body["_source"]},
                "sort": [score],
            }
            for score, name, row in found[: body["size"]]
        ]
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        self._answer(
            200,
            {
                "took": 1,
                "timed_out": False,
                "_shards": shards,
                "hits": {"total": {"value": len(found), "relation": "eq"}, "hits": hits},
            },
        )


def _missing(index: str) -> dict[str, Any]:
    cause = {"type": "index_not_found_exception", "reason": f"no such index [{index}]", "index": index}
    return {"error": {"root_cause": [cause], **cause}, "status": 404}


def _bm25(rows: dict[str, dict[str, Any]], terms: list[str]) -> dict[str, float]:
    texts = {name: row["terms"].split() for name, row in rows.items()}
    mean = sum(map(len, texts.values())) / len(texts)
    scores: dict[str, float] = {}
    for term in terms:
        holding = [name for name, words in texts.items() if term in words]
        idf = math.log(1 + (len(texts) - len(holding) + 0.5) / (len(holding) + 0.5))
        for name in holding:
            count = texts[name].count(term)
            scores[name] = scores.get(name, 0.0) + idf * count / (
                count + 1.2 * (0.25 + 0.75 * len(texts[name]) / mean)
            )
    return scores


@contextmanager
def running_node() -> Iterator[Node]:
    """Runs a node for the length of a block."""
    node = Node()
    thread = threading.Thread(target=node.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield node
    finally:
        node.shutdown()
        thread.join()
        node.server_close()
