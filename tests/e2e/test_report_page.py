"""The report in a real browser: 5,000 trajectories open quickly, and are found, filtered, set side by side and walked through by keyboard.

Needs Debian's `chromium` (or another Chromium on the path) and the Python package playwright, which drives it.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.places import DATA

from masksearch.evaluation.results import save
from masksearch.report import build_report
from masksearch.report.settings import ReportSettings
from masksearch.types import Results

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser's driver is not installed: pip install playwright"
)
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"),
]


EVALUATIONS = (("hotpot-base", "HotpotQA", "hotpotqa", 1100), ("hotpot-rl", "HotpotQA", "hotpotqa", 1100))
EVALUATIONS += (
    ("wiki2-base", "2WikiMultiHopQA", "2wikimultihopqa", 1100),
    ("wiki2-rl", "2WikiMultiHopQA", "2wikimultihopqa", 1100),
)
EVALUATIONS += (("musique-rl", "MuSiQue", "musique", 600),)
FAILURES = (
    "failed",
    "bad_format",
    "ran_out",
    "never_searched",
    "not_retrieved",
    "not_used",
    "answer_lost",
    "over_long",
)
SCREENSHOTS = os.environ.get("MASKSEARCH_SCREENSHOTS", "")
"""A folder for screenshots to look at; without it they go to the test's own."""
OVERRIDE, RTL = "\u202e", "ما هي عاصمة فرنسا؟"
HOSTILE = f"</script><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'><!-- {{{{ 7 * 7 }}}} {{% raw %}} {OVERRIDE}gnp.exe\x00\x1b[31m"


# A run folder with texts as they come ------------------------------------------------------------------------------


