"""Records in the layouts of other tools, and tables."""

import csv
import gzip
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from masksearch.corpus import SkipCount, jsonl, read_documents
from masksearch.corpus.layouts import arrays
from masksearch.corpus.layouts.fields import parse_fields
from masksearch.errors import FormatError


def read(path, content, **options):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(data)
    return [(document.id, document.title, document.text) for document in read_documents(str(path), **options)]


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


TEXT = "Marie Curie discovered radium in 1898."


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"_id": "d1", "title": "Radium", "text": TEXT, "metadata": {}}, ("d1", "Radium", TEXT)),  # BEIR
        ({"id": 0, "contents": f'"Radium"\n{TEXT}'}, ("0", "Radium", TEXT)),  # FlashRAG, Search-R1
        ({"id": "0", "contents": f'"The "Curies""\n{TEXT}'}, ("0", 'The "Curies"', TEXT)),
        ({"id": "0", "contents": f"Radium\n{TEXT}"}, ("0", "Radium", TEXT)),  # Pyserini, as BEIR is packed
        ({"id": "0", "contents": f"{TEXT}\nIt glows."}, ("0", "", f"{TEXT}\nIt glows.")),
        ({"docid": "7", "title": "Radium", "contents": TEXT}, ("7", "Radium", TEXT)),
        ({"page_content": TEXT, "metadata": {"source": "a/radium.md"}}, ("c.jsonl#1", "a/radium.md", TEXT)),
        (
            {"page_content": TEXT, "metadata": {"title": "R", "source": "a"}, "id": None},
            ("c.jsonl#1", "R", TEXT),
        ),
        ({"text": TEXT}, ("c.jsonl#1", "", TEXT)),
        ({"title": "Radium", "text": TEXT}, ("c.jsonl#1", "Radium", TEXT)),
        ({"docno": "x", "headline": "Radium", "body": TEXT}, ("x", "Radium", TEXT)),
    ],
)
def test_records_of_known_layouts(tmp_path, record, found):
    assert read(tmp_path / "c.jsonl", lines(record)) == [found]


def test_fields_that_a_user_names(tmp_path):
    rows = [
        {
            "key": 1,
            "info": {"name": "Radium"},
            "abstract": "Short.",
            "main": TEXT,
            "text": "not this",
            "l": "fr",
        },
        {"key": 2, "info": {"name": "Polonium"}, "abstract": None, "main": TEXT, "l": "en"},
        {"key": 3, "info": {}, "main": None},
    ]
    fields = parse_fields(["id=key", "title=info.name", "text=abstract+main", "language=l"])
    skipped = SkipCount()
    assert read(tmp_path / "c.jsonl", lines(*rows), fields=fields, skipped=skipped) == [
        ("1", "Radium", f"Short.\n\n{TEXT}"),
        ("2", "Polonium", TEXT),
    ]
    assert skipped.counts == {"a record that lacks the field 'text'": 1}
    assert [document.language for document in read_documents(str(tmp_path / "c.jsonl"), fields=fields)] == [
        "fr", "en"
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    found = read_documents(str(tmp_path / "c.parquet"), fields=fields)
    assert [document.text for document in found] == [f"Short.\n\n{TEXT}", TEXT]
    (tmp_path / "c.parquet").unlink()
    (tmp_path / "d.txt").write_text("A text has no fields.")
    assert [document.id for document in read_documents(str(tmp_path), fields=fields)] == ["1", "2", "d.txt"]


@pytest.mark.parametrize("given", ["texts=body", "text", "text=", "=body", "text=a++b"])
def test_names_that_name_nothing_are_refused(given):
    with pytest.raises(ValueError, match=r"names no field of the records; write id=NAME"):
        parse_fields([given])


def test_parquet_of_other_layouts(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"_id": "a", "contents": f'"R"\n{TEXT}'}]), tmp_path / "c.parquet")
    (document,) = read_documents(str(tmp_path / "c.parquet"))
    assert (document.id, document.title, document.text) == ("a", "R", TEXT)


def psgs(rows):
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerows([("id", "text", "title"), *rows])
    return out.getvalue()


