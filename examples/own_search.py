"""Your own search back end: a function from a query to passages. Here it searches a table of SQLite.

    python examples/own_search.py CHECKPOINT "Who discovered radium?"
    DOCS=examples/elements.jsonl masksearch ask examples/own_search.py:search "..." --model CHECKPOINT

`eval`, `synthesize`, `rl`, `ask` and `serve` take such a function in place of an index.
"""

import functools
import json
import os
import re
import sqlite3
import sys
import threading
from pathlib import Path

from masksearch import ask

DOCS = Path(os.environ.get("DOCS", Path(__file__).with_name("elements.jsonl")))
LOCK = threading.Lock()


@functools.cache
def table() -> sqlite3.Connection:
    """Opens the table. Yours may be a database, a web service, a file: whatever answers a query."""
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.execute("CREATE VIRTUAL TABLE docs USING fts5(id UNINDEXED, title, text)")
    rows = [json.loads(line) for line in DOCS.read_text(encoding="utf-8").splitlines()]
    base.executemany("INSERT INTO docs VALUES (:id, :title, :text)", rows)
    return base


def search(query: str, k: int) -> list[dict[str, str]]:
    """Returns the best k passages, best first: dicts with title and text, and an id where there is one.

    Called from several threads. An exception is shown to the model as a failed search, and recorded.
    """
    words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
    with LOCK:
        found = table().execute(
            "SELECT id, title, text FROM docs WHERE docs MATCH ? ORDER BY rank LIMIT ?", (words, k)
        )
        return [{"id": number, "title": title, "text": text} for number, title, text in found]


def main(model: str, question: str, llm: str = "") -> None:
    ask(search, question, model=model, llm=llm, show=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
