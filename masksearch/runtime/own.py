"""The user's own functions as settings: `FILE.py:NAME` names the function NAME in a file of Python.

A span extractor, a reward and a search may be such a function. Worker processes load it from its file. The
file's content is part of the cache key.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from masksearch.errors import UsageError
from masksearch.runtime import files
from masksearch.text.nearest import nearest, no_path

_OWN = re.compile(r"(.+\.py):([A-Za-z_]\w*)")


def is_own(value: Any) -> bool:
    """Whether a setting names an own function."""
    return isinstance(value, str) and _OWN.fullmatch(value) is not None


def _or_own(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    if is_own(value):
        _load(value)  # a wrong name is an error of the setting
        return value
    return handler(value)


class OrOwn:
    """Annotation of a setting that takes the name of an own function besides its other values."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _or_own,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": r"\.py:[A-Za-z_]\w*$"}]}


def load_own(value: str) -> Callable[..., Any]:
    """Imports and returns an own function. Raises UsageError."""
    try:
        return _load(value)
    except ValueError as error:
        raise UsageError(f"{value} {error}.") from error.__cause__


def own_name(function: Callable[..., Any]) -> str:
    """Returns the text that names a function as a setting.

    Raises UsageError if it is not a function at the top of a file: a worker process could not load it.
    """
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        path = inspect.getsourcefile(function) or ""
    except TypeError:
        path = ""
    if not os.path.isfile(path) or not name.isidentifier():
        raise UsageError(
            f"{name} is not a function at the top of a file; write it into one, such as mine.py, and name it "
            "'mine.py:NAME'."
        )
    return f"{path}:{name}"


def own_key(value: Any) -> Any:
    """Returns JSON values for a cache key: each own function by its file's name and content."""
    if isinstance(value, Mapping):
        return {name: own_key(item) for name, item in value.items()}
    if isinstance(value, list):
        return [own_key(item) for item in value]
    if is_own(value):
        path, name = _parts(value)
        if path.is_file():
            return f"{path.name}:{files.hash_file(path)}:{name}"
    return value


def _parts(value: str) -> tuple[Path, str]:
    path, _, name = value.rpartition(":")
    return Path(path), name


def _load(value: str) -> Callable[..., Any]:
    """Raises ValueError with the end of a sentence that the setting or the value starts."""
    path, name = _parts(value)
    if not path.is_file():
        raise ValueError(f"names a file that does not exist{no_path(path).rstrip('.')}")
    stat = path.stat()
    try:
        module = _module(str(path.absolute()), stat.st_mtime_ns, stat.st_size)
    except Exception as error:
        raise ValueError(f"cannot be imported ({type(error).__name__}: {error})") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, one in vars(module).items() if inspect.isfunction(one)]
        raise ValueError(f"names no function of {path}{nearest(name, known).rstrip('.')}")
    found: Callable[..., Any] = function
    return found


@cache
def _module(path: str, modified: int, size: int) -> ModuleType:
    name = f"masksearch_own_{files.hash_json([path, modified, size])[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
