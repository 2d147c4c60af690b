"""Benchmark of RAMP task generation: rates of each step, and their growth with the corpus.

    python benchmarks/ramp.py [--only patterns,ner,retrievable,llm,growth] [--workers 2] [--rounds 3]

Each value is the median of several rounds in one process. Compared sides alternate, so that a busy
machine slows both. The texts are the passages of the shipped question sets; larger corpora recombine
their sentences. For dumps see benchmarks/dump.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from masksearch.corpus import cut, read_documents
from masksearch.ramp.checks.duplicates import find_duplicates
from masksearch.ramp.checks.retrievable import verify_retrievable
from masksearch.ramp.generate import Source, work
from masksearch.ramp.masking.mask_counts import wanted_shares
from masksearch.ramp.run.plan import Plan, build_tools
from masksearch.ramp.run.prepare import prepare
from masksearch.ramp.run.shard_workers import open_engine
from masksearch.ramp.run.shards import ShardFile, shard_folder
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import make_extractors
from masksearch.search import build, load
from masksearch.search.settings import IndexSettings
from masksearch.text.sentences import sentence_spans
from masksearch.types import Document, MaskedTask, Passage

DATA = Path(__file__).parents[1] / "data"
SETS = ("hotpotqa", "2wikimultihopqa", "musique")
Row = tuple[str, str, str]
"""(what was measured, its value, the target)."""


def passages(most: int) -> list[Passage]:
    """Returns the first `most` passages of the shipped sets."""
    found = (
        passage
        for name in SETS
        for document in read_documents(str(DATA / name / "corpus.jsonl.gz"))
        for passage in cut(document, 60)
    )
    return [passage.model_copy(update={"language": "en"}) for passage in itertools.islice(found, most)]


def recombined(number: int) -> Iterator[Document]:
    """Yields `number` documents that recombine the titles and sentences of real ones."""
    rng = random.Random(0)
    real = passages(50_000)
    sentences = [passage.text[start:end] for passage in real for start, end in sentence_spans(passage.text)]
    for place in range(number):
        title = real[place % len(real)].title + (f" {place // len(real)}" if place >= len(real) else "")
        yield Document(
            id=f"r{place}",
            title=title,
            text=" ".join([f"{title}:", *rng.sample(sentences, 2)]),
            language="en",
        )


def rates(sides: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Returns the median rate of each side in items per second; the sides alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            started = time.perf_counter()
            number = run()
            seconds[name].append(number / (time.perf_counter() - started))
    return {name: statistics.median(found) for name, found in seconds.items()}


def write_corpus(path: Path, documents: Iterator[Document]) -> str:
    """Writes documents as JSON Lines and returns the path."""
    with open(path, "w", encoding="utf-8") as stream:
        for document in documents:
            stream.write(document.model_dump_json() + "\n")
    return str(path)


@contextlib.contextmanager
def shards(settings: MaskSettings, work_folder: Path) -> Iterator[Callable[[], int]]:
    """Yields a function that processes all shards of a corpus with loaded tools.

    The function returns the number of passages.
    """
    plan = prepare(settings, wanted_shares(settings), work_folder)
    total = len(plan.passages)
    with open_engine(plan) as engine:
        # Warm-up: every process loads its tools before the measurement.
        list(engine.run(range(min(plan.shards, 2 * settings.workers))))

        def run() -> int:
            for shard in range(plan.shards):
                ShardFile(shard_folder(work_folder), shard).path.unlink(missing_ok=True)
            list(engine.run(range(plan.shards)))
            return total

        yield run


def patterns(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures masking with links, dates and numbers, without verification by searching."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(
            Path(folder) / "c.jsonl",
            (Document(id=p.id, title=p.title, text=p.text, language="en") for p in passages(20_000)),
        )
        base = MaskSettings(
            corpus=corpus,
            extractors=("links", "dates", "numbers"),
            verify=("unique", "not-inferable"),
            near_duplicates=0,
            max_words=0,
        )
        for workers in sorted({1, arguments.workers}):
            with shards(base.model_copy(update={"workers": workers}), Path(folder) / f"w{workers}") as run:
                rate = rates({"": run}, arguments.rounds)[""]
            yield (
                f"links+dates+numbers, {workers} process(es)",
                f"{rate:,.0f} paragraphs/s",
                "4,000" if workers == arguments.workers else "",
            )


def ner(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures extraction of spaCy's entities against spaCy's pipe alone, and masking with them."""
    from masksearch.ramp.spans.entities import _installed

    texts = passages(3000)
    settings = MaskSettings(extractors=("ner",))
    extract = make_extractors(settings)[0]
    pipeline = _installed("en")
    list(extract(texts[:64]))

    def alone() -> int:
        return sum(1 for _ in pipeline.pipe([passage.text for passage in texts], batch_size=64))

    def ours() -> int:
        return sum(1 for _ in extract(texts))

    found = rates({"pipe": alone, "ner": ours}, arguments.rounds)
    yield f"ner, 1 process (spaCy's own pipe: {found['pipe']:,.0f})", f"{found['ner']:,.0f} paragraphs/s", ""
    yield "  share of spaCy's own speed", f"{found['ner'] / found['pipe']:.2f}", "0.85"
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(
            Path(folder) / "c.jsonl",
            (Document(id=p.id, title=p.title, text=p.text, language="en") for p in texts),
        )
        base = MaskSettings(
            corpus=corpus,
            extractors=("ner",),
            verify=("unique", "not-inferable"),
            near_duplicates=0,
            max_words=0,
            shard_size=250,
        )
        two = base.model_copy(update={"workers": arguments.workers})
        with shards(base, Path(folder) / "one") as one_run, shards(two, Path(folder) / "two") as two_run:
            found = rates({"one": one_run, "two": two_run}, arguments.rounds)
    yield (
        f"ner and masking, 1 process -> {arguments.workers}",
        f"{found['one']:,.0f} -> {found['two']:,.0f} paragraphs/s",
        "",
    )
    yield f"  speed-up of {arguments.workers} processes", f"{found['two'] / found['one']:.2f}", "1.8"


