"""What names mean in expressions on one resource type: the choices of its elements, and the resource types.

https://hl7.org/fhir/R4/fhirpath.html#polymorphism
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Element


class Names(NamedTuple):
    """What names mean in expressions on one resource type."""

    choices: Mapping[str, Mapping[str, str]]  # "value" → {"valueQuantity": "Quantity", …}
    resources: frozenset[str]


def together(several: Sequence[Names]) -> Names:
    """Return what names mean in expressions that look from one resource into others; `several` is not empty."""
    if len(several) == 1:
        return several[0]
    choices: dict[str, dict[str, str]] = {}
    for each in several:
        for stem, properties in each.choices.items():
            choices.setdefault(stem, {}).update(properties)
    return Names(choices, several[0].resources)


def names(definitions: Definitions, type: str) -> Names:
    """Return what names mean in expressions on `type`: the choices of it and of all data types within it."""
    choices: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    waiting = [type, "Extension"]

    def visit(element: Element) -> None:
        for kind in element.types:
            waiting.append(kind.code)
            if element.choice:
                stem = element.name.removesuffix("[x]")
                choices.setdefault(stem, {})[stem + kind.code[0].upper() + kind.code[1:]] = kind.code
        for child in element.children:
            visit(child)

    while waiting:
        name = waiting.pop()
        definition = None if name in seen else definitions.type(name)
        seen.add(name)
        if definition is not None and definition.kind != "primitive-type":
            visit(definition.root)
    return Names(choices, definitions.resource_types)
