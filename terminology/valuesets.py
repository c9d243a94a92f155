"""Value sets as plans: for each code system the condition that its concepts must satisfy.

https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from terminology import conditions
from terminology.conditions import NONE, Active, Codes, Condition, Not, every, some

Json = dict[str, Any]

DEEPEST: Final = 20  # value sets that import each other


class Unusable(Exception):
    """A value set that cannot be planned; the text says why."""


class Missing(Unusable):
    """A value set that is imported and not known: `url`."""

    def __init__(self, url: str):
        self.url = url
        super().__init__(f"the value set {url} that it imports is not known")


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of code systems the caller wants, by the system's URL."""

    default: Mapping[str, str] = field(default_factory=dict)  # where the value set names none
    check: Mapping[str, str] = field(default_factory=dict)  # another one in the value set is an error
    force: Mapping[str, str] = field(default_factory=dict)  # whatever the value set says

    def of(self, system: str, said: str | None) -> str | None:
        """Return the version to use for `system` of which the value set says `said`; raise Unusable."""
        if forced := self.force.get(system):
            return forced
        wanted = self.check.get(system)
        if wanted is not None and said is not None and said != wanted:
            raise Unusable(f"it asks for version {said} of {system}, not for {wanted}")
        return said or wanted or self.default.get(system)


@dataclass(frozen=True, slots=True)
class Part:
    """The concepts of one version of one code system that belong to a value set."""

    system: str
    version: str | None  # None: the newest
    condition: Condition
    listed: Mapping[str, Json] = field(default_factory=dict)  # what the value set itself says of a code


@dataclass(frozen=True, slots=True)
class Plan:
    """A value set: the concepts of all its parts, no two of which hold the same concept."""

    parts: tuple[Part, ...]

    def systems(self) -> list[tuple[str, str | None]]:
        """Return the code systems and versions that it is made of, each once."""
        return list(dict.fromkeys((part.system, part.version) for part in self.parts))


def imports(value_set: Json) -> list[str]:
    """Return the canonical URLs of the value sets that this one names."""
    compose = value_set.get("compose", {})
    rows = [*compose.get("include", ()), *compose.get("exclude", ())]
    return list(dict.fromkeys(url for row in rows for url in row.get("valueSet", ())))


