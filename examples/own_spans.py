"""Your own span extractor: a function that says which words of a text are worth asking for.

    python examples/own_spans.py examples/elements.jsonl

On the command line, with an index of the same documents:

    masksearch mask DOCS --index INDEX --extractor examples/own_spans.py:symbols -o tasks.jsonl
"""

import re
import sys
from collections.abc import Iterator

from masksearch import Corpus, Index, mask

SYMBOL = re.compile(r"(?<=symbol )[A-Z][a-z]?\b")


def symbols(text: str) -> Iterator[tuple[int, int, str]]:
    """Yields (start, end, category) of each element's symbol. A second parameter would get the language."""
    for found in SYMBOL.finditer(text):
        yield found.start(), found.end(), "SYMBOL"


def main(docs: str) -> None:
    corpus = Corpus(docs, folder="runs/own-spans")
    index = Index.build(corpus)
    # Names (ner), dates and numbers may be named in the same list.
    tasks = mask(corpus, index=index, limit=5, extractors=[symbols], masks="1")
    for task in tasks:
        print(f"{task.answers[0]:3} {task.text.splitlines()[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
