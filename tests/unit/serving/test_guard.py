"""Slow and hostile clients, over raw sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from kit.serving_fakes import Gated, Server, index, read_all, running
from kit.waiting import LONG, wait_for

from masksearch.protocols import Searcher
from masksearch.serving import guard
from masksearch.serving.settings import ServeSettings

pytestmark = pytest.mark.slow

QUESTION = json.dumps({"queries": ["radium"], "topk": 1}).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a small limit on bodies."""
    with running(index(), ServeSettings(drain=0, max_body=5000, read_timeout=LONG)) as server:
        yield server


class Hasty(Server):
    """A server that waits long for requests, until a test has sent what must arrive and shortens the time."""

    settings: ServeSettings

    def hurry(self) -> None:
        """Makes a request that arrives from now on take at most 0.3 seconds."""
        self.settings.__dict__["read_timeout"] = 0.3  # settings are frozen

    def connect_and_hurry(self) -> socket.socket:
        """Returns a connection that the server has accepted, and that is hasty from now on."""
        connection = self.connect()
        connection.sendall(head(method="GET", path="/health"))
        assert status(connection.recv(65536)) == 200
        self.hurry()
        return connection


@contextlib.contextmanager
def hasty_later(searcher: Searcher) -> Iterator[Hasty]:
    settings = ServeSettings(drain=0, read_timeout=LONG)
    with running(searcher, settings) as server:
        hasty = Hasty(server.port)
        hasty.settings = settings
        yield hasty


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasty]:
    monkeypatch.setattr(guard, "GRACE", 0.2)
    with hasty_later(index()) as server:
        yield server


