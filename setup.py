"""Adds the folders `recipes` and `data` to wheels and source archives, as `masksearch/shipped/`.

Everything else is in pyproject.toml. In a checkout and in an editable installation the files stay where they
are; masksearch/recipe/shipped.py finds them in both places.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("recipes", "data")
ENDINGS = (".toml", ".yaml", ".json", ".md", ".gz")


class BuildWithRecipes(build_py):
    """Builds the package with the shipped recipes and question sets among its data files."""

    def _get_data_files(self) -> list[tuple[str, str, str, list[str]]]:
        """Returns (package, source folder, folder in the build, files) of all data files."""
        shipped = [
            (
                "masksearch",
                folder,
                os.path.join(self.build_lib, "masksearch", "shipped", folder),
                _files(folder),
            )
            for folder in FOLDERS
        ]
        return [*super()._get_data_files(), *shipped]


def _files(folder: str) -> list[str]:
    root = Path(__file__).parent / folder
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix in ENDINGS)


setup(cmdclass={"build_py": BuildWithRecipes})
