"""What FHIR R4 says, loaded, never typed in by hand.

The facts of the official core package ship with the server (scripts/build_definitions.py makes them); every FHIR
package — the national profiles are one — is added to them in the same form.

https://hl7.org/fhir/R4/downloads.html · hl7.fhir.r4.core 4.0.1
"""

import gzip
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import orjson

from fhir_server.definitions import compact, further, valuesets
from fhir_server.definitions.model import (
    Binding,
    Component,
    Constraint,
    Element,
    Member,
    SearchParameter,
    TypeDefinition,
    TypeRef,
)

__all__ = ["Definitions", "core"]

Json = dict[str, Any]

# https://hl7.org/fhir/R4/datatypes.html#open: these types hold their children in the element that has the type.
INLINE = {"BackboneElement", "Element"}


class Definitions:
    """The definitions that one server knows: R4's own and those of the packages added.

    Types are built when first asked for, so that loading costs only the reading of the file.
    """

    def __init__(self, facts: Json, packages: Iterable[Json] = ()):
        self._types: Json = facts["types"]
        self._built: dict[str, TypeDefinition] = {}
        self._members: dict[str, Mapping[str, Member]] = {}
        self._system_codes: dict[str, frozenset[str] | None] = {}
        self.version: str = facts["version"]
        self.compartments: Mapping[str, Mapping[str, list[str]]] = facts["compartments"]
        self.code_systems: dict[str, Json] = dict(facts["codeSystems"])
        self._value_sets: dict[str, valuesets.Codes | None] = {
            url: None if codes is None else {system: frozenset(members) for system, members in codes.items()}
            for url, codes in facts["valueSets"].items()
        }
        self._versions: dict[str, str] = {}  # of value sets that say theirs
        self.profiles: dict[str, Json] = {}  # canonical URL → StructureDefinition that constrains a type
        self.questionnaires: dict[str, Json] = {}  # canonical URL → Questionnaire
        self.periods: dict[str, Mapping[str, tuple[str, str]]] = {}  # system → code → first and last day that it holds
        self._rows: list[Json] = facts["searchParameters"]
        self._add(packages)
        self._parameters = _by_base(self._rows)
        self.resource_types: frozenset[str] = frozenset(
            name for name, facts in self._types.items() if facts["kind"] == "resource" and not facts["abstract"]
        )

    def _add(self, resources: Iterable[Json]) -> None:
        of_type: dict[str, list[Json]] = {}
        for resource in resources:
            of_type.setdefault(resource["resourceType"], []).append(resource)
        for definition in of_type.get("StructureDefinition", ()):
            self.profiles[definition["url"]] = definition
        self.questionnaires.update((one["url"], one) for one in of_type.get("Questionnaire", ()) if "url" in one)
        for definition in of_type.get("CodeSystem", ()):
            facts = compact.code_system(definition)
            if facts["complete"] or definition["url"] not in self.code_systems:  # a fragment hides nothing complete
                self.code_systems[definition["url"]] = facts
                if periods := compact.periods(definition):
                    self.periods[definition["url"]] = periods
        sets = {definition["url"]: definition for definition in of_type.get("ValueSet", ())}
        loaded = valuesets.Loaded(sets, self.code_systems, dict(self._value_sets), dict(self._versions))
        for url, definition in sets.items():
            self._value_sets[url] = valuesets.codes(definition, loaded)
            self._versions.pop(url, None)
            if "version" in definition:
                self._versions[url] = definition["version"]
        if parameters := of_type.get("SearchParameter"):
            self._rows = [*self._rows, *compact.search_parameters(parameters, self._rows)]

    def with_resources(self, resources: Iterable[Json]) -> "Definitions":
        """Return these definitions and those of `resources`, which hide others of the same URL.

        All else is shared with these. What value sets hold that were here before stays as it was.
        """
        other = copy(self)
        other._system_codes = {}
        other.code_systems, other._value_sets = dict(self.code_systems), dict(self._value_sets)
        other.profiles, other.periods = dict(self.profiles), dict(self.periods)
        other.questionnaires, other._versions = dict(self.questionnaires), dict(self._versions)
        other._add(resources)
        if other._rows is not self._rows:
            other._parameters = _by_base(other._rows)
        return other

    def with_search_parameters(self, definitions: Iterable[Json]) -> "Definitions":
        """Return these definitions and the SearchParameters given; raise KeyError when a composite's part is unknown.

        All else is shared with these.
        """
        other = copy(self)
        rows = compact.search_parameters(definitions, self._rows)
        other._rows = [*self._rows, *rows]
        other._parameters = dict(self._parameters)
        for base, added in _by_base(rows).items():
            other._parameters[base] = {**self._parameters.get(base, {}), **added}
        return other

    def as_search_parameters(self, definition: Json) -> list[SearchParameter]:
        """Return what a SearchParameter would be for each of its bases; raise KeyError as above."""
        return [_search_parameter(row) for row in compact.search_parameters([definition], self._rows)]

    def type(self, name: str) -> TypeDefinition | None:
        """Return the type called `name`, or None when R4 has no such type."""
        if name not in self._built:
            facts = self._types.get(name)
            if facts is None:
                return None
            self._built[name] = self._build(name, facts)
        return self._built[name]

    def _build(self, name: str, facts: Json) -> TypeDefinition:
        root = _tree(facts["elements"])
        return TypeDefinition(
            name=name,
            kind=facts["kind"],
            base=facts["base"],
            abstract=facts["abstract"],
            root=root,
            pattern=facts.get("pattern"),
            members=MappingProxyType(_members(root.children)),
        )

    def members(self, member: Member) -> Mapping[str, Member]:
        """Return the JSON properties that the value of `member` may have; empty for primitives and resources."""
        element = member.element
        if element.content is not None:
            element = self.element(element.content)
        if element.children:
            if element.path not in self._members:
                self._members[element.path] = MappingProxyType(_members(element.children))
            return self._members[element.path]
        definition = self.type(member.type)
        return {} if definition is None or definition.kind != "complex-type" else definition.members

    def element(self, path: str) -> Element:
        """Return the element at `path` ("Bundle.link"); raise KeyError when there is none."""
        name, *steps = path.split(".")
        definition = self.type(name)
        if definition is None:
            raise KeyError(path)
        element = definition.root
        for step in steps:
            try:
                element = next(child for child in element.children if child.name == step)
            except StopIteration:
                raise KeyError(path) from None
        return element

    def search_parameters(self, type: str) -> Mapping[str, SearchParameter]:
        """Return the search parameters of resource type `type` by code, those of every resource included."""
        return _merged(
            self._parameters.get("Resource", {}),
            self._parameters.get("DomainResource", {}) if self._is_domain_resource(type) else {},
            self._parameters.get(type, {}),
        )

    def _is_domain_resource(self, type: str) -> bool:
        return bool(self._types[type]["base"] == "DomainResource")

    def codes(self, value_set: str) -> valuesets.Codes | None:
        """Return the codes of `value_set` (url, or url|version) by system.

        None when it is unknown, in another version than that, or cannot be enumerated.
        """
        url, _, version = value_set.partition("|")
        if version and self._versions.get(url, version) != version:
            return None
        return self._value_sets[url] if url in self._value_sets else further.codes(url)

    def codes_of_system(self, url: str) -> frozenset[str] | None:
        """Return every code of code system `url`, of a supplement none; None when not all of them are known here."""
        if url not in self._system_codes:
            facts = self.code_systems.get(url)
            if facts is None:
                return further.system(url)
            if facts.get("supplement"):  # its codes are those of the system that it adds to
                return frozenset()
            made = frozenset if facts.get("caseSensitive", True) else valuesets.AnyCase
            self._system_codes[url] = made(code for code, *_ in facts["concepts"]) if facts["complete"] else None
        return self._system_codes[url]

    def profile(self, url: str) -> Json | None:
        """Return the StructureDefinition with canonical `url` that constrains a type: a package's or R4's own."""
        return self.profiles.get(url) or further.profile(url)


