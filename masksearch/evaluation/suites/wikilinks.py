"""Extracts the titles of English Wikipedia articles from their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote

_ADDRESS = re.compile(
    r"https?://(?:www\.)?en(?:\.m)?\.wikipedia\.org/(?:wiki/(?P<path>[^?#\s]+)|w/index\.php\?(?P<query>[^#\s]+))"
)
_START = re.compile(r"(?=https?://)")
_NOT_ARTICLES = ("Special:", "File:", "Help:", "Talk:", "User:", "Wikipedia:", "Template:")


def find_addresses(text: str) -> list[str]:
    """Returns the addresses in a sheet's cell. Between them may be newlines, commas, spaces or other text."""
    return [piece.split()[0].rstrip(",;") for piece in _START.split(text) if piece.startswith("http")]


def wikipedia_titles(addresses: Iterable[str]) -> tuple[str, ...]:
    """Returns the titles of the articles at the addresses, in order and without repetitions.

    Skips addresses that are not articles of English Wikipedia. Removes the section and the query of an
    address and decodes its escapes: `.../wiki/Pel%C3%A9#Death` gives "Pelé", `.../wiki/James_A._Garfield`
    gives "James A. Garfield".
    """
    titles = (_title(address) for address in addresses)
    return tuple(dict.fromkeys(title for title in titles if title))


def _title(address: str) -> str:
    match = _ADDRESS.match(address.strip())
    if match is None:
        return ""
    name = unquote(match["path"]) if match["path"] else parse_qs(match["query"]).get("title", [""])[0]
    title = " ".join(name.replace("_", " ").split())
    return "" if title.startswith(_NOT_ARTICLES) else title
