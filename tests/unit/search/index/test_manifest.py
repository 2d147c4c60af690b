"""Manifests of indexes: missing entries, another tokeniser, an index replaced while it is opened."""

import json

import pytest
from kit.search_fakes import PASSAGES

from masksearch.errors import SearchError
from masksearch.search import build, load, open_searcher
from masksearch.search import open as opening
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import TOKENISER


@pytest.mark.parametrize("name", ["kind", "fingerprint", "settings", "files", "passages", "depends_on"])
def test_a_manifest_with_a_missing_entry(tmp_path, name):
    build(PASSAGES, tmp_path / "index", IndexSettings())
    path = tmp_path / "index" / "masksearch.json"
    manifest = json.loads(path.read_text())
    del manifest[name]
    path.write_text(json.dumps(manifest))
    with pytest.raises(SearchError, match="is damaged"):
        open_searcher(str(tmp_path / "index"))


def test_terms_of_another_tokeniser(tmp_path, monkeypatch):
    build(PASSAGES, tmp_path / "index", IndexSettings())
    monkeypatch.setattr("masksearch.search.index.manifest.TOKENISER", TOKENISER + 1)
    with pytest.raises(SearchError, match=f"tokeniser {TOKENISER}, .*build it again"):
        load(tmp_path / "index")


def test_an_index_that_is_replaced_while_it_is_opened(tmp_path, monkeypatch):
    others = [passage.model_copy(update={"text": f"radium {passage.id}"}) for passage in PASSAGES]
    manifest = build(PASSAGES, tmp_path / "index", IndexSettings())
    check, times = opening.check_files, [1]

    def replacing(directory, manifest):
        check(directory, manifest)
        if times[0]:
            times[0] -= 1
            build(others if times[0] % 2 == 0 else PASSAGES, tmp_path / "index", IndexSettings())

    monkeypatch.setattr(opening, "check_files", replacing)
    searcher = load(tmp_path / "index")
    assert searcher.fingerprint != manifest["fingerprint"]
    assert len(searcher.search(["radium"], 100)[0]) == len(PASSAGES)
    times[0] = 100
    with pytest.raises(SearchError, match="was replaced by another one each time"):
        load(tmp_path / "index")
