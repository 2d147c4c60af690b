"""From passages to a task file: counts, limits, determinism, reports and errors."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.corpus import side_of
from masksearch.errors import DataError, SearchError, UsageError
from masksearch.files import read_records
from masksearch.ramp import MaskStats, fill, make_tasks, run_mask, select
from masksearch.ramp.generate import _apportion
from masksearch.search import Bm25Searcher, build_index
from masksearch.settings import IndexSettings, MaskSettings
from masksearch.types import MaskedTask, Passage


def passage(number, spans, document=None):
    """A text with so many years, all different."""
    years = ", then ".join(f"something happened near place{number} in {1000 + number * 4 + offset}" for offset in range(spans))
    text = f"In town{number} a great many things came to pass over all that time; {years or 'nothing did'} and that was it."
    return Passage(id=f"p{number}", doc_id=document or f"d{number}", title=f"Town{number}", text=text)


def settings(**values):
    return MaskSettings(**{"extractors": ("dates",), **values})


RICH = [passage(number, 4) for number in range(200)]
SEARCHER = Bm25Searcher.in_memory(RICH)


def run(passages, **values):
    stats = MaskStats()
    tasks = list(make_tasks(passages, Bm25Searcher.in_memory(passages) if passages is not RICH else SEARCHER, settings(**values), stats))
    assert stats.kept == len(tasks)
    assert stats.masks == Counter(task.masks for task in tasks)
    return tasks, stats


def test_counts_are_even_and_true():
    tasks, stats = run(RICH)
    assert stats.masks == {1: 50, 2: 50, 3: 50, 4: 50}
    for task in tasks:
        assert fill(task.text, task.answers) == task.original
        assert len(task.ranks) == task.masks
        assert task.retriever == SEARCHER.fingerprint
    assert run(RICH, limit=10)[1].masks == {1: 3, 2: 3, 3: 2, 4: 2}
    assert run(RICH, masks="2", limit=7)[1].masks == {2: 7}
    assert run(RICH, masks="1-2", weights=(3, 1), limit=40)[1].masks == {1: 30, 2: 10}
    assert run(RICH, masks="1-2", weights=(0, 1), limit=40)[1].masks == {2: 40}


def test_same_in_every_run_and_other_with_another_seed():
    assert run(RICH, limit=30)[0] == run(RICH, limit=30)[0]
    assert run(RICH, limit=30)[0] != run(RICH, limit=30, seed=2)[0]
    # A longer run begins with the shorter one where k is the same.
    assert run(RICH, masks="1", limit=40)[0][:30] == run(RICH, masks="1", limit=30)[0]


def test_poor_passages_do_not_bend_the_shares_while_there_are_others():
    mixed = [passage(number, 4 if number % 3 == 0 else 1) for number in range(240)]
    tasks, stats = run(mixed, limit=80)
    assert stats.masks == {1: 20, 2: 20, 3: 20, 4: 20}
    # With nothing else left, the rest is of what there is.
    tasks, stats = run([passage(number, 1) for number in range(30)], limit=20)
    assert stats.masks == {1: 20}
    assert len({task.id for task in tasks}) == 20


def test_drops_are_counted_with_their_reason():
    masked = Passage(id="m", doc_id="m", title="M", text="A [mask] stood here in 1912 for all of the world to see.")
    poor = [passage(1, 0), passage(2, 1), passage(3, 3), masked, Passage(id="s", doc_id="s", title="S", text="In 1912.")]
    tasks, stats = run(poor, masks="2")
    assert [task.passage_id for task in tasks] == ["p3"]
    assert stats.dropped == {"no span that may be masked": 1, "fewer spans than masks": 1, "contains [mask]": 1, "too short": 1}
    assert stats.summary()["share_dropped"] == 0.8
    assert run(poor, masks="1-2", weights=(0, 1))[1].masks == {2: 1}


def test_not_retrievable_is_dropped():
    stats = MaskStats()
    elsewhere = Bm25Searcher.in_memory([passage(999, 4)])
    assert list(make_tasks(RICH[:5], elsewhere, settings(), stats)) == []
    assert stats.dropped == {"not retrievable": 5}
    assert stats.summary()["retrievable"] == 0.0


def test_tasks_per_document():
    same = [passage(number, 4, f"d{number % 5}") for number in range(50)]
    assert Counter(task.doc_id for task in run(same)[0]) == {f"d{number}": 1 for number in range(5)}
    assert Counter(task.doc_id for task in run(same, tasks_per_document=3)[0]) == {f"d{number}": 3 for number in range(5)}


def test_select_keeps_sides_apart_and_leaves_out():
    train, held = (select(RICH, settings(split=side)) for side in ("train", "heldout"))
    assert {p.id for p in train} | {p.id for p in held} == {p.id for p in RICH}
    assert all(side_of(p.title, 0.2) == "train" for p in train)
    assert not {p.id for p in train} & {p.id for p in held}
    assert len(select(RICH, settings(), ["town7", "d8"])) == len(RICH) - 2
    assert [p.id for p in select(RICH, settings())] != [p.id for p in RICH]


def test_wrong_weights():
    with pytest.raises(UsageError, match="'weights' must be 4 shares"):
        run(RICH, weights=(1, 2))


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.integers(1, 500))
def test_quotas_add_up(weights, total):
    shares = {k: weight / sum(weights) for k, weight in enumerate(weights, 1)}
    quotas = _apportion(shares, total)
    assert sum(quotas.values()) == total
    assert all(abs(quotas[k] - shares[k] * total) < 1 for k in shares)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"id": p.doc_id, "title": p.title, "text": p.text}) + "\n" for p in RICH))
    return str(path)


def test_stage_with_an_index_and_without(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, max_words=0), tmp_path / "index", tmp_path)
    common = {"corpus": corpus, "limit": 20, "max_words": 0}
    summary = run_mask(settings(index=str(tmp_path / "index"), **common), tmp_path / "a.jsonl", tmp_path / "work")
    run_mask(settings(**common), tmp_path / "b.jsonl.gz", None)
    tasks = read_records(tmp_path / "a.jsonl", MaskedTask)
    assert tasks == read_records(tmp_path / "b.jsonl.gz", MaskedTask)
    assert summary["masks"] == {"1": 5, "2": 5, "3": 5, "4": 5}
    report = json.loads((tmp_path / "work" / "mask-report.json").read_text())
    assert report["settings"]["limit"] == 20
    assert report["tasks"] == 20
    rest = run_mask(settings(corpus=corpus, max_words=0, exclude=(str(tmp_path / "a.jsonl"),)), tmp_path / "c.jsonl", None)
    assert rest["eligible"] == 180
    assert not {task.doc_id for task in tasks} & {task.doc_id for task in read_records(tmp_path / "c.jsonl", MaskedTask)}


def test_stage_writes_to_standard_output(corpus, tmp_path, capsys):
    run_mask(settings(corpus=corpus, limit=3), "-", None)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_index_of_another_corpus_is_refused(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, limit=10), tmp_path / "index", tmp_path)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "x", "title": "X", "text": "Something else from 1912."}) + "\n")
    with pytest.raises(SearchError, match="was built from another corpus"):
        run_mask(settings(corpus=str(other), index=str(tmp_path / "index")), tmp_path / "a.jsonl", None)
    assert not (tmp_path / "a.jsonl").exists()


def test_no_task_at_all_says_why(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"id": "x", "title": "X", "text": "Nothing of the kind is said anywhere in this rather short text."}) + "\n")
    with pytest.raises(DataError, match="1 no span that may be masked"):
        run_mask(settings(corpus=str(path)), tmp_path / "a.jsonl", None)
    with pytest.raises(DataError, match="side of the split"):
        run_mask(settings(corpus=str(path), split="heldout" if side_of("X", 0.2) == "train" else "train"), tmp_path / "a.jsonl", None)
    assert not (tmp_path / "a.jsonl").exists()
