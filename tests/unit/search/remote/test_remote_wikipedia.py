"""The live Wikipedia, against a loopback server that answers like MediaWiki's API."""

from __future__ import annotations

import asyncio
import pickle
import threading
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.remote_fixtures import HTML
from kit.remote_servers import PROXIES, Received, Reply, serving
from kit.waiting import LONG, nowhere

from masksearch.errors import SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import PageReader, Searcher
from masksearch.search.remote import open_remote
from masksearch.search.remote.answers import UnexpectedShape
from masksearch.search.remote.wikipedia import WikipediaSearcher, wikipedia
from masksearch.types import Page, Passage

pytest.importorskip("httpx")

RADIUM = {
    "pageid": 25602,
    "ns": 0,
    "title": "Radium",
    "index": 1,
    "extract": "Radium is a chemical element.\n\nIts symbol is Ra.",
}
CURIE = {
    "pageid": 20408,
    "ns": 0,
    "title": "Marie Curie",
    "index": 2,
    "extract": "Maria Skłodowska-Curie was a physicist.",
}
FOUND = {
    "batchcomplete": True,
    "continue": {"gsroffset": 2, "continue": "gsroffset||"},
    "query": {"pages": [CURIE, RADIUM]},
}
NOTHING = {"batchcomplete": True}
MISSING = {"batchcomplete": True, "query": {"pages": [{"ns": 0, "title": "Radiun", "missing": True}]}}
ARTICLE = {
    "batchcomplete": True,
    "query": {
        "normalized": [{"fromencoded": False, "from": "ra", "to": "Ra"}],
        "redirects": [{"from": "Ra", "to": "Radium"}],
        "pages": [
            {
                "pageid": 25602,
                "ns": 0,
                "title": "Radium",
                "extract": "Radium is an element.\n\n\nHistory\nIt was discovered in 1898.\n",
            }
        ],
    },
}
LAGGED = {
    "error": {
        "code": "maxlag",
        "info": "Waiting for 10.64.0.1: 6.2 seconds lagged.",
        "host": "10.64.0.1",
        "lag": 6.2,
        "type": "db",
    }
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MASKSEARCH_CONTACT", *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(variable, raising=False)


def wiki(url: str, timeout: float = LONG, language: str = "en") -> WikipediaSearcher:
    found = open_remote(f"wikipedia:{language}", timeout, url)
    assert isinstance(found, WikipediaSearcher)
    return found


def failure(reply: Reply, timeout: float = LONG) -> SearchError:
    with serving(reply) as server:
        there = wiki(server.url, timeout)
        with pytest.raises(SearchError) as caught:
            there.search(["radium"], 3)
        with pytest.raises(type(caught.value)):
            there.page("Radium")
    return caught.value


def test_results_are_ordered_by_rank() -> None:
    with serving(Reply(FOUND)) as server:
        [hits] = wiki(server.url).search(["radium"], 5)
    assert [hit.passage for hit in hits] == [
        Passage(
            id="25602",
            doc_id="25602",
            title="Radium",
            text="Radium is a chemical element. Its symbol is Ra.",
            language="en",
        ),
        Passage(
            id="20408",
            doc_id="20408",
            title="Marie Curie",
            text="Maria Skłodowska-Curie was a physicist.",
            language="en",
        ),
    ]
    assert [hit.score for hit in hits] == [1.0, 0.5]


def test_request_to_a_wiki() -> None:
    with serving(Reply(NOTHING)) as server:
        there = wiki(server.url)
        assert there.search(['who? "Æon" a&b=c'], 7) == [[]]
        there.search(["word " * 100], 1000)
    first, second = server.requests
    assert (first.method, first.path, first.body) == ("GET", "/w/api.php", None)
    assert first.params == {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": "5",
        "generator": "search",
        "gsrsearch": 'who? "Æon" a&b=c',
        "gsrlimit": "7",
        "prop": "extracts",
        "exintro": "1",
        "explaintext": "1",
        "exlimit": "20",
    }
    assert second.params["gsrlimit"] == "20"
    assert second.params["gsrsearch"] == " ".join(["word"] * 60)


def test_user_agent_names_program_and_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Reply(NOTHING)) as server:
        wiki(server.url).search(["radium"], 1)
        monkeypatch.setenv("MASKSEARCH_CONTACT", "https://example.org/me\n; zoë@example.org")
        wiki(server.url).search(["radium"], 1)
    unset, given = (request.headers["user-agent"] for request in server.requests)
    assert unset.startswith("masksearch/")
    assert "MASKSEARCH_CONTACT is not set" in unset
    assert given.endswith("(https://example.org/me ; zo?@example.org)")


