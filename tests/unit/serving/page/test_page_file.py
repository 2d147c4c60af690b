"""The page as a file: complete, without external references, and allowed by its own policy."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

import httpx
import pytest
from kit.agent_server import TURNS, asking, scripted
from kit.serving_fakes import Server
from kit.waiting import LONG

from masksearch.serving.page.build import build_page


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asking(scripted(*TURNS)) as server:
        yield server


def test_every_script_and_style_is_allowed_by_its_hash_and_nothing_else_is(server: Server) -> None:
    page = httpx.get(server.url, timeout=LONG)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["content-security-policy"]
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        assert rules[rule].split(" ") == [f"'sha256-{one}'" for one in hashes]
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", page.text.split("<script>")[0])
    assert re.findall(r"""(?:src|href)=["']([^"']+)""", page.text) == ["data:,", "#question", "docs"]
    assert "http" not in re.sub(r"<script>.*?</script>", "", page.text, flags=re.DOTALL)


def test_texts_are_never_parsed_as_markup() -> None:
    html = build_page("x").html.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", html)


def test_a_title_is_text() -> None:
    html = build_page("</title><script>alert(1)</script>").html.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
