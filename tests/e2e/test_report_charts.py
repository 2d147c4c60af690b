"""The card, the plots, the bars and the flip matrices of the report in a real browser, wide and narrow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.browser import MARKS, NO_DRIVER, BrowserView, chromium
from kit.rich_run import rich_run

from masksearch.report import build_report
from masksearch.report.settings import ReportSettings

pytest.importorskip("playwright.sync_api", reason=NO_DRIVER)
pytestmark = MARKS
SCREENSHOTS = os.environ.get("MASKSEARCH_SCREENSHOTS", "")
"""A folder for the screenshots; if it is empty, they go to the test's temporary folder."""
WIDTHS = (1280, 400)
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charts")
    run = rich_run(folder / "run")
    add_marks(run.path("rl-hotpot") / "trajectories.jsonl")
    build_report(run.folder, folder / "report.html", ReportSettings())
    return folder / "report.html"


def add_marks(path: Path) -> None:
    """Gives the first trajectory a false quote with markup, and a gold passage that was not found."""
    first, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first["task"]["supporting_titles"] = ["Painter 0", "<b>Bridge</b>"]
    text = first["turns"][-1]["text"]
    quote = '[2]: "a <img src=x onerror=alert(1)> crosses"'
    first["turns"][-1]["text"] = text.replace("<think>", f"<think>{quote} ")
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *rest)), encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Any, report: Path) -> Iterator[Any]:
    """A function that opens the page. Afterwards, no view may have had an error or a network request."""
    views: list[BrowserView] = []

    def make(address: str = "", width: int = 1280, **options: Any) -> BrowserView:
        size = {"width": width, "height": 900}
        views.append(BrowserView(browser, report.as_uri() + address, viewport=size, **options))
        return views[-1]

    yield make
    troubles = [trouble for view in views for trouble in view.troubles]
    requests = [url for view in views for url in view.requests if not url.startswith("file:")]
    stolen = [view.page.evaluate("[window.stolen, document.images.length]") for view in views]
    for view in views:
        view.context.close()
    assert not troubles
    assert not requests, "the page sent a request"
    assert all(found == [None, 0] for found in stolen)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways(open_page: Any, tmp_path: Path, scheme: str, width: int) -> None:
    page = open_page("", width, color_scheme=scheme).page
    folder = Path(SCREENSHOTS or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    assert page.evaluate(FITS)
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert page.evaluate(FITS), "with everything unfolded"
    for part in ("summary", "scores", "differences", "flips", "failures", "curves"):
        page.locator(f"#{part}").screenshot(path=folder / f"{part}-{scheme}-{width}.png")
        inside = (
            f"[...document.querySelectorAll('#{part} > *')].filter((e) => !e.classList.contains('unseen'))"
            ".every((e) => e.getBoundingClientRect().right <= innerWidth + 1)"
        )
        assert page.evaluate(inside), part


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_shows_scores_and_a_verdict(open_page: Any, width: int) -> None:
    page = open_page("", width).page
    card = page.locator("#summary .card >> nth=0")
    assert card.get_attribute("aria-label") == "RAMP, one mask"
    assert card.locator(".figure b").all_inner_texts() == ["2.0", "79.0"]
    assert card.locator(".verdict b").inner_text() == "+77.0 points: shown, p 0.008"
    box = card.locator(".verdict").bounding_box()
    assert box["y"] + box["height"] < 700
    size = page.evaluate("getComputedStyle(document.querySelector('#summary .figure b')).fontSize")
    assert size == "34px"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_metric_is_chosen_for_all_plots(open_page: Any, width: int) -> None:
    view = open_page("", width)
    page = view.page
    visible = (
        "[...document.querySelectorAll('[data-plot]')].filter((e) => !e.hidden).map((e) => e.dataset.plot)"
    )
    assert set(page.evaluate(visible)) == {"f1"}
    choice = page.get_by_label("Metric").first
    choice.focus()
    page.keyboard.press("ArrowDown")  # the keyboard alone: F1, then EM
    view.until("location.hash === '#metric=em'")
    assert set(page.evaluate(visible)) == {"em"}
    chosen = "[...document.querySelectorAll('[data-choice=metric]')].map((e) => e.value)"
    assert set(page.evaluate(chosen)) == {"em"}
    assert page.evaluate(FITS)
    # The explorer keeps the choice in the address, and the address restores both.
    page.select_option("#verdict", "right")
    view.until("location.hash.includes('verdict=right')")
    assert "metric=em" in page.evaluate("location.hash")
    again = open_page(page.evaluate("location.hash"), width).page
    assert set(again.evaluate(visible)) == {"em"}
    assert again.input_value("#verdict") == "right"
    choice.select_option("grounded")
    assert set(page.evaluate(visible)) == {"grounded"}, "the comparisons have no test of it"
    lacking = page.locator(".lacking:visible")
    assert set(lacking.all_inner_texts()) == {"None of these has the chosen metric."}
    choice.select_option("f1")
    assert "metric" not in page.evaluate("location.hash")


def test_without_a_script_f1_is_shown(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 900})
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#scores .plots .metric-name:visible").all_inner_texts() == ["F1"]
    assert not page.locator("label.metric").first.is_visible()
    assert page.locator("#flips a:visible").count() > 3
    context.close()


