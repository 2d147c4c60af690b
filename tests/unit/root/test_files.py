"""Files: nothing half-written is taken for whole, nothing whole is lost."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from masksearch import files
from masksearch.errors import DataError, FormatError
from masksearch.types import Document


def broken_write(target: Path, begin: Callable[[Path], object]) -> None:
    """Begins to write and fails."""
    with contextlib.suppress(RuntimeError), files.atomic_path(target) as temporary:
        begin(temporary)
        raise RuntimeError


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    files.write_json(target, {"old": 1})
    broken_write(target, lambda temporary: temporary.write_text("half"))
    assert target.read_text() == '{\n "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    for name in ("a", "b"):
        with files.atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["b"]
    broken_write(target, lambda temporary: temporary.mkdir())
    assert [path.name for path in target.iterdir()] == ["b"]
    assert list(target.parent.iterdir()) == [target]


def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    files.append_json_lines(path, [{"n": 1}, {"n": 2}])
    with open(path, "ab") as stream:
        stream.write('{"n": 3, "text": "ä'.encode()[:-1])
    assert files.read_appended(path) == [{"n": 1}, {"n": 2}]
    files.append_json_lines(path, [{"n": 4}])
    assert files.read_appended(path) == [{"n": 1}, {"n": 2}, {"n": 4}]
    assert files.read_appended(tmp_path / "none") == []


def test_json_lines_packed_and_plain(tmp_path: Path) -> None:
    rows = [{"id": "1", "title": "Ä", "text": "x"}, {"id": "2", "title": "", "text": "y"}]
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert files.write_json_lines(tmp_path / name, rows) == 2
        assert [document.title for document in files.read_records(tmp_path / name, Document)] == ["Ä", ""]
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "a.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"id": "1"}\n', "line 1 lacks the field 'title'"),
        (b'\n{"id": "1", "title": 3, "text": ""}\n', "line 2 has a bad field 'title'"),
        (b"[1]\n", "line 1 is not a JSON object but a list"),
        (b"{\n", "line 1 is not valid JSON"),
        (b"\n", "holds no records"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_bad_records_are_named_by_file_and_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        files.read_records(path, Document)
    assert told in str(caught.value)
    assert "docs.jsonl" in str(caught.value)


def test_missing_files_folders_and_broken_archives(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        list(files.read_json_lines(tmp_path / "none"))
    with pytest.raises(DataError, match="is a folder"):
        list(files.read_json_lines(tmp_path))
    (tmp_path / "x.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="could not be read"):
        list(files.read_json_lines(tmp_path / "x.gz"))
    assert issubclass(FormatError, DataError)


def test_hashes_depend_on_content_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert files.hash_file(tmp_path / "a") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert files.hash_json({"a": 1, "b": [2]}) == files.hash_json({"b": [2], "a": 1}) != files.hash_json({"a": 1, "b": [3]})
