"""Word documents, presentations, books and web pages, and archives that must not be opened."""

import io
import zipfile

import pytest
from kit.documents import archive, epub

from masksearch.corpus import SkipCount, read_documents
from masksearch.corpus.documents import archives, html
from masksearch.errors import FormatError

docx = pytest.importorskip("docx")
pptx = pytest.importorskip("pptx")
pytest.importorskip("trafilatura")

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def word(path, heading="The old bridge", style=1):
    document = docx.Document()
    if heading:
        document.add_heading(heading, style)
    document.add_paragraph("The bridge was built in 1566.")
    document.add_paragraph("It crosses the river Neretva.", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "Height"
    table.cell(
        0, 1
    ).text = "The arch of the bridge is about twenty-one metres above the river in the summer months."
    document.add_paragraph("It was rebuilt in 2004.")
    document.save(path)


def test_a_word_document(tmp_path):
    word(tmp_path / "a.docx")
    word(tmp_path / "b.docx", style=2)
    first, second = read_documents(str(tmp_path))
    assert first.title == "The old bridge"
    assert second.title == "b"
    assert first.text.split("\n\n") == [
        "The bridge was built in 1566.",
        "It crosses the river Neretva.",
        "The arch of the bridge is about twenty-one metres above the river in the summer months.",
        "It was rebuilt in 2004.",
    ]


def test_a_presentation(tmp_path):
    made = pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "The old bridge"
    slide.placeholders[1].text = "Built in 1566\nDestroyed in 1993"
    slide.notes_slide.notes_text_frame.text = "Mimar Hayruddin was its architect."
    box = slide.shapes.add_group_shape().shapes.add_textbox(0, 0, 9, 9)
    box.text_frame.text = "In a group."
    made.save(tmp_path / "a.pptx")
    (document,) = read_documents(str(tmp_path / "a.pptx"))
    assert document.title == "The old bridge"
    assert document.text.split("\n\n") == [
        "The old bridge", "Built in 1566", "Destroyed in 1993", "In a group.",
        "Mimar Hayruddin was its architect.",
    ]  # fmt: skip


WORDS = (
    "It was a long road to the bridge, and nobody who went there in those years came back before night fell."
)


def test_a_book_is_read_by_chapters(tmp_path):
    chapters = {
        "cover.xhtml": "<img src='http://127.0.0.1:9/cover.png'/>",
        "1.xhtml": f"<h1>The road</h1><p>{WORDS}</p><p>Then caf&eacute;s <b>open</b>ed.<br/>Next line.</p>",
        "2.xhtml": f"<div>{WORDS}</div><script>alert(1)</script><table><tr><td>cell</td></tr></table>",
    }
    (tmp_path / "book.epub").write_bytes(epub("The bridge", chapters))
    first, second = read_documents(str(tmp_path / "book.epub"))
    assert [(first.id, first.title), (second.id, second.title)] == [
        ("book.epub#1", "The bridge: The road"),
        ("book.epub#2", "The bridge: part 2"),
    ]
    assert first.text.split("\n\n") == [WORDS, "Then cafés opened.", "Next line."]
    assert second.text == WORDS


def test_books_that_cannot_be_read_are_named(tmp_path):
    locked = "<encryption><EncryptedData><EncryptionMethod Algorithm='x:aes'/></EncryptedData></encryption>"
    (tmp_path / "a.epub").write_bytes(epub("T", {"1.xhtml": WORDS}, {"META-INF/encryption.xml": locked}))
    (tmp_path / "b.epub").write_bytes(archive({"mimetype": "application/epub+zip"}))
    (tmp_path / "c.epub").write_bytes(b"PK\3\4 cut")
    (tmp_path / "d.epub").write_bytes(epub("T", {"../../../etc/passwd": WORDS}))
    (tmp_path / "e.epub").write_bytes(epub("T", {"1.xhtml": f"<p>{WORDS}</p>"}))
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["e.epub#1"]
    assert skipped.counts == {
        "a book with copy protection": 1,
        "a damaged or incomplete file (.epub)": 2,
        "a chapter that cannot be read": 1,  # its name leads out of the archive
        "a book without text": 1,
    }


PAGE = """<!doctype html><html><head><title>{title}</title><meta charset="{charset}">
<script src="http://127.0.0.1:9/x.js">document.write("written")</script></head>
<body><header><h1>The Manual</h1></header>
<nav><ul><li><a href="/">Home</a></li>
<li><a href="/index">Index of all the pages of the manual</a></li></ul></nav>
<main><h2>{heading}</h2><p>{text} It crosses the river at the narrowest place, where the water is
deep and fast in every season of the year.</p>
<table><tr><td>Height</td><td>21 m</td></tr></table><pre>make all</pre>
<ul><li>The first item of the list says that the bridge has one arch.</li></ul>
<p>The second paragraph of the page tells who built it, when, and why he was afraid of the sultan.</p></main>
<footer>Copyright of the manual, all rights reserved, imprint, privacy, terms.</footer></body></html>"""


def test_a_page_without_its_navigation(tmp_path):
    page = PAGE.format(
        title="Bridges – The Manual", charset="utf-8", heading="Bridges", text="The bridge was built."
    )
    (tmp_path / "a.html").write_text(page)
    (document,) = read_documents(str(tmp_path / "a.html"))
    assert document.title == "Bridges"
    assert document.text.split("\n\n") == [
        "The bridge was built. It crosses the river at the narrowest place, where the water is deep and "
        "fast in every season of the year.",
        "The first item of the list says that the bridge has one arch.",
        "The second paragraph of the page tells who built it, when, and why he was afraid of the sultan.",
    ]


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "gbk", "utf-16", "none"])
def test_pages_in_other_encodings(tmp_path, charset):
    encoding = "cp1252" if charset in ("iso-8859-1", "none") else charset
    text = (
        "北京的桥很古老，它建于一九二三年。"
        if charset == "gbk"
        else "Le café près du pont fut bâti en 1566 à Mostar."
    )
    page = PAGE.format(title="T", charset=charset, heading="H", text=text)
    (tmp_path / "a.htm").write_bytes(page.encode(encoding))
    (document,) = read_documents(str(tmp_path / "a.htm"))
    assert document.text.startswith(text)


