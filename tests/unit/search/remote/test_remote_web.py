"""Web search providers, each against a loopback server that answers as the provider documents."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import pickle
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.remote_fixtures import FOUND, HTML, LIMITED, MISSHAPEN, NOTHING, REFUSED, WRONG
from kit.remote_servers import KEY, PROXIES, VARIABLES, Reply, serving
from kit.waiting import LONG, nowhere

from masksearch.errors import SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import Searcher
from masksearch.search.remote import open_remote
from masksearch.search.remote.answers import UnexpectedShape
from masksearch.search.remote.base import RemoteSearcher
from masksearch.search.remote.web import web_provider
from masksearch.types import Passage

pytest.importorskip("httpx")
NAMES = sorted(VARIABLES)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, KEY)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def searcher(name: str, url: str, timeout: float = LONG) -> RemoteSearcher:
    found = open_remote(f"web:{name}", timeout, url)
    assert isinstance(found, RemoteSearcher)
    return found


def failure(name: str, reply: Reply, timeout: float = LONG) -> SearchError:
    with serving(reply) as server, pytest.raises(SearchError) as caught:
        searcher(name, server.url, timeout).search(["radium"], 3)
    assert KEY not in str(caught.value)
    return caught.value


def test_results_come_as_passages_without_markup(name: str) -> None:
    with serving(Reply(FOUND[name])) as server:
        [hits] = searcher(name, server.url).search(["radium"], 3)
    assert [hit.passage for hit in hits] == [
        Passage(id=url, doc_id=url, title=title, text=text)
        for url, title, text in [
            (
                "https://en.wikipedia.org/wiki/Radium",
                "Radium - Wikipedia",
                "Radium is a chemical element; Ra & 88.",
            ),
            ("https://example.org/who", "Who discovered it?", "Marie 'Maria' Curie, where a < b."),
        ]
    ]
    assert [hit.score for hit in hits] == ([0.98, 0.5] if name == "tavily" else [1.0, 0.5])


def test_no_more_than_k_results_come_back(name: str) -> None:
    with serving(Reply(FOUND[name])) as server:
        assert [len(hits) for hits in searcher(name, server.url).search(["radium"], 1)] == [1]


def test_each_page_is_returned_once() -> None:
    row = {"title": "T", "link": "https://example.org", "snippet": "S"}
    with serving(
        Reply(
            {
                "organic": [
                    row,
                    {"title": "no link"},
                    row,
                    {**row, "link": "https://example.org/2", "snippet": None},
                ]
            }
        )
    ) as server:
        [hits] = searcher("serper", server.url).search(["q"], 5)
    assert [(hit.passage.id, hit.passage.text, hit.score) for hit in hits] == [
        ("https://example.org", "S", 1.0),
        ("https://example.org/2", "", 0.5),
    ]


QUERY = 'who? "Æon" a&b=c +d %41 #e'


def received(name: str, k: int, query: str = QUERY) -> Any:
    with serving(Reply(NOTHING[name])) as server:
        assert searcher(name, server.url).search([query], k) == [[]]
    [request] = server.requests
    assert request.headers["user-agent"].startswith("masksearch/")
    assert request.headers["accept"] == "application/json"
    return request


def test_request_to_serper() -> None:
    request = received("serper", 7)
    assert (request.method, request.path, request.params) == ("POST", "/search", {})
    assert request.body == {"q": QUERY, "num": 7}
    assert request.headers["x-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert received("serper", 1000).body["num"] == 100


def test_request_to_serpapi() -> None:
    request = received("serpapi", 7)
    assert (request.method, request.path, request.body) == ("GET", "/search.json", None)
    assert request.params == {"engine": "google", "q": QUERY, "api_key": KEY}
    assert KEY not in str(request.headers)


def test_request_to_brave() -> None:
    request = received("brave", 7)
    assert (request.method, request.path, request.body) == ("GET", "/res/v1/web/search", None)
    assert request.params == {"q": QUERY, "count": "7", "result_filter": "web", "text_decorations": "false"}
    assert request.headers["x-subscription-token"] == KEY
    assert received("brave", 1000).params["count"] == "20"
    assert received("brave", 1, "word " * 60).params["q"] == " ".join(["word"] * 50)
    assert received("brave", 1, "lengthyword " * 49).params["q"] == " ".join(["lengthyword"] * 33)


def test_request_to_tavily() -> None:
    request = received("tavily", 7)
    assert (request.method, request.path, request.params) == ("POST", "/search", {})
    assert request.body == {"query": QUERY, "max_results": 7}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert received("tavily", 1000).body["max_results"] == 20
    assert len(received("tavily", 1, "é" * 500).body["query"]) == 400


def test_the_real_addresses() -> None:
    assert {name: web_provider(name).service.base for name in NAMES} == {
        "serper": "https://google.serper.dev",
        "serpapi": "https://serpapi.com",
        "brave": "https://api.search.brave.com",
        "tavily": "https://api.tavily.com",
    }


def test_nothing_found_is_an_empty_list(name: str) -> None:
    with serving(Reply(NOTHING[name])) as server:
        assert searcher(name, server.url).search(["zxqv"], 3) == [[]]
    assert len(server.requests) == 1


def test_a_query_without_content_is_not_sent(name: str) -> None:
    with serving(Reply(FOUND[name])) as server:
        there = searcher(name, server.url)
        assert there.search(["", " \n\t "], 3) == [[], []]
        assert there.search(["radium"], 0) == there.search(["radium"], -1) == [[]]
        assert there.search([], 3) == []
        assert asyncio.run(there.asearch(" ", 3)) == []
    assert server.requests == []


def test_half_a_surrogate_pair_in_a_query_is_sent(name: str) -> None:
    assert received(name, 1, "radium \ud83d\n now")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_names_the_variable_of_the_key(name: str, status: int) -> None:
    error = failure(name, Reply({"message": f"no {KEY}"}, status))
    assert not isinstance(error, SearchUnavailableError)
    assert VARIABLES[name] in str(error)
    assert str(status) in str(error)


def test_a_wrong_key_is_reported_in_the_providers_words(name: str) -> None:
    status, body, words = REFUSED[name]
    error = failure(name, Reply(body, status))
    assert not isinstance(error, SearchUnavailableError)
    assert words in str(error)
    assert VARIABLES[name] in str(error)


def test_an_error_of_the_request_has_the_providers_words(name: str) -> None:
    status, body, words = WRONG[name]
    error = failure(name, Reply(body, status))
    assert not isinstance(error, SearchUnavailableError)
    assert words in str(error)
    assert VARIABLES[name] not in str(error)


def test_too_many_requests_give_a_time_to_wait(name: str) -> None:
    error = failure(name, Reply(LIMITED[name], 429, {"Retry-After": "7"}))
    assert isinstance(error, SearchUnavailableError)
    assert error.retry_after == 7
    when = email.utils.formatdate(time.time() + 3600, usegmt=True)
    error = failure(name, Reply(LIMITED[name], 429, {"Retry-After": when}))
    assert isinstance(error, SearchUnavailableError)
    assert error.retry_after is not None
    assert 3000 < error.retry_after <= 3600
    error = failure(name, Reply(LIMITED[name], 429, {"Retry-After": "soon"}))
    assert isinstance(error, SearchUnavailableError)
    assert error.retry_after is None


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 529])
def test_failures_of_a_server_may_pass(name: str, status: int) -> None:
    error = failure(name, Reply(HTML, status, kind="text/html"))
    assert isinstance(error, SearchUnavailableError)
    assert str(status) in str(error)


def test_html_where_json_should_be(name: str) -> None:
    error = failure(name, Reply(HTML, kind="text/html"))
    assert not isinstance(error, SearchUnavailableError)
    assert "something other than JSON (text/html)" in str(error)
    assert "<!DOCTYPE html> <html>" in str(error)


@pytest.mark.parametrize("body", ["", '{"organic": [', "[" * 100_000, b"\xff\xfe\x00", '"' + "9" * 5000])
def test_invalid_json(name: str, body: str | bytes) -> None:
    assert "something other than JSON" in str(failure(name, Reply(body)))


@pytest.mark.parametrize(("name", "body"), [(name, body) for name in NAMES for body in MISSHAPEN[name]])
def test_json_of_another_shape(name: str, body: Any) -> None:
    error = failure(name, Reply(body))
    assert not isinstance(error, SearchUnavailableError)
    assert "in an undocumented form: expected" in str(error)


def test_an_error_in_an_answer_with_the_status_200(name: str) -> None:
    error = failure(name, Reply(WRONG[name][1]))
    assert not isinstance(error, SearchUnavailableError)
    assert WRONG[name][2] in str(error)


def test_a_search_that_failed_at_serpapi_may_pass() -> None:
    body = {
        "search_metadata": {"status": "Error"},
        "error": "We couldn't get valid results for this search. Please try again later.",
    }
    assert isinstance(failure("serpapi", Reply(body)), SearchUnavailableError)


def test_a_server_that_never_answers(name: str) -> None:
    error = failure(name, Reply(silent=True), timeout=0.1)
    assert isinstance(error, SearchUnavailableError)
    assert "did not answer within 0.1 seconds" in str(error)


def test_a_server_that_answers_for_ever_in_small_pieces() -> None:
    error = failure("tavily", Reply(" ", endless=True, pause=0.02), timeout=0.2)
    assert isinstance(error, SearchUnavailableError)
    assert "did not answer within 0.2 seconds" in str(error)


def test_no_server(name: str) -> None:
    url = nowhere()
    with pytest.raises(SearchUnavailableError, match="cannot be reached") as caught:
        searcher(name, url).search(["radium"], 3)
    assert url in str(caught.value)


def test_an_invalid_host_name() -> None:
    for host in ("a" * 70, "xn--\u00e9..x"):
        with pytest.raises(SearchError, match="cannot be asked"):
            searcher("serper", f"http://{host}.invalid").search(["radium"], 3)


def test_a_lost_connection_may_pass() -> None:
    assert isinstance(failure("brave", Reply(FOUND["brave"], missing=10)), SearchUnavailableError)


def test_compressed_rubbish() -> None:
    error = failure("brave", Reply(b"no gzip", headers={"Content-Encoding": "gzip"}))
    assert not isinstance(error, SearchUnavailableError)
    assert "DecodingError" in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(name: str, status: int) -> None:
    with serving(Reply(FOUND[name])) as other:
        error = failure(name, Reply("", status, {"Location": f"{other.url}/elsewhere?api_key={KEY}"}))
        assert f"{other.url}/elsewhere" in str(error)
    assert not isinstance(error, SearchUnavailableError)
    assert other.requests == []


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    with serving(Reply(b" " * 100_000, endless=True)) as server:
        with pytest.raises(SearchError, match="more than 10,000,000 bytes"):
            searcher("serper", server.url).search(["radium"], 3)
        assert server.sent < 50_000_000


def test_a_long_message_is_cut_and_made_printable() -> None:
    shown = str(failure("serper", Reply({"message": "bad\x1b[31m\n\u202ered" + "!" * 1000}, 400)))
    assert shown.isprintable()
    assert "bad [31m red!!!" in shown
    assert len(shown) < 500


def test_many_queries_keep_their_order_and_run_at_the_same_time() -> None:
    together = threading.Barrier(4)

    def answer(request: Any) -> Reply:
        return Reply({"organic": [{"link": f"https://example.org/{request.body['q']}"}]}, together=together)

    with serving(answer=answer) as server:
        found = searcher("serper", server.url).search(["a", "b", " ", "c", "d"], 3)
    assert [[hit.passage.id[-1] for hit in hits] for hits in found] == [["a"], ["b"], [], ["c"], ["d"]]


def test_one_failure_among_many_queries_is_raised() -> None:
    def answer(request: Any) -> Reply:
        return Reply({"message": "no"}, 400) if request.body["q"] == "b" else Reply(NOTHING["serper"])

    with serving(answer=answer) as server, pytest.raises(SearchError, match="no"):
        searcher("serper", server.url).search(["a", "b", "c"], 3)


def test_twenty_searches_run_at_the_same_time(name: str) -> None:
    together = threading.Barrier(20)
    with serving(Reply(FOUND[name], together=together)) as server:
        there = searcher(name, server.url)

        async def run() -> list[Any]:
            return await asyncio.gather(*(there.asearch(f"radium {number}", 3) for number in range(20)))

        found = asyncio.run(run())
    assert [len(hits) for hits in found] == [2] * 20
    assert len(server.requests) == 20


def test_connections_are_used_again() -> None:
    with serving(Reply(FOUND["brave"])) as server:
        there = searcher("brave", server.url)
        there.search(["a"], 3)
        there.search(["b"], 3)
        there.close()
        there.search(["c"], 3)
    first, second, third = (request.connection for request in server.requests)
    assert first == second != third


def test_a_searcher_goes_to_a_worker_and_back(name: str) -> None:
    with serving(Reply(FOUND[name])) as server:
        there = searcher(name, server.url, timeout=4.5)
        expected = there.search(["radium"], 3)
        again = pickle.loads(pickle.dumps(there))
        assert again.search(["radium"], 3) == expected
    assert (again.fingerprint, again.client.timeout) == (there.fingerprint, 4.5)


def test_fingerprints_name_the_provider_and_the_address(name: str) -> None:
    plain, here, there = (
        open_remote(f"web:{name}", 5, url) for url in ("", "http://127.0.0.1:1/", "http://127.0.0.1:2")
    )
    assert plain.fingerprint == f"web-{name}"
    assert here.fingerprint.startswith(f"web-{name}-")
    assert len({plain.fingerprint, here.fingerprint, there.fingerprint}) == 3
    assert here.fingerprint == open_remote(f"web:{name}", 5, "http://127.0.0.1:1").fingerprint
    assert isinstance(plain, Searcher)


def test_the_proxy_of_the_environment_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Reply(FOUND[name])) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert len(searcher(name, "http://search.invalid").search(["radium"], 3)[0]) == 2
    assert proxy.requests[0].path.startswith("http://search.invalid/")


def test_an_unusable_proxy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:1")
    with pytest.raises(UsageError, match="The proxy that the environment names cannot be used"):
        searcher("serper", "http://search.invalid").search(["radium"], 3)


FIELDS = [
    "organic",
    "organic_results",
    "web",
    "results",
    "error",
    "detail",
    "message",
    "type",
    "code",
    "link",
    "url",
    "score",
    "title",
    "search_metadata",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
)


@given(VALUES)
@pytest.mark.slow
def test_any_json_is_parsed_or_rejected(payload: Any) -> None:
    for name in NAMES:
        provider = web_provider(name)
        complaint = provider.complaint(payload)
        assert complaint is None or complaint.message
        with contextlib.suppress(UnexpectedShape):
            assert all(hit.passage.id for hit in provider.hits(payload, 3))
