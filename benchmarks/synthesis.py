"""Benchmark of the teacher `agents`: rate, memory, processor time by part, kills and resumes.

    python benchmarks/synthesis.py [--only rate,stages,memory,crash] [--rounds 3] [--workers 3] [--quick]

The endpoint is a separate process that plays the roles; each request takes a fixed time (100 ms) and as
little processor time as possible. A task is four sequential requests: plan, queries, observation,
verdict. The ideal rate is that of 64 tasks in flight if only the endpoint took time. Two controls send
the same requests to the same server, four in sequence and 64 in parallel, with the `openai` client alone
or over raw connections: they show the limit of the client and of the machine. All sides alternate, so
that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib
import importlib.util
import json
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from masksearch.corpus import cut, read_documents
from masksearch.llm.endpoint import EndpointPolicy, open_connections
from masksearch.protocols import Searcher
from masksearch.runtime.files import read_appended, write_json_lines
from masksearch.search import build, load
from masksearch.search.settings import IndexSettings
from masksearch.synthesis.agents import roles, stage, team
from masksearch.synthesis.agents import scheduler as teach
from masksearch.synthesis.agents import single_agent as rewriting
from masksearch.synthesis.agents.outcome_log import Log
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Passage, Question

DATA = Path(__file__).parents[1] / "data"
LATENCY, IN_FLIGHT, REQUESTS = 0.1, 64, 4
"""Seconds of each request, tasks in flight, requests of each task."""
Row = tuple[str, str, str]
"""(what was measured, its value, the target)."""

ROLE = re.compile(rb'"name": ?"(planner|rewriter|observer|verdict)"')
TOWN = re.compile(rb"Town(\d+)")
FACT = re.compile(rb"\[(\d+)\] [^:]{0,40}: Town(\d+) lies on the river (\w+)")


def _reply(role: bytes, body: bytes) -> bytes:
    """Returns the JSON that a role replies to a request, computed from the request alone."""
    found = TOWN.search(body)
    town = b"Town" + found[1] if found else b"nowhere"
    if role == b"planner":
        return (
            b'{"steps": ["find the river of %b"], "thought": "I need the river of %b.", "query": "%b river"}'
            % (town, town, town)
        )
    if role == b"rewriter":
        return b'{"queries": ["river %b lies on", "%b town", "where does %b lie"]}' % (town, town, town)
    if role == b"verdict":
        return b'{"reason": "It agrees.", "verdict": "correct"}'
    for number, name, river in FACT.findall(body):
        if b"Town" + name == town:
            reply = (
                b'{"thought": "[%b] says that %b lies on the river %b.", "evidence": [%b], '
                b'"action": "answer", "query": "", "answer": "%b"}'
            )
            return reply % (number, town, river, number, river)
    return (
        b'{"thought": "Nothing tells of it.", "evidence": [], '
        b'"action": "answer", "query": "", "answer": "unknown"}'
    )


class _Http(asyncio.Protocol):
    """One connection, which answers each request after the latency.

    A GET returns the counts of the requests so far.
    """

    def __init__(self, latency: float, asked: Counter[str]) -> None:
        self.latency, self.asked, self.buffer = latency, asked, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            if head.startswith(b"get"):
                self.buffer = self.buffer[end + 4 :]
                self._send(json.dumps(self.asked).encode())
                continue
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self.buffer) < end + 4 + length:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            role = found[1] if (found := ROLE.search(body)) else b"planner"
            town = found[0] if (found := TOWN.search(body)) else b""
            self.asked[f"{town.decode()} {role.decode()}"] += 1
            asyncio.get_running_loop().call_later(self.latency, self._answer, role, body)

    def _answer(self, role: bytes, body: bytes) -> None:
        content = _reply(role, body).replace(b'"', b'\\"')
        message = b'{"role": "assistant", "content": "%b"}' % content
        usage = b'{"prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440}'
        choice = b'{"index": 0, "finish_reason": "stop", "message": %b}' % message
        self._send(
            b'{"id": "1", "object": "chat.completion", "created": 0, "model": "m", '
            b'"choices": [%b], "usage": %b}' % (choice, usage)
        )

    def _send(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )


def _serve(port: Any, latency: float) -> None:
    async def serve() -> None:
        asked: Counter[str] = Counter()
        server = await asyncio.get_running_loop().create_server(lambda: _Http(latency, asked), "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    # The server shares the cores with the measured code; uvloop reduces its share.
    uvloop = importlib.import_module("uvloop") if importlib.util.find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        runner.run(serve())


@contextlib.contextmanager
def served(latency: float) -> Iterator[str]:
    """Starts a server in a new process and yields its base URL."""
    context = get_context("spawn")
    port = context.Queue()
    process = context.Process(target=_serve, args=(port, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get()}/v1"
    finally:
        process.terminate()
        process.join()


def question(number: int) -> Question:
    """Returns a task about one town."""
    return Question(
        id=f"q{number}", question=f"On which river does Town{number} lie?", answers=(f"Flow{number}",)
    )


def passages(towns: int, others: int) -> Iterator[Passage]:
    """Yields passages of `towns` towns and `others` real passages."""
    for number in range(towns):
        yield Passage(
            id=f"p{number}",
            doc_id=f"d{number}",
            title=f"Place {number}",
            text=f"Town{number} lies on the river Flow{number}. It is a town.",
        )
    real = (
        passage
        for document in read_documents(str(DATA / "hotpotqa" / "corpus.jsonl.gz"))
        for passage in cut(document, 60)
    )
    yield from islice(real, others)


def built(folder: Path, towns: int, others: int = 20_000) -> Path:
    """Builds an index of `passages` and returns its folder."""
    with contextlib.redirect_stderr(open(os.devnull, "w")):
        build(passages(towns, others), folder, IndexSettings(max_words=0))
    return folder


def settings_of(folder: Path, url: str, tasks: Sequence[Question], **given: Any) -> SynthesizeSettings:
    """Writes a task file and returns the settings of a run over it."""
    write_json_lines(folder / "tasks.jsonl", [task.to_json() for task in tasks])
    values = {
        "tasks": str(folder / "tasks.jsonl"),
        "index": str(folder / "index"),
        "teacher": "agents",
        "llm": url,
        "model": "m",
    }
    return SynthesizeSettings.model_validate({**values, "concurrency": IN_FLIGHT, **given})


class Timed(Log):
    """A log that records the time of each outcome."""

    def __init__(self, path: Path, moments: list[float]) -> None:
        super().__init__(path)
        self.moments = moments

    def add(self, row: dict[str, Any]) -> None:
        super().add(row)
        self.moments.append(time.perf_counter())


def worked(
    settings: SynthesizeSettings,
    tasks: Sequence[Question],
    searcher: Searcher | None,
    log: Path,
    moments: list[float] | None = None,
) -> None:
    """Processes all tasks as the stage does, up to the log of outcomes."""
    log.unlink(missing_ok=True)
    with (
        contextlib.redirect_stderr(open(os.devnull, "w")),
        Timed(log, [] if moments is None else moments) as outcomes,
    ):
        stopped = stage._work(tasks, settings, outcomes, searcher)
        assert outcomes.kept == len(tasks), (stopped, outcomes.reasons)


async def _with_client(url: str, sequences: int, moments: list[float]) -> None:
    """Sends the same requests with the client alone: four roles, one pool of connections."""
    connections = open_connections(IN_FLIGHT)
    policies = [EndpointPolicy("m", url, connections=connections) for _ in range(REQUESTS)]
    names = iter(range(sequences))

    async def one() -> None:
        for number in names:
            for policy, role in zip(policies, ("planner", "rewriter", "observer", "verdict"), strict=True):
                await policy.ask(_request(role, number))
            moments.append(time.perf_counter())

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    await connections.aclose()


def _request(role: str, number: int) -> dict[str, Any]:
    """Returns a request of about the usual size."""
    schema = {
        "type": "json_schema",
        "json_schema": {"name": role, "strict": True, "schema": {"type": "object"}},
    }
    chat = [
        {"role": "system", "content": "x" * 900},
        {"role": "user", "content": f"Town{number}" + "y" * 900},
    ]
    return {"messages": chat, "max_tokens": 1024, "temperature": 0.0, "seed": 1, "response_format": schema}


async def _with_sockets(url: str, sequences: int, moments: list[float]) -> None:
    """Sends the same requests over raw connections."""
    host, port = url.split("/")[2].split(":")
    names = iter(range(sequences))

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in names:
            for role in ("planner", "rewriter", "observer", "verdict"):
                body = json.dumps({"model": "m", **_request(role, number)}).encode()
                writer.write(
                    b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"Content-Length: ")[1]))
            moments.append(time.perf_counter())
        writer.close()

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))


def full_flight(moments: Sequence[float]) -> float:
    """Returns the tasks per second while all slots are in flight.

    Omits the first two tasks and the last task of each of the 64 slots.
    """
    window = sorted(moments)[2 * IN_FLIGHT - 1 : -IN_FLIGHT]
    return (len(window) - 1) / (window[-1] - window[0])


def _processor() -> float:
    """Returns the processor time in seconds of this process and of its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def rate(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures tasks per second with all slots in flight, and the share of the ideal rate."""
    number = IN_FLIGHT * (10 if arguments.quick else 40)
    tasks = [question(place) for place in range(number)]
    ideal = IN_FLIGHT / (REQUESTS * LATENCY)
    with tempfile.TemporaryDirectory() as name, served(LATENCY) as url:
        folder = Path(name)
        searcher = load(built(folder / "index", number))
        alone, several = (
            settings_of(folder, url, tasks, workers=workers) for workers in (1, arguments.workers)
        )
        log = folder / "log.jsonl"
        worked(alone, tasks[: 2 * IN_FLIGHT], searcher, log)
        teacher = f"the teacher, {arguments.workers} processes"
        sides: dict[str, Callable[[list[float]], None]] = {
            "raw connections alone": lambda moments: asyncio.run(_with_sockets(url, number, moments)),
            "the client alone": lambda moments: asyncio.run(_with_client(url, number, moments)),
            "the teacher": lambda moments: worked(alone, tasks, searcher, log, moments),
            teacher: lambda moments: worked(several, tasks, None, log, moments),
        }
        found: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
        for _ in range(arguments.rounds):
            for side, run in sides.items():
                moments: list[float] = []
                began, cpu = time.perf_counter(), _processor()
                run(moments)
                found[side].append(
                    (full_flight(moments), (_processor() - cpu) / number, min(moments) - began)
                )
    yield (
        f"ideal, {IN_FLIGHT} in flight, {LATENCY * 1000:.0f} ms per request, {REQUESTS} per task",
        f"{ideal:.0f} tasks/s",
        "",
    )
    for side, figures in found.items():
        speed, cpu, first = (statistics.median(values) for values in zip(*figures, strict=True))
        best = max(values[0] for values in figures)
        what = (
            f"{side}: {speed:.1f} tasks/s, {cpu * 1000:.2f} ms of a core per task, "
            f"first after {first:.1f} s; best round {best / ideal:.3f}"
        )
        yield what, f"{speed / ideal:.3f} of ideal", "0.95" if side == teacher else ""


class Meter:
    """Processor time by part, excluding the time in other measured parts."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._open: list[float] = []  # for each running part, the seconds spent in parts below it

    def wrap(self, owner: Any, name: str, part: str) -> Callable[[], None]:
        """Measures a function of a module or class from now on; the returned function undoes this."""
        inner = getattr(owner, name)

        def begin() -> float:
            self._open.append(0.0)
            return time.process_time()

        def end(started: float) -> None:
            spent, below = time.process_time() - started, self._open.pop()
            self.seconds[part] += spent - below
            self.calls[part] += 1
            if self._open:
                self._open[-1] += spent

        @functools.wraps(inner)
        def plain(*args: Any, **given: Any) -> Any:
            started = begin()
            try:
                return inner(*args, **given)
            finally:
                end(started)

        @functools.wraps(inner)
        async def waiting(*args: Any, **given: Any) -> Any:
            started = begin()
            try:
                return await inner(*args, **given)
            finally:
                end(started)

        setattr(owner, name, waiting if asyncio.iscoroutinefunction(inner) else plain)
        return lambda: setattr(owner, name, inner)


def stages(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures the processor time of each part.

    It runs one task at a time without latency, so that parts do not overlap.
    """
    from masksearch.llm import structured
    from masksearch.scoring.judge import Judge

    number = 100 if arguments.quick else 600
    tasks = [question(place) for place in range(number)]
    meter = Meter()
    with tempfile.TemporaryDirectory() as name, served(0.0) as url:
        folder = Path(name)
        searcher = load(built(folder / "index", number))
        settings = settings_of(folder, url, tasks, concurrency=1)
        worked(settings, tasks[:30], searcher, folder / "log.jsonl")
        places = [
            (EndpointPolicy, "ask", "client: requests and replies"),
            (roles.Prompts, "render", "prompts"),
            (team, "task_prompt", "prompts"),
            (roles.Roles, "state", "prompts"),
            (Judge, "messages", "prompts"),
            (EndpointPolicy, "__init__", "opening the clients, once per run"),
            (structured, "_take", "parsing the JSON of replies"),
            (type(searcher), "search", "searches"),
            (rewriting, "run_episode", "one agent's trajectory: loop and record"),
            (teach, "rewrite", "one agent's trajectory: rewriting"),
            (teach, "score_task", "checks and scores"),
            (teach, "is_valid", "checks and scores"),
            (teach.Outcome, "to_json", "log: JSON of outcomes"),
            (Log, "add", "log: writing"),
            (teach.Teacher, "teach", "the rest of a task"),
        ]
        undo = [meter.wrap(*place) for place in places]
        started = time.process_time()
        worked(settings, tasks, searcher, folder / "log.jsonl")
        total = time.process_time() - started
        for one in undo:
            one()
    for part, seconds in meter.seconds.most_common():
        yield (
            f"{part} ({meter.calls[part] / number:.0f} per task)",
            f"{seconds / number * 1000:.2f} ms, {seconds / total:.0%}",
            "",
        )
    left = total - sum(meter.seconds.values())
    yield "workers, progress, the event loop", f"{left / number * 1000:.2f} ms, {left / total:.0%}", ""
    yield (
        "all: processor time per task",
        f"{total / number * 1000:.2f} ms",
        f"{1000 * REQUESTS * LATENCY / IN_FLIGHT:.2f} at most",
    )


def _resident() -> float:
    """Returns the resident memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _grow(number: int, first: int, url: str, folder: Path, found: Any) -> None:
    tasks = [question(place) for place in range(number)]
    settings = settings_of(folder, url, tasks)
    sizes: list[float] = []
    add = Log.add

    def counted(log: Log, row: dict[str, Any]) -> None:
        add(log, row)
        if len(log.places) in (first, number):
            sizes.append(_resident())

    Log.add = counted  # type: ignore[method-assign]
    started = time.perf_counter()
    stage.run_agents(settings, folder / "out.jsonl", folder / "work")
    found.put((*sizes, _resident(), time.perf_counter() - started))


def memory(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures resident memory of the whole stage in a new process, after 2,000 and after 20,000 tasks."""
    number, first = (3000, 1000) if arguments.quick else (20_000, 2000)
    with tempfile.TemporaryDirectory() as name, served(0.002) as url:
        built(Path(name) / "index", number)
        context = get_context("spawn")
        found = context.Queue()
        process = context.Process(target=_grow, args=(number, first, url, Path(name), found))
        process.start()
        early, late, end, seconds = found.get(timeout=3600)
        process.join()
    yield f"memory after {first:,} tasks", f"{early:.1f} MiB", ""
    yield f"memory after {number:,} tasks ({number / seconds:.0f} tasks/s)", f"{late:.1f} MiB", ""
    growth = (late - early) * 2**20 / (number - first)
    yield (
        f"  growth over {number - first:,} tasks: {growth:.0f} bytes per task",
        f"{late / early - 1:+.1%}",
        "flat",
    )
    yield "  after the output is written", f"{end:.1f} MiB", ""


KILLS = 24
"""Kills of the command before the last outcomes."""


def crash(arguments: argparse.Namespace) -> Iterator[Row]:
    """Kills the command at random moments, with one process or two; each attempt resumes the killed one.

    Counts lost, duplicated and repeated tasks, and compares the output with that of an uninterrupted run.
    """
    number, kills = (300, 6) if arguments.quick else (1500, KILLS)
    tasks = [question(place) for place in range(number)]
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name, served(0.02) as url, served(0.02) as calm:
        folder = Path(name)
        built(folder / "index", number, 2000)
        settings_of(folder, url, tasks)
        _command(folder, calm, "calm.jsonl").wait()
        again = in_time = attempts = 0
        for turn in range(kills):
            attempts += 1
            finished, before = _finished(folder), _asked(url)
            process = _command(folder, url, "out.jsonl", workers=1 + turn % 2)
            _wait_for_it(process, folder, len(finished) + rng.randrange(number // kills) if turn % 3 else 0)
            time.sleep(rng.random() * 0.1)
            in_time += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            again += _repeated(before, _asked(url), finished)
        finished, before = _finished(folder), _asked(url)
        # Kills while the last outcomes and the output are written.
        for _ in range(2 if arguments.quick else 6):
            attempts += 1
            process = _command(folder, url, "out.jsonl")
            _wait_for_it(process, folder, number)
            time.sleep(rng.random() * 0.2)
            in_time += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        status = _command(folder, url, "out.jsonl").wait()
        again += _repeated(before, _asked(url), finished)
        rows = [row["id"] for row in read_appended(folder / "out.jsonl")]
        same = (folder / "out.jsonl").read_bytes() == (folder / "calm.jsonl").read_bytes()
        asked = sum(_asked(url).values())
    yield (
        f"kills of {attempts} attempts at {number:,} tasks; last status {status}",
        f"{in_time} kills",
        f"{kills}" if arguments.quick else "20",
    )
    yield (
        "  tasks lost, tasks duplicated in the output",
        f"{number - len(set(rows))}, {len(rows) - len(set(rows))}",
        "0, 0",
    )
    yield "  requests for tasks that were finished", f"{again}", "0"
    yield "  output byte-identical to that of an uninterrupted run", f"{same}", "True"
    yield (
        "  requests in addition to an uninterrupted run (tasks in flight at a kill)",
        f"{asked - REQUESTS * number:+,}",
        "",
    )


def _command(folder: Path, url: str, output: str, workers: int = 1) -> subprocess.Popen[bytes]:
    flags = [
        "--index",
        str(folder / "index"),
        "--teacher",
        "agents",
        "--llm",
        url,
        "--model",
        "m",
        "--concurrency",
        "16",
        "-o",
        str(folder / output),
    ]
    command = [
        sys.executable,
        "-m",
        "masksearch",
        "synthesize",
        str(folder / "tasks.jsonl"),
        "--workers",
        str(workers),
        *flags,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _finished(folder: Path) -> set[str]:
    return {str(row["id"]) for row in read_appended(folder / "out.jsonl.work" / stage.OUTCOMES)}


def _asked(url: str) -> Counter[str]:
    import urllib.request

    with urllib.request.urlopen(url) as reply:
        return Counter(json.load(reply))


def _repeated(before: Counter[str], after: Counter[str], finished: set[str]) -> int:
    """Returns the number of requests since `before` for tasks that were already finished."""
    return sum(
        count for name, count in (after - before).items() if name.split()[0].replace("Town", "q") in finished
    )


def _wait_for_it(process: subprocess.Popen[bytes], folder: Path, outcomes: int) -> None:
    """Waits until the log has `outcomes` outcomes, or the command has ended.

    For 0, waits a random time of at most 4 seconds, so that some kills hit the opening of the command.
    """
    log, deadline = folder / "out.jsonl.work" / stage.OUTCOMES, time.monotonic() + 60
    if not outcomes:
        time.sleep(random.random() * 4)
        return
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_bytes().count(b"\n") >= outcomes:
            return
        time.sleep(0.005)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "rate": rate,
    "stages": stages,
    "memory": memory,
    "crash": crash,
}


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="measurements, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of `rate`")
    parser.add_argument("--workers", type=int, default=3, help="processes of the teacher in `rate`")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks")
    arguments = parser.parse_args()
    print(f"load average of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'work'.ljust(116)}  {'measured'.rjust(20)}  target")
    for name in arguments.only.split(","):
        for what, figure, target in PARTS[name](arguments):
            print(f"{what.ljust(116)}  {figure.rjust(20)}  {target}", flush=True)


if __name__ == "__main__":
    main()
