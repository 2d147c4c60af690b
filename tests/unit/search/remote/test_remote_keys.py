"""Keys appear in requests only: in no log at any level, no error, no repr, no pickle."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from kit.remote_fixtures import FOUND, HTML
from kit.remote_servers import KEY, PROXIES, VARIABLES, Reply, serving
from kit.waiting import nowhere

from masksearch.errors import SearchError, UsageError
from masksearch.search.remote import open_remote
from masksearch.search.remote.keys import Secret

pytest.importorskip("httpx")
NAMES = sorted(VARIABLES)
FORMS = (KEY, quote(KEY, safe=""), quote(KEY))


class Everything(logging.Handler):
    """Keeps all log records, formatted and raw."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record) + repr(record.__dict__))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, KEY)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Lines of all loggers at level DEBUG."""
    handler = Everything()
    loggers = [logging.getLogger(name) for name in ("", "httpx", "httpcore", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield handler.lines
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def whole(error: BaseException | None) -> str:
    """Returns the text, repr, attributes and traceback of an error and of its chained errors."""
    shown = "".join(traceback.format_exception(error)) if error else ""
    while error:
        url = getattr(getattr(error, "_request", None), "url", "")
        shown += f"{error!s} {error!r} {error.__dict__!r} {url}"
        error = error.__cause__ or error.__context__
    return shown


def clean(text: str) -> bool:
    return not any(form in text for form in FORMS)


REPLIES = {
    "found": None,
    "refused": Reply({"message": f"Wrong key {KEY}.", "error": f"Wrong key {KEY}."}, 401),
    "error in a 200": Reply(
        {"error": f"?api_key={quote(KEY, safe='')}", "message": KEY, "detail": {"error": KEY}}
    ),
    "too many": Reply({"error": {"detail": KEY}}, 429, {"Retry-After": KEY}),
    "broken": Reply(HTML.replace("nginx", KEY) + KEY, 502, kind=KEY),
    "page": Reply(f"<p>{KEY}</p>", kind=f"text/{KEY}"),
    "cut in the middle": Reply(
        {"error": "x" * 295 + KEY, "message": "x" * 295 + KEY, "detail": "x" * 295 + KEY}, 400
    ),
    "redirect": Reply(
        "",
        302,
        {
            "Location": "https://elsewhere.invalid/"
            f"{quote(KEY, safe='')}?api_key={quote(KEY, safe='')}&again={KEY}",
            "X-Echo": KEY,
        },
    ),
    "not compressed": Reply(KEY.encode(), headers={"Content-Encoding": "gzip"}),
    "no header": Reply(KEY, headers={"X-Echo": f"a\nbad line {KEY}"}),
    "interrupted": Reply(KEY, missing=5),
    "silent": Reply(silent=True),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", REPLIES)
def test_a_key_appears_nowhere(name: str, case: str, log: list[str]) -> None:
    with serving(REPLIES[case] or Reply(FOUND[name])) as server:
        there = open_remote(f"web:{name}", 0.2 if case == "silent" else 5, server.url)
        error: BaseException | None = None
        try:
            assert len(there.search(["radium"], 3)[0]) == 2
        except SearchError as raised:
            error = raised
        assert (error is None) == (case == "found")
        request = server.requests[0]
        assert KEY in f"{request.params} {request.headers}"
    assert clean(whole(error))
    assert KEY[:8] not in whole(error).replace("Wrong key", "")
    assert clean(
        repr(there)
        + repr(vars(there))
        + repr(vars(there.client))
        + repr(vars(vars(there)["provider"]))
        + there.fingerprint
    )
    assert clean(pickle.dumps(there, 0).decode("latin-1"))
    assert clean("\n".join(log))
    assert any("httpcore.http11 DEBUG send_request_headers.started" in line for line in log)
    assert case in ("silent", "no header") or any(
        "httpx INFO HTTP Request:" in line and server.url in line for line in log
    )
    assert case != "redirect" or any(
        "receive_response_headers.complete" in line and "elsewhere.invalid" in line and "***" in line
        for line in log
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_key_appears_nowhere_without_a_server(name: str, log: list[str]) -> None:
    there = open_remote(f"web:{name}", 5, nowhere())
    with pytest.raises(SearchError) as caught:
        there.search(["radium"], 3)
    assert clean(whole(caught.value))
    assert clean("\n".join(log))
    assert log


@pytest.mark.parametrize("name", NAMES)
def test_without_a_key_the_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLES[name])
    with pytest.raises(UsageError, match=f"set the environment variable {VARIABLES[name]}"):
        open_remote(f"web:{name}", 5)
    monkeypatch.setenv(VARIABLES[name], " \n")
    with pytest.raises(UsageError, match=VARIABLES[name]):
        open_remote(f"web:{name}", 5)


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "schlüssel", "bell\x07"])
def test_an_impossible_key_is_rejected_without_being_shown(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_API_KEY", bad)
    with pytest.raises(UsageError, match="BRAVE_API_KEY holds no key") as caught:
        open_remote("web:brave", 5)
    assert bad not in whole(caught.value)


def test_white_space_round_a_key_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_API_KEY", f" {KEY}\n")
    with serving(Reply(FOUND["brave"])) as server:
        open_remote("web:brave", 5, server.url).search(["radium"], 1)
    assert server.requests[0].headers["x-subscription-token"] == KEY


def test_a_worker_reads_the_key_from_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Reply(FOUND["serper"])) as server:
        packed = pickle.dumps(open_remote("web:serper", 5, server.url))
        monkeypatch.setenv("SERPER_API_KEY", "another")
        pickle.loads(packed).search(["radium"], 1)
    assert server.requests[0].headers["x-api-key"] == "another"
    monkeypatch.delenv("SERPER_API_KEY")
    with pytest.raises(UsageError, match="SERPER_API_KEY"):
        pickle.loads(packed)


def test_a_key_by_itself_pickles_as_its_variable() -> None:
    secret = Secret("SERPER_API_KEY")
    assert clean(repr(secret) + str(secret) + pickle.dumps(secret, 0).decode("latin-1"))
    assert pickle.loads(pickle.dumps(secret)).reveal() == KEY


def test_each_provider_is_sent_its_own_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: f"key-of-{name}" for name in NAMES}
    for name in NAMES:
        monkeypatch.setenv(VARIABLES[name], keys[name])
    for name in NAMES:
        with serving(Reply(FOUND[name])) as server:
            open_remote(f"web:{name}", 5, server.url).search(["radium"], 1)
        sent = repr(server.requests)
        assert [other for other in NAMES if keys[other] in sent] == [name]


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@127.0.0.1:1", f"http://127.0.0.1:1/?key={KEY}", f"http://127.0.0.1:1/#{KEY}"]
)
def test_a_url_may_hold_no_secret(url: str) -> None:
    for spec, other in (("web:serper", url), ("wikipedia:en", url), (url, "")):
        with pytest.raises(UsageError) as caught:
            open_remote(spec, 5, other)
        assert clean(whole(caught.value))


def test_other_loggers_are_left_alone(log: list[str]) -> None:
    open_remote("web:serper", 5)
    values: tuple[Any, ...] = (1, "two")
    logging.getLogger("httpx").warning("%d and %s", *values)
    assert any("httpx WARNING 1 and two" in line for line in log)
