"""Opens the archives that DOCX, PPTX and EPUB files are, without what they hold besides XML."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from masksearch.corpus.skipped import BadRecord

MAX_XML = 128 * 2**20
"""Largest total of an archive's XML and HTML, unpacked, in bytes."""
MAX_MEMBERS = 50_000
"""Largest number of files in an archive."""
_XML = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")
_OTHERS = ("mimetype",)
BOMB = "an archive that unpacks to far more than a document holds (it is not opened)"
DAMAGED = "a damaged or incomplete file"


@contextmanager
def checked(path: str, ending: str) -> Iterator[zipfile.ZipFile]:
    """Opens an archive. Raises BadRecord if it is damaged, encrypted or unpacks to too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.flag_bits & 1 for member in members):
                raise BadRecord(f"a {ending} file with a password (save it without)")
            size = sum(member.file_size for member in members if _is_xml(member.filename))
            if len(members) > MAX_MEMBERS or size > MAX_XML:
                raise BadRecord(BOMB)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if _is_old_office(path):
            raise BadRecord(
                f"a {ending} file with a password, or of an older format (save it anew)"
            ) from error
        raise BadRecord(f"{DAMAGED} ({ending})") from error


def only_xml(path: str, ending: str) -> io.BytesIO:
    """Returns a copy of an archive in memory whose pictures, films and sounds are empty."""
    copy = io.BytesIO()
    with (
        checked(path, ending) as archive,
        zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
    ):
        seen = set()
        for member in archive.infolist():
            if member.filename in seen or member.is_dir():
                continue
            seen.add(member.filename)
            out.writestr(member.filename, archive.read(member) if _is_xml(member.filename) else b"")
    copy.seek(0)
    return copy


def _is_xml(name: str) -> bool:
    return name.lower().endswith(_XML) or name in _OTHERS


def _is_old_office(path: str) -> bool:
    """Whether a file is a compound file, as older formats and documents with a password are."""
    with open(path, "rb") as stream:
        return stream.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
