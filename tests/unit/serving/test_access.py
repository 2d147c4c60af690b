"""The bearer token, and which browsers may ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kit.agent_server import TURNS, asking, events, scripted, settings
from kit.serving_fakes import Server, index, running
from kit.waiting import LONG

from masksearch.errors import MaskSearchError, ModelError, SearchError, UsageError
from masksearch.search.remote.retrieve import RetrieveSearcher
from masksearch.serving.access import VARIABLE, Rules, foreign, token_from_environment
from masksearch.serving.mcp import serve_mcp
from masksearch.serving.run import serve

TOKEN = "s3cret-tökén"
KEY = {"authorization": f"Bearer {TOKEN}".encode()}
BODY = {"question": "Who discovered radium?"}
CHAT = {"model": "masksearch", "messages": [{"role": "user", "content": "Who discovered radium?"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asking(scripted(*TURNS), settings(mcp_http=True), rules=Rules(TOKEN, browsers=True)) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ask"),
        ("POST", "/retrieve"),
        ("POST", "/open"),
        ("POST", "/mcp"),
        ("GET", "/metrics"),
        ("GET", "/answers/x"),
        ("GET", "/nothing"),
    ],
)
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic s3cret", f"Bearer {TOKEN}x"])
def test_without_the_token_there_is_no_answer(server: Server, method: str, path: str, given: str) -> None:
    headers = {"authorization": given.encode()} if given else {}
    response = httpx.request(method, f"{server.url}{path}", headers=headers, json={}, timeout=LONG)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert VARIABLE in response.json()["detail"]
    assert TOKEN not in response.text


def test_openais_protocol_says_so_in_its_own_form(server: Server) -> None:
    openai = pytest.importorskip("openai", reason="OpenAI's client is not installed")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0, timeout=LONG)
    with pytest.raises(openai.AuthenticationError, match="needs a token"):
        client.chat.completions.create(**CHAT)
    with asking(scripted(*TURNS), rules=Rules("plain-token", browsers=True)) as other:
        client = openai.OpenAI(base_url=f"{other.url}/v1", api_key="plain-token", timeout=LONG)
        assert client.chat.completions.create(**CHAT).choices[0].message.content == "Marie Curie"


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/docs", "/openapi.json"])
def test_the_page_and_the_probes_need_no_token(server: Server, path: str) -> None:
    assert httpx.get(f"{server.url}{path}", timeout=LONG).status_code == 200


def test_with_the_token_everything_answers(server: Server) -> None:
    assert events(server, "Who?", headers=KEY)[-1][0] == "record"
    query = {"queries": ["radium"]}
    assert httpx.post(f"{server.url}/retrieve", json=query, headers=KEY, timeout=LONG).status_code == 200
    lower = {"authorization": f"bearer {TOKEN}".encode()}
    assert httpx.get(f"{server.url}/metrics", headers=lower, timeout=LONG).status_code == 200


def test_our_own_client_sends_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(index(), rules=Rules("a-token")) as server:
        with pytest.raises(SearchError, match=f"set {VARIABLE} to the server's token"):
            RetrieveSearcher(server.url).search(["radium"], 1)
        monkeypatch.setenv(VARIABLE, "a-token")
        assert RetrieveSearcher(server.url).search(["radium"], 1)[0][0].passage.title == "Radium"


def heads(origin: str = "", host: str = "127.0.0.1:8000") -> dict[bytes, bytes]:
    return {b"host": host.encode(), **({b"origin": origin.encode()} if origin else {})}


LOCAL = Rules(local=True, browsers=True)


@pytest.mark.parametrize(
    ("headers", "rules", "words"),
    [
        (heads(), LOCAL, ""),
        (heads("http://127.0.0.1:8000"), LOCAL, ""),
        (heads("http://localhost:8000", "localhost:8000"), LOCAL, ""),
        (heads("http://[::1]:8000", "[::1]:8000"), LOCAL, ""),
        (heads("https://evil.example"), LOCAL, "only its own page"),
        (heads("http://127.0.0.1:9000"), LOCAL, "only its own page"),
        (heads("null"), LOCAL, "only its own page"),
        (
            heads("http://evil.example:8000", "evil.example:8000"),
            LOCAL,
            "does not know the name evil.example",
        ),
        (heads("https://ask.example", "ask.example"), Rules("t", browsers=True), ""),
        (heads("https://ask.example"), Rules(hosts=("ask.example",), local=True, browsers=True), ""),
        (heads("https://evil.example"), Rules("t", browsers=True), "only its own page"),
        (heads("https://evil.example"), Rules("t"), ""),
    ],
)
def test_a_page_of_somebody_else_cannot_ask(headers: dict[bytes, bytes], rules: Rules, words: str) -> None:
    found = foreign(headers, rules)
    assert words in found
    assert bool(found) == bool(words)


def test_a_foreign_browser_gets_403_and_no_answer() -> None:
    with asking(scripted(*TURNS), rules=LOCAL) as server:
        evil = {"origin": "https://evil.example"}
        response = httpx.post(f"{server.url}/ask", json=BODY, headers=evil, timeout=LONG)
        assert (response.status_code, "evil.example" in response.json()["detail"]) == (403, True)
        assert events(server, "Who?", headers={"origin": server.url})[-1][0] == "record"


def test_a_model_beyond_this_machine_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError, match=rf"0\.0\.0\.0 needs a token.*{VARIABLE}.*127\.0\.0\.1"):
        serve(index(), settings(model="openai:m", llm="http://x/v1", host="0.0.0.0", port=0))


def test_a_token_of_spaces_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "  ")
    assert token_from_environment() == ""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("{folder}", r"is not a model: the folder has no config\.json"),
        ("{folder}/none", "There is no model"),
        ("openai:m", "--llm needs the base URL"),
    ],
)
def test_a_wrong_model_is_refused_before_the_greeting(
    model: str, words: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = settings(model=model.format(folder=tmp_path), port=0)
    for start in (serve, serve_mcp):
        with pytest.raises(MaskSearchError, match=words):
            start(index(), wanted)
    assert capsys.readouterr().err == ""


def test_a_folder_without_weights_is_refused_before_the_greeting(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot be loaded: the folder has no weights"):
        serve(index(), settings(model=str(tmp_path), port=0))
    assert capsys.readouterr().err == ""


def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_sentence(tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be loaded"):
        serve(index(), settings(model=str(tmp_path), port=0))
