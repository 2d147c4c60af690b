"""Builds the page: one file without external references, with a content security policy that forbids them.

The policy allows the page's own scripts and style by their hashes, and requests to this server alone. It also
forbids the browser's functions that parse text as HTML, so that no retrieved text becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

SCRIPTS = ("text.js", "trajectory.js", "earlier.js", "stream.js", "main.js")
"""Files of the page's script, joined in this order into one script with a common scope."""


@dataclass(frozen=True)
class Page:
    """The page and the headers it is sent with."""

    html: bytes
    headers: dict[str, str]


def build_page(title: str) -> Page:
    """Returns the page with this title."""
    folder = resources.files("masksearch.serving") / "page"
    texts = {
        name: (folder / name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", *SCRIPTS)
    }
    theme = "\n" + (resources.files("masksearch.report") / "page" / "theme.js").read_text(encoding="utf-8")
    script = '\n"use strict";\n(() => {\n' + "\n".join(texts[name] for name in SCRIPTS) + "})();\n"
    css = f"\n{texts['page.css']}"
    environment = Environment(
        loader=DictLoader(texts), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    html = environment.get_template("page.html.j2").render(
        title=title, css=Markup(css), theme=Markup(theme), script=Markup(script)
    )
    return Page(html.encode(), _headers((theme, script), css))


def _headers(scripts: tuple[str, ...], css: str) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "style-src": _hash(css),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
