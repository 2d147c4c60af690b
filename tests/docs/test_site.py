"""The documentation as a site: it builds without warnings and loads nothing from elsewhere; links work."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from kit.pages import blocks, pages
from kit.places import REPOSITORY

LINK = re.compile(r"\]\(([^)\s]+)\)")
WIDEST_TABLE = 6
FIRST_SCREEN = 90
WIDEST_LINE = 110
TABLES = ("settings.md", "log.md")
"""Pages whose tables and lines are as wide as they need."""
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Elements that load a file -> the attribute with its address."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Every warning is an error: missing pages, links, anchors, and pages without a menu."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loads(HTMLParser):
    """Collects the addresses that a page loads when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.classes |= set((values.get("class") or "").split())
        if tag == "link" and values.get("rel") == "canonical":
            return
        if address := values.get(LOADS.get(tag, "")):
            self.found.append(address)


def test_every_page_is_built(site: Path) -> None:
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    ours = {path.relative_to(REPOSITORY / "docs").as_posix() for path in (REPOSITORY / "docs").rglob("*.md")}
    assert built == ours | {"404.md"}


def test_a_page_loads_nothing_from_another_server(site: Path) -> None:
    for path in site.rglob("*.html"):
        loads = Loads()
        loads.feed(path.read_text(encoding="utf-8"))
        assert loads.found
        assert [address for address in loads.found if re.match(r"(https?:)?//", address)] == [], path
        # The theme loads Mermaid from a CDN where a page has a diagram.
        assert "mermaid" not in loads.classes, path


def test_pictures_are_well_formed_and_self_contained() -> None:
    for path in (REPOSITORY / "docs" / "pictures").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        xml.etree.ElementTree.fromstring(text)
        assert "prefers-color-scheme: dark" in text
        assert re.findall(r"(?:href|src|url\()[^>]*", text) == [], path
        assert "<script" not in text


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    found = set()
    text = page.read_text(encoding="utf-8")
    code = {block.line + number for block in blocks(text) for number in range(len(block.rows))}
    for line, row in enumerate(text.splitlines(), 1):
        if line not in code and (heading := re.match(r"#+ (.+)", row)):
            words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower())
            found.add(words.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_name_files_and_headings_that_exist(page: Path) -> None:
    wrong = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            wrong.append(target)
    assert wrong == []


def test_the_readme_is_a_first_screen() -> None:
    rows = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) <= FIRST_SCREEN
    assert max(row.count("|") for row in rows if row.startswith("|")) - 1 <= WIDEST_TABLE - 1


@pytest.mark.parametrize(
    "page", [page for page in pages() if page.name not in TABLES], ids=lambda page: page.name
)
def test_lines_and_tables_fit_a_screen(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for number, row in enumerate(text.splitlines(), 1):
        if row.startswith("|"):
            assert row.count("|") - 1 <= WIDEST_TABLE, f"{page.name}:{number} has too many columns"
        elif not row.startswith("!["):
            assert len(row) <= WIDEST_LINE, f"{page.name}:{number} is too long"
