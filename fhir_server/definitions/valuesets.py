"""Value sets as sets: the codes of each system that a value set enumerates.

https://hl7.org/fhir/R4/valueset.html#expansion
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Json = dict[str, Any]
Codes = dict[str, frozenset[str]]  # system → codes

MAX_IMPORTS = 20  # value sets that import each other, deep


class AnyCase(frozenset[str]):
    """Codes of a system in which case does not count (https://hl7.org/fhir/R4/codesystem.html#case)."""

    def __new__(cls, codes: Iterable[str]) -> "AnyCase":
        return super().__new__(cls, (code.casefold() for code in codes))

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and super().__contains__(code.casefold())


class Loaded(NamedTuple):
    """What value sets are made of, by canonical URL."""

    value_sets: Mapping[str, Json]
    code_systems: Mapping[str, Json]  # as `compact.code_system` gives them
    enumerated: Mapping[str, Codes | None] = MappingProxyType({})  # value sets whose codes are known already
    versions: Mapping[str, str] = MappingProxyType({})  # of those, where they say theirs


def codes(value_set: Json, loaded: Loaded, depth: int = 0) -> Codes | None:
    """Return the codes that `value_set` holds, by system; None when they cannot be enumerated from what is loaded."""
    compose = value_set.get("compose")
    if compose is None or depth > MAX_IMPORTS:
        return None
    total: dict[str, set[str]] = {}
    for include in compose.get("include", ()):
        part = _part(include, loaded, depth)
        if part is None:
            return None
        for system, members in part.items():
            total.setdefault(system, set()).update(members)
    for exclude in compose.get("exclude", ()):
        part = _part(exclude, loaded, depth)
        if part is None:
            return None
        for system, members in part.items():
            total.get(system, set()).difference_update(members)
    return {system: frozenset(members) for system, members in total.items()}


def _part(include: Json, loaded: Loaded, depth: int) -> Codes | None:
    """Return the intersection of what one `include` names: a system's concepts and imported value sets."""
    parts: list[Codes | None] = []
    if system := include.get("system"):
        members = _of_system(include, loaded.code_systems.get(system))
        parts.append(None if members is None else {system: members})
    for url in include.get("valueSet", ()):
        parts.append(_imported(url, loaded, depth))
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    first, *others = known
    return {
        system: frozenset(members.intersection(*(other.get(system, frozenset()) for other in others)))
        for system, members in first.items()
    }


def _imported(canonical: str, loaded: Loaded, depth: int) -> Codes | None:
    url, _, version = canonical.partition("|")
    definition = loaded.value_sets.get(url)
    known = loaded.versions.get(url) if definition is None else definition.get("version")
    if version and known and version != known:
        return None
    return loaded.enumerated.get(url) if definition is None else codes(definition, loaded, depth + 1)


def _of_system(include: Json, code_system: Json | None) -> frozenset[str] | None:
    if code_system is not None and not code_system.get("caseSensitive", True):
        return None  # a set of codes would take their spelling for a difference
    if "concept" in include:
        return frozenset(concept["code"] for concept in include["concept"])
    if code_system is None or not code_system["complete"]:
        return None
    wanted, known = include.get("version"), code_system.get("version")
    if wanted and known and wanted != known:
        return None
    concepts = code_system["concepts"]
    members = frozenset(code for code, _, _ in concepts)
    for condition in include.get("filter", ()):
        selected = _filtered(condition, concepts)
        if selected is None:
            return None
        members &= selected
    return members


def _filtered(condition: Json, concepts: list[list[str | None]]) -> frozenset[str] | None:
    """Return the concepts below a concept (`is-a`, `descendent-of`, `is-not-a`); None for other filters."""
    operation, top = condition["op"], condition["value"]
    if condition["property"] != "concept" or operation not in {"is-a", "descendent-of", "is-not-a"}:
        return None
    below = {top}
    for code, _, parent in concepts:  # parents come first
        if parent in below and code is not None:
            below.add(code)
    if operation == "is-not-a":
        return frozenset(code for code, _, _ in concepts if code is not None) - below
    return frozenset(below if operation == "is-a" else below - {top})
