"""The page on which people ask, in a real browser: events, sources, links, colours, phone, keyboard, attacks.

Needs Debian's `chromium` (or another Chromium on the path) and the Python package playwright.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.agent_server import TURNS, Slow, asking, scripted, settings
from kit.browser import MARKS, NO_DRIVER, BrowserView, chromium
from kit.places import REPOSITORY
from kit.serving_fakes import PASSAGES, Server
from kit.waiting import wait_for

from masksearch.asking.agent import open_model
from masksearch.search import Bm25Searcher
from masksearch.serving.access import Rules
from masksearch.types import Hit, Passage

pytest.importorskip("playwright.sync_api", reason=NO_DRIVER)
pytestmark = MARKS
SCREENSHOTS = os.environ.get("MASKSEARCH_SCREENSHOTS", "")
"""A folder for the screenshots; if it is empty, they go to the test's temporary folder."""
ATTACKS = [
    json.loads(line)
    for line in (REPOSITORY / "tests" / "data" / "attacks.jsonl").read_text(encoding="ascii").splitlines()
]
MARKUP = [
    "</script><script>window.stolen = 1</script>",
    "<img src=x onerror='window.stolen = 2'>",
    "<svg onload=window.stolen=3><a href='javascript:window.stolen=4'>x</a>",
    "\u202egnp.exe\x00\x1b[31m {{ 7 * 7 }} {% raw %}",
    "<iframe srcdoc='<script>parent.stolen = 5</script>'></iframe><style>body{display:none}</style>",
]
QUESTION = "Who discovered radium?"


