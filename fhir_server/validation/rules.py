"""A profile's rules as one tree: its differential laid over those of the profiles that it derives from.

https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhir_server.validation import invariants
from fhir_server.validation.invariants import Rule

Json = dict[str, Any]

R4 = "http://hl7.org/fhir/StructureDefinition/"
MAX_CHAIN = 16  # profiles that derive from each other


class Limit(NamedTuple):
    """A number and the profile that demands it."""

    number: int
    profile: str


class Demanded(NamedTuple):
    """A fixed value, a pattern, a list of types or a binding, and the profile that demands it."""

    value: Any
    profile: str


@dataclass(slots=True)
class Node:
    """What profiles say of one element, or of one slice of it."""

    id: str  # "Patient.identifier:CCCD.value"
    name: str  # "value"
    label: tuple[str, str] = ("", "")  # what the element is, en and vi
    min: Limit | None = None
    max: Limit | None = None
    fixed: list[Demanded] = field(default_factory=list)
    patterns: list[Demanded] = field(default_factory=list)
    bindings: list[Demanded] = field(default_factory=list)  # (strength, value set)
    types: Demanded | None = None
    least: list[Demanded] = field(default_factory=list)  # minValue[x]
    most: list[Demanded] = field(default_factory=list)  # maxValue[x]
    longest: Demanded | None = None  # maxLength, in characters
    must_support: str | None = None  # the profile that says so
    constraints: dict[str, Rule] = field(default_factory=dict)
    slicing: Json | None = None
    sliced_by: str | None = None  # the profile that says how
    children: dict[str, "Node"] = field(default_factory=dict)
    slices: dict[str, "Node"] = field(default_factory=dict)
    profile: str | None = None  # of a root: the profile's canonical URL; else the first that names the element

    def child(self, name: str) -> "Node":
        """Return the node of child `name`, made when there is none."""
        return self.children.setdefault(name, Node(f"{self.id}.{name}", name))

    def given(self, name: str) -> "Node | None":
        """Return the node of child `name`; of a choice that of `name[x]` or of its first type."""
        found = self.children.get(name) or self.children.get(f"{name}[x]")
        if found is None:
            typed = (key for key in self.children if key.startswith(name) and key[len(name) : len(name) + 1].isupper())
            found = next((self.children[key] for key in typed), None)
        return found

    def slice(self, name: str) -> "Node":
        """Return the node of slice `name`, made when there is none."""
        sign = "/" if ":" in self.id.rpartition(".")[2] else ":"  # a slice's own slices are "slice/reslice"
        return self.slices.setdefault(name, Node(f"{self.id}{sign}{name}", self.name))


def chain(url: str, profile: Callable[[str], Json | None]) -> list[Json]:
    """Return the profile and those it derives from, most derived first; ends where the base is not known."""
    found: list[Json] = []
    while (definition := profile(url.partition("|")[0])) is not None and definition not in found:
        if len(found) == MAX_CHAIN:
            break
        found.append(definition)
        url = definition.get("baseDefinition", "")
    return found


def tree(definitions: list[Json]) -> Node:
    """Return the rules of a chain of profiles (most derived first) as one tree."""
    root = Node(definitions[0]["type"], definitions[0]["type"], profile=definitions[0]["url"])
    for definition in reversed(definitions):
        for element in _elements(definition):
            node = root
            for name, slices in steps(element):
                node = node.child(name)
                node.profile = node.profile or definition["url"]
                for slice in slices:
                    node = node.slice(slice)
            _lay(element, node, definition["url"])
    return root


def _elements(definition: Json) -> list[Json]:
    view = definition.get("differential") or definition.get("snapshot") or {}
    elements: list[Json] = view.get("element", [])
    return elements


def steps(element: Json) -> Iterator[tuple[str, list[str]]]:
    """Yield the element names below the root, each with its slice and reslices."""
    parts = (element.get("id") or _id(element)).split(".")
    for part in parts[1:]:
        name, _, slice = part.partition(":")
        yield name, slice.split("/") if slice else []


def _id(element: Json) -> str:
    path, name = str(element["path"]), element.get("sliceName")
    return f"{path}:{name}" if name else path


def _lay(element: Json, node: Node, profile: str) -> None:
    """Lay one ElementDefinition over what is known of the element."""
    if "short" in element:
        node.label = (element["short"], invariants.translated(element, "short") or element["short"])
    if "min" in element and (node.min is None or element["min"] > node.min.number):
        node.min = Limit(element["min"], profile)
    if element.get("max", "*") != "*":
        most = int(element["max"])
        if node.max is None or most < node.max.number:
            node.max = Limit(most, profile)
    _lay_values(element, node, profile)
    if "binding" in element:
        binding = element["binding"]
        node.bindings.append(Demanded((binding["strength"], binding.get("valueSet", "").partition("|")[0]), profile))
    if "type" in element:
        node.types = Demanded(element["type"], profile)
    for constraint in element.get("constraint", ()):
        if constraint.get("source", profile).startswith(R4) and not profile.startswith(R4):
            continue  # a snapshot tells those of its bases again: R4's own are checked as such
        node.constraints[constraint["key"]] = invariants.rule(constraint, profile)
    if element.get("mustSupport"):
        node.must_support = profile
    if "slicing" in element:
        node.slicing, node.sliced_by = element["slicing"], profile


def _lay_values(element: Json, node: Node, profile: str) -> None:
    places = {"fixed": node.fixed, "pattern": node.patterns, "minValue": node.least, "maxValue": node.most}
    for name, value in element.items():
        for prefix, place in places.items():
            if name.startswith(prefix):
                place.append(Demanded(value, profile))
    if "maxLength" in element:
        node.longest = Demanded(element["maxLength"], profile)
