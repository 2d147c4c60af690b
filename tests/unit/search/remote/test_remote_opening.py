"""Names of network back ends, and their shared helpers: text from HTML, error messages, Retry-After."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import MissingExtraError, UsageError
from masksearch.search.remote import is_remote, open_remote
from masksearch.search.remote.answers import message, plain, shortened
from masksearch.search.remote.client import retry_after
from masksearch.text.display import one_line, printable

pytest.importorskip("httpx")


@pytest.mark.parametrize(
    "spec",
    ["web:serper", "web:", "wikipedia:en", "http://127.0.0.1:8000", "https://search.example.org/retrieve"],
)
def test_names_of_network_back_ends(spec: str) -> None:
    assert is_remote(spec)


@pytest.mark.parametrize(
    "spec",
    ["", "index", "web", "wikipedia", "./web:x", "runs/web:serper", "httpx", "/data/http://x", "Web:serper"],
)
def test_paths_are_not_network_back_ends(spec: str) -> None:
    assert not is_remote(spec)


def test_errors_for_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UsageError, match="serper, serpapi, brave, tavily"):
        open_remote("web:altavista", 5)
    with pytest.raises(UsageError, match=r"web:serper.*wikipedia:LANGUAGE.*http://HOST:PORT"):
        open_remote("gopher:x", 5)
    with pytest.raises(UsageError, match="write wikipedia:en"):
        open_remote("wikipedia:", 5)


def test_a_url_accepts_no_second_url() -> None:
    with pytest.raises(UsageError, match="is a URL already"):
        open_remote("http://127.0.0.1:1", 5, "http://127.0.0.1:2")


def test_names_are_recognised_without_the_http_library() -> None:
    code = (
        "import sys; from masksearch.search.remote import is_remote; "
        "print(is_remote('web:x'), 'httpx' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"


def test_without_the_http_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    for spec in ("wikipedia:en", "http://127.0.0.1:1"):
        with pytest.raises(MissingExtraError, match=r"'httpx'.*masksearch\[web\]"):
            open_remote(spec, 5)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<strong>Radium</strong>: Ra &amp; 88&nbsp;&#x27;x&#39;", "Radium: Ra & 88 'x'"),
        ("high<b>light</b>ed<br>next<br/>line</p><p class='a'>end", "highlighted next line end"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("a List<String> of <x>", "a List<String> of <x>"),
        ("&lt;b&gt; stays &amp;lt;", "<b> stays &lt;"),
        ("  \n\t ", ""),
        (
            "an <a href=\"https://example.org/?a=1&b=2\">anchor</a> and <A HREF='x'>more</A>",
            "an anchor and more",
        ),
    ],
)
def test_html_becomes_plain_text(markup: str, text: str) -> None:
    assert plain(markup) == text


def test_messages_are_made_printable() -> None:
    assert one_line(printable("a\x00b\r\nc\u202ed\x1b[0m\ue000")) == "a b c d [0m"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ({"detail": {"error": "inner"}}, "inner"),
        ([{"msg": "one", "loc": [1]}, {"msg": "two"}, "three", "four"], "one; two; three"),
        ({"code": 7, "info": ""}, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_message_of_an_error(value: Any, text: str) -> None:
    assert message(value) == text


def test_a_deeply_nested_message_is_ignored() -> None:
    value: Any = "deep"
    for _ in range(900):
        value = {"error": [value]}
    assert message(value) == ""


def test_a_query_is_cut_at_the_end_of_a_word() -> None:
    assert shortened("one two three", 13) == "one two three"
    assert shortened("one two three", 12) == "one two"
    assert shortened("one two three", 7) == "one two"
    assert shortened("one two three", 100, 2) == "one two"
    assert shortened("居里夫人发现了镭", 4) == "居里夫人"


NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("1.5", 1.5),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sun, 06 Nov 1994 08:50:37 -0000", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun, 06 Nov 1994 10:50:37 +0200", 60),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("١٢", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
        ("Sun, 32 Nov 1994 08:50:37 GMT", None),
        ("Sun, 06 Nov 0 08:50:37 +9999", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [A-Z+-]\d{0,4}", fullmatch=True)
)
def test_any_retry_after_header_is_a_pause_or_none(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds < float("inf")
