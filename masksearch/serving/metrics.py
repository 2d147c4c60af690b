"""The server's metrics for Prometheus, in a registry per server, because a process may hold several
servers."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.errors import MissingExtraError

# Upper bounds of the histograms' buckets: seconds per request, queries per batch.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counters and histograms. `waiting` returns the number of waiting queries. Raises MissingExtraError.

    `waiting` is called on the event loop that answers GET /metrics.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ModuleNotFoundError as error:
            raise MissingExtraError("prometheus-client", "serve", "The server") from error
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "masksearch_http_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "masksearch_http_request_duration_seconds",
            "Time to answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self._queries = Counter("masksearch_queries", "Queries asked for.", registry=registry)
        self._batches = Histogram(
            "masksearch_batch_queries", "Queries searched together.", buckets=SIZES, registry=registry
        )
        self._failures = Counter(
            "masksearch_search_failures", "Requests that failed in the search.", registry=registry
        )
        Gauge(
            "masksearch_waiting_queries", "Queries that wait for their turn.", registry=registry
        ).set_function(waiting)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts an answered request and records the seconds that it took."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def queries(self, count: int) -> None:
        """Adds the number of queries of one request."""
        self._queries.inc(count)

    def batch(self, size: int) -> None:
        """Counts a batch of queries that are searched together."""
        self._batches.observe(size)

    def failure(self) -> None:
        """Counts a request whose search failed."""
        self._failures.inc()

    def text(self) -> tuple[bytes, str]:
        """Returns all metrics in Prometheus' text format, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST
