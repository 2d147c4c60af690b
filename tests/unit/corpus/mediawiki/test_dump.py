"""Dumps to records: compression, cutting, numbers of workers, damaged files and pages."""

import bz2
import gzip
import tracemalloc
from pathlib import Path

import pytest

pytest.importorskip("mwparserfromhell")

from kit.places import SHARED_DATA

from masksearch.corpus import SkipCount
from masksearch.corpus.mediawiki import stream
from masksearch.corpus.mediawiki.dump import find_index, is_dump, read_dump, read_index
from masksearch.corpus.mediawiki.page import read_pages
from masksearch.errors import DataError

pytestmark = pytest.mark.slow
REAL = SHARED_DATA / "wiki"
HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-{version}/" version="{version}"'
    ' xml:lang="{language}">\n'
)
SITE = "<siteinfo><sitename>Wikipedia</sitename><namespaces><namespace key='0' /></namespaces></siteinfo>\n"


def page(number, text="Text of [[the page]].", title="", ns=0, extra="", model="wikitext"):
    body = text.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<page>\n<title>{title or f'Page {number}'}</title>\n<ns>{ns}</ns>\n<id>{number}</id>\n{extra}"
        f"<revision><id>9{number}</id><model>{model}</model>"
        f'<text xml:space="preserve" bytes="5">{body}</text></revision>\n</page>\n'
    )


def dump(*pages, version="0.11", language="en", site=SITE):
    return (
        HEAD.format(version=version, language=language) + site + "".join(pages) + "</mediawiki>\n"
    ).encode()


def read(path, workers=1, **more):
    skipped = SkipCount()
    return list(read_dump(str(path), skipped, workers=workers, **more)), skipped


def ids(records):
    return [record["id"] for _, record in records]


def multistream(folder, pages, size=3):
    """Writes a dump and its index as Wikimedia does; returns the path and the block starts.

    The head, each block of `size` pages and the end are separate streams.
    """
    data = bz2.compress((HEAD.format(version="0.11", language="en") + SITE).encode())
    index = []
    for start in range(0, len(pages), size):
        index += [
            f"{len(data)}:{number}:Page {number}: x\n"
            for number in range(start, min(start + size, len(pages)))
        ]
        data += bz2.compress("".join(pages[start : start + size]).encode())
    path = folder / "xwiki-20240101-pages-articles-multistream1.xml-p1p99.bz2"
    path.write_bytes(data + bz2.compress(b"</mediawiki>\n"))
    (folder / "xwiki-20240101-pages-articles-multistream-index1.txt-p1p99.bz2").write_bytes(
        bz2.compress("".join(index).encode())
    )
    return path, sorted({int(line.partition(":")[0]) for line in index})


@pytest.mark.parametrize("version", ["0.9", "0.10", "0.11"])
@pytest.mark.parametrize("site", [SITE, ""])
def test_schemas_with_and_without_siteinfo(tmp_path, version, site):
    path = tmp_path / "w.xml"
    path.write_bytes(dump(page(7), version=version, site=site))
    records, skipped = read(path)
    assert records == [
        (
            f"{path}, page 'Page 7' (id 7)",
            {
                "id": "7",
                "title": "Page 7",
                "text": "Text of the page.",
                "links": [(8, 16, "The page")],
                "language": "en",
            },
        )
    ]
    assert not skipped.total


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("w.xml", bytes),
        ("w.xml.bz2", bz2.compress),
        ("w.xml-p1p9.bz2", bz2.compress),
        ("w.xml.gz", gzip.compress),
    ],
)
def test_packings(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(dump(page(1), page(2))))
    assert is_dump(str(path))
    assert ids(read(path)[0]) == ["1", "2"]


def test_language_is_the_dumps_own_or_the_given(tmp_path):
    path = tmp_path / "w.xml"
    path.write_bytes(dump(page(1), language="fr"))
    assert read(path, language="es")[0][0][1]["language"] == "fr"
    path.write_bytes(dump(page(1)).replace(b' xml:lang="en"', b""))
    assert read(path, language="es")[0][0][1]["language"] == "es"
    assert "language" not in read(path)[0][0][1]


