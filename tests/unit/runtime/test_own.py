"""The user's own functions as settings: loading, faults, cache keys, use as extractor, reward and search."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from masksearch.errors import SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import Searcher
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import make_extractors
from masksearch.runtime.own import is_own, load_own, own_name
from masksearch.runtime.resume import settings_key
from masksearch.scoring.fills import Fill
from masksearch.scoring.rewards.components import fill_rewards
from masksearch.scoring.settings import RewardSettings
from masksearch.search import open_searcher
from masksearch.types import Passage, Span

CODE = """
import re
from masksearch.types import Span

def upper(text):
    return [(found.start(), found.end(), "CODE") for found in re.finditer(r"[A-Z]{2,}", text)]

def spans(text, language):
    return [Span(start=0, end=3, category=language)]

def length(answer, golds):
    return min(1.0, len(answer) / len(golds[0]))

def wrong(answer, golds):
    return 2

def search(query, k):
    if query == "slow":
        raise TimeoutError("too slow")
    if query == "broken":
        raise KeyError("x")
    if query == "bad":
        return [3]
    return [{"title": f"T{number}", "text": query} for number in range(5)]

NUMBER = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE, encoding="utf-8")
    return str(path)


def test_an_own_extractor_finds_spans(own):
    settings = MaskSettings(extractors=(f"{own}:upper", f"{own}:spans"))
    upper, spans = make_extractors(settings)
    passage = Passage(id="p", doc_id="d", title="t", text="The NASA did it.", language="fr")
    assert list(upper([passage])) == [[Span(start=4, end=8, category="CODE")]]
    assert list(spans([passage])) == [[Span(start=0, end=3, category="fr")]]
    assert settings.model_dump(mode="json")["extractors"] == [f"{own}:upper", f"{own}:spans"]


def test_an_own_reward_scores_each_fill(own):
    settings = RewardSettings(answer=f"{own}:length")
    fills = [Fill("ab", ("abcd",), "en"), Fill("abcd", ("abcd",), "en")]
    assert fill_rewards(fills, settings.answer, 2.0) == [0.5, 1.0]
    with pytest.raises(UsageError, match=r":wrong returned 2; it should be a number from 0 to 1"):
        fill_rewards(fills, f"{own}:wrong", 2.0)


def test_an_own_search_is_a_searcher(own):
    searcher = open_searcher(f"{own}:search")
    assert isinstance(searcher, Searcher)
    assert searcher.fingerprint.startswith("own-search-")
    found = searcher.search(["radium", " "], 2)
    assert [hit.passage.title for hit in found[0]] == ["T0", "T1"]
    assert found[0][0].score > found[0][1].score
    assert found[0][0].passage.id != found[0][1].passage.id
    assert found[1] == []


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("slow", SearchUnavailableError, "failed: too slow"),
        ("broken", SearchError, r"failed \(KeyError: 'x'\)"),
        ("bad", SearchError, "returned a int; return dicts with title and text"),
    ],
)
def test_a_failed_search_is_a_search_error(own, query, kind, words):
    from masksearch.search.own import OwnSearcher

    with pytest.raises(kind, match=words):
        OwnSearcher(f"{own}:search").search([query], 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine.py:uper", r"names no function of .*mine\.py; did you mean 'upper'"),
        ("mine.py:NUMBER", r"names no function of .*mine\.py"),
        ("mime.py:upper", "names a file that does not exist"),
    ],
)
def test_a_wrong_name_is_an_error_of_the_setting(own, name, words):
    given = own.replace("mine.py", name)
    with pytest.raises(ValidationError, match=words):
        MaskSettings(extractors=(given,))
    with pytest.raises(UsageError, match=words):
        load_own(given)


def test_a_file_that_fails_is_an_error_of_the_setting(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ValidationError, match=r"cannot be imported \(ZeroDivisionError: division by zero\)"):
        RewardSettings(answer=f"{path}:f")


def test_other_values_of_the_settings_are_checked_as_before():
    with pytest.raises(ValidationError, match="Input should be 'ner', 'links'"):
        MaskSettings(extractors=("nerr",))
    with pytest.raises(ValidationError, match="Input should be 'em', 'f1'"):
        RewardSettings(answer="rouge")


def test_the_cache_key_depends_on_the_content_and_not_on_the_folder(own, tmp_path):
    def key(path):
        return settings_key(
            "mask", MaskSettings(corpus="wiki-summaries:en", extractors=(f"{path}:upper",)), {}
        )

    first = key(own)
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "mine.py").write_text(CODE, encoding="utf-8")
    assert key(other / "mine.py") == first
    (other / "mine.py").write_text(CODE + "# changed\n", encoding="utf-8")
    assert key(other / "mine.py") != first


def test_only_functions_of_a_file_have_a_name(own):
    upper = load_own(f"{own}:upper")
    assert own_name(upper) == f"{own}:upper"
    assert is_own(own_name(upper))
    for function in (lambda text: [], len, eval("lambda text: []")):
        with pytest.raises(UsageError, match="is not a function at the top of a file"):
            own_name(function)