def test_what_a_screen_reader_gets_from_the_charts(open_page: Any) -> None:
    page = open_page().page
    tree = page.locator("main").aria_snapshot()
    for wanted in (
        'heading "F1 (%) before and after training"',
        'group "HotpotQA"',
        'group "F1: scores with 95% intervals"',
        'group "F1: paired differences of robustness"',
        'combobox "Metric"',
        'list "Kinds of outcomes"',
        'list "Outcomes in percent of n"',
        'link "not retrieved: 21 of 100 (21%)"',
        'link "77 wrong before and right after"',
        'columnheader "right after"',
        'rowheader "wrong before"',
        'region "Curve 1 of label-comparison"',
    ):
        assert wanted in tree, wanted
    assert "shown, p 0.008" in tree
    assert "not shown, p " in tree
    assert "seeds 20.0, 23.3, 21.7" in tree


@pytest.mark.parametrize("width", WIDTHS)
def test_marks_of_shown_differences_are_more_than_colour(open_page: Any, width: int) -> None:
    page = open_page("", width).page
    style = "(e) => [getComputedStyle(e).strokeDasharray, e.getBoundingClientRect().width > 0]"
    shown = page.locator("#differences [data-plot=f1] .pair.shown .bar").first.evaluate(style)
    open_ = page.locator("#differences [data-plot=f1] .pair.open .bar").first.evaluate(style)
    assert shown == ["none", True]
    assert open_[0] != "none"
    seeds = page.locator("#scores [data-plot=f1] .seed")
    assert seeds.count() == 9


@pytest.mark.parametrize("width", WIDTHS)
def test_a_flip_leads_to_its_questions_side_by_side(open_page: Any, width: int) -> None:
    view = open_page("", width)
    page = view.page
    for words, pair in (
        ("wrong before and right after", "here"),
        ("wrong before and wrong after", "neither"),
        ("right before and right after", "both"),
    ):
        link = page.locator(f"#flips a[aria-label$='{words}']").first
        expected = link.inner_text()
        link.focus()
        page.keyboard.press("Enter")
        view.until(f"document.getElementById('pair').value === '{pair}'")
        view.until(f"document.getElementById('count').textContent.startsWith('{expected} of ')")
        view.until("document.querySelectorAll('#detail .side').length === 2")
        assert page.evaluate(FITS)
    assert "Both are right." in page.inner_text("#detail")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_part_of_a_bar_leads_to_its_questions(open_page: Any, width: int) -> None:
    view = open_page("", width)
    part = view.page.locator(".stack a[href='#stage=sft-ramp-1&failure=not_retrieved']")
    assert part.get_attribute("aria-label") == "not retrieved: 20 of 100 (20%)"
    part.focus()
    view.page.keyboard.press("Enter")
    view.until("document.getElementById('failure').value === 'not_retrieved'")
    view.until("document.getElementById('count').textContent.startsWith('20 of ')")
    boxes = view.page.locator(".outcome-bars li >> nth=0").locator(".stack a")
    widths = [boxes.nth(place).bounding_box()["width"] for place in range(boxes.count())]
    assert widths[1] > 5 * widths[0], "2 right, 98 not in the asked form"


def test_charts_without_change_are_folded(open_page: Any) -> None:
    page = open_page().page
    titles = page.locator("#curves figcaption").all_inner_texts()
    assert [title.partition("\n")[0] for title in titles[:2]] == ["rl: Reward", "rl: Held-out F1 (%)"]
    folded = page.locator("#curves details.flat")
    assert folded.locator("summary").inner_text().startswith("5 charts without change")
    assert not page.get_by_text("groups kept: 8 at every step").is_visible()
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("groups kept: 8 at every step").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_marks_in_a_trajectory(open_page: Any, tmp_path: Path, width: int) -> None:
    view = open_page("#q=rl-hotpot/q0", width)
    page = view.page
    false = page.locator("#detail mark.false")
    assert false.inner_text().startswith("a <img src=x onerror=alert(1)> crosses")
    assert false.get_attribute("title") == "false quote: not in result 2, no result has it"
    assert "(false quote: not in result 2, no result has it)" in false.text_content()
    holds = page.locator("#detail mark.holds").first
    assert holds.get_attribute("title") == "holds the gold answer Lisbon"
    assert holds.locator("mark.gold").inner_text() == "Lisbon"
    facts = page.locator("#detail .side dl").inner_text()
    assert "✓ Painter 0: found" in facts
    assert "✗ <b>Bridge</b>: not found" in facts
    assert page.evaluate(FITS)
    page.locator("#detail").screenshot(path=Path(SCREENSHOTS or tmp_path) / f"marks-{width}.png")
    page.fill("#find", "crosses")
    view.until("document.querySelectorAll('#detail mark.false mark.sought').length > 0")
