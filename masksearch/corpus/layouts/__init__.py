"""Records in the layouts of other tools, as records with id, title and text."""

from __future__ import annotations

from typing import Final

MADE: Final = "#"
"""Key under which a reader proposes the id of a record that may have none."""
