"""LanceDB: BM25 full-text search in a folder, on object storage (s3://, gs://, az://), or in its cloud
(db://)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from masksearch.errors import MissingExtraError, SearchError
from masksearch.runtime.progress import Progress
from masksearch.search.stores.base import Engine, first_document, rows
from masksearch.types import Hit, Passage

BATCH = 5000
"""Number of passages written at a time."""
LONGEST = 200
"""Longest indexed term in characters; LanceDB drops longer terms."""


class LanceEngine(Engine):
    """One table of a LanceDB database."""

    packages = ("lancedb",)

    def __init__(self, database: Any, table: str) -> None:
        self._database, self._name = database, table
        self._opened: Any = None

    @classmethod
    def connect(cls, store: str, table: str) -> LanceEngine:
        """Opens the database; the table is opened when it is first searched."""
        try:
            os.environ.setdefault("LANCEDB_LOG", "error")  # LanceDB otherwise logs a line for every table
            import lancedb
        except ModuleNotFoundError as error:
            raise MissingExtraError("lancedb", "lancedb", "An index of the kind lancedb") from error
        try:
            return cls(lancedb.connect(store), table)
        except Exception as error:
            raise _failed(f"opening {store}", error) from error

    def fill(self, passages: Sequence[Passage], language: str) -> None:
        import pyarrow
        from lancedb.index import FTS, BTree

        text = pyarrow.string()
        schema = pyarrow.schema(
            [
                ("id", text),
                ("number", pyarrow.int64()),
                ("doc_id", text),
                ("title_key", text),
                ("terms", text),
                ("record", text),
            ]
        )
        with Progress("Writing to LanceDB", len(passages), "passages") as progress:

            def batches() -> Iterator[Any]:
                remaining = rows(passages, language)
                while block := list(islice(remaining, BATCH)):
                    yield pyarrow.RecordBatch.from_pylist(block, schema=schema)
                    progress.step(len(block))

            try:
                table = self._database.create_table(
                    self._name, data=batches(), schema=schema, mode="overwrite"
                )
                # The terms are already normalised and stemmed (`text/terms.py`); LanceDB only splits them.
                tokens = FTS(
                    base_tokenizer="whitespace",
                    with_position=False,
                    stem=False,
                    remove_stop_words=False,
                    ascii_folding=False,
                    lower_case=False,
                    max_token_length=LONGEST,
                )
                table.create_index("terms", config=tokens)
                table.create_index("title_key", config=BTree())
            except Exception as error:
                raise _failed("writing the table", error) from error

    def find(self, terms: Sequence[str], k: int) -> list[Hit]:
        from lancedb.query import MatchQuery

        try:
            query = self._table().search(MatchQuery(" ".join(terms), "terms"), query_type="fts")
            found = query.select(["record", "_score"]).limit(k).to_list()
        except Exception as error:
            raise _failed("searching", error) from error
        return [Hit(passage=Passage.model_validate_json(row["record"]), score=row["_score"]) for row in found]

    def document(self, title_key: str) -> list[Passage]:
        quoted = title_key.replace("'", "''")
        try:
            query = self._table().search().where(f"title_key = '{quoted}'")
            found = query.select(["number", "record"]).limit(None).to_list()
        except Exception as error:
            raise _failed("looking up a title", error) from error
        return first_document([row["record"] for row in sorted(found, key=lambda row: row["number"])])

    def _table(self) -> Any:
        if self._opened is None:
            self._opened = self._database.open_table(self._name)
        return self._opened


def _failed(doing: str, error: Exception) -> SearchError:
    """Builds the SearchError. It accepts any exception, because LanceDB passes on all errors of its
    components."""
    reason = " ".join(str(error).split())[:300]
    return SearchError(f"LanceDB failed while {doing} ({type(error).__name__}: {reason}).")
