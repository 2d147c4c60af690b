"""PDF files: reading order, paragraphs, running heads, scans, limits."""

import pytest
from kit.documents import column, pdf

from masksearch.corpus import SkipCount, documents, read_documents
from masksearch.corpus.documents.layout import Line, joined
from masksearch.errors import DataError, FormatError, MissingExtraError

pytest.importorskip("pypdfium2")

LEFT = [f"The left column says in line {number} that the bridge" for number in range(20)]
RIGHT = [f"The right column says in line {number} that the tower" for number in range(20)]


def read(path, content):
    path.write_bytes(content)
    (document,) = read_documents(str(path))
    return document


def test_a_page_of_two_columns_is_read_column_by_column(tmp_path):
    left, right = column(LEFT, 40), column(RIGHT, 320)
    by_column = read(tmp_path / "a.pdf", pdf([[(200, 780, "Bridges of the North"), *left, *right]]))
    across = [run for pair in zip(left, right, strict=True) for run in pair]
    by_line = read(tmp_path / "b.pdf", pdf([[(200, 780, "Bridges of the North"), *across]]))
    assert by_column.text == by_line.text
    assert by_line.text.split("\n\n") == ["Bridges of the North", " ".join(LEFT), " ".join(RIGHT)]
    assert (by_line.id, by_line.title) == ("b.pdf", "b")


def test_lines_become_paragraphs_and_divided_words_are_joined(tmp_path):
    lines = [
        "The engineer built the bridge over the river in the year 1566, and the con-",
        "struction took nine years. It was de-",
        "stroyed in 1993.",
        "A new paragraph starts here, because the line above it was short, and it goes",
        "on to the end of this line, and to the next page, which does not start with a",
    ]
    first = column(["1. History", *lines], 40)
    second = [(40, 740, "capital letter. It ends here.")]
    document = read(tmp_path / "a.pdf", pdf([first, second], title="The Old Bridge"))
    assert document.title == "The Old Bridge"
    assert document.text.split("\n\n") == [
        "1. History",
        "The engineer built the bridge over the river in the year 1566, and the construction took nine "
        "years. It was destroyed in 1993.",
        "A new paragraph starts here, because the line above it was short, and it goes on to the end of "
        "this line, and to the next page, which does not start with a capital letter. It ends here.",
    ]


def test_letters_set_close_to_each_other_are_read_once(tmp_path):
    # A font's table of kerning moves "raps" under the arm of the "W", so that the boxes of both overlap.
    runs = [(40, 700, "W"), (47.5, 700, "raps the F"), (90.5, 700, "ont of the page.")]
    assert read(tmp_path / "a.pdf", pdf([runs])).text == "Wraps the Font of the page."


def test_rows_of_a_table_are_no_sentences(tmp_path):
    cells = [("Mountain", "Height", "Year"), ("Everest", "8849 m", "1953"), ("K2", "8611 m", "1954")]
    rows = [
        (40 + 180 * place, 640 - 14 * number, cell)
        for number, row in enumerate(cells)
        for place, cell in enumerate(row)
    ]
    text = "The highest mountains of the world were climbed after many attempts in the 1950s."
    document = read(tmp_path / "a.pdf", pdf([[(40, 700, text), *rows, (40, 560, text)]]))
    assert document.text.split("\n\n") == [
        text, "Mountain Height Year", "Everest 8849 m 1953", "K2 8611 m 1954", text
    ]  # fmt: skip


def test_running_heads_and_page_numbers_are_left_out(tmp_path):
    pages = [
        [
            (40, 780, f"Chapter 2: Bridges {number}"),
            *column(
                [f"Sentence {number}.{line} is about the bridge number {line}." for line in range(8)], 40
            ),
            (300, 30, str(number)),
        ]
        for number in range(1, 5)
    ]
    document = read(tmp_path / "a.pdf", pdf(pages))
    assert "Chapter 2" not in document.text
    assert document.text.startswith("Sentence 1.0 is")
    assert document.text.endswith("Sentence 4.7 is about the bridge number 7.")


def test_pdfs_without_text_are_named(tmp_path):
    (tmp_path / "scan.pdf").write_bytes(pdf([[], []]))
    (tmp_path / "secret.pdf").write_bytes(pdf([[(40, 700, "Secret.")]], password=True))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (tmp_path / "half.pdf").write_bytes(pdf([[], [], [(40, 700, "One page has text.")]]))
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["half.pdf"]
    named = {reason.partition(" (")[0]: where for reason, where in skipped.examples.items()}
    assert named["a PDF without text, such as a scan"] == str(tmp_path / "scan.pdf")
    assert named["a PDF with a password"] == str(tmp_path / "secret.pdf")
    assert named["a damaged PDF"] == str(tmp_path / "broken.pdf")
    assert named["a PDF of which some pages have no text"] == str(tmp_path / "half.pdf")
    assert skipped.table().splitlines()[-2:] == ["files      read  not read", ".pdf          1         3"]
    with pytest.raises(FormatError, match=r"scan\.pdf is a PDF without text, .* with ocrmypdf"):
        list(read_documents(str(tmp_path / "scan.pdf")))


def test_large_files_end_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_FILE", 2**10)
    (tmp_path / "a.pdf").write_bytes(pdf([[(40, 700, "Long.")]]) + b" " * 2**10)
    (tmp_path / "b.txt").write_text("Short.")
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["b.txt"]
    assert list(skipped.counts) == ["a .pdf file of more than 0.000976562 MiB (split it)"]
    with open(tmp_path / "c.pdf", "wb") as stream:
        stream.truncate(2 * 2**30)  # a file of 2 GB that takes no space
    monkeypatch.undo()
    with pytest.raises(FormatError, match=r"a \.pdf file of more than 256 MiB \(split it\)"):
        list(read_documents(str(tmp_path / "c.pdf")))


def test_without_the_package_a_sentence_names_the_extra(tmp_path, monkeypatch):
    from masksearch.corpus import walk

    (tmp_path / "a.pdf").write_bytes(pdf([[(40, 700, "Text.")]]))
    monkeypatch.setattr(walk, "missing_package", lambda ending: "pypdfium2")
    with pytest.raises(
        MissingExtraError, match=r"A \.pdf file needs .* pip install 'masksearch\[documents\]'"
    ):
        list(read_documents(str(tmp_path / "a.pdf")))
    with pytest.raises(DataError, match=r"a\.pdf is a \.pdf file, which needs .*masksearch\[documents\]"):
        list(read_documents(str(tmp_path)))
    (tmp_path / "b.txt").write_text("Read all the same.")
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(tmp_path), skipped=skipped)] == ["b.txt"]
    assert "pip install 'masksearch[documents]'" in skipped.table()


def test_spaces_around_words_in_another_font_are_closed():
    line = Line(0, 9, 9, "The type ( see ‘ NODE ’ ) of .NET , and ’tis so .", False, (0, 9))
    assert joined([[line]]) == "The type (see ‘NODE’) of .NET, and ’tis so."
