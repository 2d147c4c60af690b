"""Files: nothing half-written is taken for whole, nothing whole is lost."""

from __future__ import annotations

import bz2
import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from backports import zstd

from masksearch.errors import DataError, FormatError
from masksearch.runtime import files, records
from masksearch.types import Chained, Document, MaskedTask


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
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.zst"):
        assert files.write_json_lines(tmp_path / name, rows) == 2
        assert [document.title for document in records.read_records(tmp_path / name, Document)] == ["Ä", ""]
    plain = (tmp_path / "a.jsonl").read_bytes()
    for suffix, unpack in ((".gz", gzip.decompress), (".bz2", bz2.decompress), (".zst", zstd.decompress)):
        packed = (tmp_path / f"a.jsonl{suffix}").read_bytes()
        assert unpack(packed) == plain
        files.write_json_lines(tmp_path / f"other.jsonl{suffix}", rows)
        assert (
            tmp_path / f"other.jsonl{suffix}"
        ).read_bytes() == packed  # neither the name nor the time is in it


TASK = MaskedTask(
    id="t1",
    doc_id="d",
    title="Ä",
    text="[mask] lived in [mask].",
    answers=("Curie", "Paris"),
    masks=2,
    original="Curie lived in Paris.",
    categories=("PERSON", "GPE"),
    ranks=(1, 3),
    language="fr",
    strategy="uniform",
    source_hidden=True,
    verdicts={"retrievable": {"ranks": [1, 3]}, "unique": True},
)
BARE = MaskedTask(id="t2", doc_id="d", title="", text="[mask]", answers=("x",), masks=1, original="x")


def test_tasks_in_parquet_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "tasks.parquet"
    assert records.write_task_parquet(path, [TASK.to_json(), BARE.to_json()]) == 2
    assert records.read_tasks(path) == [TASK, BARE]
    assert records.read_records(path, MaskedTask) == [TASK, BARE]
    plain = [name for name in MaskedTask.model_fields if name not in Chained.model_fields]
    assert pyarrow.parquet.read_schema(path).names == plain
    again = tmp_path / "again.parquet"
    records.write_task_parquet(again, iter([TASK.to_json(), BARE.to_json()]))
    assert again.read_bytes() == path.read_bytes()


def test_tasks_in_a_folder_of_shards_come_in_the_order_of_names(tmp_path: Path) -> None:
    tasks = [BARE.model_copy(update={"id": f"t{number}"}) for number in range(5)]
    records.write_task_parquet(tmp_path / "shard-00001.parquet", [tasks[1].to_json()])
    for number, suffix in ((0, ""), (2, ".gz"), (3, ".zst"), (4, ".bz2")):
        files.write_json_lines(tmp_path / f"shard-0000{number}.jsonl{suffix}", [tasks[number].to_json()])
    for name in ("manifest.json", "README.md", ".shard-00009.jsonl.123.tmp"):
        (tmp_path / name).write_text("not a task")
    assert records.read_tasks(tmp_path) == tasks
    files.write_json_lines(tmp_path / "shard-00005.jsonl", [tasks[0].to_json()])
    with pytest.raises(FormatError, match=r"shard-00005.jsonl, line 1 repeats the id 't0'"):
        records.read_tasks(tmp_path)


def test_bad_parquet_of_tasks_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tasks.parquet"
    with pytest.raises(DataError, match="There is no file"):
        records.read_tasks(path)
    path.write_bytes(b"PAR1 but no more than that")
    with pytest.raises(DataError, match="could not be read as Parquet"):
        records.read_tasks(path)
    records.write_task_parquet(path, [{**BARE.to_json(), "masks": 2}])
    with pytest.raises(FormatError, match=r"tasks.parquet, row 1 is not valid: 'masks' is 2"):
        records.read_tasks(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no shards"):
        records.read_tasks(tmp_path / "empty")


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd.compress)]
)
def test_a_packed_file_that_breaks_off_is_one_sentence(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(b'{"n": 1}\n' * 10)[:-4])
    with pytest.raises(DataError, match="could not be read: Compressed file ended"):
        list(files.read_json_lines(path))
    path.write_bytes(b"nonsense, not packed")
    with pytest.raises(DataError, match="could not be read"):
        list(files.read_json_lines(path))


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
        records.read_records(path, Document)
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
    assert (
        files.hash_file(tmp_path / "a") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    )
    assert (
        files.hash_json({"a": 1, "b": [2]})
        == files.hash_json({"b": [2], "a": 1})
        != files.hash_json({"a": 1, "b": [3]})
    )
