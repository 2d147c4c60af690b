"""Keys of search providers: from the environment only, and in nothing that is shown, logged, written or pickled."""

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
"""Loggers of the HTTP library. A filter counts for its own logger only, not for those below it."""


class Secret:
    """The key in an environment variable. Pickles as the variable's name, and is read again where it arrives.

    Raises UsageError, naming the variable, where that is empty or holds what cannot be a key.
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable
        value = os.environ.get(variable, "").strip()
        if not value:
            raise UsageError(f"This search needs a key: set the environment variable {variable}.")
        if not (value.isascii() and value.isprintable() and " " not in value):
            # The HTTP library would refuse it with a message that quotes it.
            raise UsageError(
                f"The environment variable {variable} holds no key: there are blanks or characters in it that a key cannot have."
            )
        self._value = value
        _SCRUBBER.forms |= self._forms()
        for name in LOGGERS:
            logging.getLogger(name).addFilter(_SCRUBBER)

    def reveal(self) -> str:
        """The key itself, for the request alone."""
        return self._value

    def scrub(self, text: str) -> str:
        """`text` without the key, as it is or as it stands in a URL."""
        return _without(text, self._forms())

    def _forms(self) -> frozenset[str]:
        return frozenset((self._value, quote(self._value), quote(self._value, safe="")))

    def __repr__(self) -> str:
        return f"Secret({self.variable!r})"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self.variable,)


class _Scrubber(logging.Filter):
    """Keeps keys out of the HTTP library's log: at level DEBUG it shows the headers of an answer, and a redirect repeats the whole URL."""

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
