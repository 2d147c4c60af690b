"""Benchmark of the search environment: recall, latency, growth, server, cache, stores.

    python benchmarks/search.py [--only recall,latency,growth,server,cache,stores] [--keep DIR] [--data DIR]

`--data` is a folder with one folder for each question set (hotpotqa, 2wikimultihopqa, musique), each with
corpus.jsonl.gz and questions.jsonl.gz; the default are the shipped sets. `--keep` keeps the indexes, so
that a second run does not rebuild them. Larger corpora repeat the real passages under new ids. Timings
are noisy: compare ratios, and run nothing else on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from masksearch.corpus import read_documents
from masksearch.search import build, load, open_searcher
from masksearch.search.index.base import indexed_text
from masksearch.search.index.hybrid import HybridSearcher
from masksearch.search.settings import DenseSettings, IndexSettings, SearchSettings
from masksearch.text.terms import Tokeniser
from masksearch.types import Document, Passage

SETS = ("hotpotqa", "2wikimultihopqa", "musique")
TARGETS = {"hotpotqa": (0.78, 0.92), "2wikimultihopqa": (0.64, 0.72), "musique": (0.38, 0.52)}
"""Least recall@5 and recall@20 of BM25."""
SHIPPED = Path(__file__).parent.parent / "data"
Row = tuple[str, str, str]
"""(what was measured, its value, the target)."""


def questions(data: Path, name: str) -> list[dict[str, Any]]:
    """Returns the development questions of a set."""
    with gzip.open(data / name / "questions.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def documents(data: Path) -> list[Document]:
    """Returns the documents of all sets, which have one passage each."""
    return [document for name in SETS for document in read_documents(str(data / name / "corpus.jsonl.gz"))]


def multiplied(data: Path, number: int) -> Iterator[Passage]:
    """Yields `number` passages: the real ones, repeated under new ids."""
    real = documents(data)
    for place in range(number):
        document, again = real[place % len(real)], place // len(real)
        name = f"{document.id}+{again}" if again else document.id
        yield Passage(id=name, doc_id=name, title=document.title, text=" ".join(document.text.split()))


def asked(data: Path, number: int = 1000) -> list[str]:
    """Returns real questions of all sets in random order."""
    found = [question["question"] for name in SETS for question in questions(data, name)]
    random.Random(0).shuffle(found)
    return found[:number]


def index_of(
    arguments: argparse.Namespace,
    name: str,
    passages: Callable[[], Iterator[Passage]],
    settings: IndexSettings,
) -> tuple[Path, float | None]:
    """Returns the index and the seconds of its build; None for a kept index."""
    folder = Path(arguments.keep) / name
    if folder.exists():
        return folder, None
    started = time.perf_counter()
    with contextlib.redirect_stderr(open(os.devnull, "w")):
        build(passages(), folder, settings, Path(arguments.keep) / f"{name}.work")
    return folder, time.perf_counter() - started


def recall(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures the share of gold passages in the first 5 and 20 results, by kind of index."""
    for name in SETS:
        gold = [
            (question["question"], set(question["supporting_passages"]))
            for question in questions(arguments.data, name)
        ]
        corpus = str(arguments.data / name / "corpus.jsonl.gz")
        figures = {"bm25s, default settings": _library_recall(corpus, gold)}
        for kind in arguments.kinds.split(","):
            settings = IndexSettings(
                corpus=corpus, kind=kind, max_words=0, dense=DenseSettings(precision="float16")
            )
            texts = lambda corpus=corpus: (_whole(document) for document in read_documents(corpus))  # noqa: E731
            folder, seconds = index_of(arguments, f"{name}-{kind}", texts, settings)
            searcher = load(folder)
            searchers: dict[str, Any] = {kind: searcher}
            if isinstance(searcher, HybridSearcher):
                searchers = {"dense": searcher.meaning, kind: searcher}
            for what, one in searchers.items():
                hits = one.search([question for question, _ in gold], 20)
                figures[what] = [
                    _found([[hit.passage.id for hit in found[:k]] for found in hits], gold) for k in (5, 20)
                ]
            if seconds is not None:
                yield (
                    f"{name}: {kind}, built from {len(searcher.passages):,} passages",
                    f"{seconds:,.0f} s",
                    "",
                )
        for kind, (five, twenty) in figures.items():
            targets = {
                "bm25": " / ".join(f"{figure:.2f}" for figure in TARGETS[name]),
                "hybrid": f"- / above {figures['bm25'][1]:.3f}",
            }
            yield (
                f"{name}: {kind}, recall@5 / @20 (n = {len(gold)})",
                f"{five:.3f} / {twenty:.3f}",
                targets.get(kind, ""),
            )