def test_the_address_follows_the_language() -> None:
    assert wikipedia("en").service.base == "https://en.wikipedia.org/w/api.php"
    assert wikipedia("zh-min-nan").service.base == "https://zh-min-nan.wikipedia.org/w/api.php"
    assert wikipedia("fr", "https://wiki.example.org/").service.base == "https://wiki.example.org/w/api.php"
    assert (
        wikipedia("fr", "https://wiki.example.org/api.php").service.base == "https://wiki.example.org/api.php"
    )
    for language in ("", "EN", "en.evil.org/", "a b", "en/", "-en"):
        with pytest.raises(UsageError, match="not a language of Wikipedia"):
            wikipedia(language)


def test_empty_queries_and_empty_results() -> None:
    with serving(Reply(NOTHING)) as server:
        there = wiki(server.url)
        assert there.search(["zxqv"], 3) == [[]]
        assert there.search([" ", ""], 3) == [[], []]
        assert there.search(["radium"], 0) == [[]]
        assert there.page(" ") is None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "code", ["maxlag", "ratelimited", "internal_api_error_DBQueryError", "cirrussearch-too-busy-error"]
)
def test_failures_of_a_wiki_may_pass(code: str) -> None:
    error = failure(Reply({"error": {**LAGGED["error"], "code": code}}, headers={"Retry-After": "5"}))
    assert isinstance(error, SearchUnavailableError)
    assert error.retry_after == 5
    assert "6.2 seconds lagged" in str(error)


def test_an_error_in_an_answer_with_the_status_200() -> None:
    error = failure(
        Reply(
            {
                "error": {
                    "code": "cirrussearch-query-too-long",
                    "info": "Search request is longer than allowed.",
                    "docref": "See ...",
                }
            }
        )
    )
    assert not isinstance(error, SearchUnavailableError)
    assert "Search request is longer than allowed." in str(error)
    assert "no reason given" in str(failure(Reply({"error": True})))


def test_refused_access_asks_for_a_contact() -> None:
    error = failure(Reply("Please set a user-agent and respect our robot policy", 403, kind="text/plain"))
    assert not isinstance(error, SearchUnavailableError)
    assert "set the environment variable MASKSEARCH_CONTACT" in str(error)


@pytest.mark.parametrize(
    ("reply", "passes", "words"),
    [
        (Reply(HTML, 502, kind="text/html"), True, "502"),
        (Reply("slow down", 429, {"Retry-After": "2"}, kind="text/plain"), True, "429"),
        (Reply(HTML, kind="text/html"), False, "other than JSON"),
        (Reply('{"query": {'), False, "other than JSON"),
        (Reply("", 301, {"Location": "https://en.m.wikipedia.org/"}), False, "en.m.wikipedia.org"),
        (Reply("", 404), False, "404"),
        (Reply({}), False, "'query'"),
        (Reply([]), False, "'query'"),
        (Reply({"query": {}}), False, "'pages'"),
        (Reply({"query": {"pages": {"25602": RADIUM}}}), False, "list of objects"),
        (Reply({"query": {"pages": [{"title": "Radium", "index": 1, "extract": ""}]}}), False, "'pageid'"),
    ],
)
def test_error_answers(reply: Reply, passes: bool, words: str) -> None:
    error = failure(reply)
    assert isinstance(error, SearchUnavailableError) == passes
    assert words in str(error)


def test_timeout_and_no_server() -> None:
    assert isinstance(failure(Reply(silent=True), 0.1), SearchUnavailableError)
    with pytest.raises(SearchUnavailableError, match="cannot be reached"):
        wiki(nowhere()).page("Radium")


def test_a_result_without_its_text_is_an_error_and_no_empty_text() -> None:
    bare = {key: value for key, value in CURIE.items() if key != "extract"}
    assert "'extract'" in str(failure(Reply({"query": {"pages": [bare]}})))
    with serving(Reply({"query": {"pages": [{**CURIE, "extract": ""}]}})) as server:
        assert wiki(server.url).search(["curie"], 3)[0][0].passage.text == ""


def test_results_without_an_order_are_an_error() -> None:
    with (
        serving(Reply({"query": {"pages": [{**RADIUM, "index": None}]}})) as server,
        pytest.raises(SearchError, match="'index'"),
    ):
        wiki(server.url).search(["radium"], 3)


