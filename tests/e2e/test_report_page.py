"""The report in a real browser, with 5,000 trajectories.

The page opens quickly; its search, filters, comparison of two evaluations and keyboard control work. Needs
Debian's `chromium` (or another Chromium on the path) and the Python package playwright, which drives it.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.browser import MARKS, NO_DRIVER, BrowserView, chromium
from kit.places import DATA

from masksearch.evaluation.results import save
from masksearch.report import build_report
from masksearch.report.settings import ReportSettings
from masksearch.types import Results

pytest.importorskip("playwright.sync_api", reason=NO_DRIVER)
pytestmark = MARKS


EVALUATIONS = (
    ("hotpot-base", "HotpotQA", "hotpotqa", 1100),
    ("hotpot-rl", "HotpotQA", "hotpotqa", 1100),
    ("wiki2-base", "2WikiMultiHopQA", "2wikimultihopqa", 1100),
    ("wiki2-rl", "2WikiMultiHopQA", "2wikimultihopqa", 1100),
    ("musique-rl", "MuSiQue", "musique", 600),
)
"""Stage, suite, folder in data/ and number of questions of each evaluation."""
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
"""A folder for the screenshots; if it is empty, they go to the test's temporary folder."""
OVERRIDE, RTL = "\u202e", "ما هي عاصمة فرنسا؟"
HOSTILE = (
    "</script><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'>"
    f"<!-- {{{{ 7 * 7 }}}} {{% raw %}} {OVERRIDE}gnp.exe\x00\x1b[31m"
)


# A run folder with realistic texts ----------------------------------------------------------------------


