"""The server's metrics for Prometheus, in a registry per server, because a process may hold several
servers."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.errors import MissingExtraError

# Upper bounds of the histograms' buckets: seconds per request and per question, queries per
# batch.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
QUESTION_SECONDS = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
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

    def watch_questions(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Adds the metrics of a server with a model. The functions return numbers of questions; they are
        called on the event loop that answers GET /metrics."""
        from prometheus_client import Counter, Gauge, Histogram

        registry = self._registry
        self._questions = Counter(
            "masksearch_questions", "Questions by the way they ended.", ["outcome"], registry=registry
        )
        self._question_seconds = Histogram(
            "masksearch_question_duration_seconds",
            "Time from a question to its answer, waiting included.",
            buckets=QUESTION_SECONDS,
            registry=registry,
        )
        for name, text, count in (
            ("waiting", "Questions that wait for their turn.", waiting),
            ("running", "Questions that are answered now.", running),
        ):
            Gauge(f"masksearch_{name}_questions", text, registry=registry).set_function(count)

    def question(self, outcome: str, seconds: float) -> None:
        """Counts a question: `outcome` is the status of its trajectory, or `gone` (the client went away),
        `timeout`, `refused` or `error`."""
        self._questions.labels(outcome).inc()
        self._question_seconds.observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """Returns all metrics in Prometheus' text format, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST
