"""Concept maps: what a code is called in another code system, as certain as the map says and never more.

https://hl7.org/fhir/R4/conceptmap.html · https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

# https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html: target compared with source, seen from the other end.
REVERSED: Final = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
NO_MATCH: Final = frozenset({"unmatched", "disjoint"})
DEEPEST: Final = 10  # maps that hand over to each other


class Dependency(NamedTuple):
    """What the caller knows besides the code: the value of another element."""

    element: str
    values: frozenset[tuple[str | None, str]]  # system and code of its codings; None and its text


@dataclass(frozen=True, slots=True)
class Match:
    """A translation: of `concept` (a Coding; None: there is none) the map says `equivalence`."""

    equivalence: str
    concept: Json | None
    source: str  # canonical URL of the map
    products: tuple[Json, ...] = ()  # {element, concept}


class Found(NamedTuple):
    """Translations, the maps to ask instead, and the elements on which more translations depend."""

    matches: tuple[Match, ...] = ()
    others: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Target(NamedTuple):
    """One row of a map: a group, the element in it, and a target of the element."""

    group: Json
    element: Json
    target: Json


class Map:
    """A ConceptMap, indexed by both its ends."""

    def __init__(self, resource: Json):
        self.url = str(resource.get("url", ""))
        self.canonical: str = f"{self.url}|{resource['version']}" if self.url and "version" in resource else self.url
        self.source: str | None = resource.get("sourceUri") or resource.get("sourceCanonical")
        self.target: str | None = resource.get("targetUri") or resource.get("targetCanonical")
        self.groups: Sequence[Json] = tuple(resource.get("group", ()))
        self._elements: list[dict[str, list[Json]]] = []  # of each group by code
        self._reverse: dict[tuple[str | None, str], list[Target]] = {}
        for group in self.groups:
            elements: dict[str, list[Json]] = {}
            for element in group.get("element", ()):
                if "code" in element:
                    elements.setdefault(element["code"], []).append(element)
                for target in element.get("target", ()):
                    if "code" in target:
                        self._reverse.setdefault((group.get("target"), target["code"]), []).append(
                            Target(group, element, target)
                        )
            self._elements.append(elements)

    def translate(
        self, coding: Json, target_system: str | None = None, dependencies: Iterable[Dependency] = ()
    ) -> Found:
        """Return what the map says of a Coding: its targets, and where the map sends codes that it does not hold."""
        given = tuple(dependencies)
        matches: list[Match] = []
        others: list[str] = []
        missing: list[str] = []
        for group, elements in zip(self.groups, self._elements, strict=True):
            if not _is_of(group, "source", coding) or target_system not in (None, group.get("target")):
                continue
            rows = elements.get(coding["code"])
            if rows is None:
                match, other = self._unmapped(group, coding)
                matches += [match] if match else []
                others += [other] if other else []
            for element in rows or ():
                for target in element.get("target", ()):
                    lacking = _lacking(target, given)
                    missing += lacking
                    if not lacking:
                        matches.append(self._match(group, target))
        return Found(tuple(matches), tuple(others), tuple(dict.fromkeys(missing)))

    def reverse(self, coding: Json, source_system: str | None = None) -> Found:
        """Return the codes that the map may translate to a Coding, each with the equivalence seen from there."""
        matches = []
        for group, element, target in self._reverse.get((coding.get("system"), coding["code"]), ()):
            if not _is_of(group, "target", coding) or source_system not in (None, group.get("source")):
                continue
            equivalence: str = target.get("equivalence", "relatedto")
            concept = _coding(group.get("source"), group.get("sourceVersion"), element)
            matches.append(Match(REVERSED.get(equivalence, equivalence), concept, self.canonical))
        return Found(tuple(matches))

    def _match(self, group: Json, target: Json) -> Match:
        concept = _coding(group.get("target"), group.get("targetVersion"), target) if "code" in target else None
        products = tuple(
            {"element": row.get("property"), "concept": _coding(row.get("system"), None, {**row, "code": row["value"]})}
            for row in target.get("product", ())
            if "value" in row
        )
        return Match(target.get("equivalence", "relatedto"), concept, self.canonical, products)

    def _unmapped(self, group: Json, coding: Json) -> tuple[Match | None, str | None]:
        """Return what a group does with a code that it does not hold; how near that comes nobody says."""
        rule = group.get("unmapped", {})
        match rule.get("mode"):
            case "provided":
                concept = _coding(group.get("target"), group.get("targetVersion"), coding)
                return Match("relatedto", concept, self.canonical), None
            case "fixed" if "code" in rule:
                concept = _coding(group.get("target"), group.get("targetVersion"), rule)
                return Match("relatedto", concept, self.canonical), None
            case "other-map" if "url" in rule:
                return None, str(rule["url"])
            case _:
                return None, None


def _is_of(group: Json, end: str, coding: Json) -> bool:
    """Return whether the system (and the version, where both name one) of a Coding is that of the group's `end`."""
    system, version = group.get(end), group.get(f"{end}Version")
    same_version = version is None or coding.get("version") in (None, version)
    return system == coding.get("system") and same_version


def _lacking(target: Json, given: Sequence[Dependency]) -> list[str]:
    """Return the elements that a target depends on and that are not, or not so, given."""
    return [
        str(row.get("property"))
        for row in target.get("dependsOn", ())
        if not any(
            each.element == row.get("property")
            and any(value == row.get("value") and row.get("system") in (None, system) for system, value in each.values)
            for each in given
        )
    ]


def _coding(system: str | None, version: str | None, row: Mapping[str, Any]) -> Json:
    written = {"system": system, "version": version, "code": row["code"], "display": row.get("display")}
    return {name: value for name, value in written.items() if value is not None}


def succeeds(matches: Iterable[Match]) -> bool:
    """Return whether at least one match is a translation."""
    return any(match.equivalence not in NO_MATCH and match.concept is not None for match in matches)
