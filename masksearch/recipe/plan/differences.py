"""Names what differs between the basis of recorded work and the present basis of its stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masksearch.runtime.resume import KEY_FORMAT, Basis, without_means

UNKNOWN = "its settings or inputs differ (an earlier version of MaskSearch did not record which)"
WILL_RUN, HAS_RUN, CHANGED = "will run again", "has run again", "has changed"
LONGEST = 40
"""Characters of a value in a difference; longer values are cut in the middle."""
_MISSING = object()
MORE = ("the recipe's name", "the recipe's description")


def differences(recorded: Mapping[str, Any], now: Basis, stages: Mapping[str, str]) -> list[str]:
    """Returns the differences in words, such as `max_steps 10 -> 3`.

    `recorded` is the basis in the mark of the earlier work. In marks of earlier versions it is missing; the
    stage's table in recipe.json of the run (kind and settings) then takes its place. `stages` maps the names
    of the recipe's stages to words for their state: WILL_RUN, HAS_RUN or CHANGED.
    """
    if "settings" not in recorded:
        return [UNKNOWN]
    if recorded.get("version", KEY_FORMAT) != KEY_FORMAT:
        return ["a version of MaskSearch made it whose work is not used again"]
    if recorded.get("kind", now.kind) != now.kind:
        return [f"kind {recorded['kind']} -> {now.kind}"]
    inputs = recorded.get("inputs")
    found = _settings(recorded, now)
    if inputs is None:
        found += [
            _of_stage(name, stages) for name in _stages_read(now) if stages.get(name, CHANGED) != CHANGED
        ]
        return found or [UNKNOWN]
    for name, values in now.inputs.items():
        for value, key in values.items():
            before = inputs.get(name, {}).get(value)
            if before is None and _has_value(recorded["settings"], name, value):
                found.append(f"{name}: {value} is a file or folder now")
            elif before is not None and before != key:
                changed = f"{name} {_what(value)} changed: {value}"
                found.append(_of_stage(value, stages) if value in stages else changed)
    found += _more(recorded.get("more", ()), now.more, stages)
    return list(dict.fromkeys(found)) or [UNKNOWN]


def _of_stage(name: str, stages: Mapping[str, str]) -> str:
    return f"stage '{name}', which it reads, {stages[name]}"


def _stages_read(now: Basis) -> list[str]:
    named = [value for values in now.inputs.values() for value in values]
    return list(dict.fromkeys([*named, *(now.more[2] if len(now.more) > 2 else ())]))


def _settings(recorded: Mapping[str, Any], now: Basis) -> list[str]:
    before = flat(without_means(recorded.get("settings", {})))
    present = flat(now.settings)
    found = []
    for name in dict.fromkeys([*present, *before]):
        old, new = before.get(name, _MISSING), present.get(name, _MISSING)
        # Another path with the same content is no difference.
        same = _content(recorded.get("inputs") or {}, name, old) == _content(now.inputs, name, new)
        if old != new and not same:
            found.append(_change(name, old, new))
    return found


def _content(inputs: Mapping[str, Mapping[str, str]], name: str, value: Any) -> Any:
    """Returns a setting with each stage and path in it replaced by its key or content hash."""
    known = inputs.get(name) or inputs.get(name.partition(".")[0]) or {}
    if isinstance(value, list):
        return [known.get(item, item) if isinstance(item, str) else item for item in value]
    return known.get(value, value) if isinstance(value, str) else value


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested tables as one table with dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _change(name: str, before: Any, now: Any) -> str:
    if before is _MISSING or now is _MISSING:
        return f"{name} {_shown(now)} (new)" if before is _MISSING else f"{name} {_shown(before)} (no longer)"
    if isinstance(before, list) and isinstance(now, list):
        added = [f"+ {_shown(item)}" for item in now if item not in before]
        removed = [f"- {_shown(item)}" for item in before if item not in now]
        return f"{name} {', '.join([*removed, *added]) or 'in another order'}"
    return f"{name} {_shown(before)} -> {_shown(now)}"


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def _has_value(settings: Mapping[str, Any], name: str, value: str) -> bool:
    return any(
        value == found or (isinstance(found, list) and value in found)
        for key, found in flat(settings).items()
        if key == name or key.startswith(f"{name}.")
    )


def _what(value: str) -> str:
    return "folder" if Path(value).is_dir() else "file"


def _more(before: Any, now: Any, stages: Mapping[str, str]) -> list[str]:
    """Returns the differences of a stage that reads the whole run: the recipe's name and description, and
    the stages."""
    if len(before) != 3 or len(now) != 3:
        return []
    found = [
        f"{name} changed" for name, old, new in zip(MORE, before[:2], now[:2], strict=True) if old != new
    ]
    for need, key in now[2].items():
        if need not in before[2]:
            found.append(f"stage '{need}' is new")
        elif before[2][need] != key:
            found.append(_of_stage(need, stages))
    return found + [f"stage '{need}' is gone" for need in before[2] if need not in now[2]]
