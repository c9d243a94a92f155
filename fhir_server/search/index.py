"""Index entries: what a resource can be found by, and the compartment that it belongs to.

https://hl7.org/fhir/R4/search.html · https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fhir_server.definitions import Definitions
from fhir_server.outcome import Unprocessable
from fhir_server.search.entries import PRESENT
from fhir_server.search.parameters import BUILT_IN, Catalogue, Parameter, Unbuilt
from fhir_server.search.types import composite
from fhir_server.search.values import Reader

Json = dict[str, Any]

MOST = 10_000  # entries of one resource
LARGE = {"ConceptMap": 100_000, "ValueSet": 100_000}  # of types that list codes by the thousand


class Index(NamedTuple):
    """What is stored beside a resource so that it can be found."""

    entries: tuple[str, ...]  # sorted, unique
    patient: str | None  # id of the one Patient in whose compartment the resource is


class _Rule(NamedTuple):
    """How the values of one branch of a parameter become entries."""

    name: str
    values: Callable[[Any], Any] | None  # None: the values of the member itself
    read: Reader


class _Composite(NamedTuple):
    name: str
    elements: list[Callable[[Any], Any]]
    parts: list[tuple[bool, list[tuple[Callable[[Any], Any], Reader]]]]  # whether from the resource; how to read


class _Type(NamedTuple):
    """The rules of a resource type: by the member they start at, those that need the whole resource, composites."""

    members: dict[str, list[_Rule]]
    whole: list[_Rule]
    composites: list[_Composite]
    patient: tuple[str, ...]  # beginnings of the entries that put it into a Patient compartment


class Indexer:
    """Makes the entries of resources of every type; compiles a type's rules when it first meets it."""

    def __init__(self, definitions: Definitions, base_url: str, zone: ZoneInfo):
        self.catalogue = Catalogue(definitions, base_url, zone)
        self._types: dict[str, _Type] = {}

    def without(self, unbuilt: Unbuilt) -> "Indexer":
        """Return an indexer that makes the same entries, while its catalogue refuses searches by those `unbuilt`."""
        other = copy(self)
        other.catalogue = self.catalogue.without(unbuilt)
        return other

    def prepare(self, types: Iterable[str]) -> None:
        """Compile the rules of `types` now."""
        for type in types:
            self._rules(type)

    @property
    def prepared(self) -> frozenset[str]:
        """The types of which resources were indexed."""
        return frozenset(self._types)

    def index(self, resource: Json) -> Index:
        """Return the entries and the patient compartment of a structurally valid resource.

        Raise Unprocessable when it has too many entries: what is not indexed would not be found.
        """
        rules = self._rules(resource["resourceType"])
        found: set[str] = set()
        for member, value in resource.items():
            own = rules.members.get(member)
            if own is not None:
                values = [each for each in value if each is not None] if isinstance(value, list) else [value]
                _apply(own, values, found)
        if rules.whole:
            _apply(rules.whole, [resource], found)
        most = LARGE.get(resource["resourceType"], MOST)
        for each in rules.composites:
            _combine(each, resource, found, most)
        if len(found) > most:
            raise Unprocessable(
                f"The {resource['resourceType']} has {len(found)} searchable values, the limit is {most}: split it",
                f"{resource['resourceType']} có {len(found)} giá trị tìm kiếm, giới hạn là {most}: hãy chia nhỏ",
            )
        entries = tuple(sorted(found))
        return Index(entries, _patient(resource, entries, rules.patient))

    def _rules(self, type: str) -> _Type:
        rules = self._types.get(type)
        if rules is None:
            rules = self._types[type] = self._compile(type)
        return rules

    def _compile(self, type: str) -> _Type:
        parameters = self.catalogue.indexed(type)
        linking = self.catalogue.definitions.compartments["Patient"].get(type, [])
        rules = _Type({}, [], [], tuple(f"{parameters[code].name}|" for code in linking if code in parameters))
        for code, parameter in parameters.items():
            if parameter.unsupported is not None or parameter.name != code or code in BUILT_IN:
                continue
            if parameter.type == "composite":
                rules.composites.append(self._composite(parameter))
            else:
                self._add(parameter, rules)
        return rules

    def _add(self, parameter: Parameter, rules: _Type) -> None:
        for branch in parameter.branches:
            read = self.catalogue.reader(parameter, branch)
            if read is None:
                continue
            if branch.head is None:
                rules.whole.append(_Rule(parameter.name, branch.get(), read))
            else:
                values = branch.tail() if len(branch.steps) > 1 else None
                rules.members.setdefault(branch.head, []).append(_Rule(parameter.name, values, read))

    def _composite(self, parameter: Parameter) -> _Composite:
        parts = []
        for component in parameter.components:
            readers = [(branch.get(), self.catalogue.reader(component, branch)) for branch in component.branches]
            parts.append((component.from_resource, [(get, read) for get, read in readers if read is not None]))
        return _Composite(parameter.name, [branch.get() for branch in parameter.branches], parts)


def _apply(rules: Iterable[_Rule], values: list[Any], found: set[str]) -> None:
    for name, select, read in rules:
        for value in values if select is None else select(values):
            rests = read(value)
            if rests:
                for rest in rests:
                    found.add(name + rest)
            else:
                found.add(name + PRESENT)


def _combine(rule: _Composite, resource: Json, found: set[str], most: int) -> None:
    for elements in rule.elements:
        for element in elements([resource]):
            parts = []
            for whole, readers in rule.parts:
                source = [resource if whole else element]
                parts.append([rest for get, read in readers for value in get(source) for rest in read(value)])
            found.update(rule.name + rest for rest in composite.rests(parts))
            if len(found) > most:
                return  # to be refused: pairs multiply


def _patient(resource: Json, entries: Iterable[str], links: tuple[str, ...]) -> str | None:
    if resource["resourceType"] == "Patient":
        return resource.get("id")
    if not links:
        return None
    ids = {entry.split("|")[1] for entry in entries if entry.endswith("|Patient") and entry.startswith(links)}
    return ids.pop() if len(ids) == 1 else None