def test_passages_of_dpr(tmp_path):
    rows = [("1", 'Aaron "the\tprophet" was a\nbrother.', "Aaron"), ("2", TEXT, "Radium")]
    content = psgs(rows)
    assert '"Aaron ""the\tprophet"" was' in content
    expected = [(number, title, text) for number, text, title in rows]
    assert read(tmp_path / "psgs_w100.tsv", content) == expected
    assert read(tmp_path / "psgs_w100.tsv.gz", gzip.compress(content.encode())) == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "found"),
    [
        ("a.csv", f"Title,Text\nRadium,{TEXT}\n", {}, [("a.csv#1", "Radium", TEXT)]),
        ("a.csv", f"id;title;text\r\n1;Radium;{TEXT}\r\n", {}, [("1", "Radium", TEXT)]),
        ("a.csv", f'\ufefftext,title\n"{TEXT}",', {}, [("a.csv#1", "", TEXT)]),
        ("collection.tsv", f"0\t{TEXT}\n1\tIt glows.\n", {}, [("0", "", TEXT), ("1", "", "It glows.")]),
        ("a.tsv", f'pid\ttext\n0\t"Radium" {TEXT}\n1\t"Open\n', {},
         [("0", "", f'"Radium" {TEXT}'), ("1", "", '"Open')]),
        ("a.tsv", f"D1\thttp://a\tRadium\t{TEXT}\n", {"id": "1", "title": "3", "text": "4"},
         [("D1", "Radium", TEXT)]),
        ("a.csv", f"Name,Inhalt\nRadium,{TEXT}\n", {"title": "Name", "text": "Inhalt"},
         [("a.csv#1", "Radium", TEXT)]),
        ("a.csv", f"title,text\nCafé,{TEXT}\nMünchen à Noël,{TEXT}\n".encode("cp1252"), {},
         [("a.csv#1", "Café", TEXT), ("a.csv#2", "München à Noël", TEXT)]),
        ("a.tsv", f"title\ttext\n镭\t{TEXT}\n".encode("utf-16"), {}, [("a.tsv#1", "镭", TEXT)]),
    ],
)  # fmt: skip
def test_tables(tmp_path, name, content, options, found):
    assert read(tmp_path / name, content, fields=options) == found


def test_faults_of_tables(tmp_path, monkeypatch):
    skipped = SkipCount()
    content = f"id,title,text\n1,Radium,{TEXT}\n2,short\n3,Polonium,{TEXT},more\n4,,\n5,E,caf\xe9\n"
    content = content.encode().replace("\xe9".encode(), b"\xe9\0")
    assert read(tmp_path / "a.csv", content, skipped=skipped) == [("1", "Radium", TEXT)]
    assert skipped.counts == {
        "a row with another number of columns than the first": 2,
        "a record that lacks the field 'text'": 1,
        "a record with characters that are not valid text": 1,
    }
    assert skipped.examples["a row with another number of columns than the first"].endswith("a.csv, row 2")
    with pytest.raises(FormatError, match=r"a table without a column of text .*--fields text=NAME"):
        read(tmp_path / "b.csv", "year,height,name\n1,2,3\n")
    with pytest.raises(FormatError, match="a table without rows"):
        read(tmp_path / "c.csv", "\n\n")


def test_articles_of_wikiextractor(tmp_path):
    (tmp_path / "AA").mkdir()
    (tmp_path / "AB").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(
        '<doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Rock &amp; "Roll"">\n'
        'Rock & "Roll"\n\nFirst &lt;paragraph&gt;.\nSecond.\n\n</doc>\n'
        '<doc id="13" revid="4" url="https://x" title="Empty">\nEmpty\n\n</doc>\n'
    )
    (tmp_path / "AA" / "wiki_01").write_text(
        lines({"id": "14", "revid": "1", "url": "u", "title": "J", "text": TEXT})
    )
    (tmp_path / "AB" / "wiki_00.gz").write_bytes(
        gzip.compress(
            b'<doc id="15" title="Last" url="u">\nLast\n\nText.\n</doc>\n<doc id="16" title="Cut">\nCut\n'
        )
    )
    skipped = SkipCount()
    found = [(one.id, one.title, one.text) for one in read_documents(str(tmp_path), skipped=skipped)]
    assert found == [
        ("12", 'Rock & "Roll"', "First <paragraph>.\n\nSecond."),
        ("14", "J", TEXT),
        ("15", "Last", "Text."),
    ]
    assert skipped.counts == {"a page without text": 1, "an article that breaks off": 1}


def test_a_dump_of_the_search_index(tmp_path):
    content = lines(
        {"index": {"_type": "_doc", "_id": "12"}},
        {"title": "Radium", "namespace": 0, "language": "en", "text": TEXT, "wiki": "enwiki", "page_id": 12},
        {"index": {"_id": "13"}},
        {"title": "Talk:Radium", "namespace": 1, "language": "en", "text": "Talk."},
    )
    skipped = SkipCount()
    found = read(
        tmp_path / "w-cirrussearch-content.json.gz", gzip.compress(content.encode()), skipped=skipped
    )
    assert found == [("12", "Radium", TEXT)]
    assert skipped.counts == {"a page of another namespace": 1}


