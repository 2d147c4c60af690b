"""The Python interface: its names, its checks, and the way from a list to an answer in a running loop."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import pydoc
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

import masksearch
from masksearch import Corpus, Index, MaskSearchError, Tasks, ask, compare, evaluate, mask, sft, synthesize
from masksearch.api import products, workspace
from masksearch.errors import DataError, MissingExtraError, UsageError
from masksearch.recipe.stages import STAGES

RIVERS = ["Rhine", "Seine", "Loire", "Elbe", "Oder", "Ebro", "Tagus", "Douro", "Garonne", "Danube"]
TOWNS = ["Basel", "Rouen", "Tours", "Dresden", "Breslau", "Zaragoza", "Toledo", "Porto", "Bordeaux", "Linz"]
DOCUMENTS = [
    {
        "title": town,
        "text": f"{town} is a town on the {river}. Its bridge was opened in {1801 + number}. "
        f"A flood of the {river} broke it in {1901 + number}. The mayor ordered a new one.",
    }
    for number, (town, river) in enumerate(zip(TOWNS, RIVERS, strict=True))
]
QUICK = {"extractors": ["dates", "numbers"], "masks": "1"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Corpus, index and tasks in one folder."""
    folder = tmp_path_factory.mktemp("run")
    corpus = Corpus(DOCUMENTS, folder=folder)
    index = Index.build(corpus)
    return corpus, index, mask(corpus, index=index, limit=6, **QUICK)


def test_the_names_are_shown_and_imported_when_they_are_used():
    assert set(masksearch.__all__) <= set(dir(masksearch))
    shown = {name for name in dir(masksearch) if not name.startswith("_")}
    assert shown <= set(masksearch.__all__)
    assert all(getattr(masksearch, name) is not None for name in masksearch.__all__)
    assert set(masksearch._HOME) == set(masksearch.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'train_model'"):
        masksearch.train_model  # noqa: B018


def test_no_name_is_that_of_a_room():
    # A room that is imported becomes an attribute of the package, and would replace the function.
    rooms = {path.name for path in workspace.Path(masksearch.__file__).parent.iterdir()}
    assert not rooms & {name for name in masksearch.__all__ if not name.startswith("_")}


def test_importing_all_names_loads_no_torch(tmp_path):
    code = (
        "from masksearch import *; import sys; print(sorted({'torch', 'pandas', 'trl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mask", "mask"), ("sft", "sft"), ("rl", "rl"), ("evaluate", "eval"), ("compare", "compare")],
)
def test_help_and_signature_name_every_setting(name, kind):
    function = getattr(masksearch, name)
    fields = set(STAGES[kind].settings.model_fields) - ({"results"} if kind == "compare" else set())
    assert fields <= set(inspect.signature(function).parameters)
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    assert all(f"{field}: " in text or f"{field}=" in text or field in text for field in fields)
    assert "Settings:" in text


def test_help_of_the_package_shows_the_interface():
    text = pydoc.render_doc(masksearch, renderer=pydoc.plaintext)
    assert "evaluate(" in text
    assert "class Corpus" in text


def test_wrong_settings_get_the_sentences_of_the_commands(made):
    corpus, index, tasks = made
    with pytest.raises(UsageError, match=r"mask: 'limt' is not a known key; did you mean 'limit'\?"):
        mask(corpus, index=index, limt=3)
    with pytest.raises(
        UsageError, match=r"evaluate: 'agent\.top_x' is not a known key; did you mean 'top_k'"
    ):
        evaluate(tasks, "m", index, agent={"top_x": 1})
    with pytest.raises(UsageError, match="mask: 'limit' has a wrong value"):
        mask(corpus, index=index, limit=-1)
    with pytest.raises(UsageError, match="synthesize: 'index': there is no file or folder nowhere"):
        synthesize(tasks, "nowhere")
    with pytest.raises(UsageError, match="An index is needed here, not a corpus"):
        synthesize(tasks, corpus)
    with pytest.raises(UsageError, match="'a/b' is no name of a stage"):
        mask(corpus, index=index, name="a/b")
    with pytest.raises(DataError, match="The list of documents is empty"):
        Corpus([])
    assert issubclass(UsageError, MaskSearchError)


def test_products_are_records_and_frames(made):
    corpus, index, tasks = made
    assert [document.title for document in corpus] == TOWNS
    assert len(tasks) == 6
    assert tasks[0].masks == 1
    frame = tasks.to_pandas()
    assert list(frame["id"]) == [task.id for task in tasks]
    assert len(index) == len(TOWNS)
    assert index.search("bridge of Porto", 2)[0].passage.title == "Porto"
    assert "tasks" in repr(tasks)
    assert (index.stage / "done.json").is_file()


