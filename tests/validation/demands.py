"""What R4 and the profiles demand of each place in a resource, read from the definitions and not from what is compiled.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from typing import Any, NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member
from fhir_server.validation import rules
from fhir_server.validation.rules import Node

Json = dict[str, Any]
Path = tuple[str | int, ...]


class Place(NamedTuple):
    """One place of a resource: its element in R4, what profiles say of it, and of the slices that its value is of."""

    member: Member
    nodes: tuple[Node, ...]
    slices: tuple[Node, ...]

    @property
    def least(self) -> int:
        """How many values there are at least; the mark that a slice is told by belongs to what is in the slice only."""
        told = (node.min.number for node in self.nodes if node.min is not None and not node.fixed)
        return max((self.member.element.min, *told))

    @property
    def most(self) -> int | None:
        """How many values of its kind (of its slice, where it is of one) there are at most; None: any number."""
        limits = [node.max.number for node in (*self.nodes, *self.slices) if node.max is not None]
        return min(limits, default=self.member.element.max)

    @property
    def types(self) -> set[str] | None:
        """Which types of a choice profiles let; None when they say nothing."""
        told = [node.types.value for node in self.nodes if node.types is not None]
        return {kind["code"] for kinds in told for kind in kinds} if told else None

    @property
    def required_codes(self) -> bool:
        """Whether its codes come from a closed list."""
        binding = self.member.element.binding
        told = (strength for node in self.nodes for strength, _ in (each.value for each in node.bindings))
        return (binding is not None and binding.strength == "required") or "required" in told


class Demands:
    """What definitions demand of resources that follow one of their profiles."""

    def __init__(self, definitions: Definitions):
        self._definitions = definitions

    def tree(self, url: str) -> Node | None:
        """Return what profile `url` and those that it derives from say; None when it is not known."""
        chain = rules.chain(url, self._definitions.profile)
        return rules.tree(chain) if chain else None

    def at(self, resource: Json, path: Path) -> Place | None:
        """Return what is demanded at `path`; None where no element of R4 is."""
        definition = self._definitions.type(resource["resourceType"])
        assert definition is not None
        members = definition.members
        nodes = [root for url in resource["meta"]["profile"] if (root := self.tree(url))]
        value: Any = resource
        place: Place | None = None
        slices: list[Node] = []
        for step in path:
            value = value.get(step) if isinstance(value, dict) else value[step]
            if isinstance(step, str):
                name = step.removeprefix("_")
                if name not in members:
                    return None
                member = members[name]
                members = self._definitions.members(member)
                every = (node.given(name) or node.children.get(member.element.name) for node in nodes)
                nodes = [child for child in every if child is not None]
                place = Place(member, tuple(nodes), ())
                slices = [slice for node in nodes for slice in node.slices.values()]
            if isinstance(value, dict) and place is not None:
                own = [slice for slice in slices if _is_of(slice, value)]
                place = place._replace(slices=tuple(own))
                nodes = [*nodes, *own, *self._of_types([*nodes, *own], value, place.member)]
                slices = []
        return place

    def _of_types(self, nodes: list[Node], value: Json, member: Member) -> list[Node]:
        """Return the roots of the profiles that the type of an element names, and of an extension's definition."""
        told = [kind for node in nodes if node.types is not None for kind in node.types.value]
        urls = {url for kind in told if kind["code"] == member.type for url in kind.get("profile", ())}
        if member.type == "Extension" and ":" in value.get("url", ""):
            urls.add(value["url"])
        return [root for url in sorted(urls) if (root := self.tree(url))]


def _is_of(slice: Node, value: Json) -> bool:
    """Return whether `value` has what tells the slice from others: a system, a url or a code."""
    if slice.types is not None and any(value.get("url") in kind.get("profile", ()) for kind in slice.types.value):
        return True
    told = [(name, slice.children[name]) for name in ("system", "url", "code") if name in slice.children]
    fixed = [(name, each.value) for name, child in told for each in (*child.fixed, *child.patterns)]
    return bool(fixed) and all(_fits(value.get(name), wanted) for name, wanted in fixed)


def _fits(value: Any, wanted: Any) -> bool:
    """Return whether a value is as fixed, or holds what a pattern of codes holds."""
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    codes = [(row.get("system"), row.get("code")) for row in (value or {}).get("coding", ())]
    return all((row.get("system"), row.get("code")) in codes for row in wanted.get("coding", ()))