def _merged(*groups: Mapping[str, SearchParameter]) -> Mapping[str, SearchParameter]:
    merged: dict[str, SearchParameter] = {}
    for group in groups:
        merged.update(group)
    return MappingProxyType(merged)


def _tree(elements: list[Json]) -> Element:
    """Build the element tree from a snapshot's flat list, in which children follow their parent."""

    def subtree(position: int) -> tuple[Element, int]:
        facts = elements[position]
        prefix = facts["path"] + "."
        children = []
        position += 1
        while position < len(elements) and elements[position]["path"].startswith(prefix):
            child, position = subtree(position)
            children.append(child)
        return _element(facts, tuple(children)), position

    return subtree(0)[0]


def _element(facts: Json, children: tuple[Element, ...]) -> Element:
    return Element(
        path=facts["path"],
        name=facts["path"].rpartition(".")[2],
        min=facts["min"],
        max=None if facts["max"] == "*" else int(facts["max"]),
        types=tuple(TypeRef(row[0], *(tuple(part) for part in row[1:])) for row in facts.get("types", ())),
        binding=Binding(*facts["binding"]) if "binding" in facts else None,
        constraints=tuple(Constraint(*row) for row in facts.get("constraints", ())),
        summary=facts.get("summary", False),
        modifier=facts.get("modifier", False),
        content=facts.get("content"),
        children=children,
    )


def _members(children: Iterable[Element]) -> dict[str, Member]:
    members = {}
    for element in children:
        if element.choice:
            stem = element.name.removesuffix("[x]")
            for kind in element.types:
                members[stem + kind.code[0].upper() + kind.code[1:]] = Member(element, kind.code)
        else:
            members[element.name] = Member(element, element.types[0].code if element.types else "BackboneElement")
    return members


def _by_base(rows: Iterable[Json]) -> dict[str, dict[str, SearchParameter]]:
    found: dict[str, dict[str, SearchParameter]] = {}
    for row in rows:
        found.setdefault(row["base"], {})[row["code"]] = _search_parameter(row)
    return found


def _search_parameter(row: Json) -> SearchParameter:
    return SearchParameter(
        code=row["code"],
        type=row["type"],
        url=row["url"],
        base=row["base"],
        expression=row.get("expression"),
        targets=tuple(row.get("targets", ())),
        components=tuple(Component(*component) for component in row.get("components", ())),
    )


@cache
def core_facts() -> Json:
    """Read the facts of the official core package that ship with the server."""
    data = (files("fhir_server.definitions") / "data" / "r4.json.gz").read_bytes()
    facts: Json = orjson.loads(gzip.decompress(data))
    return facts


@cache
def core() -> Definitions:
    """Return R4 alone, without any package."""
    return Definitions(core_facts())
