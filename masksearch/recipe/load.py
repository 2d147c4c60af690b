"""Recipes: one TOML file with the stages of an experiment and the products they take from each other.

    name = "demo"
    corpus = "wiki-summaries:en"       # default for stages with a `corpus`; also `model`, `seed`, [agent]
    seeds = [1, 2]                     # stages with `per_seed = true` run once for each
    [stages.sft]
    kind = "sft"
    per_seed = true                    # becomes sft-s1 and sft-s2
    model = "base"                     # the product of the stage `base`

Text may hold `{data}`, `{seed}` and the names under [vars]. Every key is checked when the recipe is read,
and every file it names before the first stage starts. Read with `load_recipe`, run with
`masksearch.recipe.run.run_recipe`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from masksearch.errors import RecipeError, UsageError
from masksearch.recipe import references, shipped
from masksearch.recipe.overrides import merge, set_value
from masksearch.recipe.products import product_of
from masksearch.recipe.settings import RecipeFile, StageTable
from masksearch.recipe.stages import STAGES, Registry, StageKind
from masksearch.recipe.validate import Fault, dotted, validate
from masksearch.runtime.settings import Settings, reference_values, replace_references
from masksearch.text.nearest import nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Stage:
    """One stage with checked settings.

    A setting that refers to the product of another stage has the name of that stage. The name is replaced by
    the product's path when the stage runs.
    """

    name: str
    spec: StageKind
    settings: Settings
    needs: tuple[str, ...]
    expect_seconds: float | None = None
    description: str = ""


@dataclass(frozen=True)
class Recipe:
    """A recipe with every default filled in. `stages` is in order: each stage stands after the stages it
    needs."""

    name: str
    description: str
    path: Path
    text: str
    stages: tuple[Stage, ...]
    resolved: dict[str, Any]

    def stage(self, name: str) -> Stage:
        """Returns the stage with this name. Raises RecipeError."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise RecipeError(
            f"{self.path} has no stage '{name}'{nearest(name, [stage.name for stage in self.stages])}"
        )


class _Instance(NamedTuple):
    """A stage whose variables and references are not replaced yet: one table of the file, for one seed."""

    base: str
    seed: int
    spec: StageKind
    table: StageTable
    values: dict[str, Any]


def load_recipe(path: str | Path, overrides: Sequence[str] = (), registry: Registry = STAGES) -> Recipe:
    """Reads a recipe, applies overrides (`KEY=VALUE`, dotted) and checks it.

    `path` is a file, or the name of a recipe that comes with the package (`demo`; see recipe/shipped.py).
    Raises RecipeError with file and key.
    """
    return _Loader(shipped.recipe_path(path), overrides, registry).load()