def plan(value_set: Json, known: Mapping[str, Json], versions: Versions) -> Plan:
    """Return the plan of a value set, given those that it imports by canonical URL; raise Unusable or Missing."""
    return Plan(tuple(_merged(_composed(value_set, _Reading(known, versions), ()))))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the reading of one value set knows; each value set that it imports is read once."""

    known: Mapping[str, Json]
    versions: Versions
    done: dict[str, list[Part]] = field(default_factory=dict)

    def imported(self, url: str, path: Sequence[str]) -> list[Part]:
        """Return the parts of the value set `url`; raise Missing."""
        if url not in self.known:
            raise Missing(url)
        if url not in self.done:
            self.done[url] = _merged(_composed(self.known[url], self, path))
        return self.done[url]


def _composed(value_set: Json, reading: _Reading, path: Sequence[str]) -> list[Part]:
    url = str(value_set.get("url", ""))
    if (url and url in path) or len(path) > DEEPEST:
        raise Unusable(f"the value set {url} imports itself")
    compose = value_set.get("compose")
    if compose is None:
        return _expanded(value_set, reading.versions)
    below = (*path, url)
    included = [part for row in compose.get("include", ()) for part in _selected(row, reading, below)]
    excluded = [part for row in compose.get("exclude", ()) for part in _selected(row, reading, below)]
    parts = [_without(part, excluded) for part in included]
    if compose.get("inactive") is False:
        parts = [_narrowed(part, Active()) for part in parts]
    return parts


def _expanded(value_set: Json, versions: Versions) -> list[Part]:
    """Return the codes of a value set that has only an expansion."""
    expansion = value_set.get("expansion")
    if expansion is None:
        raise Unusable("it, or a value set that it imports, has neither a definition nor an expansion")
    parts: dict[tuple[str, str | None], dict[str, Json]] = {}
    waiting = list(reversed(expansion.get("contains", ())))
    while waiting:
        row = waiting.pop()
        if "system" in row and "code" in row and row.get("abstract") is not True:
            version = versions.of(row["system"], row.get("version"))
            parts.setdefault((row["system"], version), {}).setdefault(row["code"], row)
        waiting += reversed(row.get("contains", ()))
    return [
        Part(system, version, Codes(tuple(listed)), {code: _said(row) for code, row in listed.items()})
        for (system, version), listed in parts.items()
    ]


def _said(row: Json) -> Json:
    return {name: row[name] for name in ("code", "display", "designation") if name in row}


def _selected(row: Json, reading: _Reading, path: Sequence[str]) -> list[Part]:
    """Return what one include (or exclude) names: what is in its system and in all its value sets."""
    groups = [[_of_system(row, reading.versions)]] if "system" in row else []
    groups += (reading.imported(url, path) for url in row.get("valueSet", ()))
    if not groups:
        raise Unusable("an include names a system or value sets")
    first, *others = groups
    return [part for own in first for part in _common(own, others)]


def _of_system(row: Json, versions: Versions) -> Part:
    system, version = row["system"], versions.of(row["system"], row.get("version"))
    listed = {concept["code"]: concept for concept in row.get("concept", ()) if "code" in concept}
    if "concept" in row:
        return Part(system, version, Codes(tuple(listed)), listed)
    try:
        return Part(system, version, every(conditions.read(each) for each in row.get("filter", ())))
    except conditions.Unsupported as error:
        raise Unusable(f"in {system}: {error}") from None


def _common(own: Part, others: Iterable[Sequence[Part]]) -> list[Part]:
    """Return `own` narrowed to what is in every one of the other groups."""
    condition, version, listed = own.condition, own.version, dict(own.listed)
    for group in others:
        same = [part for part in group if part.system == own.system and _agree(version, part.version)]
        condition = every((condition, some(part.condition for part in same)))
        version = version or next((part.version for part in same if part.version), None)
        for part in same:
            listed = {**part.listed, **listed}
    return [] if condition == NONE else [Part(own.system, version, condition, listed)]


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _without(part: Part, excluded: Iterable[Part]) -> Part:
    same = [each.condition for each in excluded if each.system == part.system and _agree(part.version, each.version)]
    return _narrowed(part, Not(some(same))) if same else part


def _narrowed(part: Part, condition: Condition) -> Part:
    if isinstance(part.condition, Codes) and isinstance(condition, Not) and isinstance(condition.part, Codes):
        gone = frozenset(condition.part.codes)  # plain lists stay plain lists
        left = tuple(code for code in part.condition.codes if code not in gone)
        if {code.casefold() for code in gone}.isdisjoint(code.casefold() for code in left):
            return Part(part.system, part.version, Codes(left), part.listed)
    return Part(part.system, part.version, every((part.condition, condition)), part.listed)


def _merged(parts: Iterable[Part]) -> list[Part]:
    """Join the parts of the same version of a system, so that no concept is there twice."""
    found: dict[tuple[str, str | None], list[Part]] = {}
    for part in parts:
        if part.condition != NONE and part.condition != Codes(()):
            found.setdefault((part.system, part.version), []).append(part)
    joined = []
    for (system, version), same in found.items():
        listed: dict[str, Json] = {}
        for part in same:
            listed = {**part.listed, **listed}
        joined.append(Part(system, version, some(part.condition for part in same), listed))
    return joined


def codes_of(condition: Condition) -> tuple[str, ...] | None:
    """Return the codes that `condition` lists, when it can hold for no other; None when it lists none."""
    if isinstance(condition, Codes):
        return condition.codes
    if isinstance(condition, conditions.Every):
        lists = [codes for part in condition.parts if (codes := codes_of(part)) is not None]
        return min(lists, key=len) if lists else None
    if isinstance(condition, conditions.Some):
        lists = [codes for part in condition.parts if (codes := codes_of(part)) is not None]
        if len(lists) == len(condition.parts):
            return tuple(dict.fromkeys(code for codes in lists for code in codes))
    return None


def listed_only(condition: Condition) -> bool:
    """Return whether the code alone decides, so that `condition` can be tried where the code system is not known.

    Nothing tells then that a code is inactive, abstract or out of its time: it counts as good.
    """
    match condition:
        case Codes() | Active() | conditions.Holds() | conditions.Selectable():
            return True
        case conditions.Every(parts) | conditions.Some(parts):
            return codes_of(condition) is not None and all(map(listed_only, parts))
        case Not(part):
            return listed_only(part)
        case _:
            return False
