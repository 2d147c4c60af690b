"""`masksearch recipes`: lists the recipes that come with the package, prints one, or copies one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from masksearch.errors import UsageError
from masksearch.recipe import shipped
from masksearch.runtime.progress import say
from masksearch.text.nearest import nearest


def recipes_command(arguments: argparse.Namespace) -> None:
    """`masksearch recipes` lists; with NAME it prints the recipe, its path (--path), or copies it (-o)."""
    if arguments.name is None:
        if arguments.output:
            raise UsageError(f"-o {arguments.output} needs the name of a recipe before it.")
        print(_json() if arguments.json else table())
        return
    item = shipped.find(arguments.name)
    if item is None:
        names = [entry.name for entry in shipped.shipped()]
        raise UsageError(f"There is no shipped recipe '{arguments.name}'{nearest(arguments.name, names)}")
    if arguments.path:
        print(item.path)
    elif arguments.output in (None, "-"):
        print(item.path.read_text(encoding="utf-8"), end="")
    else:
        output = Path(arguments.output)
        if output.is_dir():
            output /= item.path.name
        shipped.copy(item, output)
        start = f"; run it with: masksearch run {output}" if item.is_recipe else ""
        say(f"Wrote {output}{start}")


def table() -> str:
    """Renders the list: a line for each name, with its description, and the folders at the end."""
    entries = shipped.shipped()
    width = max((len(entry.name) for entry in entries), default=0)
    lines = [f"{entry.name:<{width}}  {entry.description}" for entry in entries]
    return "\n".join(
        [
            *lines,
            "",
            f"Recipes:       {shipped.root() / shipped.RECIPES}",
            f"Question sets: {shipped.root() / 'data'} ({{data}} in a recipe)",
            "Run one with:  masksearch run NAME",
            "Copy one with: masksearch recipes NAME -o FILE.toml",
        ]
    )


def _json() -> str:
    rows = [
        {"name": entry.name, "description": entry.description, "path": str(entry.path)}
        for entry in shipped.shipped()
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)