class Hostile:
    """A search that returns attacks, those with markup first."""

    fingerprint = "hostile"

    def search(self, queries: Any, k: int) -> list[list[Hit]]:
        texts = [(text, text) for text in MARKUP] + [(row["title"], row["text"]) for row in ATTACKS]
        passages = [
            Passage(id=f"<b>{number}", doc_id=str(number), title=title, text=f"Marie Curie {text}")
            for number, (title, text) in enumerate(texts)
        ]
        return [[Hit(passage=passage, score=1.0) for passage in passages] for _ in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        return self.search([query], k)[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asking(scripted(*TURNS), settings(page_title="Ask <b>us</b>")) as server:
        yield server


class View(BrowserView):
    """An open page."""

    def __init__(self, browser: Any, server: Server, address: str = "/", **options: Any) -> None:
        super().__init__(
            browser, server.url + address, **{"viewport": {"width": 1100, "height": 900}, **options}
        )

    def ask(self, question: str = QUESTION) -> None:
        self.page.fill("#question", question)
        self.page.keyboard.press("Enter")

    def answered(self) -> None:
        self.until("document.querySelector('.foot') !== null")

    def status(self) -> str:
        return str(self.page.text_content("#status"))

    def shoot(self, folder: Path, name: str) -> None:
        place = Path(SCREENSHOTS) if SCREENSHOTS else folder
        self.page.screenshot(path=str(place / f"ask-{name}.png"), full_page=True)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """A function that opens the page. Afterwards, no view may have had an error or a foreign request."""
    views: list[View] = []

    def make(server: Server, address: str = "/", **options: Any) -> View:
        view = View(browser, server, address, **options)
        view.server = server  # type: ignore[attr-defined]
        views.append(view)
        return view

    yield make
    troubles = [line for view in views for line in view.troubles if "Failed to load resource" not in line]
    foreign = [
        url
        for view in views
        for url in view.requests
        if not url.startswith((view.server.url, "data:"))  # type: ignore[attr-defined]
    ]
    for view in views:
        view.context.close()
    assert not troubles
    assert not foreign, "the page sent a request to another server"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {"color_scheme": "light"}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 375, "height": 740}, "device_scale_factor": 2, "is_mobile": True}),
    ],
)
def test_a_question_is_asked_and_answered(
    open_page: Any, server: Server, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    view = open_page(server, **options)
    page = view.page
    view.shoot(tmp_path, f"{name}-empty")
    assert page.inner_text("h1") == "Ask <b>us</b>"
    assert page.evaluate("document.activeElement.id") == "question"
    view.ask()
    view.answered()
    assert page.inner_text(".answer") == "Marie Curie"
    assert page.inner_text(".mark.good") == "✓ grounded in what was read"
    assert view.status().startswith("Answer: Marie Curie. ✓ grounded"), "a screen reader says it"
    source = page.locator(".source").first
    assert "Marie Curie discovered radium in Paris in 1898." in source.inner_text()
    source.locator("summary").click()
    assert page.inner_text(".source[open] mark") == "Marie Curie discovered radium in Paris in 1898."
    page.click(".how > summary")
    steps = page.inner_text(".steps")
    assert "I look it up." in steps
    assert "Search who discovered radium" in steps
    assert page.evaluate("location.hash").startswith("#t=")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    view.shoot(tmp_path, name)


def test_a_link_shows_the_answer_in_another_browser(open_page: Any, server: Server) -> None:
    first = open_page(server)
    first.ask()
    first.answered()
    address = first.page.evaluate("location.hash")
    other = open_page(server, f"/{address}&s=1")
    other.answered()
    assert other.page.inner_text(".asked") == QUESTION
    assert other.page.locator(".source[open]").count() == 1
    assert "Search who discovered radium" in other.page.locator(".steps").text_content()
    lost = open_page(server, "/#t=none")
    lost.until("document.getElementById('status').textContent.includes('ask the question again')")
    assert lost.page.locator("#trajectory").is_hidden()


def test_earlier_questions_stay_in_this_browser(open_page: Any, server: Server) -> None:
    view = open_page(server)
    assert view.page.locator("#earlier").is_hidden()
    for question in (QUESTION, "And who <b>else</b>?"):
        view.ask(question)
        view.until(f"document.querySelector('.foot') && document.title === {json.dumps(question)}")
    view.page.reload()
    view.page.wait_for_selector("html[data-ready]")
    rows = view.page.locator("#earlier-list button")
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == ["And who <b>else</b>?", QUESTION]
    rows.nth(1).click()
    view.until(f"document.querySelector('.asked').textContent === {json.dumps(QUESTION)}")
    view.page.click("#forget")
    assert view.page.locator("#earlier").is_hidden()
    assert view.page.evaluate("localStorage.getItem('masksearch-earlier')") is None


def test_steps_come_while_they_happen_and_escape_stops_them(open_page: Any) -> None:
    slow = Slow()
    with asking(slow, settings(decode_slots=1)) as server:
        view, other = open_page(server), open_page(server)
        view.ask()
        wait_for(lambda: slow.running == 1)
        assert view.page.locator("#stop").is_visible()
        other.ask("Who else?")
        other.until("document.getElementById('status').textContent.includes('0 questions wait before yours')")
        other.page.keyboard.press("Escape")
        other.until("document.getElementById('status').textContent === 'Stopped.'")
        view.page.keyboard.press("Escape")
        view.until("document.getElementById('status').textContent === 'Stopped.'")
        wait_for(lambda: slow.running == 0)
        assert view.page.locator("#go").is_visible()
        slow.gate.set()
        view.ask()
        view.answered()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"question_timeout": 0.3}, "The model did not answer within 0.3 seconds"),
        (
            {"decode_slots": 1, "max_questions": 0},
            "The server has 1 of at most 1 questions; try again later.",
        ),
    ],
)
def test_a_fault_is_a_sentence_on_the_page(
    open_page: Any, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    slow = Slow()
    with asking(slow, settings(**values)) as server:
        view, other = open_page(server), open_page(server)
        other.ask()
        wait_for(lambda: slow.opened == 1)
        view.ask()
        view.until(f"document.getElementById('status').textContent.includes({json.dumps(words)})")
        assert view.page.get_attribute("#status", "class") == "status fault"
        view.shoot(tmp_path, "fault")
        slow.gate.set()


def test_a_note_is_shown_with_the_steps_and_above_the_sources(
    open_page: Any, server: Server, tmp_path: Path
) -> None:
    view = open_page(server)
    view.ask("Кто открыл радий?")
    view.answered()
    note = view.page.inner_text("p.note")
    assert note.startswith("Note: The index has no word of this question (its language is 'en')")
    assert view.page.inner_text(".answer") == "Marie Curie"
    assert view.page.locator(".steps .note").text_content() == note
    view.shoot(tmp_path, "note")
    again = open_page(server, f"/{view.page.evaluate('location.hash')}")
    again.answered()
    assert again.page.inner_text("p.note") == note


def test_an_endpoint_that_never_answers_is_a_sentence_on_the_page(open_page: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        wanted = settings(model="openai:m", llm=url, llm_timeout=0.3)
        with asking(lambda: open_model(wanted), wanted) as silent:
            view = open_page(silent)
            view.ask()
            view.answered()
            assert view.page.inner_text(".answer").startswith("openai:m did not answer within 0.3 seconds;")


def test_a_question_beyond_the_limit_of_bytes_is_a_sentence_on_the_page(open_page: Any) -> None:
    # Ten megabytes in a text box would keep the browser busy; the server's limit is lowered instead.
    with asking(scripted(*TURNS), settings(max_body=1_000)) as narrow:
        view = open_page(narrow)
        view.ask("x" * 2_000)
        view.until("document.getElementById('status').className.includes('fault')")
        assert "1,000 bytes" in view.status()


def test_an_invented_answer_and_a_missing_one_are_marked(open_page: Any, tmp_path: Path) -> None:
    invented = (TURNS[0], "<think>I guess.</think>\n<answer>Pierre Gold</answer>")
    for turns, mark, words in (
        (invented, ".mark.bad", "✗ not found in what was read"),
        (("no tags",), ".answer", "The model wrote neither a search nor an answer that can be read."),
    ):
        with asking(scripted(*turns)) as server:
            view = open_page(server)
            view.ask()
            view.answered()
            assert view.page.inner_text(mark) == words
            assert words.split(" ", 1)[1] in view.status()
            view.shoot(tmp_path, "not-found")


def test_a_token_is_asked_for_once(open_page: Any) -> None:
    with asking(scripted(*TURNS), rules=Rules("a-token", browsers=True)) as server:
        view = open_page(server)
        view.ask()
        view.page.wait_for_selector("#token-form", state="visible")
        assert view.page.evaluate("document.activeElement.id") == "token"
        view.page.fill("#token", "wrong")
        view.page.keyboard.press("Enter")
        view.until(
            "document.activeElement.id === 'token' && document.getElementById('token-form').hidden === false"
        )
        view.page.fill("#token", "a-token")
        view.page.keyboard.press("Enter")
        view.answered()
        view.page.reload()
        view.page.wait_for_selector("html[data-ready]")
        view.answered()


@pytest.mark.parametrize("where", ["corpus", "model"])
def test_no_text_becomes_markup(open_page: Any, tmp_path: Path, where: str) -> None:
    text = " ".join(MARKUP)
    model = (
        f"<think>{text}</think>\n<search>{text[:300]}</search>",
        f"<think>{text}</think>\n<answer>Marie Curie {text}</answer>",
    )
    plain = (TURNS[0], "<think>It is her.</think>\n<answer>Marie Curie</answer>")
    searcher: Any = Hostile() if where == "corpus" else Bm25Searcher.in_memory(PASSAGES)
    with asking(scripted(*(plain if where == "corpus" else model)), searcher=searcher) as server:
        view = open_page(server)
        view.ask(f"Who {MARKUP[1]}?")
        view.answered()
        page = view.page
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        view.shoot(tmp_path, f"attack-{where}")
        inside = "script, img, svg, iframe, style, b b, [onerror], [onload], a[href^=javascript]"
        assert page.locator(f"main :is({inside})").count() == 0
        shown = page.inner_text("#trajectory")
        assert "onerror" in shown
        if where == "corpus":
            assert page.locator(".steps details").count() == len(MARKUP) + len(ATTACKS)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page.text_content("body"))
        address = page.evaluate("location.hash")
        again = open_page(server, f"/{address}")
        again.answered()
        for one in (view, again):
            assert one.page.evaluate("window.stolen") is None
            assert one.page.locator(f"main :is({inside})").count() == 0


def test_the_policy_forbids_what_the_page_does_not_do(open_page: Any, server: Server) -> None:
    view = open_page(server)
    tried = view.page.evaluate(
        """async () => {
            const found = {};
            const body = document.body;
            try { body.insertAdjacentHTML("beforeend", "<b>x</b>"); found.html = true; }
            catch { found.html = false; }
            const script = document.createElement("script");
            try { script.textContent = "window.stolen = 1"; body.append(script); } catch { /* refused */ }
            found.script = window.stolen === 1;
            try { await fetch("http://127.0.0.2:1/"); found.fetch = true; } catch { found.fetch = false; }
            return found;
        }"""
    )
    assert tried == {"html": False, "script": False, "fetch": False}
    view.troubles.clear()
    view.requests.clear()


def test_the_keyboard_reaches_everything(open_page: Any, server: Server) -> None:
    view = open_page(server)
    view.ask()
    view.answered()
    page = view.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    seen = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim().split('\\n')[0].slice(0, 12)"))
    assert {"Ask", "Copy the lin", "Forget them"} <= seen
    assert any(text.startswith("How it") for text in seen)
    names = page.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea, a')]"
        ".filter((one) => !one.hidden && !one.textContent.trim() && !one.labels?.length).length"
    )
    assert names == 0, "every control has a name"
    assert page.get_attribute("#status", "aria-live") == "polite"
