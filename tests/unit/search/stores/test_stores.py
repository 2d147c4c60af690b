"""Storage engines: LanceDB itself, and OpenSearch's official client against a fake node on loopback."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.opensearch_server import Node, running_node
from kit.search_fakes import PASSAGES

from masksearch.errors import DataError, SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import PageReader, Searcher
from masksearch.search import Bm25Searcher, build_index, load, open_searcher
from masksearch.search.settings import IndexSettings
from masksearch.search.stores.table import build_store, open_store
from masksearch.types import Passage

pytestmark = pytest.mark.slow

MORE = [
    *PASSAGES,
    Passage(id="t2", doc_id="t2", title="Twin", text="Exactly the same words."),
    Passage(id="t1", doc_id="t1", title="Twin", text="Exactly the same words."),
    Passage(
        id="zh",
        doc_id="zh",
        title="O'Brien \" \\ ' OR 1=1",
        text="A quoted title -- and AND or NOT (brackets) field:value *wild* ~2.",
    ),
]
PLAIN = Bm25Searcher.in_memory(MORE)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running_node() as node:
        yield node


@pytest.fixture(params=["lancedb", "opensearch"])
def settings(request: pytest.FixtureRequest, node: Node) -> IndexSettings:
    node.answers.clear()
    return IndexSettings(
        corpus="x.jsonl",
        kind=request.param,
        store=f"{node.url}/docs" if request.param == "opensearch" else "",
    )


@pytest.mark.slow
def test_finds_the_same_passages_as_the_local_index(tmp_path: Path, settings: IndexSettings) -> None:
    manifest = build_store(MORE, tmp_path / "index", settings)
    searcher = open_searcher(str(tmp_path / "index"))
    assert isinstance(searcher, Searcher)
    assert isinstance(searcher, PageReader)
    assert searcher.fingerprint == manifest["fingerprint"]
    assert searcher.fingerprint.startswith(f"{settings.kind}-")
    for query in ("radium", "king and queen number 7", "the capital of FRANCE?", "rivers"):
        expected = {hit.passage.id for hit in PLAIN.search([query], 100)[0]}
        hits = searcher.search([query], 100)[0]
        assert {hit.passage.id for hit in hits} == expected
        assert [hit.passage for hit in hits if hit.passage.id == "p003"] == [
            passage for passage in MORE if passage.id == "p003" and "p003" in expected
        ]
        order = [(-hit.score, hit.passage.id) for hit in hits]
        assert order == sorted(order)
        assert searcher.search([query], 3)[0] == hits[:3] == asyncio.run(searcher.asearch(query, 3))
    assert [hit.passage.id for hit in searcher.search(["exactly the same"], 1)[0]] == ["t1"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        "the of",
        "unheard",
        "AND OR NOT",
        '"',
        "field:value",
        "a* ~2 (",
        "\\",
        "'; DROP TABLE passages",
    ],
)
@pytest.mark.slow
def test_no_query_is_an_instruction(tmp_path_factory: pytest.TempPathFactory, node: Node, query: str) -> None:
    for kind in ("lancedb", "opensearch"):
        folder = tmp_path_factory.getbasetemp() / f"shared-{kind}"
        wanted = IndexSettings(kind=kind, store=f"{node.url}/shared" if kind == "opensearch" else "")
        if not folder.exists():
            build_store(MORE, folder, wanted)
        found = open_store(folder).search([query], 5)[0]
        assert {hit.passage.id for hit in found} <= {hit.passage.id for hit in PLAIN.search([query], 100)[0]}
    assert open_store(folder).search(["radium"], 0) == [[]]


def test_pages_are_opened_by_title(tmp_path: Path, settings: IndexSettings) -> None:
    build_store(MORE, tmp_path / "index", settings)
    searcher: Any = open_store(tmp_path / "index")
    for title in ("title 3", "  TITLE  3 ", "O'Brien \" \\ ' OR 1=1", "twin"):
        assert searcher.page(title) == PLAIN.page(title) == asyncio.run(searcher.apage(title)) != None  # noqa: E711
    assert searcher.page("nobody") is None
    assert searcher.page("") is None


def test_the_stage_and_another_process(tmp_path: Path, settings: IndexSettings) -> None:
    (tmp_path / "docs.jsonl").write_text(
        "".join(passage.model_copy(update={"id": passage.id}).model_dump_json() + "\n" for passage in MORE)
    )
    wanted = settings.model_copy(update={"corpus": str(tmp_path / "docs.jsonl"), "max_words": 0})
    summary = build_index(wanted, tmp_path / "index", tmp_path / "work")
    assert summary["passages"] == len(MORE)
    searcher = pickle.loads(pickle.dumps(open_store(tmp_path / "index")))
    assert searcher.search(["radium"], 3)[0][0].passage.text == PLAIN.search(["radium"], 1)[0][0].passage.text
    again = build_index(wanted, tmp_path / "index", tmp_path / "work")
    assert again["fingerprint"] == summary["fingerprint"]
    assert len(open_store(tmp_path / "index").search(["radium"], 100)[0]) == len(
        PLAIN.search(["radium"], 100)[0]
    )


def test_load_rejects_an_index_whose_passages_are_elsewhere(tmp_path: Path, settings: IndexSettings) -> None:
    build_store(MORE, tmp_path / "index", settings)
    with pytest.raises(UsageError, match="keeps its passages elsewhere"):
        load(tmp_path / "index")


def test_no_passages_and_duplicate_ids_are_errors(tmp_path: Path, settings: IndexSettings) -> None:
    with pytest.raises(DataError, match="nothing to index"):
        build_store([], tmp_path / "index", settings)
    with pytest.raises(DataError, match="The id 'p000' belongs to two"):
        build_store([*MORE, MORE[0]], tmp_path / "index", settings)
    assert not (tmp_path / "index").exists()


def test_a_lancedb_store_outside_the_index_folder(tmp_path: Path) -> None:
    build_store(MORE, tmp_path / "index", IndexSettings(kind="lancedb", store=str(tmp_path / "elsewhere")))
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"masksearch.json"}
    assert open_store(tmp_path / "index").search(["radium"], 1)[0]
    for path in (tmp_path / "elsewhere").iterdir():
        path.rename(tmp_path / "gone")
    with pytest.raises(SearchError, match="LanceDB failed while searching"):
        open_store(tmp_path / "index").search(["radium"], 1)


def test_a_damaged_lancedb_folder(tmp_path: Path) -> None:
    build_store(MORE, tmp_path / "index", IndexSettings(kind="lancedb"))
    next((tmp_path / "index").rglob("*.lance/data/*")).unlink()
    with pytest.raises(SearchError, match="is damaged"):
        open_store(tmp_path / "index")


def opensearch(tmp_path: Path, node: Node, name: str) -> Any:
    folder = tmp_path / name
    build_store(MORE, folder, IndexSettings(kind="opensearch", store=f"{node.url}/{name}"))
    node.asked.clear()
    return open_store(folder)


def test_requests_to_opensearch(tmp_path: Path, node: Node) -> None:
    searcher = opensearch(tmp_path, node, "asked")
    table = searcher.engine._index
    assert table.startswith("asked-opensearch-")
    mapping = node.mappings[table]
    assert mapping["mappings"]["dynamic"] == "strict"
    assert set(mapping["mappings"]["properties"]) == set(node.indexes[table]["p000"])
    searcher.search(["Radium elements"], 3)
    method, path, body = node.asked[-1]
    assert (method, path) == ("POST", f"/{table}/_search")
    assert json.loads(body)["query"] == {"match": {"terms": {"query": "radium element", "operator": "or"}}}
    assert json.loads(body)["sort"] == ["_score", {"id": "asc"}]


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((401, "Unauthorized"), SearchError, r"answered 401 while searching .*OPENSEARCH_USER"),
        ((403, {"error": {"reason": "no permissions"}, "status": 403}), SearchError, "answered 403"),
        ((404, {"error": {"type": "index_not_found_exception"}, "status": 404}), SearchError, "answered 404"),
        ((500, {"error": {"type": "exception"}, "status": 500}), SearchError, "answered 500"),
        (
            (200, {"timed_out": True, "_shards": {"failed": 0}, "hits": {"hits": []}}),
            SearchUnavailableError,
            "only in part",
        ),
        (
            (200, {"timed_out": False, "_shards": {"failed": 2}, "hits": {"hits": []}}),
            SearchUnavailableError,
            "2 shards failed",
        ),
        ((200, "<html>login</html>"), SearchError, "OpenSearch at"),
    ],
)
def test_failures_of_opensearch(
    tmp_path: Path, node: Node, answer: tuple[int, Any], kind: type[SearchError], message: str
) -> None:
    searcher = opensearch(tmp_path, node, "failing")
    node.answers.append(answer)
    with pytest.raises(kind, match=message) as caught:
        searcher.search(["radium"], 3)
    assert isinstance(caught.value, SearchUnavailableError) is (kind is SearchUnavailableError)
    assert searcher.search(["radium"], 3)[0]


def test_the_client_retries_temporary_failures(tmp_path: Path, node: Node) -> None:
    searcher = opensearch(tmp_path, node, "again")
    node.answers += [(503, {"status": 503}), (502, "<html>")]
    assert searcher.search(["radium"], 3)[0]
    node.answers.append((429, {"error": "rejected execution", "status": 429}))
    with pytest.raises(SearchUnavailableError, match="answered 429"):
        searcher.search(["radium"], 3)


def test_a_cluster_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(
        SearchUnavailableError,
        match=r"OpenSearch at http://127\.0\.0\.1:9 cannot be reached while preparing the index",
    ):
        build_store(
            MORE, tmp_path / "index", IndexSettings(kind="opensearch", store="http://127.0.0.1:9/docs")
        )
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "store",
    ["", "docs", "http://host:9200", "http://host:9200/a/b", "http://host:9200/Docs", "ftp://host/docs"],
)
def test_a_store_that_is_not_a_url(tmp_path: Path, store: str) -> None:
    with pytest.raises(UsageError, match="--store"):
        build_store(MORE, tmp_path / "index", IndexSettings(kind="opensearch", store=store))


def test_passwords_come_from_the_environment(
    tmp_path: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="must not hold a user or a password"):
        build_store(
            MORE, tmp_path / "a", IndexSettings(kind="opensearch", store="http://me:secret@127.0.0.1:9/docs")
        )
    monkeypatch.setenv("OPENSEARCH_USER", "me")
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "s3cret")
    searcher = opensearch(tmp_path, node, "auth")
    searcher.search(["radium"], 1)
    assert node.headers[-1]["authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in (tmp_path / "auth" / "masksearch.json").read_text()
    node.answers.append((401, "no"))
    with pytest.raises(SearchError) as caught:
        searcher.search(["radium"], 1)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"table": None}, {"settings": None}, {"settings": {"nonsense": 1}}, {"fingerprint": None}]
)
def test_a_damaged_manifest(tmp_path: Path, node: Node, change: dict[str, Any]) -> None:
    opensearch(tmp_path, node, "index")
    path = tmp_path / "index" / "masksearch.json"
    manifest = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in manifest.items() if value is not None}))
    with pytest.raises(SearchError, match="is damaged"):
        open_searcher(str(tmp_path / "index"))


def test_a_failing_build_leaves_a_complete_index_of_the_same_content_alone(
    tmp_path: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = opensearch(tmp_path, node, "whole")
    expected = searcher.search(["radium"], 50)
    items = [{"index": {"_id": "p000", "status": 400, "error": "refused"}}]
    monkeypatch.setattr(
        node.RequestHandlerClass, "_bulk", lambda handler, text: {"took": 1, "errors": True, "items": items}
    )
    settings = IndexSettings(kind="opensearch", store=f"{node.url}/whole")
    build_store(MORE, tmp_path / "again", settings)
    assert (
        open_store(tmp_path / "again").search(["radium"], 50) == searcher.search(["radium"], 50) == expected
    )
    # An incomplete index is filled again.
    node.indexes[next(name for name in node.indexes if name.startswith("whole-"))].pop("t1")
    with pytest.raises(SearchError, match="refused"):
        build_store(MORE, tmp_path / "third", settings)
