"""The search parameters of each resource type, compiled from their definitions.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from zoneinfo import ZoneInfo

from fhir_server.definitions import Definitions, core_facts, units
from fhir_server.definitions.model import Component, SearchParameter
from fhir_server.fhirpath import paths
from fhir_server.fhirpath.paths import Branch
from fhir_server.search.types import date, number, position, quantity, reference, special, string, token, uri
from fhir_server.search.values import Context, Reader

# Their values are the document's own id and sequence: they have no entries.
BUILT_IN = frozenset({"_id", "_lastUpdated"})
# R4 gives the components of this one each other's expressions.
_SWAPPED = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A search parameter as one resource type has it, with what is needed to index it and to match its entries."""

    code: str
    type: str  # token, string, date, reference, quantity, number, uri, composite, special
    name: str  # of its entries: another parameter's code when both say the same
    url: str
    targets: tuple[str, ...] = ()  # resource types that a reference parameter can point at; (): any
    branches: tuple[Branch, ...] = ()
    components: tuple["Parameter", ...] = ()
    from_resource: bool = False  # a component whose expression starts at the resource, not at the composite's element
    implied: Mapping[str, frozenset[str]] = field(default_factory=dict)  # codes by system of elements of type `code`
    unsupported: tuple[str, str] | None = None  # why it cannot be searched (en, vi)
    building: "Building | None" = None  # it cannot be searched yet; then `unsupported` says so, too

    @property
    def canonical(self) -> bool:
        """True when it speaks of canonical URLs, which may carry a version."""
        return any(branch.type == "canonical" for branch in self.branches)

    @property
    def single(self) -> bool:
        """True when a resource has at most one value of it, whose entries may be judged together."""
        return len({branch.path for branch in self.branches}) == 1 and all(branch.single for branch in self.branches)

    @property
    def systems(self) -> bool:
        """True when a token parameter speaks of types that carry the system of their code."""
        return any(branch.type in token.WITH_SYSTEM for branch in self.branches)

    @property
    def intervals(self) -> bool:
        """True when a number parameter can meet a Range."""
        return any(branch.type == "Range" for branch in self.branches)


