"""Fixed values, patterns and what a path leads to: comparing JSON as FHIR compares it.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
"""

from typing import Any


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def holds(value: Any, pattern: Any) -> bool:
    """Return whether `value` has all that `pattern` has: properties by name, array items in any place."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and holds(value[name], part) for name, part in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(holds(item, part) for item in value) for part in pattern)
    return same(value, pattern)


def at(value: Any, path: str) -> list[Any]:
    """Return what the dotted `path` leads to from `value`; `$this` is the value itself."""
    found = [value]
    if path == "$this":
        return found
    for step in path.split("."):
        below = [item[step] for item in found if isinstance(item, dict) and item.get(step) is not None]
        found = [item for part in below for item in (part if isinstance(part, list) else [part])]
    return found
