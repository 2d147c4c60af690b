"""Keys of search providers. Keys are read from the environment only, and are never shown, logged, written
or pickled."""

from __future__ import annotations

import logging
import os
from urllib.parse import quote

from masksearch.errors import UsageError

HIDDEN = "***"
LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""Loggers of the HTTP library. Each needs its own filter, because a logger's filter does not apply to
child loggers."""


class Secret:
    """The key in an environment variable. It is pickled as the variable's name, and the other process reads
    the variable again.

    Raises UsageError, which names the variable, if the variable is empty or its value cannot be a key.
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UsageError(f"This search needs a key: set the environment variable {variable}.")
        if not (value.isascii() and value.isprintable() and " " not in value):
            # The HTTP library would reject the value in a message that quotes it.
            raise UsageError(
                f"The environment variable {variable} holds no key: it contains blanks or characters that "
                "a key cannot have."
            )
        self._value = value
        _SCRUBBER.forms |= self._forms()
        for name in LOGGERS:
            logging.getLogger(name).addFilter(_SCRUBBER)

    def reveal(self) -> str:
        """Returns the key, for use in a request only."""
        return self._value

    def scrub(self, text: str) -> str:
        """Returns `text` without the key, both in its plain and in its URL-encoded form."""
        return _without(text, self._forms())

    def _forms(self) -> frozenset[str]:
        return frozenset((self._value, quote(self._value), quote(self._value, safe="")))

    def __repr__(self) -> str:
        return f"Secret({self.variable!r})"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self.variable,)


class _Scrubber(logging.Filter):
    """Removes keys from the HTTP library's log.

    At level DEBUG the library logs response headers, and the header of a redirect repeats the URL with the
    key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forms: frozenset[str] = frozenset()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = _without(message, self.forms)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


_SCRUBBER = _Scrubber()


def _without(text: str, forms: frozenset[str]) -> str:
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text