def head(*headers: str, path: str = "/retrieve", method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: here", *headers, "", ""]).encode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def send(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # the server has closed the connection
        connection.sendall(data)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_in_pieces_is_read(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            head("transfer-encoding: chunked", "connection: close")
            + chunked(QUESTION[:10], QUESTION[10:])
            + b"0\r\n\r\n"
        )
        answer = read_all(connection)
    assert status(answer) == 200
    assert b"Radium" in answer


def test_a_body_that_is_announced_as_too_long_is_refused_unread(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("content-length: 5001"))
        answer = read_all(connection)
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()


def test_whoever_asks_first_need_not_send_what_is_too_long(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("content-length: 5001", "expect: 100-continue"))
        assert status(read_all(connection)) == 413


def test_a_body_of_unknown_length_is_refused_once_it_is_too_long(server: Server) -> None:
    with server.connect() as connection:
        send(connection, head("transfer-encoding: chunked") + chunked(*[b"x" * 1000] * 6))
        assert status(read_all(connection)) == 413


def test_an_endless_body_is_cut_off(server: Server) -> None:
    with server.connect() as connection:
        send(connection, head("transfer-encoding: chunked"))
        for _ in range(200):
            send(connection, chunked(b"x" * 100_000))
        read_all(connection)  # returns only if the server closes the connection
    assert server.retrieve("radium").status_code == 200


def test_a_body_that_is_longer_than_announced_is_a_wrong_second_request(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            head(f"content-length: {len(QUESTION)}") + QUESTION + b"more, which is no request\r\n\r\n"
        )
        answers = read_all(connection)
    assert status(answers) in (200, 400)
    assert b"HTTP/1.1 400" in answers


def test_a_body_that_is_shorter_than_announced_is_waited_for_no_longer_than_set(
    hasty: Hasty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "GRACE", LONG)
    with hasty.connect_and_hurry() as connection:
        connection.sendall(head("content-length: 1000") + QUESTION)
        answer = read_all(connection)
    assert status(answer) == 408
    assert (
        json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
        == "The request did not arrive within 0.3 seconds."
    )
    assert hasty.metric('masksearch_http_requests_total{path="/retrieve",status="408"}') == 1


@pytest.mark.parametrize("first", [b"", b"POST /retr", head()[:-2], head("content-length: 5")])
def test_a_request_that_trickles_is_cut_off(hasty: Hasty, first: bytes) -> None:
    hasty.hurry()
    with hasty.connect() as connection:
        send(connection, first)
        connection.settimeout(0.05)
        received, end = b"", time.monotonic() + LONG
        while time.monotonic() < end:
            send(connection, b"x")
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            received += chunk
            if not chunk:
                break
        else:
            pytest.fail("the connection was not closed")
    assert not received or status(received) in (400, 408)


def test_a_connection_on_which_nothing_is_asked_is_closed(hasty: Hasty) -> None:
    hasty.hurry()
    with hasty.connect() as connection:
        assert read_all(connection) == b""


def test_line_breaks_between_requests_do_not_hold_a_connection(hasty: Hasty) -> None:
    with hasty.connect_and_hurry() as connection:
        connection.sendall(b"\r\n")
        assert status(read_all(connection)) == 408


def test_an_endless_head_is_cut_off(server: Server) -> None:
    for start in (
        b"GET /" + b"x" * 200_000,
        head()[:-2] + b"x-filler: " + b"y" * 200_000,
        head()[:-2] + b"a: b\r\n" * 50_000,
    ):
        with server.connect() as connection:
            send(connection, start)
            answer = read_all(connection)
        assert not answer or status(answer) in (400, 431)
    assert server.retrieve("radium").status_code == 200


def test_endless_trailers_are_cut_off(server: Server) -> None:
    with server.connect() as connection:
        send(connection, head("transfer-encoding: chunked") + chunked(QUESTION) + b"0\r\n")
        for _ in range(20):
            send(connection, b"a: b\r\n" * 2000)
        answer = read_all(connection)
    assert not answer or status(answer) in (400, 431)


def test_a_body_where_none_belongs_is_cut_off(hasty: Hasty) -> None:
    with hasty.connect_and_hurry() as connection:
        connection.sendall(head("transfer-encoding: chunked", path="/health", method="GET"))
        assert b"ok" in read_all(connection)  # returns, although the request has no end


def test_a_slow_search_is_not_a_slow_client() -> None:
    searcher = Gated()
    with hasty_later(searcher) as server, server.connect_and_hurry() as connection:
        # Some clients send a line break too many.
        connection.sendall(head(f"content-length: {len(QUESTION)}", "connection: close") + QUESTION + b"\r\n")
        assert searcher.started.acquire(timeout=LONG)
        connection.settimeout(0.8)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        searcher.gate.set()
        connection.settimeout(LONG)
        assert status(read_all(connection)) == 200


def test_two_hundred_idle_and_trickling_connections_hinder_nobody(server: Server) -> None:
    beginnings = [
        b"",
        b"POST /retr",
        head("content-length: 1000") + b"{",
        head("transfer-encoding: chunked") + b"5\r\n{",
    ]
    connections = [server.connect() for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            connection.sendall(beginnings[number % 4])
        with httpx.Client(timeout=LONG) as client:
            for _ in range(20):
                assert client.post(f"{server.url}/retrieve", content=QUESTION).status_code == 200
    finally:
        for connection in connections:
            connection.close()


def test_a_connection_too_many_is_refused_and_the_others_go_on() -> None:
    with running(index(), ServeSettings(drain=0, connections=3)) as server:
        connections = [server.connect() for _ in range(3)]
        for connection in connections:  # the server has accepted all three
            connection.sendall(head(method="GET", path="/health"))
            assert status(connection.recv(65536)) == 200
        with server.connect() as fourth:
            answer = read_all(fourth)
        assert status(answer) == 503
        assert b"retry-after: 1" in answer
        connections[0].sendall(head(f"content-length: {len(QUESTION)}") + QUESTION)
        assert status(connections[0].recv(65536)) == 200
        for connection in connections:
            connection.close()
        wait_for(lambda: httpx.get(f"{server.url}/health", timeout=LONG).status_code == 200)


def test_a_client_that_does_not_read_its_answer_holds_up_nobody_and_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "UNREAD", 0.2)
    with running(index(), ServeSettings(drain=0)) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(LONG)
        connection.connect(("127.0.0.1", server.port))
        question = json.dumps({"queries": ["word1 radium"] * 2000, "topk": 3}).encode()
        connection.sendall(head(f"content-length: {len(question)}") + question)
        wait_for(lambda: server.metric('masksearch_http_requests_total{path="/retrieve",status="200"}') == 1)
        assert server.retrieve("radium").status_code == 200

        def cut_off() -> bool:
            try:
                connection.send(b"\r\n")
            except ConnectionError:
                return True
            return False

        wait_for(cut_off)
        received = read_all(connection)
    assert len(received) < 2_000_000


def test_a_client_that_reads_a_long_answer_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "UNREAD", 0.3)
    with running(index(), ServeSettings(drain=0)) as server:
        wait_for(lambda: read_steadily(server))


def read_steadily(server: Server) -> bool:
    """Reads a long answer and checks it. Returns False if the machine stood still between two reads, for
    then the server rightly cuts the client off."""
    longest = 0.0
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(LONG)
        connection.connect(("127.0.0.1", server.port))
        question = json.dumps({"queries": ["word1 radium"] * 2000, "topk": 3}).encode()
        connection.sendall(head(f"content-length: {len(question)}", "connection: close") + question)
        received = connection.recv(4096)
        length = int(received.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        last = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(262_144):
                received += chunk
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
    if len(received.partition(b"\r\n\r\n")[2]) == length:
        assert length > 2_000_000
        return True
    longest = max(longest, time.monotonic() - last)
    assert longest > guard.UNREAD / 2, "a client that reads was cut off"
    return False