def _whole(document: Document) -> Passage:
    return Passage(
        id=document.id, doc_id=document.id, title=document.title, text=" ".join(document.text.split())
    )


def _found(rankings: Sequence[Sequence[str]], gold: Sequence[tuple[str, set[str]]]) -> float:
    return statistics.fmean(
        len(wanted & set(ids)) / len(wanted) for ids, (_, wanted) in zip(rankings, gold, strict=True)
    )


def _library_recall(corpus: str, gold: Sequence[tuple[str, set[str]]]) -> list[float]:
    """Returns recall@5 and recall@20 of bm25s.

    It uses its own tokeniser, an English stemmer and its stop words.
    """
    import bm25s
    import Stemmer

    texts = [_whole(document) for document in read_documents(corpus)]
    stemmer = Stemmer.Stemmer("english")
    engine = bm25s.BM25()
    engine.index(
        bm25s.tokenize(
            [indexed_text(passage) for passage in texts], stopwords="en", stemmer=stemmer, show_progress=False
        ),
        show_progress=False,
    )
    tokens = bm25s.tokenize(
        [question for question, _ in gold], stopwords="en", stemmer=stemmer, show_progress=False
    )
    rows, _ = engine.retrieve(tokens, k=20, show_progress=False)
    return [_found([[texts[row].id for row in found[:k]] for found in rows], gold) for k in (5, 20)]


def milliseconds(ask: Callable[[str], Any], queries: Sequence[str]) -> list[float]:
    """Returns the milliseconds of each query, in ascending order."""
    found = []
    for query in queries:
        started = time.perf_counter()
        ask(query)
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found)