def test_a_page_by_a_title_that_redirects() -> None:
    with serving(Reply(ARTICLE)) as server:
        page = wiki(server.url).page(" ra ")
    assert page == Page(
        doc_id="25602",
        title="Radium",
        text="Radium is an element.\n\n\nHistory\nIt was discovered in 1898.",
        language="en",
    )
    [request] = server.requests
    assert request.params == {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "maxlag": "5",
        "titles": "ra",
        "redirects": "1",
        "prop": "extracts",
        "explaintext": "1",
        "exsectionformat": "plain",
        "exlimit": "1",
    }


def test_a_page_that_does_not_exist() -> None:
    with serving(Reply(MISSING), Reply(NOTHING)) as server:
        assert wiki(server.url).page("Radiun \ud83d") is None
    assert [request.params.get("gsrsearch") for request in server.requests] == [None, "Radiun \ufffd"]


@pytest.mark.parametrize(
    "query",
    [
        {
            "pages": [
                {
                    "title": "a[b",
                    "invalidreason": "The requested page title contains invalid characters.",
                    "invalid": True,
                }
            ]
        },
        {"pages": [{"ns": -1, "title": "Special:Random", "special": True}]},
        {"interwiki": [{"title": "fr:Paris", "iw": "fr"}]},
    ],
)
def test_titles_without_an_article(query: dict[str, Any]) -> None:
    with serving(Reply({"query": query}), Reply(NOTHING)) as server:
        assert wiki(server.url).page("x") is None


def test_two_titles_in_one_are_no_title() -> None:
    with serving(Reply(MISSING), Reply(NOTHING)) as server:
        assert wiki(server.url).page("\x1fRadium\x1fParis") is None
        assert wiki(server.url).page("Radium|Paris") is None
    assert [request.params.get("titles") for request in server.requests] == ["Radium Paris", None, None]


def test_a_title_in_another_case_is_found_by_a_search() -> None:
    def answer(request: Received) -> Reply:
        if "gsrsearch" in request.params:
            return Reply(FOUND)
        return Reply(ARTICLE if request.params["titles"] == "Radium" else MISSING)

    with serving(answer=answer) as server:
        there = wiki(server.url)
        page = there.page("rADIUM")
        assert page is not None
        assert page.title == "Radium"
        assert there.page("radium decay") is None
    assert [request.params.get("titles") for request in server.requests] == [
        "rADIUM",
        None,
        "Radium",
        "radium decay",
        None,
    ]


def test_twenty_pages_and_searches_run_at_the_same_time() -> None:
    together = threading.Barrier(20)

    def answer(request: Received) -> Reply:
        return Reply(ARTICLE if "titles" in request.params else FOUND, together=together)

    with serving(answer=answer) as server:
        there = wiki(server.url)

        async def run() -> list[Any]:
            return await asyncio.gather(
                *(there.apage("Radium") for _ in range(10)), *(there.asearch("radium", 1) for _ in range(10))
            )

        found = asyncio.run(run())
    assert [page.title for page in found[:10]] == ["Radium"] * 10
    assert [hits[0].passage.title for hits in found[10:]] == ["Radium"] * 10


def test_it_is_a_searcher_and_a_page_reader_and_pickles() -> None:
    with serving(Reply(FOUND)) as server:
        there = wiki(server.url, language="fr")
        again = pickle.loads(pickle.dumps(there))
        assert again.search(["radium"], 2) == there.search(["radium"], 2)
    assert isinstance(again, Searcher)
    assert isinstance(again, PageReader)
    assert again.fingerprint == there.fingerprint
    assert there.fingerprint.startswith("wikipedia-fr-")
    assert open_remote("wikipedia:fr", 5).fingerprint == "wikipedia-fr"


FIELDS = [
    "query",
    "pages",
    "error",
    "batchcomplete",
    "code",
    "info",
    "pageid",
    "index",
    "title",
    "extract",
    "missing",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
)


@given(VALUES)
def test_any_json_is_parsed_or_rejected(payload: Any) -> None:
    provider = wikipedia("en")
    complaint = provider.complaint(payload)
    assert complaint is None or complaint.message
    for read in (partial(provider.hits, k=3), provider.page):
        try:
            read(payload)
        except UnexpectedShape as error:
            assert str(error).startswith(("an object", "a list", "text", "a number"))  # noqa: PT017
