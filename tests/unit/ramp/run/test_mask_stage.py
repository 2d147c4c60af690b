"""The stage `mask`: output formats, limits, resume, reports, errors, and equal output for any number of
processes."""

import json
from collections import Counter
from pathlib import Path

import pytest
from kit.ramp_texts import RICH, passage, write_corpus

from masksearch.corpus import side_of
from masksearch.errors import DataError, SearchError, UsageError
from masksearch.ramp.run.shard_workers import InProcess
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.run.stats import describe, render
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.records import read_records
from masksearch.search import build_index
from masksearch.search.settings import IndexSettings
from masksearch.types import MaskedTask

pytestmark = pytest.mark.slow


def settings(**values):
    return MaskSettings(**{"extractors": ("dates",), "max_words": 0, **values})


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus.jsonl")


def tasks_of(path):
    return read_records(path, MaskedTask)


def long_documents(path):
    """Writes ten documents of ten passages each."""
    rows = [
        {
            "id": f"d{document}",
            "title": f"Town{document}",
            "text": " ".join(passage(20 * document + number, 4).text for number in range(10)),
        }
        for document in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_every_passage_gives_a_task_and_a_limit_spreads_over_the_documents(tmp_path):
    values = {"corpus": long_documents(tmp_path / "long.jsonl"), "max_words": 30, "near_duplicates": 0}
    made = run_mask(settings(**values), tmp_path / "all.jsonl", None)
    every = {task.id for task in tasks_of(tmp_path / "all.jsonl")}
    assert made["tasks"] == len(every) > 50
    for limit, most in ((10, 1), (30, 3), (60, 7)):
        chosen = {**values, "masks": "1", "limit": limit}
        run_mask(settings(**chosen), tmp_path / f"{limit}.jsonl", None)
        run_mask(settings(**chosen, workers=2), tmp_path / f"{limit}-2.jsonl", None)
        one, two = (tmp_path / f"{limit}{ending}.jsonl" for ending in ("", "-2"))
        assert one.read_bytes() == two.read_bytes()
        spread = Counter(task.doc_id for task in tasks_of(one))
        assert (spread.total(), len(spread), max(spread.values()) <= most) == (limit, 10, True)
    run_mask(settings(**values, limit=1000), tmp_path / "more.jsonl", None)
    assert {task.id for task in tasks_of(tmp_path / "more.jsonl")} == every


@pytest.mark.slow
def test_with_an_index_and_without_and_as_every_kind_of_file(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, max_words=0), tmp_path / "index", tmp_path)
    summary = run_mask(
        settings(corpus=corpus, index=str(tmp_path / "index"), limit=20),
        tmp_path / "a.jsonl",
        tmp_path / "work",
    )
    tasks = tasks_of(tmp_path / "a.jsonl")
    assert summary["masks"] == {"1": 5, "2": 5, "3": 5, "4": 5}
    assert Counter(str(task.masks) for task in tasks) == summary["masks"]
    assert all(task.retriever == summary["retriever"] and len(task.ranks) == task.masks for task in tasks)
    report = json.loads((tmp_path / "work" / "mask-report.json").read_text())
    assert (report["settings"]["limit"], report["tasks"]) == (20, 20)
    for name in ("b.jsonl.gz", "b.jsonl.zst", "b.parquet", "shards"):
        run_mask(settings(corpus=corpus, limit=20), tmp_path / name, None)
        assert tasks_of(tmp_path / name) == tasks, name
    with pytest.raises(UsageError, match=r"tasks are written as"):
        run_mask(settings(corpus=corpus), tmp_path / "tasks.csv", None)


def test_articles_of_another_task_file_are_left_out(tmp_path, corpus):
    run_mask(settings(corpus=corpus, limit=20), tmp_path / "a.jsonl", None)
    # The invented texts are much alike, so that with shorter runs their words would exclude them as well.
    run_mask(
        settings(corpus=corpus, exclude=(str(tmp_path / "a.jsonl"),), exclude_ngram=80),
        tmp_path / "b.jsonl",
        None,
    )
    first, second = ({task.doc_id for task in tasks_of(tmp_path / name)} for name in ("a.jsonl", "b.jsonl"))
    assert (len(first), len(second), len(first & second)) == (20, 180, 0)


