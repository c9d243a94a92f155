"""Occurrences: the values of an element in the object that has it, and how many there may be.

https://hl7.org/fhir/R4/conformance-rules.html#cardinality
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from fhir_server.definitions.model import Element, Member
from fhir_server.validation.report import Path, Walk, below
from fhir_server.validation.rules import Limit, Node
from fhir_server.validation.shapes import too_many
from fhir_server.validation.structure import step_of

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]  # of one value
Found = list[tuple[str, Any, Path]]  # property, value (None: only an extension), path


def finder(own: Mapping[str, Member]) -> Callable[[Json, Path], Found]:
    """Return the function that finds the values of an element in the object that has it."""
    steps = {name: (name, step_of(name, member)) for name, member in own.items()}
    steps |= {"_" + name: step for name, step in steps.items()}
    if len(own) > 1:

        def of_choice(owner: Json, path: Path) -> Found:
            given = {steps[name]: None for name in owner if name in steps}
            if len(given) == 1:  # as most often
                ((name, step),) = given
                return _found(owner, name, step, path)
            return [one for name, step in given for one in _found(owner, name, step, path)]

        return of_choice
    ((name, step), *_) = steps.values()
    return lambda owner, path: _found(owner, name, step, path)


def _found(owner: Json, name: str, step: str, path: Path) -> Found:
    value = owner.get(name)
    depth = path[3] + 1
    if type(value) is list:
        return [(name, item, (path, step, index, depth)) for index, item in enumerate(value)]
    if value is None:
        extras = owner.get("_" + name)
        if extras is None:
            return []
        if type(extras) is list:
            return [(name, None, (path, step, index, depth)) for index in range(len(extras))]
    return [(name, value, (path, step, None, depth))]


class Count:
    """How often an element or slice may occur in its object."""

    __slots__ = ("_least", "_most", "_named", "_node", "least", "most")

    def __init__(self, node: Node, least: Limit | None, most: Limit | None):
        self._node, self._least, self._most = node, least, most
        self.least: int = 0 if least is None else least.number
        self.most: float = inf if most is None else most.number
        en, vi = node.label
        self._named = f" ({en})" if en else "", f" ({vi})" if vi else ""

    def tell(self, number: int, path: Path, walk: Walk) -> None:
        """Report that the object at `path` has `number` of them, which are too few or too many."""
        node, (en, vi) = self._node, self._named
        at = below(path, node.name.removesuffix("[x]"))
        if self._least is not None and number < self.least:
            walk.error(
                "required",
                at,
                f"{node.id}:min",
                f"{node.id}{en} is missing: the profile wants at least {self.least}, there are {number}",
                f"Thiếu {node.id}{vi}: hồ sơ yêu cầu ít nhất {self.least}, hiện có {number}",
                self._least.profile,
            )
        if self._most is not None and number > self.most:
            too_many(walk, at, node.id, number, self._most.number, self._most.profile)


def counter(node: Node, element: Element | None) -> Count | None:
    """Return how often an element or slice may occur in its object; None when the type says as much."""
    least, most = node.min, node.max
    if least is not None and least.number <= (0 if element is None else element.min):
        least = None
    if most is not None and element is not None and element.max is not None and most.number >= element.max:
        most = None
    return None if least is None and most is None else Count(node, least, most)
