"""Reads BrowseComp and GAIA, whose authors ask not to spread the questions as plain text.

The fields, from the authors' files, are
    BrowseComp   problem, answer (encrypted), problem_topic, canary
    GAIA         task_id, Question, Level, Final answer, file_name, Annotator Metadata

A text of BrowseComp is the XOR of its bytes with the SHA-256 of the row's canary, repeated, in Base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from itertools import cycle

from masksearch.evaluation.suites.rows import Item, LeftOut, Row
from masksearch.types import Question

ATTACHED = "with an attached file, which a search cannot open"
UNPUBLISHED = "of GAIA's test set, whose answers are not published"


def read_browsecomp(row: Row) -> Item:
    """Reads a BrowseComp row and decrypts it. Raises FormatError for a row that cannot be decrypted."""
    canary = row.text("canary")
    question = Question(
        id=f"browsecomp-{row.number:04d}",
        question=_decrypted(row, "problem", canary),
        answers=(_decrypted(row, "answer", canary),),
        type=row.optional("problem_topic"),
    )
    return Item(question)


def _decrypted(row: Row, field: str, canary: str) -> str:
    try:
        text = decrypt(row.text(field), canary).strip()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise row.fault(f"has a field '{field}' that its canary does not decrypt ({error})") from error
    if not text:
        raise row.fault(f"has an empty field '{field}'")
    return text


def decrypt(text: str, password: str) -> str:
    """Decrypts a text of BrowseComp. Raises ValueError for text that is not Base64, or not UTF-8 inside."""
    key = hashlib.sha256(password.encode()).digest()
    hidden = base64.b64decode(text, validate=True)
    return bytes(byte ^ mask for byte, mask in zip(hidden, cycle(key), strict=False)).decode("utf-8")


def read_gaia(row: Row) -> Item:
    """Reads a GAIA row.

    Raises LeftOut for a question with an attached file, and for one of the test set, which has no answer.
    """
    if row.optional("file_name"):
        raise LeftOut(ATTACHED)
    answer = row.text("Final answer")
    if answer == "?":
        raise LeftOut(UNPUBLISHED)
    level = row.optional("Level")
    question = Question(
        id=row.text("task_id"),
        question=row.text("Question"),
        answers=(answer,),
        type=f"level {level}" if level else "",
    )
    return Item(question)