def made_tasks(sources: Sequence[Passage]) -> list[MaskedTask]:
    """Returns unverified tasks with 1 to 4 masks."""
    settings = MaskSettings(
        extractors=("dates", "numbers"), verify=("unique", "not-inferable"), near_duplicates=0
    )
    tools = build_tools(Plan(settings, Path(), Path(), {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}, False, 1000))
    return work([Source(passage.id, (passage,)) for passage in sources], tools).tasks


def retrievable(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures the check that evidence can be retrieved, in an index of 200,000 passages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = write_corpus(folder / "c.jsonl", recombined(200_000))
        texts = [passage for document in read_documents(corpus) for passage in cut(document, 0)]
        build(texts, folder / "index", IndexSettings(corpus=corpus, max_words=0))
        tasks = made_tasks(texts[:12_000])[:4000]
        searcher = load(folder / "index")
        verify_retrievable(tasks[:200], searcher, 5)
        masks = sum(task.masks for task in tasks) / len(tasks)
        rate = rates({"": lambda: len(verify_retrievable(tasks, searcher, 5))}, arguments.rounds)[""]
        yield (
            f"retrievable, 200,000 passages, 1 process ({masks:.1f} masks per task)",
            f"{rate:,.0f} tasks/s",
            "",
        )
        both = in_processes(folder, tasks, arguments)
        yield f"retrievable, 200,000 passages, {arguments.workers} processes", f"{both:,.0f} tasks/s", "1,000"


def in_processes(folder: Path, tasks: list[MaskedTask], arguments: argparse.Namespace) -> float:
    """Returns the rate of the same check in several processes, each with a part of the tasks."""
    parts = [tasks[number :: arguments.workers] for number in range(arguments.workers)]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn"), _open, (folder / "index",)) as pool:
        list(pool.map(_verify, [part[:200] for part in parts]))
        return rates({"": lambda: sum(pool.map(_verify, parts))}, arguments.rounds)[""]


_searcher: Any = None


def _open(directory: Path) -> None:
    global _searcher
    _searcher = load(directory)


def _verify(tasks: list[MaskedTask]) -> int:
    return len(verify_retrievable(tasks, _searcher, 5))


DELAY, IN_FLIGHT = 0.2, 64
"""Seconds for each answer of the fake endpoint, and requests in flight."""


def _serve(port: Any) -> None:
    """Runs an endpoint that gives every chat request the same answer after DELAY seconds."""
    spans = json.dumps({"spans": [{"text": "nothing of the kind", "category": "OTHER"}]})
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": spans}}
    body = json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    ).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                await asyncio.sleep(DELAY)
                writer.write(answer)
                await writer.drain()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def llm(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures span extraction with an endpoint that takes 200 ms, with 64 requests in flight."""
    context = get_context("spawn")
    port = context.Queue()
    server = context.Process(target=_serve, args=(port,), daemon=True)
    server.start()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    settings = MaskSettings(
        extractors=("llm",), llm=f"http://127.0.0.1:{port.get()}/v1", llm_model="m", concurrency=IN_FLIGHT
    )
    extract = make_extractors(settings)[0]
    texts = passages(6400)
    list(extract(texts[:IN_FLIGHT]))
    rate = rates({"": lambda: sum(1 for _ in extract(texts))}, arguments.rounds)[""]
    server.terminate()
    ideal = IN_FLIGHT / DELAY
    yield (
        f"llm, {IN_FLIGHT} in flight, {DELAY * 1000:.0f} ms per answer (ideal {ideal:.0f})",
        f"{rate:,.0f} paragraphs/s",
        "",
    )
    yield "  share of the ideal rate", f"{rate / ideal:.2f}", "0.95"


SIZES = (1_000, 10_000, 100_000)
"""Numbers of documents."""
NER_MOST = 10_000
"""Largest size with spaCy, which takes a quarter of an hour for 100,000 passages."""


def growth(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures each step with 1,000 to 100,000 documents, in one process and one round.

    A step is linear if its rate is constant. A search is not: its cost is the number of passages that
    contain its words.
    """
    for number in SIZES:
        with tempfile.TemporaryDirectory() as name:
            for what, run in _works(number, Path(name)):
                started = time.perf_counter()
                done = run()
                seconds = time.perf_counter() - started
                yield f"{number:>7,}: {what}", f"{seconds:,.1f} s, {done / seconds:,.0f} per second", ""


def _works(number: int, folder: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """Yields (label, function) of each step on `number` documents of one passage.

    Each function returns the number of items that it processed.
    """
    corpus = write_corpus(folder / "c.jsonl", recombined(number))
    texts = [passage for document in read_documents(corpus) for passage in cut(document, 0)]
    plain = MaskSettings(corpus=corpus, max_words=0, near_duplicates=0, verify=("unique", "not-inferable"))
    with shards(
        plain.model_copy(update={"extractors": ("links", "dates", "numbers")}), folder / "patterns"
    ) as run:
        yield "links+dates+numbers, passages", run
    if number <= NER_MOST:
        extract = make_extractors(plain.model_copy(update={"extractors": ("ner",)}))[0]
        yield "ner, passages", lambda: sum(1 for _ in extract(texts))
    yield "near-duplicates, passages", lambda: len(find_duplicates(texts, 0.8, folder / "copies"))
    yield (
        "index, passages",
        lambda: int(build(texts, folder / "index", IndexSettings(corpus=corpus, max_words=0))["passages"]),
    )
    tasks, searcher = made_tasks(texts[:3000])[:1000], load(folder / "index")
    yield (
        "retrievable, tasks in an index of these passages",
        lambda: len(verify_retrievable(tasks, searcher, 5)),
    )
    whole = MaskSettings(corpus=corpus, extractors=("dates", "numbers"), max_words=0)
    yield "whole stage, documents", lambda: run_mask(whole, folder / "t.jsonl", folder / "work") and number


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "patterns": patterns,
    "ner": ner,
    "retrievable": retrievable,
    "llm": llm,
    "growth": growth,
}


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="measurements, separated by commas")
    parser.add_argument("--workers", type=int, default=2, help="processes of the parallel measurements")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement")
    arguments = parser.parse_args()
    print(f"{'step'.ljust(72)}  {'measured'.rjust(28)}  target, at least")
    for name in arguments.only.split(","):
        for what, figure, target in PARTS[name](arguments):
            print(f"{what.ljust(72)}  {figure.rjust(28)}  {target}", flush=True)


if __name__ == "__main__":
    main()