def test_what_is_no_article_is_counted(tmp_path):
    path = tmp_path / "w.xml"
    path.write_bytes(
        dump(
            page(1, ns=10),
            page(2, extra='<redirect title="X" />'),
            page(3, text="#REDIRECT [[X]]"),
            page(4, title="List of cats"),
            page(5, text="{{disambig}}"),
            page(6, text=""),
            page(7, model="css"),
            page(8, text="{{Infobox}}"),
            page(9),
        )
    )
    records, skipped = read(path)
    assert ids(records) == ["9"]
    assert skipped.counts == {
        "a page of another namespace": 1,
        "a redirect": 2,
        "a list page": 1,
        "a disambiguation page": 1,
        "a page without text": 1,
        "a page that is not wikitext": 1,
        "a page without a paragraph of prose": 1,
    }
    assert skipped.examples["a list page"] == f"{path}, page 'List of cats' (id 4)"


def test_last_revision_and_other_slots(tmp_path):
    old = '<revision><text xml:space="preserve">Old text here.</text></revision>'
    slot = '<content><role>aux</role><model>json</model><text bytes="1">Other slot.</text></content><text'
    path = tmp_path / "w.xml"
    path.write_bytes(
        dump(
            page(1, extra=old).replace(
                '<text xml:space="preserve" bytes', slot.replace("<text", "<text", 1) + " bytes"
            )
        )
    )
    assert read(path)[0][0][1]["text"] == "Text of the page."


def test_broken_pages_cost_themselves_only(tmp_path):
    pages = [
        page(1),
        page(2).replace("<revision>", "<revision"),
        page(3),
        page(4).replace("</page>", ""),
        page(5),
        page(6).replace("<page>", "<pa>"),
        page(7, text="an &unknown; entity").replace("&amp;", "&"),
        page(8).replace("Text", "Te\x01xt"),
        page(9).replace("<id>9</id>", ""),
        page(10),
    ]
    path = tmp_path / "w.xml"
    path.write_bytes(dump(*pages).replace(b"Page 5</title>", b"Caf\xe9</title>"))
    records, skipped = read(path)
    assert ids(records) == ["1", "3", "10"]
    assert skipped.counts == {
        "a page of malformed XML": 3,
        stream.NOT_CLOSED: 1,
        "a page that is not UTF-8 text": 1,
        stream.NOT_OPENED: 1,
        "a page without an id or a title": 1,
    }
    assert skipped.examples[stream.NOT_CLOSED] == f"{path}, page 'Page 4' (id 4)"
    assert skipped.examples[stream.NOT_OPENED].startswith(f"{path}, after page 'Caf")


@pytest.mark.parametrize("name", ["w.xml", "w.xml.bz2", "w.xml.gz"])
def test_a_file_that_breaks_off_gives_what_came_before(tmp_path, name):
    # Random words, so that half of the packed file holds about half of the pages.
    data = dump(
        *(
            page(number, text=" ".join(f"w{number * number * step % 99991}" for step in range(3000)) + ".")
            for number in range(1, 41)
        )
    )
    packed = {"w.xml": data, "w.xml.bz2": bz2.compress(data, 1), "w.xml.gz": gzip.compress(data)}[name]
    path = tmp_path / name
    path.write_bytes(packed[: len(packed) * 2 // 3])
    parts = list(stream.cut_pages(stream.read_chunks(str(path))))
    assert 3 < sum(isinstance(part, bytes) for part in parts) < 40
    assert [part.reason for part in parts if isinstance(part, stream.Fault)] == [
        stream.NOT_CLOSED if name == "w.xml" else stream.STREAM_CUT
    ]


def test_multistream_is_the_same_with_and_without_index_and_for_any_number_of_workers(tmp_path):
    path, _ = multistream(tmp_path, [page(number) for number in range(11)])
    assert find_index(str(path)) == str(
        tmp_path / "xwiki-20240101-pages-articles-multistream-index1.txt-p1p99.bz2"
    )
    with_index, skipped = read(path)
    assert ids(with_index) == [str(number) for number in range(11)]
    assert not skipped.total
    assert read(path, workers=2)[0] == with_index
    given = tmp_path / "given.txt"
    Path(find_index(str(path))).rename(tmp_path / "given.txt.bz2")
    assert read(path)[0] == with_index
    assert read(path, index=f"{given}.bz2")[0] == with_index


def test_a_damaged_block_costs_its_pages_only(tmp_path):
    path, starts = multistream(tmp_path, [page(number) for number in range(11)])
    data = bytearray(path.read_bytes())
    data[starts[1] + 40 : starts[1] + 60] = bytes(20)
    path.write_bytes(data)
    for index in ("present", "absent"):
        records, skipped = read(path)
        assert ids(records) == ["0", "1", "2", *map(str, range(6, 11))]
        assert skipped.counts == {stream.STREAM_DAMAGED: 1}
        if index == "present":
            Path(find_index(str(path))).unlink()


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"5:1:A\n", b"100:1:A\n50:2:B\n", b"99999999:1:A\n"])
def test_an_index_that_does_not_fit_is_not_used(tmp_path, content):
    path, _ = multistream(tmp_path, [page(number) for number in range(4)])
    Path(find_index(str(path))).write_bytes(bz2.compress(content))
    assert not read_index(find_index(str(path)), str(path))
    records, skipped = read(path)
    assert len(records) == 4
    assert [reason.split(" (")[0] for reason in skipped.counts] == ["an index that does not fit its dump"]


