"""What the functions return: products with a path, that can be read as records or data frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from masksearch.api.records import frame, is_rows, written
from masksearch.runtime.files import read_appended
from masksearch.runtime.progress import say
from masksearch.runtime.records import read_records, read_tasks
from masksearch.types import Document, Results, Task, Trajectory

if TYPE_CHECKING:
    import pandas

R = TypeVar("R")
Source = str | os.PathLike[str]
"""A path, or another text that names a source, such as `wiki-summaries:en`."""


@cache
def temporary_folder() -> Path:
    """Makes the folder for products whose folder nobody named. The folder is kept; its name is printed."""
    folder = Path(tempfile.mkdtemp(prefix="masksearch-"))
    say(f"Products go to {folder}; name a folder with folder=... to find them again.")
    return folder


class Product:
    """A product of a stage, at a path."""

    def __init__(self, path: Source, summary: Mapping[str, Any] | None = None, folder: Path | None = None):
        self.path = Path(path)
        """File or folder of the product."""
        self.summary = dict(summary or {})
        """Figures of the stage that made the product; empty for a product that was only opened."""
        self.folder = folder
        """Folder of this product and those that are made from it; None if nobody named one."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.summary.get("text") or self.path)

    def __repr__(self) -> str:
        text = self.summary.get("text")
        return f"<{type(self).__name__} {self.path}{f': {text}' if text else ''}>"

    @property
    def stage(self) -> Path:
        """Folder of the stage that made the product, with its log and other files."""
        return self.path.parent


class _Records(Product, Generic[R]):
    """A product that is a sequence of records."""

    @cached_property
    def records(self) -> list[R]:
        """All records, read once."""
        return self._read()

    def _read(self) -> list[R]:
        raise NotImplementedError

    def _rows(self) -> Iterator[dict[str, Any]]:
        return (record.to_json() for record in self.records)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[R]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> list[R]: ...
    def __getitem__(self, place: int | slice) -> R | list[R]:
        return self.records[place]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a data frame with a row for each record. Needs the package pandas."""
        return frame(self._rows())


class Corpus(_Records[Document]):
    """Documents: from a list, a data frame, a file, a folder, a hub's data set, or the packaged text."""

    def __init__(self, source: Any, *, folder: Source | None = None, language: str = "") -> None:
        """Opens a corpus.

        `source` is a list of dicts (`title`, `text`; optional `id`, `language`, `links`) or of texts, a data
        frame with these columns, or anything that `masksearch index` takes: a path, `hf:OWNER/NAME`,
        `wiki-summaries:en`. `folder` is the folder of all products that are made from it; without one, they
        go to a temporary folder that is kept. `language` is that of documents that do not name theirs.
        """
        place = Path(folder) if folder is not None else None
        if is_rows(source):
            place = place or temporary_folder()
            source = written(source, place, "corpus", "document")
        self.source: str = os.fspath(source)
        """The corpus as commands and settings name it."""
        self.language = language
        super().__init__(self.source, folder=place)

    def __fspath__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"<Corpus {self.source}>"

    def _read(self) -> list[Document]:
        from masksearch.corpus.readers import read_documents

        return list(read_documents(self.source, language=self.language))


class Tasks(_Records[Task]):
    """RAMP tasks or questions; reads a file, or a folder of shards."""

    def _read(self) -> list[Task]:
        return read_tasks(self.path, unanswered=True)


class Trajectories(_Records[Trajectory]):
    """Trajectories of a teacher or a model."""

    def _read(self) -> list[Trajectory]:
        return read_records(self.path, Trajectory)


class Checkpoint(Product):
    """A model's folder, with the log of its training."""

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """The rows of the training's log, one per step; empty for a model that was not trained here."""
        path = self.stage / "log.jsonl"
        return list(read_appended(path)) if path.is_file() else []

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the log as a data frame, indexed by step. Needs the package pandas."""
        found = frame(self.log)
        return found.set_index("step") if "step" in found else found


class Evaluation(Product):
    """The results of an evaluation: metrics with intervals, a row for each question, the trajectories."""

    @cached_property
    def results(self) -> Results:
        """The results file."""
        from masksearch.evaluation.results import load_results

        return load_results(self.path)

    @property
    def metrics(self) -> dict[str, float]:
        """Name of a metric -> its mean over the questions."""
        return self.results.metrics

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Name of a metric -> its 95% interval."""
        return self.results.intervals

    @property
    def scored(self) -> bool:
        """Whether the questions have gold answers; without them there are costs and no scores."""
        return self.results.scored

    @cached_property
    def trajectories(self) -> Trajectories:
        """The trajectory of each question."""
        return Trajectories(self.stage / "trajectories.jsonl", folder=self.folder)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.results.per_question)

    def __len__(self) -> int:
        return self.results.n

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a data frame with a row for each question, indexed by its id. Needs the package pandas."""
        return frame(self.results.per_question).set_index("id")


class Comparison(Product):
    """Results side by side: tables, and paired tests by question."""

    @cached_property
    def data(self) -> dict[str, Any]:
        """The content of comparison.json."""
        import json

        value: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return value

    @property
    def table(self) -> str:
        """The tables as text."""
        return str(self.summary.get("table") or self.data.get("table", ""))

    def __str__(self) -> str:
        return self.table

    def _repr_markdown_(self) -> str:
        return str(self.data.get("table", ""))

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a data frame with a row for each evaluation and a column for each metric. Needs pandas."""
        names = ("suite", "method", "name", "n")
        return frame({**{name: row[name] for name in names}, **row["metrics"]} for row in self.data["rows"])


def as_corpus(corpus: Any, folder: Source | None = None) -> Corpus:
    """Returns a Corpus, made from the value if it is none."""
    return corpus if isinstance(corpus, Corpus) else Corpus(corpus, folder=folder)
