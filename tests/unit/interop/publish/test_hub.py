"""Uploads to a hub on loopback: what arrives, errors as sentences, and no token in any message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.hub import Hub

from masksearch.cli.main import main
from masksearch.errors import DataError, MissingExtraError, UsageError
from masksearch.interop.publish.hub import check_push, push, without_token

TOKEN = "hf_SECRETsecretSECRET"


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Allows requests to loopback, and hides the machine's own login."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / "README.md").write_text("# A card\n", encoding="utf-8")
    (made / "weights.safetensors").write_bytes(bytes(range(256)))
    return made


@pytest.mark.parametrize(("kind", "private"), [("model", True), ("dataset", False)])
def test_every_file_arrives(hub: Hub, folder: Path, kind: Any, private: bool) -> None:
    url = push(folder, "me/thing", kind, private, TOKEN)
    assert url == f"{hub.url}/{'datasets/' * (kind == 'dataset')}me/thing"
    assert hub.files["me/thing"] == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert hub.tokens == {f"Bearer {TOKEN}"}
    created = hub.created[0]
    assert (created["name"], created["organization"]) == ("thing", "me")
    assert created.get("private", False) is private or created.get("visibility") == "private"


@pytest.mark.parametrize(
    ("part", "status", "words"),
    [
        ("create", 401, "does not accept the token"),
        ("create", 403, "may not write there"),
        ("preupload", 404, "knows no such owner or repository"),
        ("commit", 418, "the hub answered with status 418"),
    ],
)
def test_a_refusal_is_a_sentence_without_the_token(
    hub: Hub, folder: Path, part: str, status: int, words: str
) -> None:
    hub.fails[part] = status
    with pytest.raises(DataError) as caught:
        push(folder, "me/thing", "model", True, TOKEN)
    message = str(caught.value)
    assert words in message
    assert f"The folder {folder} is complete; upload it later with: hf upload me/thing {folder}" in message
    assert TOKEN not in message
    assert caught.value.__suppress_context__


def test_a_hub_that_is_away_is_a_sentence(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(DataError, match="the hub cannot be reached; check the network and HF_ENDPOINT"):
        push(folder, "me/thing", "model", True, TOKEN)


def test_offline_mode_is_a_sentence(monkeypatch: pytest.MonkeyPatch, hub: Hub, folder: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        push(folder, "me/thing", "model", True, TOKEN)


@pytest.mark.parametrize("name", ["thing", "me/", "me/a/b", "https://hub/me/thing", "me/../x", "-o/x"])
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="write OWNER/NAME"):
        check_push(name)


def test_a_push_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="needs a token of the hub; set HF_TOKEN"):
        check_push("me/thing")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert check_push("me/thing") == TOKEN


def test_a_push_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"masksearch\[hub\]"):
        check_push("me/thing")


def test_no_token_is_shown() -> None:
    assert without_token(f"bad {TOKEN} and hf_other", "") == "bad [token] and [token]"
    assert without_token("bad secret", "secret") == "bad [token]"


def test_the_command_uploads_what_it_wrote(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    tasks, output = tmp_path / "q.jsonl", tmp_path / "out"
    tasks.write_text('{"id": "1", "question": "Who?", "answers": ["Ada"]}\n', encoding="utf-8")
    assert main(["publish", str(tasks), "-o", str(output), "--push", "me/data"]) == 0
    shown = capsys.readouterr()
    assert f"Uploaded to {hub.url}/datasets/me/data" in shown.out + shown.err
    assert TOKEN not in shown.out + shown.err
    assert set(hub.files["me/data"]) == {path.name for path in output.iterdir()}


def test_nothing_is_written_before_a_push_is_possible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, output = tmp_path / "q.jsonl", tmp_path / "out"
    tasks.write_text('{"id": "1", "question": "Who?", "answers": ["Ada"]}\n', encoding="utf-8")
    assert main(["publish", str(tasks), "-o", str(output), "--push", "me/data"]) == 2
    assert "needs a token" in capsys.readouterr().err
    assert not output.exists()
