"""Elements: what a profile demands of one element, applied in the objects that have it.

https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/conformance-rules.html#mustSupport
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fhir_server.definitions.model import Member
from fhir_server.validation.occurrences import Check, Count, Found, finder
from fhir_server.validation.report import Path, Walk, below
from fhir_server.validation.rules import Node
from fhir_server.validation.slicing import Sorter
from fhir_server.validation.structure import step_of

Json = dict[str, Any]
Applied = Callable[[Json, Path, Walk], None]  # of an element, in the object that has it


class Rules(NamedTuple):
    """What is demanded of an element."""

    node: Node
    checks: Mapping[str, Sequence[Check]]  # of one value, by property
    counts: Count | None
    allowed: Callable[[Found, Walk], None] | None  # the types of a choice
    sorter: Sorter | None

    def beyond_values(self) -> bool:
        """Return whether more is demanded than of each value alone."""
        return bool(self.counts or self.allowed or self.sorter or self.node.must_support)


def applied(rules: Rules, own: Mapping[str, Member]) -> Applied:
    """Return the check of an element that has the properties `own`, in the object that has it."""
    node, checks, count, allowed, sorter = rules
    values_of = finder(own)

    def apply(owner: Json, path: Path, walk: Walk) -> None:
        found = values_of(owner, path)
        if count is not None and not count.least <= len(found) <= count.most:
            count.tell(len(found), path, walk)
        if not found and node.must_support and walk.must_support:
            _unsupported(node, node.must_support, path, walk)
        for name, value, at in found:
            if value is not None:
                for check in checks[name]:
                    check(value, at, walk)
        if allowed is not None:
            allowed(found, walk)
        if sorter is not None:
            sorter.sort(found, path, walk)

    return apply if len(own) > 1 or sorter is not None or allowed is not None else _single(apply, rules, own)


def _single(others: Applied, rules: Rules, own: Mapping[str, Member]) -> Applied:
    """Return `others`, quicker for an element that has one property and no slices, as most have."""
    ((name, member),) = own.items()
    step, checks, count, beside = step_of(name, member), rules.checks[name], rules.counts, "_" + name

    def apply(owner: Json, path: Path, walk: Walk) -> None:
        value = owner.get(name)
        number = len(value) if type(value) is list else 0 if value is None else 1
        if not number and (beside in owner or walk.must_support):
            others(owner, path, walk)
            return
        if count is not None and not count.least <= number <= count.most:
            count.tell(number, path, walk)
        if not checks or not number:
            return
        depth = path[3] + 1
        if type(value) is not list:
            for check in checks:
                check(value, (path, step, None, depth), walk)
            return
        for index, item in enumerate(value):
            if item is not None:
                for check in checks:
                    check(item, (path, step, index, depth), walk)

    return apply


def within(
    always: Sequence[Applied],
    by_property: Mapping[str, Applied],
    supported: Sequence[tuple[str, Applied]],
    constraints: Sequence[Check],
) -> Check:
    """Return the check of a value: the elements in it, those of `by_property` where they are, and its constraints.

    Of `supported` elements, which are among those, the absence is told to who asks for it.
    """

    def check(value: Any, path: Path, walk: Walk) -> None:
        if type(value) is dict:
            for element in always:
                element(value, path, walk)
            if by_property:
                for name in value:
                    if name in by_property:
                        by_property[name](value, path, walk)
            if walk.must_support:
                for name, element in supported:
                    if name not in value and "_" + name not in value:
                        element(value, path, walk)
        for constraint in constraints:
            constraint(value, path, walk)

    return check


def unless(name: str, element: Applied) -> Applied:
    """Return the check for `_name`, which is that of `name` when there is no value beside it."""

    def apply(owner: Json, path: Path, walk: Walk) -> None:
        if name not in owner:
            element(owner, path, walk)

    return apply


def allowed(node: Node, own: Mapping[str, Member]) -> Callable[[Found, Walk], None] | None:
    """Return the check that a choice has one of the types that the profile allows."""
    types = node.types
    if types is None or not next(iter(own.values())).element.choice:
        return None
    codes = {kind["code"] for kind in types.value}
    if all(member.type in codes for member in own.values()):
        return None
    names = [name for name, member in own.items() if member.type in codes]

    def check(found: Found, walk: Walk) -> None:
        for name, _, at in found:
            if name not in names:
                walk.error(
                    "structure",
                    at,
                    f"{node.id}:type",
                    f"{name} is not allowed by the profile: use {' or '.join(names)}",
                    f"Hồ sơ không cho phép {name}: hãy dùng {' hoặc '.join(names)}",
                    types.profile,
                )

    return check


def _unsupported(node: Node, profile: str, path: Path, walk: Walk) -> None:
    walk.add(
        "information",
        "informational",
        below(path, node.name.removesuffix("[x]")),
        f"{node.id}:mustSupport",
        (
            f"{node.id} is not given: who has it sends it (mustSupport)",
            f"Chưa có {node.id}: bên gửi có dữ liệu thì phải gửi (mustSupport)",
        ),
        profile,
    )