def test_a_limit_draws_from_the_whole_corpus_and_a_longer_run_begins_like_a_shorter_one(tmp_path, corpus):
    run_mask(settings(corpus=corpus, masks="1", limit=30), tmp_path / "a.jsonl", None)
    run_mask(settings(corpus=corpus, masks="1", limit=40), tmp_path / "b.jsonl", None)
    short, long = tasks_of(tmp_path / "a.jsonl"), tasks_of(tmp_path / "b.jsonl")
    assert long[:30] == short
    assert len({int(task.doc_id[1:]) // 50 for task in short}) == 4
    run_mask(settings(corpus=corpus, masks="1", limit=30, seed=2), tmp_path / "c.jsonl", None)
    assert {task.id for task in tasks_of(tmp_path / "c.jsonl")} != {task.id for task in short}


def test_poor_texts_do_not_bend_the_counts_while_there_are_others(tmp_path):
    mixed = write_corpus(
        tmp_path / "mixed.jsonl", [passage(number, 4 if number % 3 == 0 else 1) for number in range(240)]
    )
    assert run_mask(settings(corpus=mixed, limit=80), tmp_path / "a.jsonl", None)["masks"] == {
        "1": 20,
        "2": 20,
        "3": 20,
        "4": 20,
    }
    everything = run_mask(settings(corpus=mixed), tmp_path / "b.jsonl", None)
    assert everything["tasks"] == 240
    assert all(abs(everything["masks"][k] - 27) <= 14 for k in ("2", "3", "4"))
    # If the corpus has no other tasks, those with one mask fill the limit.
    poor = write_corpus(tmp_path / "poor.jsonl", [passage(number, 1) for number in range(30)])
    assert run_mask(settings(corpus=poor, limit=20), tmp_path / "c.jsonl", None)["masks"] == {"1": 20}


@pytest.mark.slow
def test_several_processes_and_other_shards_write_the_same_bytes(tmp_path, corpus):
    wanted = settings(corpus=corpus, shard_size=30)
    run_mask(wanted, tmp_path / "one.jsonl", None)
    run_mask(wanted.model_copy(update={"workers": 2}), tmp_path / "two.jsonl", None)
    run_mask(wanted.model_copy(update={"shard_size": 7}), tmp_path / "small.jsonl", None)
    assert len((tmp_path / "one.jsonl").read_bytes()) > 10_000
    assert (
        (tmp_path / "one.jsonl").read_bytes()
        == (tmp_path / "two.jsonl").read_bytes()
        == (tmp_path / "small.jsonl").read_bytes()
    )


@pytest.mark.slow
def test_finished_shards_are_not_worked_again(tmp_path, corpus):
    from masksearch.ramp.run import shards

    wanted, worked = settings(corpus=corpus, shard_size=40), []
    run_mask(wanted, tmp_path / "whole.jsonl", None)
    original = shards.work

    def breaking(sources, tools):
        worked.append(sources[0].id)
        if len(worked) == 3:
            raise KeyboardInterrupt
        return original(sources, tools)

    shards.work = breaking
    try:
        with pytest.raises(KeyboardInterrupt):
            run_mask(wanted, tmp_path / "a.jsonl", tmp_path / "work")
        assert not (tmp_path / "a.jsonl").exists()
        run_mask(wanted, tmp_path / "a.jsonl", tmp_path / "work")
    finally:
        shards.work = original
    assert worked == ["d0", "d40", "d80", "d80", "d120", "d160"]
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert [entry.name for entry in (tmp_path / "work").iterdir()] == ["mask-report.json"]


def test_a_folder_of_shards_has_a_manifest_and_a_card(tmp_path, corpus):
    run_mask(settings(corpus=corpus, format="parquet"), tmp_path / "tasks", None)
    assert sorted(entry.name for entry in (tmp_path / "tasks").iterdir()) == [
        "README.md",
        "manifest.json",
        "tasks-00000.parquet",
    ]
    manifest = json.loads((tmp_path / "tasks" / "manifest.json").read_text())
    assert manifest["format"] == "masksearch-tasks/1"
    assert [file["tasks"] for file in manifest["files"]] == [200] == [manifest["tasks"]]
    card = (tmp_path / "tasks" / "README.md").read_text()
    assert card.startswith("---\ntask_categories:")
    assert "200 tasks" in card
    assert 'data_files: "tasks-*.parquet"' in card


def test_stats_tell_what_there_is_and_what_was_dropped(tmp_path):
    corpus = write_corpus(tmp_path / "c.jsonl", [*RICH[:20], passage(900, 0)])
    run_mask(settings(corpus=corpus), tmp_path / "t.jsonl", tmp_path / "t.jsonl.work")
    stats = describe(tmp_path / "t.jsonl", examples=2)
    assert stats["tasks"] == 20
    assert sum(stats["masks"].values()) == 20
    assert stats["categories"] == {"DATE": sum(int(k) * n for k, n in stats["masks"].items())}
    assert stats["languages"] == {"en": 20}
    assert stats["dropped"] == {"no span that may be masked": 1}
    assert stats["words_of_answer"]["median"] == 1
    assert len(stats["examples"]) == 2
    text = render(stats)
    assert "20 tasks" in text
    assert "no span that may be masked" in text
    with pytest.raises(DataError, match="check the path"):
        describe(tmp_path / "none.jsonl")


def test_writes_to_standard_output(corpus, capsys):
    run_mask(settings(corpus=corpus, limit=3), Path("-"), None)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_index_of_another_corpus_is_refused(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, limit=10), tmp_path / "index", tmp_path)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "x", "title": "X", "text": "Something else from 1912."}) + "\n")
    with pytest.raises(SearchError, match="was built from another corpus"):
        run_mask(settings(corpus=str(other), index=str(tmp_path / "index")), tmp_path / "a.jsonl", None)
    assert not (tmp_path / "a.jsonl").exists()


