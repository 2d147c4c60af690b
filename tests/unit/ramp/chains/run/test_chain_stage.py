"""The stage `mask` with chained tasks: products, limits, workers, interruptions, bad input."""

import json
import signal
import time

import pytest
from kit.chain_texts import TEXTS, documents

from masksearch.errors import DataError, UsageError
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.run.stats import describe, render
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.files import write_json_lines
from masksearch.runtime.records import read_tasks
from masksearch.types import MASK, MaskedTask, Question, source_titles

pytestmark = pytest.mark.slow

pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "docs.jsonl"
    write_json_lines(path, (document.to_json() for document in documents()))
    return path


def settings(corpus, **more):
    return MaskSettings(corpus=str(corpus), **{"hops": "1-4", "form": "question", **more})


def made(corpus, folder, **more):
    output = folder / "tasks.jsonl"
    summary = run_mask(settings(corpus, **more), output, folder / "work")
    return summary, read_tasks(output)


def test_the_tasks_carry_their_steps(corpus, tmp_path):
    summary, tasks = made(corpus, tmp_path, verify=("none",))
    assert summary["tasks"] == len(tasks) > 60
    assert set(summary["shapes"]) == {
        "hop", "chain", "comparison", "bridge-comparison", "inference", "intersection",
    }  # fmt: skip
    for task in tasks:
        assert isinstance(task, Question)
        assert task.form == "question"
        assert task.hops in (1, 2, 3, 4)
        assert task.evidence == task.supporting_passages
        assert {step.title for step in task.steps} == set(task.supporting_titles) <= set(TEXTS)
        assert not any(bridge in task.question for bridge in task.bridges if task.shape != "intersection")


def test_a_cloze_is_a_masked_text(corpus, tmp_path):
    _, tasks = made(corpus, tmp_path, form="cloze", hops="2-3", verify=("none",))
    assert {task.shape for task in tasks} == {"chain"}
    for task in tasks:
        assert isinstance(task, MaskedTask)
        assert task.original == task.text.replace(MASK, task.answers[0])
        assert task.masks == 1
        assert task.form == "cloze"


def test_mixed_is_half_of_each(corpus, tmp_path):
    _, tasks = made(corpus, tmp_path, form="mixed", hops="1", verify=("none",))
    forms = [task.form for task in tasks]
    assert 0.25 < forms.count("cloze") / len(forms) < 0.75


def test_the_checks_are_on_record(corpus, tmp_path):
    summary, tasks = made(corpus, tmp_path, hops="2", shapes=("comparison",))
    assert tasks
    for task in tasks:
        assert task.verdicts["retrievable"]["passed"] is True
        assert all(rank <= 5 for rank in task.verdicts["retrievable"]["ranks"])
    assert summary["retriever"].startswith("bm25-")


def test_a_limit_is_shared_by_the_shapes(corpus, tmp_path):
    summary, tasks = made(corpus, tmp_path, limit=20, verify=("none",))
    assert len(tasks) == 20
    assert summary["shapes"]["chain"] >= 3
    assert summary["shapes"]["hop"] >= 3


def test_any_number_of_workers_writes_the_same(corpus, tmp_path):
    written = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        made(corpus, folder, workers=workers, shard_size=4, limit=30)
        written.append((folder / "tasks.jsonl").read_bytes())
    assert written[0] == written[1]


