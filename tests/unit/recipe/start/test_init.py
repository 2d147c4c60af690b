"""`masksearch init`: what it finds in documents, and that its recipe loads and fits them."""

import json

import pytest

from masksearch.corpus.skipped import SkipCount
from masksearch.errors import UsageError
from masksearch.llm.product_rates import Rates
from masksearch.recipe.load import load_recipe
from masksearch.recipe.start import command
from masksearch.recipe.start.command import init, name_of
from masksearch.recipe.start.estimate import Speed, speed_here
from masksearch.recipe.start.sample import Tried, try_chains
from masksearch.recipe.start.settings import InitSettings
from masksearch.recipe.start.survey import Survey, described, language_of, survey
from masksearch.recipe.start.write import plan, recipe_text

TEXTS = {
    "en": "The house was built in the year 1900 by a man who had come from the north of the country.",
    "es": "La casa fue construida en el año 1900 por un hombre que había llegado del norte del país.",
    "fr": "La maison fut construite en 1900 par un homme qui était venu du nord du pays avec les siens.",
    "zh": "这座房子建于一九〇〇年，由一个来自北方的人建造。",
}


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "My Docs"
    docs.mkdir()
    for number in range(30):
        (docs / f"house {number}.md").write_text(f"# House {number}\n\n{TEXTS['en']} It is number {number}.")
    (docs / "copy.txt").write_text(f"{TEXTS['en']} It is number 3.")
    (docs / "broken.txt").write_bytes(b"\xff\xfe\x00")
    (docs / "scan.pdf").write_bytes(b"%PDF")
    (docs / ".hidden.txt").write_text("no")
    return docs


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_is_found_by_its_common_words(language):
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize("text", ["", "1900 1901 1902", "Zorp quux blarg fnord wibble"])
def test_a_text_of_no_language_has_none(text):
    assert language_of(text) == ""


def test_a_survey_counts_what_is_there(folder):
    found, first = survey(str(folder), 5)
    assert found.documents == 31
    assert found.copies == 1
    assert found.formats == {".md": 30, ".txt": 2, ".pdf": 1}
    assert found.languages == {"en": 31}
    assert found.titled == 31
    assert len(first) == 5
    assert 0 < found.heldout < 15
    text = "\n".join(described(found))
    assert "31 documents" in text
    assert "1 .pdf" in text
    assert "not UTF-8" in text
    assert "1 documents have the text of an earlier one" in text


def surveyed(**changes):
    values = {
        "source": "docs", "documents": 500, "words": 50_000, "median_words": 90, "titled": 500, "linked": 0,
        "copies": 0, "heldout": 100, "languages": {"en": 500}, "skipped": SkipCount(),
    }  # fmt: skip
    return Survey(**{**values, **changes})


@pytest.mark.parametrize("questions", [0, 500])
@pytest.mark.parametrize("own", ["", "questions.jsonl"])
def test_the_recipe_loads(tmp_path, questions, own):
    (tmp_path / "docs.jsonl").write_text(json.dumps({"id": "1", "title": "T", "text": "t"}) + "\n")
    (tmp_path / "questions.jsonl").write_text(json.dumps({"id": "1", "question": "q", "answers": ["a"]}))
    sizes = plan(surveyed(), Tried(100, questions), 400)
    path = tmp_path / "docs.toml"
    path.write_text(recipe_text("docs", "docs.jsonl", surveyed(), sizes, InitSettings(questions=own)))
    stages = {stage.name: stage for stage in load_recipe(path).stages}
    assert ("chains" in stages) == bool(questions)
    assert ("after-questions" in stages) == bool(own)
    assert sizes.masked + sizes.questions == 400


def test_each_held_out_document_gives_up_to_two_tasks():
    sizes = plan(surveyed(documents=60, heldout=10), Tried(50, 0), 200)
    assert sizes.heldout == 20


def test_another_language_has_masks_alone():
    tried = try_chains([], "fr", 60, 1)
    assert not tried.chained
    assert "'fr'" in tried.reason


def test_init_writes_a_recipe_and_an_estimate(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "try_chains", lambda *given: Tried(31, 40))
    monkeypatch.setattr(command, "speed_here", lambda: Speed(250.0, True))
    path = init(str(folder), "", InitSettings(minutes=2))
    assert path.name == "my-docs.toml"
    assert {stage.name for stage in load_recipe(path).stages} >= {"index", "chains", "sft", "after"}
    shown = capsys.readouterr()
    told = shown.out + shown.err
    assert "questions of several steps: 40 from 31 documents" in told
    assert "GB of memory" in told
    assert "masksearch run my-docs.toml" in told
    with pytest.raises(UsageError, match="exists"):
        init(str(folder), "", InitSettings())


def test_too_few_documents_are_refused_with_another_way(folder, tmp_path):
    for path in sorted(folder.glob("*.md"))[5:]:
        path.unlink()
    with pytest.raises(UsageError, match="6 documents; training needs 20"):
        init(str(folder), str(tmp_path / "r.toml"), InitSettings())
    assert not (tmp_path / "r.toml").exists()


def test_a_missing_question_file_is_told_before_reading(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        init("docs", str(tmp_path / "r.toml"), InitSettings(questions="nowhere.jsonl"))


@pytest.mark.parametrize(
    ("source", "name"),
    [("a/My Docs/", "my-docs"), ("docs.jsonl.gz", "docs"), ("hf:OWNER/Some_Name@train", "some-name")],
)
def test_a_recipe_is_named_after_its_documents(source, name):
    assert name_of(source) == name


def test_faster_cores_take_more_trajectories():
    pytest.importorskip("torch")
    fast, slow = (speed_here(lambda product, rate=rate: Rates(rate, rate)) for rate in (810.0, 66.0))
    assert 2.5 < fast.trajectories(15) / slow.trajectories(15) < 3.5
    # Eight trajectories of such a recipe took 38 s at 66 GFLOP/s, and 12 s at 810 (docs/log.md, 2026-11-30).
    assert 34 < 8 * slow.seconds_per_trajectory < 42
    assert 10 < 8 * fast.seconds_per_trajectory < 14


def test_fields_are_named_in_the_recipe_and_documents_of_all_kinds_are_seen(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "try_chains", lambda *given: Tried(30, 0))
    monkeypatch.setattr(command, "speed_here", lambda: Speed(250.0, True))
    (tmp_path / "docs").mkdir()
    rows = [{"head": f"Bridge {n}", "body": f"The bridge {n} was built in {1900 + n}."} for n in range(30)]
    (tmp_path / "docs" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "docs" / "page.html").write_text("<title>Page</title><p>The page tells of the bridge.</p>")
    (tmp_path / "docs" / "photo.jpg").write_text("x")
    path = init("docs", "", InitSettings(fields=("title=head", "text=body")))
    (index,) = (stage for stage in load_recipe(path).stages if stage.name == "index")
    assert index.settings.fields == ("title=head", "text=body")
    told = "".join(capsys.readouterr())
    assert "31 documents" in told
    assert ".jpg           0         1" in told
