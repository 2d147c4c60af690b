"""The recipes that come with the package: found by name, listed, and copied for editing.

In a checkout the recipes are in `recipes/` and their question sets in `data/`, beside the package. In an
installed package both are inside it, in the folder `shipped` (setup.py puts them there).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from masksearch.errors import RecipeError, UsageError
from masksearch.runtime import files

PACKAGE = Path(__file__).resolve().parents[1]
RECIPES = "recipes"
SCHEMA = "schema.json"
ENDINGS = (".toml", ".yaml")
"""Endings of the files that have a name: recipes, and configurations for `accelerate launch`."""


@dataclass(frozen=True)
class Shipped:
    """A file that comes with the package."""

    name: str
    """Path below `recipes/`, without the ending `.toml`: `demo`, `paper/sft-rl`, `accelerate/cpu-2.yaml`."""
    description: str
    path: Path

    @property
    def is_recipe(self) -> bool:
        """Whether it is a recipe, and not a configuration of a launcher."""
        return self.path.suffix == ".toml"


def root() -> Path:
    """Returns the folder that contains `recipes/` and `data/`: inside an installed package, or the
    repository."""
    installed = PACKAGE / "shipped"
    return installed if installed.is_dir() else PACKAGE.parent


def shipped() -> list[Shipped]:
    """Returns all recipes that come with the package, then the configurations of the launcher."""
    folder = root() / RECIPES
    paths = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS)
    found = [Shipped(_name(path, folder), _description(path), path) for path in paths]
    return sorted(found, key=lambda item: (not item.is_recipe, "/" in item.name, item.name))


def _name(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return name.removesuffix(".toml")


def _description(path: Path) -> str:
    """Returns a recipe's `description`, or the first sentence of the comment on top of another file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        try:
            return str(tomllib.loads(text).get("description", ""))
        except tomllib.TOMLDecodeError:
            return ""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").strip())
    return re.split(r"(?<=[.:])(?:\s|$)", " ".join(comment))[0].rstrip(":.") + "."


def find(name: str) -> Shipped | None:
    """Returns the shipped file with this name; None if there is none.

    The name may have the folder `recipes/` in front and its ending behind: `demo`, `demo.toml` and
    `recipes/demo.toml` are the same recipe. The last part of a name is enough where it is unique (`sft-rl`).
    """
    wanted = Path(name).as_posix().removeprefix("./").removeprefix(f"{RECIPES}/")
    wanted = wanted.removesuffix(".toml").removesuffix(".yaml")
    entries = {item.name.removesuffix(".yaml"): item for item in shipped()}
    if wanted in entries:
        return entries[wanted]
    last = [item for key, item in entries.items() if key.rpartition("/")[2] == wanted]
    return last[0] if len(last) == 1 else None


def recipe_path(name: str | Path) -> Path:
    """Returns the recipe's file: the path itself if there is such a file (also without its ending `.toml`),
    otherwise the shipped recipe with this name.

    Raises RecipeError, with the nearest name and the list, if there is neither.
    """
    path = Path(name)
    for candidate in (path, path.with_name(f"{path.name}.toml") if path.name else path):
        if candidate.is_file():
            return candidate
    item = find(str(name))
    if item is not None and item.is_recipe:
        return item.path
    if path.exists():
        return path
    raise RecipeError(f"There is no recipe {name}{_advice(path)}")


def _advice(path: Path) -> str:
    """Returns the end of the sentence about a recipe that does not exist."""
    names = [item.name for item in shipped() if item.is_recipe]
    beside = [entry.as_posix() for entry in path.parent.glob("*.toml")]
    wanted = path.as_posix()
    short = wanted.removeprefix(f"{RECIPES}/").removesuffix(".toml")
    close = difflib.get_close_matches(wanted, beside, 1) or difflib.get_close_matches(short, names, 1)
    suggestion = f"; did you mean '{close[0]}'?" if close else "; check the path."
    listed = f" Recipes that come with MaskSearch: {', '.join(names)}." if names else ""
    return suggestion + listed


def copy(item: Shipped, output: Path) -> None:
    """Writes a shipped file to `output`, for editing.

    In the copy of a recipe, `name` is the name of the new file, so that it has its own folder of a run, and
    `#:schema` names the shipped schema from where the copy is. `{data}` needs no change: a recipe finds the
    shipped question sets from everywhere. Raises UsageError if the output exists.
    """
    if output.exists():
        raise UsageError(f"-o {output} exists already; choose another name, or remove it.")
    text = item.path.read_text(encoding="utf-8")
    if item.is_recipe:
        text = re.sub(r"\A#:schema .*", lambda _: f"#:schema {_schema_from(output)}", text)
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", output.stem):
            text = re.sub(r'(?m)^name = ".*"$', lambda _: f'name = "{output.stem}"', text, count=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(output, text)


def _schema_from(output: Path) -> str:
    """Returns the schema's place for the line `#:schema`: relative inside the repository, a file's URL
    elsewhere."""
    schema, folder = root() / RECIPES / SCHEMA, output.resolve().parent
    if root() in (folder, *folder.parents):
        return Path(os.path.relpath(schema, folder)).as_posix()
    return schema.as_uri()
