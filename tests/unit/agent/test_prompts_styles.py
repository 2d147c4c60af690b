"""Prompts for agents that were never trained on the protocol: complete in every language, without leaked
answers."""

import gzip
import hashlib
import re
import shutil

import jinja2
import pytest
from kit.places import DATA

import masksearch.agent.prompts as prompts
from masksearch.agent.prompts import messages, method_prompt, prompts_hash, render, render_correction
from masksearch.agent.protocol import Answer, Invalid, Search, is_well_formed, parse_turn
from masksearch.types import MaskedTask, Question

LANGUAGES = ("", "es", "fr", "zh")
OPEN = ("search", "open")
QUESTION = Question(id="q", question="Who?", answers=("x",))


def prompted(language="", opens=0, searches=4):
    return render(
        "agent-prompted-open" if opens else "agent-prompted", language, max_searches=searches, max_opens=opens
    )


@pytest.mark.parametrize(
    ("tools", "style", "name"),
    [
        (("search",), "agent", "agent"),
        (OPEN, "agent", "agent-open"),
        (("search",), "agent-prompted", "agent-prompted"),
        (OPEN, "agent-prompted", "agent-prompted-open"),
        (("search",), "agent-tools", "agent-tools"),
        (OPEN, "agent-tools", "agent-tools"),
    ],
)
def test_prompt_of_a_style(tools, style, name):
    assert method_prompt(tools, style) == name
    assert method_prompt(tools) == method_prompt(tools, "agent")
    assert "search" in messages(QUESTION, name, "spans", max_searches=4, max_opens=2)[0]["content"].lower()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_protocol_is_explained(language):
    plain, with_pages = prompted(language), prompted(language, opens=2)
    for text in (plain, with_pages):
        for tag in ("think", "search", "answer", "information"):
            assert text.count(f"<{tag}>") == text.count(f"</{tag}>") > 1
        assert "\n\n\n" not in text
        assert "{" not in text
        assert "4" in text
    assert "<open>" not in plain
    assert with_pages.count("<open>") == with_pages.count("</open>") == 2
    assert len({prompted(other) for other in LANGUAGES}) == 4


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("opens", [0, 2])
def test_the_example_keeps_to_the_protocol(language, opens):
    tools = OPEN if opens else ("search",)
    text = prompted(language, opens)
    turns = re.findall(r"<think>.+?</think>\n<(?:search|open|answer)>.+?</(?:search|open|answer)>", text)
    shown, example = turns[: 3 if opens else 2], turns[3 if opens else 2 :]
    assert all(is_well_formed(turn, tools) for turn in (*shown, *example))
    actions = [type(parse_turn(turn, tools)).__name__ for turn in example]
    assert actions == (
        ["Search", "Search", "Open", "Answer"] if opens else ["Search", "Search", "Search", "Answer"]
    )
    assert text.count("[1] ") == 3
    answer = parse_turn(example[-1], tools)
    assert isinstance(answer, Answer)
    assert answer.text in text[: text.index(example[-1])]  # the example's searches found the answer


def test_the_example_gives_no_question_of_ours_away():
    names = re.compile("|".join(["Vellinde", "Ostrabeck", "Sorrevane"]), re.IGNORECASE)
    files = sorted(DATA.glob("*/*questions.jsonl.gz"))
    assert files
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            assert not names.search(stream.read()), file


def test_limits_in_the_singular():
    assert "at most 1 time." in prompted(searches=1)
    assert "1 vez." in prompted("es", searches=1)
    assert "at most 2 times." in prompted(searches=2)
    assert "1 page;" in prompted(opens=1)


@pytest.mark.parametrize("name", ["agent-prompted", "agent-prompted-open", "agent-tools"])
def test_limits_must_be_given(name):
    with pytest.raises(jinja2.UndefinedError):
        messages(QUESTION, name, "spans")


@pytest.mark.parametrize("language", LANGUAGES)
def test_native_tools_need_no_tags(language):
    text = render("agent-tools", language, max_searches=4, max_opens=0)
    assert "<" not in text
    assert "4" in text
    assert len(render("agent-tools", language, max_searches=4, max_opens=2)) > len(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_corrections(language):
    plain, with_pages, tools = (
        render_correction(("search",), language),
        render_correction(OPEN, language),
        render_correction(OPEN, language, "agent-tools"),
    )
    assert len({plain, with_pages, tools}) == 3
    assert ("<open>" in plain, "<open>" in with_pages, "<" in tools) == (False, True, False)
    for text in (plain, with_pages, tools):
        assert text.startswith("\n")
        assert text.endswith("\n")
        assert "\n" not in text[1:-1]
    assert (render_correction(("search",), language) == render_correction(("search",))) is (language == "")
    assert isinstance(parse_turn("A plain answer."), Invalid)
    assert isinstance(parse_turn(plain), Search)  # a tool's text is never parsed, so this is harmless


def test_every_prompt_exists_in_every_language():
    folder = prompts.FOLDER
    names = {file.name for file in (folder / "en").glob("*.j2")} - {"question.j2", "information.j2"}
    for language in prompts.TRANSLATED:
        assert {file.name for file in (folder / language).glob("*.j2")} == names


def test_the_hash_follows_the_files(tmp_path, monkeypatch):
    first = prompts_hash()
    assert first == prompts_hash()
    assert len(first) == len(hashlib.sha256().hexdigest())
    shutil.copytree(prompts.FOLDER, tmp_path / "prompts")
    monkeypatch.setattr(prompts, "FOLDER", tmp_path / "prompts")
    assert prompts_hash() == first
    with open(tmp_path / "prompts" / "en" / "agent.j2", "a") as stream:
        stream.write(" ")
    assert prompts_hash() != first


def test_the_hash_does_not_depend_on_where_the_files_are():
    """Results of the first release recorded it with all files in one folder, as `agent.zh.j2`."""
    digest = hashlib.sha256()
    folder = prompts.FOLDER
    flat = {}
    for file in folder.glob("*/*.j2"):
        suffix = "" if file.parent.name == "en" else f".{file.parent.name}"
        flat[f"{file.stem}{suffix}.j2"] = file.read_bytes()
    for name in sorted(flat):
        digest.update(f"{name} {len(flat[name])}\n".encode() + flat[name])
    assert prompts_hash() == digest.hexdigest()


def test_a_masked_task_is_put_in_its_language_in_every_style():
    task = MaskedTask(
        id="t", doc_id="d", title="A", text="A [mask]", answers=("x",), masks=1, original="A x", language="es"
    )
    for name in ("agent-prompted", "agent-tools"):
        assert "como máximo" in messages(task, name, "spans", max_searches=4, max_opens=0)[0]["content"]