@dataclass(slots=True)
class Building:
    """How far the index of a type is; told to who asks for a parameter that it is made for."""

    done: int = 0
    total: int = 0
    failed: bool = False  # some resources could not be indexed: it does not go on by itself

    def follow(self, newer: "Building") -> None:
        """Take over how far it is."""
        self.done, self.total, self.failed = newer.done, newer.total, newer.failed

    @property
    def reason(self) -> tuple[str, str]:
        """Why it cannot be searched yet (en, vi)."""
        if self.failed:
            return (
                "some resources could not be indexed, GET [base]/$reindex tells which",
                "một số tài nguyên không lập được chỉ mục, xem GET [base]/$reindex",
            )
        percent = min(99, 100 * self.done // self.total) if self.total else 0
        return (
            f"its index is being built ({percent} % done), GET [base]/$reindex tells how far",
            f"chỉ mục đang được lập (đã xong {percent} %), xem GET [base]/$reindex",
        )


Unbuilt = Mapping[str, Mapping[str, Building]]  # resource type → name of entries → how far they are


class Catalogue:
    """The search parameters that a server knows, compiled type by type when first asked for."""

    def __init__(self, definitions: Definitions, base_url: str, zone: ZoneInfo):
        self.definitions = definitions
        self.unbuilt: Unbuilt = {}
        self.context = Context(
            definitions=definitions,
            base_url=base_url.rstrip("/"),
            zone=zone,
            resource_types=definitions.resource_types,
            # Those of R4 alone: a code system that comes or goes must not change what is stored already.
            case_sensitive=frozenset(
                {units.URL, *(url for url, facts in core_facts()["codeSystems"].items() if facts["caseSensitive"])}
            ),
        )
        self._types: dict[str, Mapping[str, Parameter]] = {}
        self._searchable: dict[str, Mapping[str, Parameter]] = {}

    def without(self, unbuilt: Unbuilt) -> "Catalogue":
        """Return this catalogue with the parameters `unbuilt` marked as those that cannot be searched yet."""
        other = copy(self)
        other.__dict__.pop("referring", None)
        other.unbuilt = unbuilt
        other._searchable = {}
        return other

    def knowing(self, meanings: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]) -> "Catalogue":
        """Return this catalogue for one search, of whose values it is known what they stand for."""
        other = copy(self)
        other.context = replace(self.context, meanings=meanings)
        return other

    def parameters(self, type: str) -> Mapping[str, Parameter]:
        """Return the parameters of resource type `type` by code, those that cannot be searched included."""
        if type not in self._searchable:
            known = self.indexed(type)
            if missing := self.unbuilt.get(type):
                known = MappingProxyType({code: _marked(each, missing) for code, each in known.items()})
            self._searchable[type] = known
        return self._searchable[type]

    def indexed(self, type: str) -> Mapping[str, Parameter]:
        """Return the parameters by which resources of `type` are indexed, whether or not all of them are already."""
        if type not in self._types:
            self._types[type] = MappingProxyType(self._compiled(type))
        return self._types[type]

    def compiled(self, type: str, definition: SearchParameter) -> Parameter:
        """Return a parameter as `type` would have it; `unsupported` says why it cannot have it."""
        return self._parameter(type, definition, definition.code)

    @cached_property
    def referring(self) -> Mapping[str, list[str]]:
        """The references, as `Type:code`, that name a resource type among not too many targets, by that type."""
        found: dict[str, list[str]] = {}
        for source in sorted(self.context.resource_types):
            known = self.parameters(source)
            for code in searchable(known):
                if known[code].type == "reference" and len(known[code].targets) < len(self.context.resource_types):
                    for target in known[code].targets:
                        found.setdefault(target, []).append(f"{source}:{code}")
        return MappingProxyType(found)

    def _compiled(self, type: str) -> dict[str, Parameter]:
        definitions = self.definitions.search_parameters(type)
        named = names(definitions)
        return {code: self._parameter(type, definition, named[code]) for code, definition in definitions.items()}

    def _parameter(self, type: str, definition: SearchParameter, name: str) -> Parameter:
        code, kind, url = definition.code, definition.type, definition.url
        reason = special.OF_CONCEPTS if url == special.CONCEPTS else special.reason(code, kind)
        if reason is None and not definition.expression:
            reason = special.NO_EXPRESSION
        if reason is not None or not definition.expression:
            return Parameter(code, kind, name, url, unsupported=reason)
        try:
            branches = self._branches(type, definition.expression)
            components = tuple(self._component(type, part, definition, branches) for part in definition.components)
        except paths.Unsupported as error:
            return Parameter(code, kind, name, url, unsupported=(f"its expression: {error}", f"biểu thức: {error}"))
        parameter = Parameter(
            code=code,
            type=kind,
            name=name,
            url=url,
            targets=_targets(definition.targets, branches),
            branches=branches,
            components=components,
            implied=self._implied(branches) if kind == "token" else {},
        )
        if kind == "composite" or code in BUILT_IN or any(self.reader(parameter, branch) for branch in branches):
            return parameter
        return Parameter(code, kind, name, url, unsupported=special.NOT_INDEXED)

    def _branches(self, focus: str | Branch, expression: str) -> tuple[Branch, ...]:
        branches = paths.compile(self.definitions, focus, expression)
        if any(branch.type == "Extension" for branch in branches):
            return paths.compile(self.definitions, focus, f"({expression}).value")
        return branches

    def _component(
        self, type: str, part: Component, composite: SearchParameter, elements: Sequence[Branch]
    ) -> Parameter:
        expression = part.expression
        if composite.url == _SWAPPED:
            expression = next(other.expression for other in composite.components if other != part)
        from_resource = expression.startswith("%resource.")
        if from_resource:
            branches = self._branches(type, expression.removeprefix("%resource."))
        else:
            branches = tuple(branch for element in elements for branch in self._branches(element, expression))
        return Parameter(
            code=part.code,
            type=part.type,
            name=composite.code,
            url=composite.url,
            targets=_targets((), branches),
            branches=tuple({branch.path + branch.type: branch for branch in branches}.values()),
            from_resource=from_resource,
            implied=self._implied(branches) if part.type == "token" else {},
        )

    def _implied(self, branches: Iterable[Branch]) -> Mapping[str, frozenset[str]]:
        implied: dict[str, frozenset[str]] = {}
        for branch in branches:
            binding = branch.member.element.binding if branch.member is not None else None
            if branch.type == "code" and binding is not None:
                for system, codes in (self.definitions.codes(binding.value_set) or {}).items():
                    implied[system] = implied.get(system, frozenset()) | codes
        return MappingProxyType(implied)

    def reader(self, parameter: Parameter, branch: Branch) -> Reader | None:
        """Return how the values of one branch of `parameter` are indexed; None when they are not."""
        match parameter.type:
            case "token":
                return token.reader(branch.type, self.context)
            case "string":
                return string.reader(branch.type, branch.path, self.context)
            case "date":
                return date.reader(branch.type, self.context)
            case "reference":
                return reference.reader(branch.type, self.context)
            case "quantity":
                return quantity.reader(branch.type, self.context)
            case "number":
                return number.reader(branch.type, self.context)
            case "uri":
                return uri.reader(branch.type, self.context)
            case "special":
                return position.reader(branch.path)
            case _:
                return None


def names(definitions: Mapping[str, SearchParameter]) -> dict[str, str]:
    """Return under which name the entries of each parameter of a type stand: those that say the same share one."""
    same: dict[tuple[str, str], str] = {}
    found = {}
    for code, definition in definitions.items():
        shared = definition.expression is not None and not definition.components and code not in BUILT_IN
        found[code] = same.setdefault((definition.type, definition.expression or ""), code) if shared else code
    return found


def _marked(parameter: Parameter, missing: Mapping[str, Building]) -> Parameter:
    building = missing.get(parameter.name)
    if building is None or parameter.unsupported is not None:
        return parameter
    return replace(parameter, building=building, unsupported=building.reason)


def _targets(declared: Iterable[str], branches: Iterable[Branch]) -> tuple[str, ...]:
    """Return the declared targets that the elements can really point at."""
    possible: set[str] = set()
    for branch in branches:
        if branch.type == "Reference" and (not branch.targets or "Resource" in branch.targets):
            return tuple(declared)
        possible.update(branch.targets)
    declared = tuple(declared)
    return tuple(type for type in declared if type in possible) or declared or tuple(sorted(possible))


def searchable(parameters: Mapping[str, Parameter]) -> list[str]:
    """Return the codes of those parameters that can be searched, in order."""
    return sorted(code for code, parameter in parameters.items() if parameter.unsupported is None)
