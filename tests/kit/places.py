"""Where the tests find data."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY / "data"
"""Question sets that the repository holds."""
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
"""Larger real data beside the repository; tests that need it are skipped where it is missing."""
