"""A headless Chromium for tests of pages: what such a test needs, the browser, and an open page.

Needs Debian's `chromium` (or another Chromium on the path) and the Python package playwright.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
MARKS = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"),
]
NO_DRIVER = "the browser's driver is not installed: pip install playwright"
SECONDS = 60


@contextmanager
def chromium() -> Iterator[Any]:
    """Runs the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


class BrowserView:
    """An open page that is ready. Records its console messages, script errors and requests."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        """`options` are those of a browser's context, such as `viewport`."""
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]")

    def until(self, condition: str) -> None:
        """Waits until an expression is true, for at most a minute.

        Playwright's own wait needs `eval` in the page, which the pages' security policies forbid.
        """
        end = time.monotonic() + SECONDS
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)
