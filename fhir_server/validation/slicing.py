"""Slicing: which slice of an element a value belongs to.

https://hl7.org/fhir/R4/profiling.html#slicing

Discriminators by value, pattern, exists and, of a choice, by type. What resolves references or asks for conformance
to another profile is not told apart yet: such a slice is reported as not checked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.validation import values
from fhir_server.validation.rules import Node

Json = dict[str, Any]
Belongs = Callable[[Any], bool]

BY_URL: tuple[Json, ...] = ({"type": "value", "path": "url"},)


def belongs(sliced: Node, slice: Node, definitions: Definitions) -> Belongs | None:
    """Return whether a value belongs to `slice` of element `sliced`; None when that cannot be told."""
    by_default = BY_URL if sliced.name in ("extension", "modifierExtension") else ()
    discriminators = (sliced.slicing or {}).get("discriminator") or by_default
    tests = [_test(discriminator, slice, definitions) for discriminator in discriminators]
    # A second discriminator for which the slice says nothing can tell nothing apart (as the ministry's draft has it).
    told = [test for test in tests if test is not None]
    if not told:
        return None
    if len(told) == 1:
        return told[0]
    return lambda value: all(test(value) for test in told)


def _test(discriminator: Mapping[str, str], slice: Node, definitions: Definitions) -> Belongs | None:
    path = discriminator["path"]
    if "(" in path:
        return None
    match discriminator["type"]:
        case "value" | "pattern":
            return _by_url(slice) if path == "url" else _by_value(path, slice, definitions)
        case "exists":
            return _by_presence(path, slice)
        case _:
            return None


def _by_url(slice: Node) -> Belongs | None:
    for kind in slice.types.value if slice.types is not None else ():
        for url in kind.get("profile", ()):
            wanted = url.partition("|")[0]
            return lambda value: isinstance(value, dict) and value.get("url") == wanted
    return _by_value("url", slice, None)


def _by_value(path: str, slice: Node, definitions: Definitions | None) -> Belongs | None:
    """Compare what lies at `path` with the fixed value, pattern or required codes that the slice demands there."""
    node, rest = slice, [] if path == "$this" else path.split(".")
    while True:
        for demanded in (*node.fixed, *node.patterns):
            wanted = values.at(demanded.value, ".".join(rest) or "$this")
            if wanted:
                pattern = wanted[0]
                if isinstance(pattern, str) and path.isidentifier():  # most often a system or a url
                    return lambda value: isinstance(value, dict) and value.get(path) == pattern
                return lambda value: any(values.holds(found, pattern) for found in values.at(value, path))
        if not rest:
            return _by_codes(path, node, definitions)
        child = node.children.get(rest[0])
        if child is None:
            return None
        node, rest = child, rest[1:]


def _by_codes(path: str, node: Node, definitions: Definitions | None) -> Belongs | None:
    for strength, url in (demanded.value for demanded in node.bindings):
        codes = None if definitions is None else definitions.codes(url)
        if strength == "required" and codes is not None:
            return lambda value: any(_coded(found, codes) for found in values.at(value, path))
    return None


def _coded(value: Any, codes: Mapping[str, frozenset[str]]) -> bool:
    if isinstance(value, str):
        return any(value in members for members in codes.values())
    codings = values.at(value, "coding") if isinstance(value, dict) and "coding" in value else [value]
    return any(
        isinstance(coding, dict)
        and isinstance(coding.get("system"), str)
        and isinstance(coding.get("code"), str)
        and coding["code"] in codes.get(coding["system"], ())
        for coding in codings
    )


def _by_presence(path: str, slice: Node) -> Belongs | None:
    node: Node | None = slice
    for step in path.split("."):
        node = None if node is None else node.children.get(step)
    if node is None:
        return None
    if node.max is not None and node.max.number == 0:
        return lambda value: not values.at(value, path)
    return (lambda value: bool(values.at(value, path))) if node.min is not None and node.min.number > 0 else None