def test_a_killed_run_ends_in_the_same_bytes(corpus, tmp_path, zygote):
    whole = tmp_path / "whole"
    made(corpus, whole, shard_size=2)
    command = [
        "mask", corpus, "-o", tmp_path / "tasks.jsonl",
        "--hops", "1-4", "--form", "question", "--shard-size", "2", "--quiet",
    ]  # fmt: skip
    facts = tmp_path / "tasks.jsonl.work" / "facts"
    process = zygote.start(*command)
    deadline = time.monotonic() + 120
    while not list(facts.glob("*.jsonl")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = zygote.start(*command)
    assert again.wait(300) == 0, again.communicate()
    assert (tmp_path / "tasks.jsonl").read_bytes() == (whole / "tasks.jsonl").read_bytes()


def test_nothing_is_left_in_the_work_folder_but_the_report(corpus, tmp_path):
    made(corpus, tmp_path)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["mask-report.json"]


def test_excluded_articles_give_no_step(corpus, tmp_path):
    questions = tmp_path / "questions.jsonl"
    write_json_lines(
        questions, [{"id": "q", "question": "?", "answers": ["x"], "supporting_titles": ["Maria Holt"]}]
    )
    _, tasks = made(corpus, tmp_path, verify=("none",), exclude=(str(questions),))
    assert "Maria Holt" not in {step.title for task in tasks for step in task.steps}


@pytest.mark.parametrize("form", ["cloze", "question"])
def test_held_out_chains_keep_all_their_articles_out(corpus, tmp_path, form):
    chosen = {"verify": ("none",), "hops": "2", "shapes": ("chain",), "form": form}
    _, heldout = made(corpus, tmp_path / "heldout", limit=1, **chosen)
    exclude = (str(tmp_path / "heldout" / "tasks.jsonl"),)
    _, tasks = made(corpus, tmp_path / "train", exclude=exclude, **chosen)
    assert not source_titles(heldout[0]) & {step.title for task in tasks for step in task.steps}


def test_the_sides_of_the_split_share_no_article(corpus, tmp_path):
    sides = {}
    for side in ("train", "heldout"):
        _, tasks = made(corpus, tmp_path / side, verify=("none",), split=side, heldout_share=0.5)
        sides[side] = {step.title for task in tasks for step in task.steps}
    assert sides["train"]
    assert not sides["train"] & sides["heldout"]


def test_parquet_keeps_the_steps(corpus, tmp_path):
    pytest.importorskip("pyarrow")
    output = tmp_path / "tasks.parquet"
    run_mask(settings(corpus, form="mixed", verify=("none",)), output, tmp_path / "work")
    _, tasks = made(corpus, tmp_path, form="mixed", verify=("none",))
    assert read_tasks(output) == tasks


def test_stats_count_shapes_hops_and_drops(corpus, tmp_path):
    output = tmp_path / "tasks.jsonl"
    run_mask(settings(corpus), output, tmp_path / "tasks.jsonl.work")
    stats = describe(output)
    assert sum(stats["shapes"].values()) == sum(stats["hops"].values()) == stats["tasks"]
    text = render(stats)
    assert "shape" in text
    assert "drafts checked" in text


def test_a_corpus_without_chains_says_what_it_looked_for(tmp_path):
    lonely = tmp_path / "docs.jsonl"
    rows = [
        {"id": "1", "title": "Ada Ray", "text": "Ada Ray (born 3 May 1960) is an Irish painter."},
        {"id": "2", "title": "Stone", "text": "Stone is hard."},
    ]
    write_json_lines(lonely, rows)
    with pytest.raises(
        DataError, match=r"tasks of 3 hops in 2 documents; found \d facts, of which 0 name another"
    ):
        run_mask(settings(lonely, hops="3"), tmp_path / "tasks.jsonl", tmp_path / "work")
    assert not (tmp_path / "tasks.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"hide_source": True}, "hide_source has no effect on chained tasks"),
        ({"language": "fr"}, "chained tasks are read off English text, and language is fr"),
        ({"shapes": ("comparison",), "hops": "1"}, "'comparison' tasks have 2 hops"),
        (
            {"shapes": ("comparison",), "form": "cloze"},
            "'comparison' tasks have 2 hops and the form question",
        ),
        ({"masks": "2"}, "masks has no effect on chained tasks"),
        ({"strategy": "ppl"}, "strategy has no effect on chained tasks"),
        ({"shape_weights": {"ring": 1.0}}, "there is no shape 'ring'"),
        ({"shape_weights": {"hop": -1.0}}, "weights of 0 or more"),
    ],
)
def test_settings_that_do_not_fit(corpus, tmp_path, more, match):
    with pytest.raises(UsageError, match=match):
        run_mask(settings(corpus, **more), tmp_path / "tasks.jsonl", tmp_path / "work")


@pytest.mark.parametrize("hops", ["0", "5", "3-2", "two"])
def test_a_wrong_range_of_hops(hops):
    with pytest.raises(ValueError, match="number of hops"):
        MaskSettings(hops=hops)


def test_a_text_in_another_language_is_counted(tmp_path):
    path = tmp_path / "docs.jsonl"
    rows = [document.to_json() for document in documents()]
    rows[0]["language"] = "fr"
    write_json_lines(path, rows)
    _, tasks = made(path, tmp_path, verify=("none",))
    assert "The Silver Lantern" not in {step.title for task in tasks for step in task.steps}


def test_masked_passages_are_made_as_before(corpus, tmp_path):
    output = tmp_path / "tasks.jsonl"
    run_mask(MaskSettings(corpus=str(corpus), masks="1"), output, tmp_path / "work")
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert rows
    assert not any(name in row for row in rows for name in ("shape", "hops", "steps", "form"))