def test_snapshots_of_wikimedia_enterprise(tmp_path):
    wikitext = "'''Radium''' was discovered by [[Marie Curie|Curie]] in 1898 in [[Paris]]."
    page = {
        "identifier": 7,
        "name": "Radium",
        "namespace": {"identifier": 0},
        "in_language": {"identifier": "en"},
    }
    sections = [
        {"type": "section", "name": "Abstract", "has_parts": [{"type": "paragraph", "value": TEXT}]},
        {"type": "section", "name": "References", "has_parts": [{"type": "paragraph", "value": "S."}]},
        {"type": "section", "name": "Use", "has_parts": [
            {"type": "list", "has_parts": [{"type": "list_item", "value": "Clocks."}]},
            {"type": "section", "name": "More", "has_parts": [{"type": "paragraph", "value": "It glows."}]},
        ]},
    ]  # fmt: skip
    html = f"""<body><h1>Polonium</h1><div class="hatnote">Not Plutonium.</div>
    <p>{TEXT}<sup class="reference">[1]</sup> It was rare.</p>
    <ol class="mw-references"><li>Smith 1999.</li></ol></body>"""
    rows = [
        {**page, "article_body": {"wikitext": wikitext, "html": "<p>x</p>"}},
        {**page, "identifier": 8, "article_body": {"html": html}},
        {**page, "identifier": 9, "sections": sections},
        {**page, "identifier": 10, "namespace": {"identifier": 14}, "article_body": {}},
        {**page, "identifier": 11, "article_body": {"wikitext": "#REDIRECT [[Radium]]"}},
    ]
    path = tmp_path / "enwiki_0.ndjson"
    path.write_text(lines(*rows))
    skipped = SkipCount()
    first, second, third = read_documents(str(path), skipped=skipped)
    assert (first.id, first.title, first.language) == ("7", "Radium", "en")
    assert first.text == "Radium was discovered by Curie in 1898 in Paris."
    assert [(first.text[start:end], target) for start, end, target in first.links] == [
        ("Curie", "Marie Curie"), ("Paris", "Paris")
    ]  # fmt: skip
    assert second.text == f"{TEXT} It was rare."
    assert third.text.split("\n\n") == [TEXT, "Clocks.", "It glows."]
    assert skipped.total == 2


ROWS = [
    {"id": str(number), "title": f"T{number}", "text": f"Text {number}, [x] {{y}} é."} for number in range(20)
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("part", [7, 2**20])
def test_an_array_of_objects(tmp_path, monkeypatch, indent, encoding, part):
    monkeypatch.setattr(arrays, "PART", part if encoding != "cp1252" else 2**20)
    content = json.dumps([*ROWS, 5, {"text": "No id."}], indent=indent, ensure_ascii=False).encode(encoding)
    skipped = SkipCount()
    found = read(tmp_path / "a.json", content, skipped=skipped)
    assert found[:-1] == [(row["id"], row["title"], row["text"]) for row in ROWS]
    assert found[-1] == ("a.json#22", "", "No id.")
    assert skipped.counts == {"not a JSON object": 1}
    assert skipped.examples["not a JSON object"].endswith("a.json, item 21")


def test_damaged_arrays(tmp_path):
    whole = json.dumps(ROWS)
    skipped = SkipCount()
    found = read(tmp_path / "a.json", whole[: len(whole) // 2], skipped=skipped)
    assert found == [(row["id"], row["title"], row["text"]) for row in ROWS][: len(found)]
    assert len(found) > 5
    assert list(skipped.counts) == ["not valid JSON (the rest of the array is left out)"]
    skipped = SkipCount()
    assert len(read(tmp_path / "b.json", whole + "{}", skipped=skipped)) == 20
    assert list(skipped.counts) == ["text after the array"]


def test_an_object_over_many_lines(tmp_path):
    assert read(tmp_path / "a.json", json.dumps(ROWS[0], indent=1)) == [("0", "T0", "Text 0, [x] {y} é.")]
    wrapped = json.dumps({"version": 1, "documents": ROWS[:2]}, indent=1)
    assert [number for number, _, _ in read(tmp_path / "b.json", wrapped)] == ["0", "1"]
    skipped = SkipCount()
    assert len(read(tmp_path / "c.jsonl", "{\n" + lines(*ROWS[:2]), skipped=skipped)) == 2
    assert skipped.counts == {"not valid JSON": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030", "big5"])
def test_lines_in_other_encodings(tmp_path, encoding):
    chinese = encoding in ("gb18030", "big5")
    text = "北京是一座古老的城市，位于平原北部。" if chinese else "Le café est situé à côté de l’église."
    text = text.replace("位于", "位於") if encoding == "big5" else text
    rows = [{"id": number, "title": "T", "text": f"{text} {number}"} for number in range(30)]
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    skipped = SkipCount()
    found = read(tmp_path / "a.jsonl", (mark + lines(*rows)).encode(encoding), skipped=skipped)
    assert [words for _, _, words in found] == [row["text"] for row in rows]
    assert skipped.total == 0
    assert [what.partition(" (")[0] for what in skipped.noted] == [
        f"text in the encoding {encoding.removesuffix('-le')}"
    ]


def test_a_damaged_line_among_utf8_is_not_guessed(tmp_path):
    content = (
        lines({"id": "1", "title": "é", "text": "x"}).encode()
        + b'{"id": "2", "title": "\xe9", "text": "x"}\n'
    )
    skipped = SkipCount()
    assert [number for number, _, _ in read(tmp_path / "a.jsonl", content, skipped=skipped)] == ["1"]
    assert skipped.counts == {"not UTF-8 text": 1}


def test_without_charset_normalizer_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    monkeypatch.setattr(jsonl, "unknown", lambda: "not UTF-8 text (to recognise its encoding: pip install x)")
    with pytest.raises(
        Exception, match=r"is not UTF-8 text .* iconv .to recognise its encoding: pip install x"
    ):
        read(tmp_path / "a.jsonl", '{"title": "é", "text": "é"}\n'.encode("cp1252"))
