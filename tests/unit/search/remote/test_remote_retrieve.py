"""Client of Search-R1's retrieval protocol, against loopback servers with all known variants of it."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.remote_fixtures import HTML
from kit.remote_servers import PROXIES, Received, Reply, serving
from kit.waiting import LONG, nowhere

from masksearch.errors import SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import Searcher
from masksearch.search.remote import open_remote
from masksearch.search.remote.answers import UnexpectedShape
from masksearch.search.remote.retrieve import RetrieveSearcher, _complaint, _results

pytest.importorskip("httpx")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(variable, raising=False)


def row(name: str, contents: str, score: float) -> dict[str, Any]:
    return {"document": {"id": name, "contents": contents}, "score": score}


def echo(request: Received) -> Reply:
    """Answers each query with one passage that repeats it."""
    return Reply(
        {"result": [[row(query, f'"{query}"\nabout {query}', 2.5)] for query in request.body["queries"]]}
    )


def client(url: str, timeout: float = LONG) -> RetrieveSearcher:
    found = open_remote(url, timeout)
    assert isinstance(found, RetrieveSearcher)
    return found


def found(rows: list[Any], k: int = 5) -> list[tuple[str, str, str, str, float]]:
    with serving(Reply({"result": [rows]})) as server:
        [hits] = client(server.url).search(["q"], k)
    return [
        (hit.passage.id, hit.passage.doc_id, hit.passage.title, hit.passage.text, hit.score) for hit in hits
    ]


def failure(reply: Reply, timeout: float = LONG, queries: tuple[str, ...] = ("a", "b")) -> SearchError:
    with serving(reply) as server, pytest.raises(SearchError) as caught:
        client(server.url, timeout).search(queries, 3)
    return caught.value


def test_request_and_answer() -> None:
    with serving(answer=echo) as server:
        hits = client(server.url).search(["who discovered radium?", "æon\n two"], 3)
    [request] = server.requests
    assert (request.method, request.path, request.params) == ("POST", "/retrieve", {})
    assert request.body == {
        "queries": ["who discovered radium?", "æon two"],
        "topk": 3,
        "return_scores": True,
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("masksearch/")
    assert [
        [(hit.passage.id, hit.passage.title, hit.passage.text, hit.score) for hit in of_one]
        for of_one in hits
    ] == [
        [("who discovered radium?", "who discovered radium?", "about who discovered radium?", 2.5)],
        [("æon two", "æon two", "about æon two", 2.5)],
    ]


@pytest.mark.parametrize("tail", ["", "/", "/retrieve", "/retrieve/", "/prefix", "/prefix/retrieve"])
def test_the_path_retrieve_is_optional(tail: str) -> None:
    with serving(answer=echo) as server:
        assert len(client(server.url + tail).search(["q"], 3)) == 1
    assert server.requests[0].path == ("/prefix/retrieve" if "prefix" in tail else "/retrieve")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"id": "7", "contents": '"Radium"\nIt  glows.\nBrightly.'},
            ("7", "7", "Radium", "It glows. Brightly."),
        ),
        ({"id": "7", "contents": "Radium\nIt glows."}, ("7", "7", "Radium", "It glows.")),
        ({"id": 7, "contents": '"A "quoted" title"\nIt glows.'}, ("7", "7", 'A "quoted" title', "It glows.")),
        ({"id": "7", "contents": "It glows."}, ("7", "7", "", "It glows.")),
        ({"id": "7", "contents": ""}, ("7", "7", "", "")),
        ({"id": "7", "title": "Radium", "text": "It glows."}, ("7", "7", "Radium", "It glows.")),
        (
            {
                "id": "7",
                "doc_id": "d",
                "title": "Radium",
                "text": "It glows.",
                "contents": '"Radium"\nIt glows.',
            },
            ("7", "d", "Radium", "It glows."),
        ),
        (
            {"id": "7", "title": "Radium", "contents": '"Radium"\nIt glows.'},
            ("7", "7", "Radium", "It glows."),
        ),
        (
            {"id": "7", "title": "Radium", "contents": "It glows.\nBrightly."},
            ("7", "7", "Radium", "It glows. Brightly."),
        ),
        ({"id": "7", "title": "Radium", "contents": "Radium"}, ("7", "7", "Radium", "Radium")),
        (
            {"id": "7", "text": "It glows.", "contents": '"Radium"\nIt glows.'},
            ("7", "7", "Radium", "It glows."),
        ),
    ],
)
def test_documents_in_all_their_forms(document: dict[str, Any], expected: tuple[str, str, str, str]) -> None:
    assert found([{"document": document, "score": 0.25}]) == [(*expected, 0.25)]
    assert found([document]) == [(*expected, 1.0)]


def test_rows_without_scores_are_scored_by_rank() -> None:
    documents = [{"id": str(number), "contents": f'"T"\n{number}'} for number in range(3)]
    assert [(name, score) for name, *_, score in found(documents)] == [("0", 1.0), ("1", 0.5), ("2", 1 / 3)]
    assert [
        score for *_, score in found([{"document": documents[0]}, {"document": documents[1], "score": None}])
    ] == [1.0, 0.5]


def test_a_document_without_an_id_is_named_by_its_contents() -> None:
    [first, again, other] = found(
        [{"contents": '"T"\nx'}, {"id": None, "contents": '"T"\nx'}, {"id": "", "contents": '"T"\ny'}]
    )
    assert first[0] == first[1] == again[0] != other[0]
    assert len(first[0]) == 12


def test_no_more_than_k_results_come_back() -> None:
    assert len(found([row(str(number), "x", 1.0) for number in range(9)], 4)) == 4


def test_a_batch_is_one_request_up_to_256_queries() -> None:
    queries = [f"q{number}" for number in range(600)]
    queries[10] = queries[300] = " "
    with serving(answer=echo) as server:
        hits = client(server.url).search(queries, 1)
    assert [len(request.body["queries"]) for request in server.requests] == [256, 256, 86]
    assert [of_one[0].passage.id if of_one else "" for of_one in hits] == [query.strip() for query in queries]


def test_empty_queries_and_empty_results() -> None:
    with serving(Reply({"result": [[]]})) as server:
        there = client(server.url)
        assert there.search([], 3) == []
        assert there.search(["", "\n"], 3) == [[], []]
        assert there.search(["q"], 0) == there.search(["q"], -2) == [[]]
        assert server.requests == []
        assert there.search(["zxqv"], 3) == [[]]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"result": None},
        {"result": {}},
        {"result": []},
        {"result": [[]]},
        {"result": [[], [], []]},
        {"result": [[], None]},
        {"result": [[], ["text"]]},
        {"result": [[], [{"document": "text"}]]},
        {"result": [[], [{"document": {"id": "7"}}]]},
        {"result": [[], [{"id": "7", "contents": 7}]]},
        {"result": [[], [row("7", "x", 0) | {"score": "high"}]]},
        '{"result": [[], [{"contents": "x", "score": 1e999}]]}',
        '{"result": [[], [{"contents": "x", "score": %s}]]}' % ("9" * 400),
    ],
)
def test_json_of_another_shape(body: Any) -> None:
    error = failure(Reply(body))
    assert not isinstance(error, SearchUnavailableError)
    assert "in an undocumented form: expected" in str(error)


@pytest.mark.parametrize(
    ("reply", "passes", "words"),
    [
        (
            Reply(
                {"detail": [{"type": "missing", "loc": ["body", "queries"], "msg": "Field required"}]}, 422
            ),
            False,
            "422: Field required",
        ),
        (Reply({"detail": "Not Found"}, 404), False, "404: Not Found"),
        (Reply({"detail": "k is too large"}), False, "k is too large"),
        (Reply({"error": "index not loaded"}), False, "index not loaded"),
        (Reply({"detail": "no"}, 401), False, "credentials"),
        (Reply("", 403), False, "credentials"),
        (Reply({"detail": "busy"}, 429, {"Retry-After": "1.5"}), True, "busy"),
        (Reply("Internal Server Error", 500, kind="text/plain"), True, "500"),
        (Reply(HTML, 502, kind="text/html"), True, "502"),
        (Reply(HTML, kind="text/html"), False, "other than JSON"),
        (Reply('{"result": [[{'), False, "other than JSON"),
        (Reply("", 307, {"Location": "http://127.0.0.1:1/retrieve/"}), False, "http://127.0.0.1:1/retrieve/"),
    ],
)
def test_error_answers(reply: Reply, passes: bool, words: str) -> None:
    error = failure(reply)
    assert isinstance(error, SearchUnavailableError) == passes
    assert words in str(error)
    assert not isinstance(error, SearchUnavailableError) or error.retry_after == (
        1.5 if reply.status == 429 else None
    )


def test_timeout_no_server_and_too_long_an_answer() -> None:
    assert isinstance(failure(Reply(silent=True), 0.1), SearchUnavailableError)
    with pytest.raises(SearchUnavailableError, match="cannot be reached"):
        client(nowhere()).search(["q"], 1)
    with (
        serving(Reply(b" " * 10_000, endless=True)) as server,
        pytest.raises(SearchError, match="more than 50,000 bytes"),
    ):
        RetrieveSearcher(server.url, 5, max_bytes=50_000).search(["q"], 1)


def test_twenty_searches_run_at_the_same_time() -> None:
    together = threading.Barrier(20)

    def answer(request: Received) -> Reply:
        return Reply(echo(request).body, together=together)

    with serving(answer=answer) as server:
        there = client(server.url)

        async def run() -> list[Any]:
            return await asyncio.gather(*(there.asearch(f"q{number}", 3) for number in range(20)))

        hits = asyncio.run(run())
    assert [of_one[0].passage.id for of_one in hits] == [f"q{number}" for number in range(20)]


def test_the_servers_fingerprint_is_requested_once_and_only_when_needed() -> None:
    def answer(request: Received) -> Reply:
        return (
            Reply({"status": "ok", "retriever": "bm25-0123456789ab"})
            if request.path == "/health"
            else echo(request)
        )

    with serving(answer=answer) as server:
        there = client(f"{server.url}/retrieve")
        there.search(["q"], 1)
        assert [request.path for request in server.requests] == ["/retrieve"]
        assert there.fingerprint == there.fingerprint == "http-bm25-0123456789ab"
        assert [(request.method, request.path) for request in server.requests[1:]] == [("GET", "/health")]
    # A worker process has the same fingerprint, even if the server is gone by then.
    assert pickle.loads(pickle.dumps(there)).fingerprint == "http-bm25-0123456789ab"


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"detail": "Not Found"}, 404),
        Reply({"status": "ok"}),
        Reply(["retriever"]),
        Reply({"retriever": None}),
        Reply({"retriever": ""}),
        Reply({"retriever": "two words\n"}),
        Reply({"retriever": "x" * 300}),
        Reply(HTML),
        Reply(silent=True),
    ],
)
def test_without_the_servers_fingerprint_the_url_is_hashed(reply: Reply) -> None:
    with serving(reply) as server:
        there = client(server.url, 0.2)
        assert there.fingerprint == there.fingerprint
        assert len(server.requests) == 1
        assert there.fingerprint == client(f"{server.url}/retrieve", 0.2).fingerprint
        assert there.fingerprint != client(f"{server.url}/other", 0.2).fingerprint
    kind, digest = there.fingerprint.split("-")
    assert (kind, len(digest)) == ("http", 12)
    assert int(digest, 16) >= 0


def test_it_is_a_searcher_and_pickles() -> None:
    with serving(answer=echo) as server:
        there = RetrieveSearcher(server.url, 4.5, 1_000_000)
        again = pickle.loads(pickle.dumps(there))
        assert again.search(["q"], 1) == there.search(["q"], 1)
        there.close()
        assert there.search(["q"], 1)
    assert isinstance(again, Searcher)
    assert (again.client.timeout, again.client.max_bytes) == (4.5, 1_000_000)


@pytest.mark.parametrize(
    "url",
    ["http://", "https:///x", "http://127.0.0.1:port", "http://127.0.0.1:99999", "http://a b", "http://[::1"],
)
def test_a_wrong_url(url: str) -> None:
    with pytest.raises(UsageError, match="needs a URL such as"):
        open_remote(url, 5)


FIELDS = ["result", "document", "score", "id", "contents", "title", "text", "detail", "error"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
)


@given(VALUES)
def test_any_json_is_parsed_or_rejected(payload: Any) -> None:
    complaint = _complaint(payload)
    assert complaint is None or complaint.message
    for body in (payload, {"result": [[payload]]}):
        try:
            assert len(_results(body, 1, 3)) == 1
        except UnexpectedShape as error:
            assert str(error).startswith(("an object", "a list", "text", "a number", "a document"))  # noqa: PT017


def test_many_results_are_split_into_requests_a_server_accepts() -> None:
    with serving(answer=echo) as server:
        assert len(client(server.url).search([f"q{number}" for number in range(300)], 1000)) == 300
    assert [len(request.body["queries"]) for request in server.requests] == [100, 100, 100]
