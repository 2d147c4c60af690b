"""Mixed folders, their reports, titles, and the split of documents that have no title."""

import json
import os

import pytest

from masksearch.corpus import SkipCount, document_side, names_article, read_documents, side_of
from masksearch.corpus.jsonl import damage_reason
from masksearch.corpus.source_hash import source_hash
from masksearch.corpus.split import source_articles
from masksearch.corpus.textfiles import plain_markdown
from masksearch.corpus.titles import COUNTERS, TitleCount
from masksearch.errors import DataError
from masksearch.runtime.resume import content_hash
from masksearch.types import MaskedTask


def test_a_mixed_folder_is_counted_by_ending(tmp_path):
    files = {
        "a.jsonl": '{"id": "j", "title": "J", "text": "x"}\n',
        "b.csv": "id,title,text\nc,C,y\n",
        "data.csv": "year,height\n1,2\n",
        "guide/index.md": "# The guide\n\nText.",
        "guide/deep/index.md": "No heading.",
        "picture.png": "x",
        "more/picture.PNG": "x",
        "LICENSE": "x",
        ".hidden": "x",
        ".git/config": "x",
        "feed.xml": "<rss/>",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    skipped = SkipCount()
    found = {document.id: document.title for document in read_documents(str(tmp_path), skipped=skipped)}
    assert found == {
        "j": "J",
        "c": "C",
        "guide/index.md": "The guide",
        "guide/deep/index.md": "guide/deep/index",
    }
    assert skipped.table().splitlines()[2:] == [
        "files          read  not read",
        ".csv              1         1",
        ".jsonl            1         0",
        ".md               2         0",
        ".png              0         2",
        ".xml              0         1",
        "hidden            0         2",
        "no ending         0         1",
    ]
    assert next(iter(skipped.counts)).startswith("a table without a column of text")


def test_one_unreadable_file_is_skipped_named_and_counted(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("Fine.")
    (tmp_path / "b.txt").symlink_to(tmp_path / "none")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe.txt")
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["a.txt"]
    assert skipped.examples == {
        "a link to a folder, which is not followed": str(tmp_path / "folder"),
        "a link to a file that does not exist": str(tmp_path / "b.txt"),
        "not a regular file": str(tmp_path / "pipe.txt"),
    }
    assert skipped.unread == {".txt": 2}


def test_a_file_without_permission_costs_itself_only(tmp_path, monkeypatch):
    for name in ("a.txt", "b.txt", "c.jsonl", "d.html", "e.xml", "f.csv", "wiki_00"):
        (tmp_path / name).write_text("A secret.")
    (tmp_path / "z.txt").write_text("Fine.")
    real_open = open

    def guarded(path, *args, **kwargs):
        if str(path).startswith(str(tmp_path)) and not str(path).endswith("z.txt"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", guarded)
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["z.txt"]
    assert skipped.counts == {"a file that cannot be opened (Permission denied)": 7}
    assert skipped.examples["a file that cannot be opened (Permission denied)"] == str(tmp_path / "a.txt")
    # The keys of stages and indexes do not fail on it either, and still notice the others.
    keys = content_hash(tmp_path), source_hash(str(tmp_path))
    monkeypatch.undo()
    assert keys != (content_hash(tmp_path), source_hash(str(tmp_path)))


def test_reasons_of_damage():
    assert damage_reason(DataError("x")) == "a file that cannot be opened (there is none of this name)"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("---\ntitle: The Guide\n---\n# Other", "The Guide"),
        ('---\nlayout: page\ntitle: "The \\"old\\" guide" # remark\n---\nText', 'The "old" guide'),
        ("---\nTitle: 'It''s'\n---\n", "It's"),
        ("+++\ntitle = 'From TOML'\n+++\n", "From TOML"),
        ("---\nauthor: A\n---\n# Heading", "Heading"),
        ("---\nsubtitle: no\ntitle:\n---\n# Heading", "Heading"),
        ("---\ntitle: >\n  Folded\n---\n# Heading", "Heading"),
        ("## Synopsis\n\nText.\n\n# The command\n", "The command"),
        ("## Synopsis\n\nText.", ""),
        ("The command\n===========\n\nText.", "The command"),
    ],
)
def test_titles_of_markdown(source, title):
    assert plain_markdown(source)[0] == title


def test_a_manual_whose_pages_begin_alike(tmp_path):
    for number in range(74):
        (tmp_path / f"page-{number}.md").write_text(f"## Synopsis\n\nThe command number {number}.")
    assert len({document.title for document in read_documents(str(tmp_path))}) == 74


def test_a_title_of_too_many_documents_is_warned_of(tmp_path):
    rows = [{"id": f"d{n}", "title": "Untitled" if n < 6 else f"T{n}", "text": "x"} for n in range(100)]
    rows += [{"id": f"s{n}", "title": "  Index Page", "text": "x"} for n in range(6)]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    skipped = SkipCount()
    assert len(list(read_documents(str(path), skipped=skipped))) == 106
    assert skipped.warnings == [
        "6 of 106 documents have the title 'Untitled'; they are divided into training and held-out ones by "
        "their ids",
        "6 of 106 documents have the title 'Index Page'; they are divided into training and held-out ones by "
        "their ids",
    ]
    assert skipped.table().count("divided") == 2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[5:100]))
    skipped = SkipCount()
    list(read_documents(str(path), skipped=skipped))
    assert skipped.warnings == []


def test_titles_are_counted_in_bounded_memory():
    count = TitleCount()
    for number in range(5 * COUNTERS):
        count.add(f"Unique {number}")
        if number % 10 == 0:
            count.add("Synopsis")
    assert list(count.common()) == ["synopsis"]
    assert 0.99 * COUNTERS / 2 <= count.common()["synopsis"] <= COUNTERS / 2


def test_documents_without_a_title_of_their_own_are_divided_by_id():
    ids = [f"guide/{number}/index.md" for number in range(400)]
    for title, common in (("", ()), ("Untitled", ()), ("Index", {"index"})):
        held = [document_side(one, title, 0.2, common) == "heldout" for one in ids]
        assert 50 < sum(held) < 110
        assert not names_article(title, common)
    assert document_side("a", "Alan Turing", 0.2) == side_of("Alan Turing", 0.2)
    assert {document_side(one, "Alan Turing", 0.2) for one in ids} == {side_of("alan turing", 0.2)}


def task(doc_id, title):
    return MaskedTask(
        id=doc_id, doc_id=doc_id, title=title, text="[mask]", answers=("a",), masks=1, original="a"
    )


def test_articles_of_tasks():
    assert source_articles(task("d1", "Radium")) == {"Radium"}
    assert not source_articles(task("d1", "Untitled")) & source_articles(task("d2", "Untitled"))
    assert not source_articles(task("d1", "Index"), {"index"}) & source_articles(
        task("d2", "Index"), {"index"}
    )
