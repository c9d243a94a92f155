"""Slicing: the values of an element given to its slices, in order where order is told, and counted there.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_server.validation.discriminators import Belongs, Has
from fhir_server.validation.occurrences import Check, Count, Found, counter
from fhir_server.validation.report import Path, Walk
from fhir_server.validation.rules import Node


@dataclass(slots=True)
class Slice:
    """A slice: which values belong to it, what is demanded of them, how many there may be."""

    node: Node
    belongs: Belongs | None  # None: whatever has one of the properties in `checks` (the types of a choice)
    checks: Mapping[str, list[Check]]  # by property
    within: "Sorter | None" = None  # its own slices
    counts: Count | None = field(init=False)

    def __post_init__(self) -> None:
        self.counts = counter(self.node, None)

    def demands_values(self) -> bool:
        """Return whether the slice, or one of its own, must have values."""
        return (self.counts is not None and self.counts.least > 0) or (
            self.within is not None and bool(self.within.demanding)
        )


@dataclass(slots=True)
class Sorter:
    """Gives values to slices."""

    id: str  # of the sliced element
    profile: str | None
    rules: str  # open | closed | openAtEnd
    ordered: bool
    slices: list[Slice]
    quick: tuple[str, dict[str, int]] | None = field(init=False)  # a property, and the slice that each of its texts has
    demanding: tuple[int, ...] = field(init=False)  # the slices that must have values

    def __post_init__(self) -> None:
        self.quick = _by_text(self.slices)
        self.demanding = tuple(number for number, slice in enumerate(self.slices) if slice.demands_values())

    def sort(self, found: Found, path: Path, walk: Walk) -> None:
        """Give each value to the first slice that it belongs to, and check it there."""
        members: dict[int, Found] = {position: [] for position in self.demanding}
        last, others = 0, False
        for one in found:
            position = self._position(one, walk)
            if position is None:
                others = True
                if self.rules == "closed":
                    self._stray(one[2], walk)
                continue
            members.setdefault(position, []).append(one)
            if (self.ordered and position < last) or (others and self.rules == "openAtEnd"):
                self._misplaced(one[2], self.slices[position].node, walk)
            if self.ordered:
                last = max(last, position)
        for position in sorted(members):
            _check(self.slices[position], members[position], path, walk)

    def _position(self, one: tuple[str, object, Path], walk: Walk) -> int | None:
        name, value, _ = one
        if self.quick is not None:
            text = value.get(self.quick[0]) if type(value) is dict else None
            return self.quick[1].get(text) if type(text) is str else None
        for position, slice in enumerate(self.slices):
            if name in slice.checks and (slice.belongs is None or slice.belongs(value, walk)):
                return position
        return None

    def _stray(self, at: Path, walk: Walk) -> None:
        walk.error(
            "structure",
            at,
            f"{self.id}:slicing",
            f"This value belongs to no slice of {self.id}, and others are not allowed: remove it",
            f"Giá trị này không thuộc lát cắt (slice) nào của {self.id}, không cho phép giá trị khác: hãy bỏ đi",
            self.profile,
        )

    def _misplaced(self, at: Path, node: Node, walk: Walk) -> None:
        walk.error(
            "structure",
            at,
            f"{self.id}:order",
            f"The values of {self.id} have an order, in which this one ({node.id}) comes earlier: move it",
            f"Các giá trị của {self.id} phải theo thứ tự, giá trị này ({node.id}) phải đứng trước: hãy chuyển chỗ",
            self.profile,
        )


def _by_text(slices: list[Slice]) -> tuple[str, dict[str, int]] | None:
    """Return how slices are looked up that are all told apart by the text of one property; None when they are not."""
    tests = [slice.belongs for slice in slices]
    told = [test for test in tests if isinstance(test, Has)]
    if len(told) < len(tests) or len({test.name for test in told}) != 1 or len({*map(_properties, slices)}) != 1:
        return None
    found: dict[str, int] = {}
    for position, test in enumerate(told):
        for text in test.texts:
            found.setdefault(text, position)
    return told[0].name, found


def _properties(slice: Slice) -> frozenset[str]:
    return frozenset(slice.checks)


def _check(slice: Slice, own: Found, path: Path, walk: Walk) -> None:
    for name, value, at in own:
        if value is not None:
            for check in slice.checks[name]:
                check(value, at, walk)
    counts = slice.counts
    if counts is not None and not counts.least <= len(own) <= counts.most:
        counts.tell(len(own), path, walk)
    if slice.within is not None:
        slice.within.sort(own, path, walk)