def latency(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures one query at a time in this process, against bm25s.

    Both use the same index and terms, and alternate.
    """
    import bm25s

    folder, _ = index_of(
        arguments, "200000", lambda: multiplied(arguments.data, 200_000), IndexSettings(max_words=0)
    )
    searcher, queries = load(folder), asked(arguments.data)
    passages = searcher.passages
    tokeniser = Tokeniser("en")
    engines = {backend: bm25s.BM25.load(str(folder), mmap=True) for backend in ("numpy", "numba")}
    for backend, engine in engines.items():
        engine.backend = backend
        if backend == "numba":
            engine.activate_numba_scorer()

    def library(engine: Any) -> Callable[[str], Any]:
        def ask(query: str) -> Any:
            terms = [term for term in tokeniser.terms(query) if term in engine.vocab_dict]
            rows, scores = engine.retrieve([terms], k=5, show_progress=False)
            return [
                (passages[row], score)
                for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True)
            ]

        return ask

    sides: dict[str, Callable[[str], Any]] = {"masksearch": lambda query: searcher.search([query], 5)}
    sides |= {f"bm25s, {backend}": library(engine) for backend, engine in engines.items()}
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for ask in sides.values():
        milliseconds(ask, queries[:50])
    for _ in range(arguments.rounds):
        for name, ask in sides.items():
            medians[name].append(statistics.median(milliseconds(ask, queries)))
    ours = statistics.median(medians["masksearch"])
    yield "BM25, 200,000 passages, one query, p50", f"{ours:.3f} ms", "0.4"
    for name in engines:
        theirs = statistics.median(medians[f"bm25s, {name}"])
        yield (
            f"  bm25s called directly ({name}), including reading the passages",
            f"{theirs:.3f} ms, ratio {ours / theirs:.2f}",
            "1.3",
        )


MEASURE = """
import json, resource, sys, time
started = time.perf_counter()
from masksearch.search import load
loaded = time.perf_counter()
searcher = load(sys.argv[1])
searcher.search(["x"], 1)
opened = time.perf_counter()
times = []
for query in json.load(sys.stdin):
    begun = time.perf_counter()
    searcher.search([query], 5)
    times.append((time.perf_counter() - begun) * 1000)
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
print(json.dumps({"open": opened - loaded, "times": sorted(times), "own": own / 1024}))
"""


def growth(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures building, opening and querying indexes of 20,000 to 2 million passages.

    The build runs in a new process, for its peak memory.
    """
    queries = asked(arguments.data, 300)
    for number in map(int, arguments.sizes.split(",")):
        folder = Path(arguments.keep) / str(number)
        built = "kept from an earlier run"
        if not folder.exists():
            here = str(Path(__file__).parent)
            code = (
                f"import sys; sys.path.insert(0, {here!r}); import search; "
                f"search.build_one({str(arguments.data)!r}, {number}, {str(folder)!r})"
            )
            started = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                sys.exit(f"Building the index of {number} passages failed.")
            built = f"{time.perf_counter() - started:,.0f} s, peak {usage.ru_maxrss / 1024:,.0f} MB"
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
        yield (
            f"{number:>9,} passages: build ({size:.2f} GB on disk)",
            built,
            "15 min, 24 GB" if number >= 2_000_000 else "",
        )
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(folder)],
            input=json.dumps(queries),
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        yield (
            f"{number:>9,} passages: open (with the first query)",
            f"{found['open']:.2f} s",
            "2" if number >= 2_000_000 else "",
        )
        p50, p99 = statistics.median(found["times"]), found["times"][int(len(found["times"]) * 0.99)]
        yield (
            f"{number:>9,} passages: one query, p50 / p99",
            f"{p50:.2f} / {p99:.2f} ms",
            "15" if number >= 2_000_000 else "",
        )
        yield (
            f"{number:>9,} passages: anonymous memory of the searching process",
            f"{found['own']:,.0f} MB",
            "",
        )


def build_one(data: str, number: int, folder: str) -> None:
    """Builds an index of `number` passages, for `growth`."""
    build(multiplied(Path(data), number), folder, IndexSettings(max_words=0))