def test_the_same_text_in_another_file_is_no_other_corpus(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, max_words=0), tmp_path / "index", tmp_path)
    spaced = tmp_path / "spaced.jsonl"
    spaced.write_text(Path(corpus).read_text() + "\n\n")
    wanted = settings(corpus=str(spaced), index=str(tmp_path / "index"), limit=5)
    assert run_mask(wanted, tmp_path / "a.jsonl", None)["tasks"] == 5


def test_no_task_at_all_says_why(tmp_path):
    path = tmp_path / "c.jsonl"
    text = "Nothing of the kind is said anywhere in this rather short text."
    path.write_text(json.dumps({"id": "x", "title": "X", "text": text}) + "\n")
    with pytest.raises(DataError, match="1 no span that may be masked"):
        run_mask(settings(corpus=str(path)), tmp_path / "a.jsonl", None)
    other_side = "heldout" if side_of("X", 0.2) == "train" else "train"
    with pytest.raises(DataError, match="side of the split"):
        run_mask(settings(corpus=str(path), split=other_side), tmp_path / "a.jsonl", None)
    assert not (tmp_path / "a.jsonl").exists()


def test_without_a_corpus_the_text_is_that_of_the_index(tmp_path, corpus):
    build_index(IndexSettings(corpus=corpus, max_words=0), tmp_path / "index", tmp_path)
    run_mask(settings(corpus=corpus, index=str(tmp_path / "index"), limit=5), tmp_path / "a.jsonl", None)
    Path(corpus).unlink()
    summary = run_mask(
        settings(index=str(tmp_path / "index"), limit=5), tmp_path / "b.jsonl", tmp_path / "work"
    )
    assert tasks_of(tmp_path / "b.jsonl") == tasks_of(tmp_path / "a.jsonl")
    assert summary["tasks"] == 5
    assert json.loads((tmp_path / "work" / "mask-report.json").read_text())["settings"]["corpus"] == corpus


@pytest.mark.slow
def test_work_of_other_settings_is_not_taken_up(tmp_path, corpus):
    work = tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("masksearch.ramp.run.base.write_tasks", None)  # interrupts the run after the shards
        with pytest.raises(TypeError):
            run_mask(settings(corpus=corpus, masks="1"), tmp_path / "a.jsonl", work)
    assert list((work / "shards").iterdir())
    run_mask(settings(corpus=corpus, masks="2", workers=2), tmp_path / "a.jsonl", work)
    assert {task.masks for task in tasks_of(tmp_path / "a.jsonl")} == {2}


@pytest.mark.parametrize(
    ("given", "need"),
    [
        ({"ppl_model": "x"}, "ppl_model has no effect without the strategy 'ppl'"),
        (
            {"category_weights": {"DATE": 2.0}},
            "category_weights has no effect without the strategy 'weighted'",
        ),
        ({"ner_model": "x"}, "ner_model has no effect without the extractor 'ner'"),
        ({"llm": "http://127.0.0.1:1/v1"}, "llm has no effect without the extractor 'llm', or the check"),
        ({"llm_model": "x"}, "llm_model has no effect without the extractor 'llm'"),
        ({"guess_model": "x"}, "guess_model has no effect without the check 'not-guessable'"),
    ],
)
def test_a_setting_that_nothing_looks_at_is_refused(tmp_path, corpus, given, need):
    with pytest.raises(UsageError, match=need):
        run_mask(settings(corpus=corpus, **given), tmp_path / "a.jsonl", None)


def test_a_poor_beginning_does_not_make_a_limit_work_the_whole_corpus(tmp_path, monkeypatch):
    """The first 12 shards of 10 documents have no tasks; every later document has one."""
    monkeypatch.setattr("masksearch.ramp.run.prepare.LEAST_SHARD", 10)
    monkeypatch.setattr("masksearch.ramp.run.prepare._draw_order", lambda plan: None)
    texts = [
        RICH[number % 200].text
        if number >= 120
        else "Nothing here that could be masked, whatever one looks for in it."
        for number in range(2000)
    ]
    with open(tmp_path / "c.jsonl", "w") as stream:
        for number, text in enumerate(texts):
            stream.write(json.dumps({"id": str(number), "title": f"T{number}", "text": text}) + "\n")
    worked = []
    plain = InProcess.run

    def counted(self, shards):
        worked.extend(shards)
        return plain(self, shards)

    monkeypatch.setattr(InProcess, "run", counted)
    summary = run_mask(
        settings(corpus=str(tmp_path / "c.jsonl"), masks="1", verify=("none",), near_duplicates=0, limit=4),
        tmp_path / "a.jsonl",
        None,
    )
    assert summary["tasks"] == 4
    assert 13 <= len(worked) <= 17