class _Loader:
    """Reads one recipe; holds the file's path and the names that it defines."""

    def __init__(self, path: Path, overrides: Sequence[str], registry: Registry) -> None:
        self.path, self.registry = path, registry
        self.text, data = _read(path)
        self.overridden = [set_value(data, override) for override in overrides]
        self.file = self._validate(RecipeFile, data)
        self.roots = (Path(), path.resolve().parent.parent, shipped.root())
        self.size = self._size()
        self.names: dict[str, list[str]] = {}
        """Name of a table in the file -> names of its stages: a single stage, or a stage for each seed; none
        for a stage of another size."""

    def load(self) -> Recipe:
        name = self.file.name or self.path.stem
        if not NAME.fullmatch(name):
            raise self._error(
                "name", f"is '{name}', but it names a folder: use letters, digits, '-', '_' and '.'."
            )
        variables = self._variables()
        tables = [
            instance for base, table in self.file.stages.items() for instance in self._instances(base, table)
        ]
        instances = {self._name(instance): instance for instance in tables}
        if len(instances) < len(tables):
            raise self._error(
                "stages", "gives two stages the same name (per_seed = true adds -sSEED); rename a stage."
            )
        stages: list[Stage] = []
        for stage_name, instance in instances.items():
            settings = self._settings(instance, variables)
            needs = (
                list(instances)[: len(stages)]
                if instance.spec.takes_run
                else self._needs(instance.spec, settings, instances)
            )
            stages.append(
                Stage(
                    stage_name,
                    instance.spec,
                    settings,
                    tuple(needs),
                    instance.table.expect_seconds,
                    instance.table.description,
                )
            )
        ordered = self._order(stages)
        return Recipe(
            name, self.file.description, self.path, self.text, ordered, self._resolved(name, ordered)
        )

    def _error(self, key: str, message: str) -> RecipeError:
        source = (
            "--set"
            if any(key == known or key.startswith(known + ".") for known in self.overridden)
            else f"{self.path}:"
        )
        return RecipeError(f"{source} '{key}' {message}")

    def _validate(
        self, model: Any, values: Mapping[str, Any], prefix: Sequence[str] = (), also: Sequence[str] = ()
    ) -> Any:
        try:
            return validate(model, values, also=also)
        except Fault as fault:
            keys = [dotted((*prefix, *key)) for key in (fault.key, *fault.others)]
            raise self._error("' and '".join(keys), str(fault)) from None

    def _size(self) -> str:
        """Returns the size of the experiment; empty for a recipe without sizes."""
        chosen = self.file.size or next(iter(self.file.sizes), "")
        if chosen and chosen not in self.file.sizes:
            known = ", ".join(self.file.sizes) or "none"
            raise self._error("size", f"is '{chosen}', which is not under [sizes]; its sizes: {known}.")
        return chosen

    def _variables(self) -> dict[str, Any]:
        variables: dict[str, Any] = {"data": self.file.data}
        places = {f"vars.{key}": value for key, value in self.file.vars.items()}
        sized = self.file.sizes.get(self.size, {})
        for key, value in sized.items():
            if key not in self.file.vars:
                raise self._error(
                    f"sizes.{self.size}.{key}", f"is not under [vars]{nearest(key, self.file.vars)}"
                )
            places[f"vars.{key}"] = value
        for place, value in places.items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self._error(place, "has a wrong value: it should be text or a number.")
            variables[place.removeprefix("vars.")] = self._expand(value, variables, place)
        return variables

    def _instances(self, base: str, table: dict[str, Any]) -> list[_Instance]:
        """Returns the stages of one table of the file: a single stage, or one stage for each seed."""
        if not NAME.fullmatch(base):
            raise self._error(
                f"stages.{base}", "is not a valid name of a stage: use letters, digits, '-', '_' and '.'."
            )
        common = {key: value for key, value in table.items() if key in StageTable.model_fields}
        stage = self._validate(StageTable, common, ("stages", base))
        if stage.kind not in self.registry:
            raise self._error(
                f"stages.{base}.kind",
                f"is '{stage.kind}', which is not a kind of stage; valid kinds: {', '.join(self.registry)}.",
            )
        values = {key: value for key, value in table.items() if key not in common}
        spec = self.registry[stage.kind]
        unknown = [size for size in stage.sizes if size not in self.file.sizes]
        if unknown:
            raise self._error(f"stages.{base}.sizes", f"names '{unknown[0]}', which is not under [sizes].")
        if stage.sizes and self.size not in stage.sizes:
            self.names[base] = []
            return []
        if not stage.per_seed:
            self.names[base] = [base]
            return [_Instance(base, self.file.seed, spec, stage, values)]
        if not self.file.seeds:
            raise self._error(
                f"stages.{base}.per_seed",
                "needs the recipe's 'seeds' (for example seeds = [1, 2]).",
            )
        if "seed" in values:
            raise self._error(
                f"stages.{base}.seed",
                "cannot be combined with per_seed = true, which takes the seeds from 'seeds'.",
            )
        self.names[base] = [f"{base}-s{seed}" for seed in self.file.seeds]
        self.names.update({name: [name] for name in self.names[base]})
        return [_Instance(base, seed, spec, stage, values) for seed in self.file.seeds]

    @staticmethod
    def _name(instance: _Instance) -> str:
        return f"{instance.base}-s{instance.seed}" if instance.table.per_seed else instance.base

    def _corpus(self, own: Mapping[str, Any]) -> str | None:
        """Returns the recipe's corpus; None for a stage whose index has its own, which it then takes."""
        index = own.get("index")
        of_index = self.file.stages.get(index, {}) if isinstance(index, str) else {}
        return None if "corpus" in of_index else self.file.corpus

    def _settings(self, instance: _Instance, variables: Mapping[str, Any]) -> Settings:
        """Returns the settings of one stage: the recipe's defaults, then the stage's own values. Every
        reference is resolved to one stage or path."""
        key = f"stages.{instance.base}"
        spec = instance.spec
        own = self._expand(instance.values, {"seed": instance.seed, **variables}, key)
        defaults = {
            "corpus": self._expand(self._corpus(own), variables, "corpus"),
            "source": self._expand(self.file.model, variables, "model"),
            "seed": instance.seed,
            "agent": self.file.agent.model_dump(exclude_unset=True),
        }
        given = {
            name: value
            for name, value in defaults.items()
            if name in spec.settings.model_fields and value is not None
        }
        settings = self._validate(
            spec.settings, merge(given, own), ("stages", instance.base), also=list(StageTable.model_fields)
        )

        def exact(field: str, value: str, many: bool) -> list[str]:
            if value not in self.names:
                located = references.locate(value, self.roots)
                try:
                    return [product_of(field, located)]
                except UsageError as error:
                    raise self._error(f"{key}.{field}", f"cannot be used: {error}") from None
            found = self.names[value]
            if not found and not many:
                raise self._error(
                    f"{key}.{field}",
                    f"names the stage '{value}', which does not run at the size '{self.size}'; give both the "
                    "same sizes.",
                )
            if instance.table.per_seed and len(found) and found != [value]:
                return [f"{value}-s{instance.seed}"]
            if len(found) > 1 and not many:
                advice = f"write one of {', '.join(found)}, or set per_seed = true here"
                raise self._error(
                    f"{key}.{field}",
                    f"names the stage '{value}', which runs once for each seed; {advice}.",
                )
            return found

        values = replace_references(settings, exact)
        if isinstance(values.get("corpus"), str):
            values["corpus"] = references.locate(values["corpus"], self.roots)
        # A name that stands for a stage for each seed adds values, so the settings are checked again.
        return self._validate(spec.settings, values, ("stages", instance.base))  # type: ignore[no-any-return]

    def _expand(self, value: Any, variables: Mapping[str, Any], key: str) -> Any:
        """Expands `{name}` in every text of `value`.

        A text that is only `{name}` becomes the variable itself, so that numbers stay numbers.
        """
        if isinstance(value, dict):
            return {name: self._expand(inner, variables, f"{key}.{name}") for name, inner in value.items()}
        if isinstance(value, list):
            return [self._expand(inner, variables, key) for inner in value]
        if not isinstance(value, str):
            return value

        def look_up(match: re.Match[str]) -> Any:
            if match[1] not in variables:
                raise self._error(
                    key, f"uses {{{match[1]}}}, which is not under [vars]{nearest(match[1], variables)}"
                )
            return variables[match[1]]

        whole = re.fullmatch(r"\{(\w+)\}", value)
        expanded = look_up(whole) if whole else re.sub(r"\{(\w+)\}", lambda match: str(look_up(match)), value)
        return self._located(expanded) if value.startswith("{data}") else expanded

    def _located(self, path: str) -> str:
        """Returns a path below the recipe's `data`, found from the first root that contains it.

        Each path is found by itself, because the working folder may have a folder `data` with other files. A
        path that does not exist yet is one below the first folder `data` that does.
        """
        found = references.locate(path, self.roots)
        if found == path:
            found = references.locate(self.file.data, self.roots) + path[len(self.file.data) :]
        return found

    @staticmethod
    def _needs(spec: StageKind, settings: Settings, instances: Mapping[str, Any]) -> list[str]:
        named = [value for _, value in reference_values(settings)]
        return list(dict.fromkeys(value for value in named if value in instances))

    def _order(self, stages: Sequence[Stage]) -> tuple[Stage, ...]:
        """Sorts the stages: each after the stages it needs, otherwise in the order of the file."""
        waiting, ordered = {stage.name: stage for stage in stages}, []
        while waiting:
            ready = next(
                (stage for stage in waiting.values() if not any(need in waiting for need in stage.needs)),
                None,
            )
            if ready is None:
                raise RecipeError(
                    f"{self.path}: the stages need each other in a cycle ({_circle(waiting)}); break it."
                )
            ordered.append(waiting.pop(ready.name))
        return tuple(ordered)

    def _resolved(self, name: str, stages: Sequence[Stage]) -> dict[str, Any]:
        top = self.file.model_dump(mode="json", exclude={"stages"})
        tables = {
            stage.name: {
                "kind": stage.spec.kind,
                "needs": list(stage.needs),
                "expect_seconds": stage.expect_seconds,
                "description": stage.description,
                "settings": stage.settings.model_dump(mode="json"),
            }
            for stage in stages
        }
        return {**top, "name": name, "stages": tables}


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {path}; check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from error


def _circle(waiting: Mapping[str, Stage]) -> str:
    """Returns one cycle of stages that need each other, as `a -> b -> a`."""
    trail = [next(iter(waiting))]
    while trail[-1] not in trail[:-1]:
        trail.append(next(need for need in waiting[trail[-1]].needs if need in waiting))
    return " -> ".join(trail[trail.index(trail[-1]) :])