def read(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def turns(
    question: dict[str, Any], answer: str, searches: int, passages: list[dict[str, Any]], draw: random.Random
) -> list[dict[str, str]]:
    """Returns the turns of a trajectory with this many searches and then the answer."""
    made, words = [], question["question"].split()
    for number in range(searches):
        query = " ".join(draw.sample(words, min(6, len(words))))
        thought = (
            f"The question asks: {question['question']} After {number} searches I still need {query}, "
            "which an article may contain."
        )
        hits = "\n".join(
            f"[{place}] {hit['title']}: {' '.join(hit['text'].split()[:70])}"
            for place, hit in enumerate(draw.sample(passages, 3), 1)
        )
        made += [{"role": "model", "text": f"<think>{thought}</think>\n<search>{query}</search>"}]
        made += [{"role": "tool", "text": f"\n<information>\n{hits}\n</information>\n"}]
    thought = f"According to the results, the answer should be {answer}."
    made += [{"role": "model", "text": f"<think>{thought}</think>\n<answer>{answer}</answer>"}]
    return made


def question_of(
    question: dict[str, Any], passages: list[dict[str, Any]], draw: random.Random
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a row of the results and the trajectory of a question, with a random outcome."""
    failure = "" if draw.random() < 0.45 else draw.choice(FAILURES)
    answer = question["answers"][0] if not failure else " ".join(draw.sample(question["question"].split(), 2))
    searches = 0 if failure == "never_searched" else draw.choice((1, 1, 2, 2, 2, 3, 4))
    f1 = 1.0 if not failure else draw.choice((0.0, 0.0, 0.25, 0.4))
    statuses = {"ran_out": "too_many_searches", "bad_format": "no_answer", "failed": "model_failed"}
    status = statuses.get(failure, "answered")
    scores = {"recall": f1, "precision": f1, "f1": f1, "em": float(f1 == 1)}
    usage = {
        "searches": searches,
        "opens": 0,
        "prompt_tokens": 120,
        "model_tokens": draw.randint(60, 300),
        "tool_tokens": 300 * searches,
    }
    if question["answers"][0].lower() in ("yes", "no"):
        kind = "yes_no"
    else:
        kind = draw.choice(("open", "open", "in_question"))
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
    """Writes the results and the trajectories of an evaluation stage."""
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
    """Makes the first three questions of an evaluation hostile.

    They get markup with control characters, a right-to-left text, and a line of three million characters.
    """
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
    """Writes a run folder: the evaluations of these names (by default all) and a log of 40 RL steps."""
    draw = random.Random(seed)
    for name, suite, folder, count in EVALUATIONS:
        if names and name not in names:
            continue
        questions = [*read(f"{folder}/questions.jsonl.gz"), *read(f"{folder}/train_questions.jsonl.gz")]
        passages = read(f"{folder}/corpus.jsonl.gz")[:3000]
        pairs = [question_of(question, passages, draw) for question in questions[:count]]
        if name == "musique-rl":
            hostile(pairs)
        write_evaluation(run / "stages" / name, suite, pairs)
    log = [
        {"step": step, "loss": 2.0 / step, "reward": 0.02 * step, "f1": 0.015 * step, "valid": 0.9}
        for step in range(1, 41)
    ]
    (run / "stages" / "rl").mkdir()
    (run / "stages" / "rl" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    stages = [
        {"name": name, "kind": "eval", "status": "done", "seconds": 60, "summary": {"n": count}}
        for name, _, _, count in EVALUATIONS
        if not names or name in names
    ]
    (run / "run.json").write_text(json.dumps({"name": "synthetic", "stages": stages}))
    return run


# The browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder / "run")
    summary = build_report(run, folder / "report.html", ReportSettings())
    texts = sum((run / "stages" / name / "trajectories.jsonl").stat().st_size for name, *_ in EVALUATIONS)
    assert summary["trajectories"] == 5000
    print(
        f"\n5,000 trajectories of {texts / 5000 / 1000:.1f} kB on average: {texts / 1e6:.1f} MB in the run, "
        f"{summary['bytes'] / 1e6:.1f} MB on the page"
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


class PageView(BrowserView):
    """An open page."""

    def __init__(self, browser: Any, path: Path, address: str = "", **options: Any) -> None:
        super().__init__(
            browser, path.as_uri() + address, **{"viewport": {"width": 1280, "height": 900}, **options}
        )

    def until_count(self, start: str) -> None:
        """Waits until the count of trajectories starts with `start`."""
        self.until(f"document.getElementById('count').textContent.startsWith({json.dumps(start)})")

    def count(self) -> int:
        """Returns the number of listed trajectories, once the page has read the texts."""
        self.until(
            "!document.getElementById('list').ariaBusy"
            " && document.getElementById('count').textContent.includes(' of ')"
        )
        return int(self.page.inner_text("#count").split(" of ")[0].replace(",", ""))

    def hash(self) -> str:
        """Returns the state in the page's address."""
        return str(self.page.evaluate("decodeURIComponent(location.hash)"))


@pytest.fixture
def open_page(browser: Any, report: Path) -> Iterator[Any]:
    """A function that opens the page. Afterwards, no view may have had an error or a network request."""
    views: list[PageView] = []

    def make(address: str = "", path: Path = report, **options: Any) -> PageView:
        views.append(PageView(browser, path, address, **options))
        return views[-1]

    yield make
    troubles = [trouble for view in views for trouble in view.troubles]
    requests = [url for view in views for url in view.requests if not url.startswith("file:")]
    for view in views:
        view.context.close()
    assert not troubles
    assert not requests, "the page sent a request"


# The tests ----------------------------------------------------------------------------------------------


def test_opens_quickly_and_by_itself(open_page: Any) -> None:
    times, whole = [], []
    for _ in range(3):
        view = open_page()
        assert view.requests == [view.page.url.partition("#")[0]]
        assert view.page.locator("#list [role=option]").count() > 5
        assert view.page.inner_text("#detail h3")
        times.append(int(view.page.get_attribute("html", "data-list")))
        whole.append(int(view.page.get_attribute("html", "data-ready")))
        view.page.close()
    print(f"\nms from navigation to a usable list: {times}; to the first trajectory: {whole}")
    assert min(times) < 10_000, "the list should take 2 s; the limit allows for a busy machine"


def test_search_and_filters(open_page: Any) -> None:
    view = open_page()
    page = view.page
    assert view.count() == 600, "the page starts with the last evaluation"
    page.click("#clear")
    assert view.count() == 5000
    words = read("hotpotqa/questions.jsonl.gz")[0]["question"].split()
    start = time.monotonic()
    page.fill("#find", f'"{words[0]} {words[1]} {words[2]}" {words[-2].upper()}')
    assert 0 < view.count() < 1000
    print(f"\nfirst search in all texts: {time.monotonic() - start:.2f} s, {view.count()} found")
    assert " ".join(words) in page.locator("#list").inner_text() or view.count() > 1
    assert page.locator("mark.sought").count() > 0
    page.click("#clear")
    for field, value in (
        ("suite", "HotpotQA"),
        ("stage", "hotpot-rl"),
        ("failure", "not_used"),
        ("searches", "2"),
        ("kind", "open"),
    ):
        before = view.count()
        offered = page.inner_text(f"#{field} option[value='{value}']")
        page.select_option(f"#{field}", value)
        assert 0 < view.count() <= before
        assert offered.endswith(f"({view.count():,})"), "an option shows how many trajectories it would leave"
    assert "failure=not_used" in view.hash()
    page.click("#clear")
    page.select_option("#verdict", "not-right")
    page.select_option("#sort", "f1-down")
    assert "40.0" in page.inner_text("#list [role=option] >> nth=0")


def test_a_permalink_leads_to_its_trajectory(open_page: Any) -> None:
    view = open_page("#stage=hotpot-rl&verdict=wrong")
    view.page.click("#list [role=option] >> nth=3")
    question = view.page.inner_text("#detail h3")
    address = view.page.get_attribute("#detail .bar a", "href")
    assert address.startswith("#q=hotpot-rl/")
    again = open_page(address)
    assert again.page.inner_text("#detail h3") == question
    assert again.count() == 5000
    row = again.page.locator("#list [aria-selected=true]").bounding_box()
    box = again.page.locator("#list").bounding_box()
    assert box["y"] <= row["y"] < box["y"] + box["height"], "the row of the trajectory is visible"
    whole = open_page(view.page.evaluate("location.hash"))
    assert whole.page.inner_text("#detail h3") == question
    assert whole.count() == view.count()
    assert whole.page.inner_text("#list [aria-selected=true]").startswith("✗")
    missing = open_page("#q=hotpot-rl/none")
    assert "holds no trajectory hotpot-rl/none" in missing.page.inner_text("#missing")


def test_a_count_of_failures_leads_to_its_questions(open_page: Any) -> None:
    view = open_page()
    link = view.page.locator("#failures table a[href*='stage=wiki2-rl&failure=not_retrieved']")
    expected = int(link.inner_text())
    link.click()
    view.until("document.getElementById('failure').value === 'not_retrieved'")
    assert view.count() == expected
    view.page.click("#failures details.examples >> nth=0")
    examples = view.page.locator("#failures details.examples >> nth=0").locator("li a")
    examples.first.wait_for()  # the page fills them in when the box is opened
    assert examples.count() >= len(FAILURES)
    examples.first.click()
    view.until("location.hash.startsWith('#q=hotpot-base/')")


def test_two_evaluations_side_by_side(open_page: Any) -> None:
    view = open_page("#stage=hotpot-base")
    page = view.page
    page.select_option("#beside", "hotpot-rl")
    assert view.count() == 1100
    page.select_option("#pair", "verdict")
    assert 0 < view.count() < 1100
    assert "verdicts differ" in page.inner_text("#detail")
    assert page.locator("#detail .side").count() == 2
    assert page.locator("#detail table.figures th[scope=col]").count() >= 4
    assert "The same in both: " in page.inner_text("#detail")
    differences = page.locator("#detail table.figures tr:has-text('Difference') td").all_inner_texts()
    assert {"+100.0%", "−100.0%"} & set(differences)
    page.select_option("#pair", "there")
    assert page.inner_text("#list [role=option] >> nth=0 >> .signs").endswith("✓")
    again = open_page(page.evaluate("location.hash"))
    assert again.count() == view.count()


def test_another_run_beside(open_page: Any, tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", 1, ("hotpot-rl",))
    second = write_run(tmp_path / "second", 2, ("hotpot-rl",))
    build_report(first, tmp_path / "both.html", ReportSettings(against=(str(second),)))
    view = open_page("#stage=hotpot-rl", tmp_path / "both.html")
    view.page.select_option("#beside", "second: hotpot-rl")
    assert view.count() == 1100
    assert "second: hotpot-rl" in view.page.inner_text("#scores")
    assert view.page.locator("#detail .side h4").all_inner_texts() == ["hotpot-rl", "second: hotpot-rl"]


def test_keyboard(open_page: Any) -> None:
    view = open_page()
    page, keys = view.page, view.page.keyboard

    def active() -> str:
        return str(page.evaluate("document.activeElement.id"))

    keys.press("/")
    assert active() == "find"
    keys.type("the")
    view.until("location.hash.includes('find=the')")
    keys.press("Escape")
    assert page.input_value("#find") == ""
    keys.press("Escape")
    assert active() == "list"
    view.until_count("600")
    keys.press("Home")
    for _ in range(30):
        keys.press("ArrowDown")
    chosen = page.locator("#list [aria-selected=true]")
    assert chosen.get_attribute("aria-posinset") == "31"
    assert page.get_attribute("#list", "aria-activedescendant") == chosen.get_attribute("id")
    box = page.locator("#list").bounding_box()
    assert chosen.bounding_box()["y"] + 52 <= box["y"] + box["height"] + 1, (
        "the row, 52 pixels high, is visible"
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
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is visible"


def test_what_a_screen_reader_gets(open_page: Any) -> None:
    view = open_page("#stage=hotpot-rl")
    page = view.page
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
    unnamed = f"{reached}.filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel))"
    assert page.evaluate(f"{unnamed}.map((e) => e.outerHTML.slice(0, 80))") == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_hostile_texts_do_nothing(open_page: Any) -> None:
    view = open_page("#q=musique-rl/evil/0<b>")
    page = view.page
    detail = page.inner_text("#detail")
    assert "<script>window.stolen = 1</script>" in detail
    assert "{{ 7 * 7 }}" in detail
    assert "⟨U+202E⟩gnp.exe⟨U+0000⟩⟨U+001B⟩[31m" in detail
    assert OVERRIDE not in page.inner_text("body")
    scripts = "document.querySelectorAll('#detail script').length"
    assert page.evaluate(f"[window.stolen, document.images.length, {scripts}]") == [None, 0, 0]
    page.fill("#find", "window.stolen")
    view.until_count("1 ")
    right_to_left = open_page("#q=musique-rl/evil/1").page
    assert right_to_left.evaluate("getComputedStyle(document.querySelector('#detail h3')).direction") == "rtl"
    assert right_to_left.evaluate("getComputedStyle(document.querySelector('#detail h4')).direction") == "ltr"
    long = open_page("#q=musique-rl/evil/2").page
    assert "Show all 3,000,000 characters" in long.inner_text("#detail")
    assert long.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)]
)
def test_light_and_dark_wide_and_narrow(open_page: Any, tmp_path: Path, scheme: str, width: int) -> None:
    view = open_page("", color_scheme=scheme, viewport={"width": width, "height": 900})
    page, folder = view.page, Path(SCREENSHOTS or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"top-{scheme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page fits the width"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    assert light == (scheme == "light")
    for name, address in (
        ("one", "#stage=hotpot-rl&find=born"),
        ("two", "#stage=hotpot-base&beside=hotpot-rl&pair=verdict"),
        ("evil", "#q=musique-rl/evil/0<b>"),
    ):
        page.evaluate(f"location.hash = {json.dumps(address)}")
        page.wait_for_timeout(300)
        view.count()
        view.until("document.activeElement.id === 'detail'")
        page.screenshot(path=folder / f"{name}-{scheme}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_the_choice_of_colours_is_kept(open_page: Any) -> None:
    view = open_page("", color_scheme="light")
    view.page.select_option("#theme", "dark")
    assert view.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    view.page.reload()
    view.page.wait_for_selector("html[data-ready]")
    assert view.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    assert view.page.input_value("#theme") == "dark"
