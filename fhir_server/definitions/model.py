"""What a definition says, as frozen values: types, elements, search parameters.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["primitive-type", "complex-type", "resource"]
Strength = Literal["required", "extensible", "preferred", "example"]


class TypeRef(NamedTuple):
    """A type that an element may have."""

    code: str
    targets: tuple[str, ...] = ()  # of a Reference or canonical: resource type names or profile URLs; (): any
    profiles: tuple[str, ...] = ()


class Binding(NamedTuple):
    """The value set that an element's codes come from."""

    strength: Strength
    value_set: str  # canonical URL without version


class Constraint(NamedTuple):
    """An invariant (FHIRPath) that an element obeys."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type, as its snapshot gives it."""

    path: str  # "Patient.contact.name", "Observation.value[x]"
    name: str  # "name", "value[x]"
    min: int
    max: int | None  # None: unbounded
    types: tuple[TypeRef, ...] = ()
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    summary: bool = False
    modifier: bool = False
    content: str | None = None  # path of the element whose children this one has ("Bundle.link")
    children: tuple["Element", ...] = ()

    @property
    def choice(self) -> bool:
        """True for `value[x]`."""
        return self.name.endswith("[x]")


class Member(NamedTuple):
    """A JSON property: the element that it belongs to and the type that its name says it has."""

    element: Element
    type: str  # "BackboneElement" and "Element" have their children in `element`


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A primitive type, a data type or a resource type."""

    name: str
    kind: Kind
    base: str | None
    abstract: bool
    root: Element
    pattern: str | None = None  # of a primitive: its regular expression
    members: Mapping[str, Member] = field(default_factory=dict)  # JSON property (without "_") → element and type


class Component(NamedTuple):
    """A part of a composite search parameter."""

    code: str
    type: str
    expression: str  # relative to the composite's expression


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as one resource type has it.

    https://hl7.org/fhir/R4/searchparameter.html
    """

    code: str
    type: str  # token, string, date, reference, quantity, number, uri, composite, special
    url: str
    base: str  # the resource type, or Resource / DomainResource
    expression: str | None  # only the parts that speak of `base`
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