def test_an_overlong_page_is_passed_over_without_being_held():
    def chunks():
        yield (
            dump(page(1)).removesuffix(b"</mediawiki>\n")
            + b"<page><title>Long</title><ns>0</ns><id>2</id><revision><text>"
        )
        for number in range(200):
            yield bytes([97 + number % 20]) * 2**18
        yield ("</text></revision></page>" + page(3) + "</mediawiki>").encode()

    tracemalloc.start()
    parts = [part for part in stream.cut_pages(chunks()) if not isinstance(part, stream.Outside)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    articles = read_pages(parts)
    assert [outcome.place for outcome in articles] == [
        "page 'Page 1' (id 1)",
        "page 'Long' (id 2)",
        "page 'Page 3' (id 3)",
    ]
    assert articles[1].reason == stream.TOO_LONG
    assert peak < 2 * stream.MAX_PAGE


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_cutting_does_not_depend_on_the_chunks(size):
    data = dump(page(1), page(2).replace("</page>", ""), page(3), page(4).replace("<page>", ""), page(5))
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    parts = [part for part in stream.cut_pages(chunks) if not isinstance(part, stream.Outside)]
    assert [part.reason if isinstance(part, stream.Fault) else part[:30] for part in parts] == [
        b"<page>\n<title>Page 1</title>\n<",
        stream.NOT_CLOSED,
        b"<page>\n<title>Page 3</title>\n<",
        stream.NOT_OPENED,
        b"<page>\n<title>Page 5</title>\n<",
    ]


@pytest.mark.parametrize(
    "head",
    [
        '<?xml version="1.0"?>\n<!DOCTYPE mediawiki [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n',
        '<!DOCTYPE mediawiki SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_refused(tmp_path, head):
    path = tmp_path / "w.xml"
    path.write_bytes(head.encode() + dump(page(1, text="x")))
    with pytest.raises(DataError, match="declares a document type"):
        read(path)


def test_what_is_no_dump(tmp_path):
    path = tmp_path / "w.xml"
    path.write_text("<feed><doc>x</doc></feed>")
    assert not is_dump(str(path))
    with pytest.raises(DataError, match="is not a MediaWiki dump"):
        read(path)
    with pytest.raises(DataError, match="There is no file"):
        read(tmp_path / "none.xml")
    assert is_dump("enwiki-latest-pages-articles1.xml-p1p41242.bz2")
    assert not is_dump("notes.jsonl.bz2")


# Remains of markup that must not appear in clean text.
MARKUP = ("{{", "}}", "[[", "]]", "''", "  ", "()", "( ", ", ,", "<ref", "&nbsp;", "\n\n\n", "File:")


def test_real_fragments():
    if not REAL.is_dir():
        pytest.skip("the real dump fragments are not available")
    records, skipped = read(REAL / "enwiki-pages-articles1-shortened.xml.bz2")
    assert len(records) == 96
    assert skipped.counts == {
        "a redirect": 99,
        "a page of another namespace": 1,
        "a list page": 2,
        "a disambiguation page": 8,
    }
    for _, record in records:
        text = record["text"]
        assert not [mark for mark in MARKUP if mark in text]
        assert all(
            0 <= start < end <= len(text) and text[start:end].strip() == text[start:end]
            for start, end, _ in record["links"]
        )
    lincoln = next(record for _, record in records if record["title"] == "Abraham Lincoln")
    assert "President of the United States" in {target for _, _, target in lincoln["links"]}
    tables, _ = read(REAL / "enwiki-table-markup.xml.bz2")
    assert ids(tables)[0] == "217916"
    assert not any("|" in record["text"] for _, record in tables)
