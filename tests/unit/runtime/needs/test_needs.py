"""Needs of packages, files, servers and names on a hub."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError

from masksearch.corpus.needs import corpus_needs, text_bytes
from masksearch.evaluation.needs import question_needs
from masksearch.runtime.needs import hub
from masksearch.runtime.needs.hub import HubName, cached
from masksearch.runtime.needs.network import Server, unreachable
from masksearch.runtime.needs.packages import Package, file_needs
from masksearch.runtime.needs.sizes import gigabytes


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_package_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Package("json", "This").faults()
    monkeypatch.setitem(sys.modules, "spacy", None)
    (found,) = Package("spacy", "This").faults()
    assert found.message == "This needs the package 'spacy'; install it with: pip install 'masksearch[ner]'."
    assert found.wrong_use
    assert not Package("spacy", "This", stands_for=("json",)).faults()


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("a.jsonl", set()),
        ("a.jsonl.gz", set()),
        ("a.parquet", {"pyarrow"}),
        ("a.jsonl.zst", {"backports.zstd"} if sys.version_info < (3, 14) else set()),
        ("enwiki.xml.bz2", {"mwparserfromhell"}),
        ("a.md", {"markdown_it"}),
    ],
)
def test_the_packages_of_a_file_and_of_its_folder(name: str, modules: set[str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).touch()
    for source in (tmp_path / "folder" / name, tmp_path):
        needs = list(corpus_needs(str(source), {}))
        assert {need.module for need in needs if isinstance(need, Package)} == modules


def test_the_sources_of_a_corpus() -> None:
    assert not list(corpus_needs("-", {}))
    assert not list(corpus_needs("made", {"made": 0}))
    broken = [fault for need in corpus_needs("wiki-summaries:xx", {}) for fault in need.faults()]
    assert "no packaged summaries" in broken[0].message
    needs = list(corpus_needs("hf:owner/name:config@train", {}))
    assert HubName("owner/name", "dataset") in needs
    assert Package("datasets", "The data set 'hf:owner/name:config@train'", extra="readers") in needs
    assert "is not the name of a data set" in list(corpus_needs("hf:a:b:c:d", {}))[1].faults()[0].message


def test_suites_are_data_sets_of_the_hub() -> None:
    assert HubName("hotpotqa/hotpot_qa", "dataset") in list(question_needs("hotpotqa@train"))
    assert "is not on the hub" in next(iter(question_needs("freshqa"))).faults()[0].message
    assert not list(question_needs("q.jsonl"))
    assert list(file_needs("q.parquet")) == [Package("pyarrow", "A .parquet file")]


def test_the_size_of_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * 100)
    (tmp_path / "b.jsonl.gz").write_bytes(b"x" * 100)
    assert (text_bytes(str(tmp_path / "a.jsonl")), text_bytes(str(tmp_path))) == (100, 400)
    assert text_bytes("wiki-summaries:en") == 0


def test_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        assert unreachable(url) == ""
    assert unreachable(url) == "Connection refused"
    assert unreachable("http://") == "the URL names no host"
    assert "not a valid URL" in unreachable("http://127.0.0.1:port")
    (found,) = Server(url, "The server", "start it", later=True).faults()
    assert found.warning
    assert found.message == f"The server {url} cannot be reached (Connection refused); start it."
    # Only a proxy can tell whether it reaches a server.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert unreachable("http://example.invalid/") == ""


def test_names_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    (found,) = HubName("a/b/c").faults()
    assert "is not of the form OWNER/NAME" in found.message
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (found,) = HubName("owner/name").faults()
    assert "The model owner/name is not in the local cache" in found.message
    assert "HF_HUB_OFFLINE is set" in found.message
    folder = tmp_path / "models--owner--name" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    assert HubName("owner/name").faults()  # an interrupted download
    (folder / "config.json").touch()
    assert cached("owner/name") == folder
    assert not HubName("owner/name").faults()
    assert HubName("owner/name", "dataset").faults()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionError("no route"), "the hub cannot be reached (no route); check the connection"),
        ("missing", "is not on the hub, or is private"),
        (None, ""),
    ],
)
def test_a_name_is_asked_for_on_the_hub(
    error: object, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(api: object, name: str, kind: str) -> None:
        assert (name, kind) == ("owner/name", "dataset")
        if error == "missing":
            raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)
        if isinstance(error, Exception):
            raise error

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_repository", ask)
    found = HubName("owner/name", "dataset").faults()
    assert [told in fault.message for fault in found] == ([True] if told else [])


def test_gigabytes() -> None:
    assert [gigabytes(value) for value in (0.53e9, 9.96e9, 61.4e9)] == ["0.5 GB", "10.0 GB", "61 GB"]