@pytest.mark.parametrize(
    ("html_title", "headings", "title"),
    [
        ("Path | Node.js Documentation", ["Node.js documentation", "Path"], "Path"),
        ("Ownership - The Book", ["The Book"], "Ownership"),
        ("Bridges", ["Something else"], "Bridges"),
        ("", ["Only a heading¶"], "Only a heading"),
        ("", [], ""),
    ],
)
def test_titles_of_pages(html_title, headings, title):
    body = "".join(f"<h1>{heading}</h1>" for heading in headings)
    page = html.parsed(f"<html><head><title>{html_title}</title></head><body>{body}<p>x</p></body></html>")
    assert html.page_title(page) == title


def test_nothing_outside_a_file_is_loaded(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("outside")
    entity = f'<!DOCTYPE html [<!ENTITY e SYSTEM "file://{secret}">]>'
    chapter = f"{entity}<html><body><p>{WORDS} &e;</p></body></html>"
    (tmp_path / "a.xhtml").write_text(chapter)
    content = {"1.xhtml": f"<p>{WORDS}</p>"}
    package = archive_of(epub("T", content))
    package["OPS/book.opf"] = f'<!DOCTYPE package [<!ENTITY e SYSTEM "file://{secret}">]>' + package[
        "OPS/book.opf"
    ].replace("<dc:title>T", "<dc:title>T &e;")
    (tmp_path / "b.epub").write_bytes(archive(package))
    word(tmp_path / "c.docx")
    parts = archive_of((tmp_path / "c.docx").read_bytes())
    head, _, rest = parts["word/document.xml"].partition("?>")
    parts["word/document.xml"] = (
        f'{head}?><!DOCTYPE w [<!ENTITY e SYSTEM "file://{secret}">]>'
        + rest.replace("in 2004.", "in 2004. &e;")
    )
    (tmp_path / "c.docx").write_bytes(archive(parts))
    skipped = SkipCount()
    found = list(read_documents(str(tmp_path), skipped=skipped))
    assert {document.id for document in found} >= {"a.xhtml", "b.epub#1"}
    assert all("outside" not in document.text + document.title for document in found)


def archive_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name).decode("utf-8", "replace") for name in opened.namelist()}


def test_entities_that_grow_are_not_expanded(tmp_path):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    book = archive_of(epub("T", {"1.xhtml": f"<p>{WORDS}</p>"}))
    book["OPS/book.opf"] = f'<!DOCTYPE p [<!ENTITY e0 "x">{entities}]>' + book["OPS/book.opf"].replace(
        "<dc:title>T", "<dc:title>T&e11;"
    )
    (tmp_path / "a.epub").write_bytes(archive(book))
    with pytest.raises(FormatError, match="a damaged or incomplete file"):
        list(read_documents(str(tmp_path / "a.epub")))


@pytest.mark.parametrize("ending", [".docx", ".pptx", ".epub"])
def test_a_zip_bomb_is_not_opened(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(archives, "MAX_XML", 2**20)
    bomb = archive({"word/document.xml": b"<" * 2**21, "OPS/book.opf": "x"})
    assert len(bomb) < 2**13
    (tmp_path / f"a{ending}").write_bytes(bomb)
    (tmp_path / "b.txt").write_text("Fine.")
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["b.txt"]
    assert skipped.examples == {archives.BOMB: str(tmp_path / f"a{ending}")}
    with pytest.raises(FormatError, match="unpacks to far more than a document holds"):
        list(read_documents(str(tmp_path / f"a{ending}")))


def test_pictures_are_not_unpacked(tmp_path, monkeypatch):
    word(tmp_path / "a.docx")
    parts = archive_of((tmp_path / "a.docx").read_bytes())
    (tmp_path / "a.docx").write_bytes(archive({**parts, "word/media/film.mp4": bytes(2**22)}))
    monkeypatch.setattr(archives, "MAX_XML", 2**21)
    (document,) = read_documents(str(tmp_path / "a.docx"))
    assert document.title == "The old bridge"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.docx", b"", "a damaged or incomplete file (.docx)"),
        ("a.docx", archive({"x.xml": "<x/>"}), "a damaged or incomplete file (.docx)"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a .docx file with a password"),
        ("a.pptx", b"PK\5\6" + bytes(18), "a damaged or incomplete file (.pptx)"),
        ("a.html", b"", "a page without running text"),
        ("a.html", b"\0\1\2\3\xff", "not UTF-8 text"),
    ],
)
def test_damaged_documents_cost_themselves_only(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "b.txt").write_text("Fine.")
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["b.txt"]
    (named,) = skipped.counts
    assert named.startswith(reason)