def test_texts_and_frames_are_a_corpus(tmp_path):
    import pandas

    texts = Corpus(["Basel is a town on the Rhine, they say."], folder=tmp_path)
    assert (texts[0].id, texts[0].title) == ("0", "Basel is a town on the Rhine, they")
    rows = pandas.DataFrame([{"id": 7, "title": "A", "text": "B"}, {"id": 8, "title": "C", "text": "D"}])
    assert [document.id for document in Corpus(rows, folder=tmp_path)] == ["7", "8"]


def test_a_frame_without_pandas_names_the_extra(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"A data frame needs .*pandas.*masksearch\[pandas\]"):
        made[2].to_pandas()


def test_the_same_call_returns_the_same_product_at_once(made, monkeypatch):
    corpus, index, tasks = made

    def fail(*arguments):
        raise AssertionError("the stage ran again")

    monkeypatch.setattr(workspace, "run_into", fail)
    assert Index.build(Corpus(DOCUMENTS, folder=corpus.folder)).path == index.path
    assert mask(corpus, index=index, limit=6, **QUICK).path == tasks.path
    with pytest.raises(AssertionError, match="ran again"):
        mask(corpus, index=index, limit=5, **QUICK)


def test_other_settings_get_a_stage_of_their_own(made):
    corpus, index, tasks = made
    other = mask(corpus, index=index, limit=3, **QUICK)
    assert (tasks.stage.name, other.stage.name) == ("mask", "mask-2")
    assert mask(corpus, index=index, limit=3, **QUICK).path == other.path
    named = mask(corpus, index=index, limit=2, name="few", **QUICK)
    assert named.stage.name == "few"
    with pytest.raises(UsageError, match="few holds the work of a single command with other settings"):
        mask(corpus, index=index, limit=1, name="few", **QUICK)


def test_without_a_folder_products_go_to_one_that_is_named_and_kept(capsys, monkeypatch, tmp_path):
    products.temporary_folder.cache_clear()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    corpus = Corpus(DOCUMENTS)
    assert corpus.folder is not None
    assert corpus.folder.parent == tmp_path
    assert f"Products go to {corpus.folder}; name a folder with folder=..." in capsys.readouterr().err
    products.temporary_folder.cache_clear()


def test_a_command_finds_the_product_done(made):
    corpus, index, _ = made
    done = subprocess.run(
        [sys.executable, "-m", "masksearch", "index", corpus.source, "-o", str(index.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "This stage is done already" in done.stderr


@pytest.mark.slow
def test_from_a_list_to_an_answer_inside_a_running_loop(made, tiny_checkpoint):
    _, index, tasks = made

    async def cells():
        """The cells of a notebook: synchronous calls while a loop runs."""
        trajectories = synthesize(tasks, index)
        model = sft(tiny_checkpoint, trajectories, epochs=1, batch_size=2)
        short = {"max_searches": 1, "max_tokens": 32, "turn_tokens": 16}
        scores = evaluate(tasks, model, index, agent=short, dtype="float32", bootstrap=100)
        asked = evaluate(
            [{"question": "Which river is Porto on?"}], model, index, agent=short, dtype="float32"
        )
        out = io.StringIO()
        with redirect_stdout(out):
            reply = ask(
                index, "Which river is Porto on?", model=model, show=True, agent=short, dtype="float32"
            )
        again = ask(index, "Which river is Linz on?", model=model, agent=short, dtype="float32")
        return trajectories, model, scores, asked, reply, again, out.getvalue()

    trajectories, model, scores, asked, reply, again, shown = asyncio.run(cells())
    assert len(trajectories) == len(tasks)
    assert (model.path / "config.json").is_file()
    assert "loss" in model.to_pandas()
    assert scores.scored
    assert len(scores) == len(tasks) == len(scores.trajectories)
    assert set(scores.to_pandas().index) == {task.id for task in tasks}
    assert not asked.scored
    assert "f1" not in asked.metrics
    assert reply.trajectory.task["question"] == "Which river is Porto on?"
    assert shown.strip()
    assert again.trajectory.id != reply.trajectory.id
    table = compare(scores)
    assert "F1" in table.table
    assert list(table.to_pandas()["n"]) == [len(tasks)]
    with pytest.raises(UsageError, match="has no scores, because its questions have no answers"):
        compare(scores, asked)
    page = masksearch.write_report(table)
    assert page.is_file()
    json.dumps(reply.to_json())


def test_a_file_of_tasks_is_opened_without_a_stage(made):
    assert [task.id for task in Tasks(made[2].path)] == [task.id for task in made[2]]