def server(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures a server with up to 64 sequential clients over loopback.

    Clients and server share the cores.
    """
    folder, _ = index_of(
        arguments, "200000", lambda: multiplied(arguments.data, 200_000), IndexSettings(max_words=0)
    )
    targets = {"default settings": "1,500 / 150 / 0", "without batching": ""}
    figures = {}
    for name, flags in {"default settings": [], "without batching": ["--max-batch", "1"]}.items():
        with serving(folder, flags) as port:
            for clients in (1, 64) if not flags else (64,):
                figures[name, clients] = rate, p50, p99, errors = _load(port, clients, arguments.seconds, 1)
                yield f"server, {clients} clients, {name}: queries/s", f"{rate:,.0f}", ""
                yield (
                    "  p50 / p99 ms, errors",
                    f"{p50:.1f} / {p99:.1f}, {errors}",
                    targets[name] if clients == 64 else "",
                )
            if not flags:
                rate, p50, p99, errors = _load(port, 4, arguments.seconds, 64)
                yield "server, 4 clients, 64 queries per request: queries/s", f"{rate:,.0f}", ""
                yield "  p50 / p99 ms per request, errors", f"{p50:.1f} / {p99:.1f}, {errors}", ""
                yield (
                    "  ratio to one client with one query per request",
                    f"{rate / figures[name, 1][0]:.2f}",
                    "3",
                )
    yield (
        "server, BM25: ratio of 64 clients to one client",
        f"{figures['default settings', 64][0] / figures['default settings', 1][0]:.2f}",
        "",
    )
    corpus = str(arguments.data / "musique" / "corpus.jsonl.gz")
    settings = IndexSettings(corpus=corpus, kind="hybrid", max_words=0)
    folder, _ = index_of(
        arguments,
        "musique-hybrid",
        lambda: (_whole(document) for document in read_documents(corpus)),
        settings,
    )
    both = []
    for flags in ([], ["--max-batch", "1"]):
        with serving(folder, flags) as port:
            both.append(_load(port, 64, arguments.seconds, 1)[0])
    yield (
        "server, hybrid, 64 clients: queries/s with batching, without",
        f"{both[0]:,.0f}, {both[1]:,.0f}",
        "",
    )
    yield "  ratio", f"{both[0] / both[1]:.2f}", "3"


@contextlib.contextmanager
def serving(folder: Path, flags: Sequence[str]) -> Iterator[int]:
    """Starts a server in a new process and yields its port."""
    with socket_port() as port:
        pass
    process = subprocess.Popen(
        [sys.executable, "-m", "masksearch", "serve", str(folder), "--port", str(port), *flags],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def socket_port() -> Iterator[int]:
    """Yields a free port."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def _wait(port: int) -> None:
    import urllib.request

    for _ in range(600):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read()
            return
        time.sleep(0.1)
    sys.exit("The server did not start within a minute.")


def _load(port: int, clients: int, seconds: float, each: int) -> tuple[float, float, float, int]:
    """Returns (queries per second, p50 and p99 of a request in ms, errors).

    The clients share the cores with the server, so they are coroutines that write raw HTTP, which costs
    little.
    """
    bodies = [
        json.dumps({"queries": list(part), "topk": 5, "return_scores": True}).encode()
        for part in _parts(asked(SHIPPED) * 3, each)
    ]
    fields = "POST /retrieve HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
    requests = [f"{fields}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    times: list[float] = []
    errors = 0

    async def client(number: int, until: float) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(requests[place % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            errors += not head.startswith(b"HTTP/1.1 200")
            times.append((time.perf_counter() - started) * 1000)
            place += clients
        writer.close()

    async def all_clients() -> float:
        # One second of warm-up.
        await asyncio.gather(*(client(number, time.perf_counter() + 1) for number in range(clients)))
        times.clear()
        started = time.perf_counter()
        await asyncio.gather(*(client(number, started + seconds) for number in range(clients)))
        return time.perf_counter() - started

    elapsed = asyncio.run(all_clients())
    times.sort()
    return each * len(times) / elapsed, statistics.median(times), times[int(len(times) * 0.99)], errors


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part


def cache(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures cache hits in one process, then in four on the same folder (k = 5, real passages)."""
    folder, _ = index_of(
        arguments, "20000", lambda: multiplied(arguments.data, 20_000), IndexSettings(max_words=0)
    )
    with tempfile.TemporaryDirectory() as name:
        _hits(str(folder), name, None)
        for processes in (1, 4):
            context = multiprocessing.get_context("spawn")
            queue = context.Queue()
            workers = [
                context.Process(target=_hits, args=(str(folder), name, queue)) for _ in range(processes)
            ]
            for worker in workers:
                worker.start()
            found = [queue.get() for _ in workers]
            for worker in workers:
                worker.join()
            p50, p99 = (max(figures) for figures in zip(*found, strict=True))
            yield (
                f"cache hit, {processes} process(es), p50 / p99 of the slowest",
                f"{p50:.3f} / {p99:.3f} ms",
                "0.2",
            )


def _hits(folder: str, cache_folder: str, queue: Any) -> None:
    searcher = open_searcher(folder, SearchSettings(cache=cache_folder))
    queries = asked(SHIPPED, 500)
    times: list[float] = []
    for _ in range(1 if queue is None else 10):
        times += milliseconds(lambda query: searcher.search([query], 5), queries)
    if queue is not None:
        times.sort()
        queue.put((statistics.median(times), times[int(len(times) * 0.99)]))


def stores(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures embedded engines that keep passages outside this process's memory.

    All have the same terms and queries.
    """
    from masksearch.search.stores.table import build_store, open_store

    queries = asked(arguments.data, 300)
    for number in (20_000, 200_000):
        folder = Path(arguments.keep) / f"lancedb-{number}"
        if not folder.exists():
            started = time.perf_counter()
            with contextlib.redirect_stderr(open(os.devnull, "w")):
                build_store(multiplied(arguments.data, number), folder, IndexSettings(kind="lancedb"))
            yield f"LanceDB, {number:,} passages: build", f"{time.perf_counter() - started:.1f} s", ""
        searcher = open_store(folder)
        searcher.search(queries[:20], 5)
        times = milliseconds(lambda query, searcher=searcher: searcher.search([query], 5), queries)
        yield f"LanceDB, {number:,} passages: one query, p50", f"{statistics.median(times):.2f} ms", ""
        if number == 20_000:
            yield from _qdrant(arguments, number, queries)


def _qdrant(arguments: argparse.Namespace, number: int, queries: Sequence[str]) -> Iterator[Row]:
    """Measures Qdrant's embedded mode, with sparse vectors of term frequencies and its IDF."""
    try:
        from qdrant_client import QdrantClient, models
    except ModuleNotFoundError:
        yield "Qdrant (not installed)", "-", ""
        return
    from masksearch.search.index.vocabulary import term_hashes

    tokeniser = Tokeniser("en")

    def sparse(text: str) -> Any:
        numbers, counts = np.unique(
            term_hashes(tokeniser.terms(text) or [""]) >> np.uint64(33), return_counts=True
        )
        return models.SparseVector(indices=numbers.tolist(), values=counts.astype(float).tolist())

    with tempfile.TemporaryDirectory() as name:
        client = QdrantClient(path=name)
        client.create_collection(
            "p",
            vectors_config={},
            sparse_vectors_config={"t": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        started = time.perf_counter()
        points = (
            models.PointStruct(
                id=row,
                vector={"t": sparse(indexed_text(passage))},
                payload={"record": passage.model_dump_json()},
            )
            for row, passage in enumerate(multiplied(arguments.data, number))
        )
        while block := list(islice(points, 1000)):
            client.upsert("p", block)
        yield f"Qdrant embedded, {number:,} passages: build", f"{time.perf_counter() - started:.1f} s", ""
        times = milliseconds(
            lambda query: client.query_points("p", query=sparse(query), using="t", limit=5), queries[:50]
        )
        yield (
            f"Qdrant embedded, {number:,} passages: one query, p50",
            f"{statistics.median(times):.2f} ms",
            "",
        )
        client.close()


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "recall": recall,
    "latency": latency,
    "growth": growth,
    "server": server,
    "cache": cache,
    "stores": stores,
}


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="measurements, separated by commas")
    parser.add_argument(
        "--kinds", default="bm25,hybrid", help="kinds of index in `recall`; hybrid includes dense"
    )
    parser.add_argument("--sizes", default="20000,200000,2000000", help="numbers of passages in `growth`")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of `latency`")
    parser.add_argument("--seconds", type=float, default=8, help="duration of each load on the server")
    parser.add_argument("--keep", help="folder for the indexes (default: a temporary folder)")
    parser.add_argument("--data", type=Path, default=SHIPPED, help="folder of the question sets")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        arguments.keep = arguments.keep or stack.enter_context(tempfile.TemporaryDirectory())
        print(f"{'what'.ljust(72)}  {'measured'.rjust(28)}  target")
        for name in arguments.only.split(","):
            for what, figure, target in PARTS[name](arguments):
                print(f"{what.ljust(72)}  {figure.rjust(28)}  {target}", flush=True)


if __name__ == "__main__":
    main()