def read(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def turns(
    question: dict[str, Any], answer: str, searches: int, passages: list[dict[str, Any]], draw: random.Random
) -> list[dict[str, str]]:
    made, words = [], question["question"].split()
    for number in range(searches):
        query = " ".join(draw.sample(words, min(6, len(words))))
        thought = f"The question asks: {question['question']} So far I have looked {number} times; what is missing is {query}, which may stand in an article."
        hits = "\n".join(
            f"[{place}] {hit['title']}: {' '.join(hit['text'].split()[:70])}"
            for place, hit in enumerate(draw.sample(passages, 3), 1)
        )
        made += [{"role": "model", "text": f"<think>{thought}</think>\n<search>{query}</search>"}]
        made += [{"role": "tool", "text": f"\n<information>\n{hits}\n</information>\n"}]
    return [
        *made,
        {
            "role": "model",
            "text": f"<think>From what was found, the answer should be {answer}.</think>\n<answer>{answer}</answer>",
        },
    ]


def question_of(
    question: dict[str, Any], passages: list[dict[str, Any]], draw: random.Random
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of the results and the trajectory."""
    failure = "" if draw.random() < 0.45 else draw.choice(FAILURES)
    answer = question["answers"][0] if not failure else " ".join(draw.sample(question["question"].split(), 2))
    searches = 0 if failure == "never_searched" else draw.choice((1, 1, 2, 2, 2, 3, 4))
    f1 = 1.0 if not failure else draw.choice((0.0, 0.0, 0.25, 0.4))
    status = {"ran_out": "too_many_searches", "bad_format": "no_answer", "failed": "model_failed"}.get(
        failure, "answered"
    )
    scores = {"recall": f1, "precision": f1, "f1": f1, "em": float(f1 == 1)}
    usage = {
        "searches": searches,
        "opens": 0,
        "prompt_tokens": 120,
        "model_tokens": draw.randint(60, 300),
        "tool_tokens": 300 * searches,
    }
    kind = (
        "yes_no"
        if question["answers"][0].lower() in ("yes", "no")
        else draw.choice(("open", "open", "in_question"))
    )
    row = {
        "id": question["id"],
        "prediction": answer,
        "answers": question["answers"],
        **scores,
        "valid": int(status == "answered"),
        "status": status,
        **usage,
    }
    row |= {
        "cover_em": int(f1 == 1),
        "answer_tokens": len(answer.split()),
        "seconds": round(draw.uniform(0.4, 3.0), 2),
        "answer_kind": kind,
        "said_yes_no": 0,
    }
    row |= {
        "type": question["type"],
        "evidence_recall": draw.choice((0.0, 0.5, 1.0)),
        "evidence": int(not failure),
        "failure": failure,
    }
    task = {
        "kind": "question",
        **{key: question[key] for key in ("id", "question", "answers", "type", "supporting_titles")},
    }
    body = turns(question, answer, searches, passages, draw)
    trajectory = {
        "format": "masksearch-trajectory/1",
        "id": question["id"],
        "task": task,
        "turns": body,
        "answer": answer,
        "status": status,
    }
    return row, {
        **trajectory,
        "scores": scores,
        "usage": usage,
        "model": "smollm2-135m",
        "retriever": "bm25-0123456789ab",
    }


def write_evaluation(folder: Path, suite: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    folder.mkdir(parents=True)
    rows = tuple(row for row, _ in pairs)
    names = (
        "recall",
        "precision",
        "f1",
        "em",
        "valid",
        "cover_em",
        "searches",
        "model_tokens",
        "seconds",
        "evidence_recall",
        "evidence",
        "answer_tokens",
    )
    metrics = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    counts = {kind or "right": sum(row["failure"] == kind for row in rows) for kind in ("", *FAILURES)}
    results = Results(
        suite=suite,
        method="agent",
        model="smollm2-135m" if "base" in folder.name else "smollm2-135m+sft+rl",
        retriever="bm25-0123456789ab",
        n=len(rows),
        metrics=metrics,
        intervals={
            name: (max(0.0, metrics[name] - 0.02), min(1.0, metrics[name] + 0.02))
            for name in ("recall", "precision", "f1", "em", "valid", "cover_em")
        },
        per_question=rows,
        settings={"search": {"noise": {"drop": 0.2 if "musique" in folder.name else 0.0}}},
        failures=counts,
        provenance={
            "prompt_hash": "5f1d",
            "questions_hash": "77ab",
            "decoding": {"temperature": 0.0},
            "versions": {"masksearch": "0.1.0"},
        },
    )
    save(results, folder / "results.json")
    (folder / "trajectories.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for _, line in pairs), encoding="utf-8"
    )


def hostile(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Makes the first questions of an evaluation evil: markup, control characters, a right-to-left text, and a line of three million characters."""
    for place, text in enumerate((HOSTILE, RTL, "x" * 3_000_000)):
        row, line = pairs[place]
        key = f"evil/{place}{'<b>' if place == 0 else ''}"
        row |= {
            "id": key,
            "prediction": text[:500],
            "failure": "not_used",
            "f1": 0.0,
            "em": 0.0,
            "status": "answered",
            "valid": 1,
        }
        line |= {
            "id": key,
            "task": {**line["task"], "id": key, "question": text, "answers": [text[:100]]},
            "answer": text,
            "status": "answered",
        }
        line["turns"] = [
            {"role": "model", "text": f"<think>{text}</think><search>{text[:500]}</search>"},
            {"role": "tool", "text": text},
        ]


def write_run(run: Path, seed: int = 1, names: tuple[str, ...] = ()) -> Path:
    draw = random.Random(seed)
    for name, suite, folder, count in EVALUATIONS:
        if names and name not in names:
            continue
        questions = [*read(f"{folder}/questions.jsonl.gz"), *read(f"{folder}/train_questions.jsonl.gz")][
            :count
        ]
        passages = read(f"{folder}/corpus.jsonl.gz")[:3000]
        pairs = [question_of(question, passages, draw) for question in questions]
        if name == "musique-rl":
            hostile(pairs)
        write_evaluation(run / "stages" / name, suite, pairs)
    log = "".join(
        json.dumps(
            {"step": step, "loss": 2.0 / step, "reward": 0.02 * step, "f1": 0.015 * step, "valid": 0.9}
        )
        + "\n"
        for step in range(1, 41)
    )
    (run / "stages" / "rl").mkdir()
    (run / "stages" / "rl" / "log.jsonl").write_text(log)
    stages = [
        {"name": name, "kind": "eval", "status": "done", "seconds": 60, "summary": {"n": count}}
        for name, _, _, count in EVALUATIONS
    ]
    (run / "run.json").write_text(
        json.dumps(
            {
                "name": "synthetic",
                "stages": [stage for stage in stages if not names or stage["name"] in names],
            }
        )
    )
    return run


# The browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder / "run")
    summary = build_report(run, folder / "report.html", ReportSettings())
    texts = sum((run / "stages" / name / "trajectories.jsonl").stat().st_size for name, *_ in EVALUATIONS)
    assert summary["trajectories"] == 5000
    print(
        f"\n5,000 trajectories of {texts / 5000 / 1000:.1f} kB on average: {texts / 1e6:.1f} MB in the run, {summary['bytes'] / 1e6:.1f} MB on the page"
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        yield found
        found.close()


class Opened:
    """A page that notes whatever went wrong on it and whatever it asked for."""

    def __init__(self, browser: Any, path: Path, address: str = "", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + address)
        self.page.wait_for_selector("html[data-ready]", timeout=60_000)

    def until(self, condition: str) -> None:
        """Waits until an expression is true. (Playwright's own wait needs `eval` in the page, which the page forbids.)"""
        end = time.monotonic() + 60
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def until_count(self, start: str) -> None:
        """Waits until the count of trajectories begins with `start`."""
        self.until(f"document.getElementById('count').textContent.startsWith({json.dumps(start)})")

    def count(self) -> int:
        """How many trajectories the page says are left, once it has read the texts."""
        self.until(
            "!document.getElementById('list').ariaBusy && document.getElementById('count').textContent.includes(' of ')"
        )
        return int(self.page.inner_text("#count").split(" of ")[0].replace(",", ""))

    def hash(self) -> str:
        return str(self.page.evaluate("decodeURIComponent(location.hash)"))


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Any]:
    made: list[Opened] = []

    def make(address: str = "", path: Path = report, **options: Any) -> Opened:
        made.append(Opened(browser, path, address, **options))
        return made[-1]

    yield make
    troubles = [trouble for one in made for trouble in one.troubles]
    requests = [url for one in made for url in one.requests if not url.startswith("file:")]
    for one in made:
        one.context.close()
    assert not troubles
    assert not requests, "the page asked for something"


# The tests ---------------------------------------------------------------------------------------------------------


def test_opens_quickly_and_by_itself(opened: Any) -> None:
    times, whole = [], []
    for _ in range(3):
        one = opened()
        assert one.requests == [one.page.url.partition("#")[0]]
        assert one.page.locator("#list [role=option]").count() > 5
        assert one.page.inner_text("#detail h3")
        times.append(int(one.page.get_attribute("html", "data-list")))
        whole.append(int(one.page.get_attribute("html", "data-ready")))
        one.page.close()
    print(
        f"\nms from navigation to a list that can be used: {times}; to the first trajectory beside it: {whole}"
    )
    assert min(times) < 10_000, "2 s is what it should take; a busy machine gets more"


def test_search_and_filters(opened: Any) -> None:
    one = opened()
    page = one.page
    assert one.count() == 600, "the last evaluation is opened first"
    page.click("#clear")
    assert one.count() == 5000
    words = read("hotpotqa/questions.jsonl.gz")[0]["question"].split()
    start = time.monotonic()
    page.fill("#find", f'"{words[0]} {words[1]} {words[2]}" {words[-2].upper()}')
    assert 0 < one.count() < 1000
    print(f"\nfirst search in all texts: {time.monotonic() - start:.2f} s, {one.count()} found")
    assert " ".join(words) in page.locator("#list").inner_text() or one.count() > 1
    assert page.locator("mark.sought").count() > 0
    page.click("#clear")
    for field, value in (
        ("suite", "HotpotQA"),
        ("stage", "hotpot-rl"),
        ("failure", "not_used"),
        ("searches", "2"),
        ("kind", "open"),
    ):
        before = one.count()
        offered = page.inner_text(f"#{field} option[value='{value}']")
        page.select_option(f"#{field}", value)
        assert 0 < one.count() <= before
        assert offered.endswith(f"({one.count():,})"), "an option says how many it leaves"
    assert "failure=not_used" in one.hash()
    page.click("#clear")
    page.select_option("#verdict", "not-right")
    page.select_option("#sort", "f1-down")
    assert "0.40" in page.inner_text("#list [role=option] >> nth=0")


def test_a_permalink_leads_to_its_trajectory(opened: Any) -> None:
    one = opened("#stage=hotpot-rl&verdict=wrong")
    one.page.click("#list [role=option] >> nth=3")
    question, address = one.page.inner_text("#detail h3"), one.page.get_attribute("#detail .bar a", "href")
    assert address.startswith("#q=hotpot-rl/")
    again = opened(address)
    assert again.page.inner_text("#detail h3") == question
    assert again.count() == 5000
    row, box = (
        again.page.locator("#list [aria-selected=true]").bounding_box(),
        again.page.locator("#list").bounding_box(),
    )
    assert box["y"] <= row["y"] < box["y"] + box["height"], "its row is in sight"
    whole = opened(one.page.evaluate("location.hash"))
    assert whole.page.inner_text("#detail h3") == question
    assert whole.count() == one.count()
    assert whole.page.inner_text("#list [aria-selected=true]").startswith("✗")
    missing = opened("#q=hotpot-rl/none")
    assert "holds no trajectory hotpot-rl/none" in missing.page.inner_text("#missing")


def test_a_count_of_failures_leads_to_its_questions(opened: Any) -> None:
    one = opened()
    link = one.page.locator("#failures a[href*='stage=wiki2-rl&failure=not_retrieved']")
    expected = int(link.inner_text())
    link.click()
    one.until("document.getElementById('failure').value === 'not_retrieved'")
    assert one.count() == expected
    one.page.click("#failures details.examples >> nth=0")
    examples = one.page.locator("#failures details.examples >> nth=0").locator("li a")
    examples.first.wait_for()  # they are filled in when the page hears that it was opened
    assert examples.count() >= len(FAILURES)
    examples.first.click()
    one.until("location.hash.startsWith('#q=hotpot-base/')")


def test_two_evaluations_side_by_side(opened: Any) -> None:
    one = opened("#stage=hotpot-base")
    page = one.page
    page.select_option("#beside", "hotpot-rl")
    assert one.count() == 1100
    page.select_option("#pair", "verdict")
    assert 0 < one.count() < 1100
    assert "verdicts differ" in page.inner_text("#detail")
    assert page.locator("#detail .side").count() == 2
    assert page.locator("#detail table.figures th[scope=col]").count() >= 4
    assert "The same in both: " in page.inner_text("#detail")
    assert {"+1", "−1"} & set(
        page.locator("#detail table.figures tr:has-text('Difference') td").all_inner_texts()
    )
    page.select_option("#pair", "there")
    assert page.inner_text("#list [role=option] >> nth=0 >> .signs").endswith("✓")
    again = opened(page.evaluate("location.hash"))
    assert again.count() == one.count()


def test_another_run_beside(opened: Any, tmp_path: Path) -> None:
    first, second = (
        write_run(tmp_path / "first", 1, ("hotpot-rl",)),
        write_run(tmp_path / "second", 2, ("hotpot-rl",)),
    )
    build_report(first, tmp_path / "both.html", ReportSettings(against=(str(second),)))
    one = opened("#stage=hotpot-rl", tmp_path / "both.html")
    one.page.select_option("#beside", "second: hotpot-rl")
    assert one.count() == 1100
    assert "second: hotpot-rl" in one.page.inner_text("#scores")
    assert one.page.locator("#detail .side h4").all_inner_texts() == ["hotpot-rl", "second: hotpot-rl"]


def test_keyboard(opened: Any) -> None:
    one = opened()
    page, keys = one.page, one.page.keyboard

    def active() -> str:
        return str(page.evaluate("document.activeElement.id"))

    keys.press("/")
    assert active() == "find"
    keys.type("the")
    one.until("location.hash.includes('find=the')")
    keys.press("Escape")
    assert page.input_value("#find") == ""
    keys.press("Escape")
    assert active() == "list"
    one.until_count("600")
    keys.press("Home")
    for _ in range(30):
        keys.press("ArrowDown")
    chosen = page.locator("#list [aria-selected=true]")
    assert chosen.get_attribute("aria-posinset") == "31"
    assert page.get_attribute("#list", "aria-activedescendant") == chosen.get_attribute("id")
    assert (
        chosen.bounding_box()["y"] + 52
        <= page.locator("#list").bounding_box()["y"] + page.locator("#list").bounding_box()["height"] + 1
    )
    keys.press("End")
    assert chosen.get_attribute("aria-posinset") == "600"
    keys.press("ArrowLeft")
    assert chosen.get_attribute("aria-posinset") == "599"
    keys.press("Enter")
    assert active() == "detail"
    keys.press("j")
    assert "segment" in page.evaluate("document.activeElement.className")
    keys.press("Escape")
    assert active() == "list"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", (
        "focus is visible"
    )


def test_what_a_screen_reader_gets(opened: Any) -> None:
    one = opened("#stage=hotpot-rl")
    page = one.page
    tree = page.locator("body").aria_snapshot()
    for wanted in (
        "banner:",
        "main:",
        'navigation "Sections"',
        'search "Questions"',
        'searchbox "Search"',
        'combobox "Failure"',
        'listbox "Questions"',
        "status:",
    ):
        assert wanted in tree, wanted
    assert 'article "The trajectory"' in tree
    assert 'table "Scores with 95% intervals"' in tree
    assert page.get_attribute("html", "lang") == "en"
    label = page.get_attribute("#list [role=option] >> nth=0", "aria-label")
    assert any(word in label for word in ("right", "wrong", "invalid"))
    assert "F1 " in label
    assert "1,100 of 5,000" in page.locator("[role=status]").inner_text()
    assert page.evaluate("[...document.querySelectorAll('thead th')].every((cell) => cell.scope === 'col')")
    reached = "[...document.querySelectorAll('select, input, button, [tabindex=\"0\"]')]"
    unnamed = f"{reached}.filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel))"
    assert page.evaluate(f"{unnamed}.map((one) => one.outerHTML.slice(0, 80))") == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_hostile_texts_do_nothing(opened: Any) -> None:
    one = opened("#q=musique-rl/evil/0<b>")
    page = one.page
    detail = page.inner_text("#detail")
    assert "<script>window.stolen = 1</script>" in detail
    assert "{{ 7 * 7 }}" in detail
    assert "⟨U+202E⟩gnp.exe⟨U+0000⟩⟨U+001B⟩[31m" in detail
    assert OVERRIDE not in page.inner_text("body")
    assert page.evaluate(
        "[window.stolen, document.images.length, document.querySelectorAll('#detail script').length]"
    ) == [None, 0, 0]
    page.fill("#find", "window.stolen")
    one.until_count("1 ")
    right_to_left = opened("#q=musique-rl/evil/1").page
    assert right_to_left.evaluate("getComputedStyle(document.querySelector('#detail h3')).direction") == "rtl"
    assert right_to_left.evaluate("getComputedStyle(document.querySelector('#detail h4')).direction") == "ltr"
    long = opened("#q=musique-rl/evil/2").page
    assert "Show all 3,000,000 characters" in long.inner_text("#detail")
    assert long.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)]
)
def test_light_and_dark_wide_and_narrow(opened: Any, tmp_path: Path, scheme: str, width: int) -> None:
    one = opened("", color_scheme=scheme, viewport={"width": width, "height": 900})
    page, folder = one.page, Path(SCREENSHOTS or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"top-{scheme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    assert light == (scheme == "light")
    for name, address in (
        ("one", "#stage=hotpot-rl&find=born"),
        ("two", "#stage=hotpot-base&beside=hotpot-rl&pair=verdict"),
        ("evil", "#q=musique-rl/evil/0<b>"),
    ):
        page.evaluate(f"location.hash = {json.dumps(address)}")
        page.wait_for_timeout(300)
        one.count()
        one.until("document.activeElement.id === 'detail'")
        page.screenshot(path=folder / f"{name}-{scheme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_the_choice_of_colours_is_kept(opened: Any) -> None:
    one = opened("", color_scheme="light")
    one.page.select_option("#theme", "dark")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    one.page.reload()
    one.page.wait_for_selector("html[data-ready]")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    assert one.page.input_value("#theme") == "dark"
