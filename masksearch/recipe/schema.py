"""A JSON schema of recipes, for editors. The line `#:schema PATH` at the top of a recipe names its file.

The command `masksearch schema > recipe.schema.json` writes the file.
"""

from __future__ import annotations

from typing import Any

from masksearch.recipe.settings import RecipeFile, StageTable
from masksearch.recipe.stages import STAGES, StageKind

DIALECT = "http://json-schema.org/draft-07/schema#"
"""Dialect of JSON schema in which the schema is written, because TOML editors read it."""
VARIABLE = {"type": "string", "pattern": r"^\{\w+\}$"}
"""Schema of a reference to a variable, such as `{seed}`. Any value of a stage may be a reference."""

Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """Returns the schema of a whole recipe: its top level, and for each kind of stage the keys of its
    table."""
    definitions: Schema = {}
    top = _object(RecipeFile, definitions)
    for spec in STAGES.values():
        definitions[f"stage-{spec.kind}"] = _stage(spec, definitions)
    top["properties"]["stages"] = {
        "type": "object",
        "description": "The stages by name.",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"enum": list(STAGES)}},
            "allOf": [_if_kind(kind) for kind in STAGES],
        },
    }
    return {"$schema": DIALECT, "title": "Recipe of MaskSearch", **top, "definitions": definitions}


def _if_kind(kind: str) -> Schema:
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {"$ref": f"#/definitions/stage-{kind}"},
    }


def _stage(spec: StageKind, definitions: Schema) -> Schema:
    table, settings = _object(StageTable, definitions), _object(spec.settings, definitions)
    properties = {name: _or_variable(value) for name, value in settings["properties"].items()}
    return {
        **settings,
        # A stage's own field with the name of a table key (such as the `kind` of an index) cannot be set in a
        # recipe, so the table key replaces it here.
        "properties": {**properties, **table["properties"], "kind": {"const": spec.kind}},
        "required": ["kind", *settings.get("required", [])],
    }


def _object(model: Any, definitions: Schema) -> Schema:
    """Returns the schema of one settings class; its nested classes go into `definitions`."""
    schema: Schema = model.model_json_schema(ref_template="#/definitions/{model}")
    for name, nested in schema.pop("$defs", {}).items():
        inner = {key: _or_variable(value) for key, value in nested.get("properties", {}).items()}
        definitions[name] = {**nested, "properties": inner} if inner else nested
    schema["description"] = " ".join(schema.get("description", "").split())
    return schema


def _or_variable(schema: Schema) -> Schema:
    """Allows a variable such as `{seed}` wherever a value is allowed; tables and plain texts need no
    change."""
    plain_text = schema.get("type") == "string" and not schema.keys() & {"enum", "const", "pattern"}
    if "$ref" in schema or schema.get("type") == "object" or plain_text:
        return schema
    shared: Schema = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    value = {name: part for name, part in schema.items() if name not in shared}
    return {**shared, "anyOf": [value, VARIABLE]}
