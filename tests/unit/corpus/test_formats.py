"""Parquet files, text and Markdown files, and hub data sets."""

import bz2
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from masksearch.corpus import SkipCount, read_documents, textfiles
from masksearch.corpus.textfiles import plain_markdown
from masksearch.errors import DataError, FormatError, UsageError

ROWS = [
    {
        "id": str(number),
        "url": "https://example.org",
        "title": f"Title {number}",
        "text": f"Text {number} of the set.",
    }
    for number in range(300)
]


def write(path, rows, **options):
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path, **options)


def test_parquet_as_wikipedia_has_it_in_several_row_groups(tmp_path):
    write(tmp_path / "train.parquet", ROWS, row_group_size=100)
    documents = list(read_documents(str(tmp_path / "train.parquet")))
    assert [(document.id, document.title, document.text) for document in documents] == [
        (row["id"], row["title"], row["text"]) for row in ROWS
    ]
    (tmp_path / "train.parquet.gz").write_bytes(gzip.compress((tmp_path / "train.parquet").read_bytes()))
    assert list(read_documents(str(tmp_path / "train.parquet.gz"))) == documents
    assert [document.id for document in read_documents(str(tmp_path / "train.parquet"), limit=150)][
        -1
    ] == "149"


def test_parquet_rows_without_an_id_are_named_after_the_file(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "a.parquet", [{"title": "T", "text": "one"}, {"title": "T", "text": "two"}])
    write(
        tmp_path / "data" / "b.parquet",
        [{"id": None, "title": "T", "text": "three"}, {"id": "own", "title": "T", "text": "four"}],
    )
    assert [document.id for document in read_documents(str(tmp_path))] == [
        "data/a.parquet#1",
        "data/a.parquet#2",
        "data/b.parquet#1",
        "own",
    ]
    assert [document.id for document in read_documents(str(tmp_path / "data" / "a.parquet"))] == [
        "a.parquet#1",
        "a.parquet#2",
    ]


def test_parquet_links_language_and_other_types(tmp_path):
    row = {
        "id": 5,
        "title": "T",
        "text": "Curie in Paris.",
        "language": "fr",
        "links": [{"start": 9, "end": 14, "target": "Paris"}],
    }
    write(tmp_path / "a.parquet", [row, {**row, "id": 6, "language": None, "links": None}])
    first, second = read_documents(str(tmp_path / "a.parquet"), language="es")
    assert (first.id, first.language, first.links) == ("5", "fr", ((9, 14, "Paris"),))
    assert (second.id, second.language, second.links) == ("6", "es", ())
    table = pa.table(
        {
            "id": pa.array(["x"], pa.large_string()),
            "title": pa.array(["T"]).dictionary_encode(),
            "text": ["t"],
        }
    )
    write(tmp_path / "b.parquet", table)
    assert [document.title for document in read_documents(str(tmp_path / "b.parquet"))] == ["T"]


def test_bad_parquet_rows_cost_themselves_only(tmp_path):
    texts = pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\0\0\0\0\4\0\0\0\10\0\0\0\14\0\0\0"), pa.py_buffer(b"goodcaf\xe9fine")
    )
    write(tmp_path / "a.parquet", pa.table({"id": ["a", "b", "c"], "title": ["A", "B", "C"], "text": texts}))
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path / "a.parquet"), skipped=skipped)] == [
        "a",
        "c",
    ]
    assert skipped.examples == {"not UTF-8 text": f"{tmp_path / 'a.parquet'}, row 2"}


def test_a_damaged_row_group_is_counted_and_the_next_one_read(tmp_path):
    path = tmp_path / "a.parquet"
    write(path, ROWS, row_group_size=100, compression="gzip", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(3)
    data = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    data[middle : middle + 20] = bytes(20)
    path.write_bytes(bytes(data))
    skipped = SkipCount()
    found = [document.id for document in read_documents(str(path), skipped=skipped)]
    assert found == [str(number) for number in range(300) if not 100 <= number < 200]
    assert [reason.partition(" (")[0] for reason in skipped.counts] == ["a damaged row group"]
    assert list(skipped.examples.values()) == [f"{path}, row group 2"]


def test_unusable_parquet_is_one_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="could not be read: it is a file that is not Parquet"):
        list(read_documents(str(path)))
    write(path, [{"words": "x", "title": "T"}])
    with pytest.raises(FormatError, match="a Parquet file without the column 'text'"):
        list(read_documents(str(path)))
    write(tmp_path / "b.parquet", ROWS[:2])
    skipped = SkipCount()
    assert len(list(read_documents(str(tmp_path), skipped=skipped))) == 2
    assert skipped.total == 1


DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="fr">
<page><title>Marie Curie</title><ns>0</ns><id>7</id>
<revision><id>1</id><model>wikitext</model><format>text/x-wiki</format>
<text xml:space="preserve">'''Marie Curie''' vivait à [[Paris]], où elle travaillait avec
[[Pierre Curie|Pierre]] dans un hangar.</text></revision></page>
<page><title>Curie</title><ns>0</ns><id>8</id><redirect title="Marie Curie" />
<revision><id>2</id><model>wikitext</model><format>text/x-wiki</format>
<text xml:space="preserve">#REDIRECT [[Marie Curie]]</text></revision></page>
</mediawiki>
"""


def test_dumps_are_known_by_name_and_content(tmp_path):
    (tmp_path / "frwiki-articles1.xml-p7p8.bz2").write_bytes(bz2.compress(DUMP.encode()))
    (tmp_path / "notes.xml").write_text("<notes><page>no dump</page></notes>")
    (tmp_path / "a.jsonl").write_text(json.dumps(ROWS[0]))
    skipped = SkipCount()
    row, curie = read_documents(str(tmp_path), skipped=skipped, language="en")
    assert (row.id, row.language) == ("0", "en")
    assert (curie.title, curie.language) == ("Marie Curie", "fr")
    assert [(curie.text[start:end], target) for start, end, target in curie.links] == [
        ("Paris", "Paris"),
        ("Pierre", "Pierre Curie"),
    ]
    assert skipped.counts == {"a redirect": 1}
    with pytest.raises(DataError, match="of a kind that cannot be read"):
        list(read_documents(str(tmp_path / "notes.xml")))


MARKDOWN = """---
title: of the front matter
---
Before the *first* heading.

Setting **things** up
=====================

A [link](other.md "its title") and `code`, ~~old~~ new<br>text, ![a picture](x.png)
on two lines. <!-- hidden -->

```sh
make all
```

1. First item
2. Second [item][ref]

   with a paragraph

> quoted &amp; said

| a | b |
| - | - |
| 1 | 2 |

<div>raw html</div>

[ref]: https://example.org
"""


def test_markdown_leaves_its_running_text():
    title, text = plain_markdown(MARKDOWN)
    assert title == "of the front matter"
    assert text.split("\n\n") == [
        "Before the first heading.",
        "A link and code, old newtext, \non two lines.",
        "First item",
        "Second item",
        "with a paragraph",
        "quoted & said",
    ]
    assert (
        plain_markdown("---\n\nA rule, not front matter.\n\n---\n\nAnd more.")[1]
        == "A rule, not front matter.\n\nAnd more."
    )
    assert plain_markdown("+++\r\ntitle = 'x'\r\n+++\r\nText.") == ("x", "Text.")


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "set-up.md").write_text(MARKDOWN)
    (tmp_path / "guide" / "plain.markdown.gz").write_bytes(gzip.compress(b"No heading."))
    (tmp_path / "b.txt").write_bytes("\ufeffOne # text.\n\nTwo.".encode())
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9\0")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"x" * 999)[:-9])
    skipped = SkipCount()
    documents = {document.id: document for document in read_documents(str(tmp_path), skipped=skipped)}
    assert {name: document.title for name, document in documents.items()} == {
        "b.txt": "b",
        "guide/plain.markdown.gz": "guide/plain",
        "guide/set-up.md": "of the front matter",
    }
    assert documents["b.txt"].text == "One # text.\n\nTwo."
    assert skipped.counts["not UTF-8 text"] == 1
    assert skipped.total == 2
    (single,) = read_documents(str(tmp_path / "guide" / "set-up.md"))
    assert single.id == "set-up.md"


def test_a_file_name_that_is_no_text(tmp_path):
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).write_text("Fine.")
    except OSError:
        pytest.skip("this file system takes no such name")
    (document,) = read_documents(str(tmp_path))
    assert (document.id, document.title) == ("caf?.txt", "caf?")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_an_overlong_text_is_read_in_parts(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(textfiles, "MAX_RECORD", 800)
    monkeypatch.setattr(textfiles, "PART", 300)
    paragraphs = [f"第{number}段：北京是中华人民共和国的首都，位于华北平原的北部。" for number in range(40)]
    (tmp_path / "a.txt").write_bytes("\r\n\r\n".join(paragraphs).encode(encoding))
    (tmp_path / "b.txt").write_text("x" * 800)
    skipped = SkipCount()
    *parts, last = read_documents(str(tmp_path), skipped=skipped)
    assert [part.id for part in parts] == [f"a.txt#{number}" for number in range(1, len(parts) + 1)]
    assert [part.title for part in parts][:2] == ["a, part 1", "a, part 2"]
    assert "".join(part.text for part in parts) == "\n\n".join(paragraphs)
    assert all(part.text.startswith("第") and len(part.text) <= 300 for part in parts)
    assert (last.id, last.title) == ("b.txt", "b")
    assert skipped.total == 0
    assert any("read in parts" in what for what in skipped.noted)


def test_data_sets_by_name(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:5]))
    (folder / "test.jsonl").write_text(
        "".join(json.dumps({"title": row["title"], "text": row["text"]}) + "\n" for row in ROWS[:2])
    )
    assert [document.id for document in read_documents(f"hf:{folder}", limit=3)] == ["0", "1", "2"]
    assert [document.id for document in read_documents(f"hf:{folder}@test")] == [f"{folder}#1", f"{folder}#2"]
    with pytest.raises(DataError, match="could not be read"):
        list(read_documents(f"hf:{folder}@other"))
    with pytest.raises(DataError, match="could not be read"):
        list(read_documents("hf:nobody/nothing"))
    with pytest.raises(UsageError, match="hf:OWNER/NAME"):
        list(read_documents("hf:a:b:c"))
    (folder / "train.jsonl").write_text('{"words": "x", "title": "T"}\n')
    with pytest.raises(DataError, match=r"has no column 'text' \(it has: words, title\); name its columns"):
        list(read_documents(f"hf:{folder}"))
