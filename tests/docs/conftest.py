"""The small `data/` of the pages' tests."""

from pathlib import Path

import pytest
from kit.page_standins import small_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data/` with fewer passages and questions."""
    return small_data(tmp_path_factory.mktemp("small") / "data")
