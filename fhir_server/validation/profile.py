"""Profiles: the rules that a StructureDefinition adds to its type, compiled to closures.

https://hl7.org/fhir/R4/profiling.html

A profile visits only the elements that it has rules for, after the structure has been checked; a value of the wrong
shape has been reported by then, and is passed over.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Binding, Member
from fhir_server.fhirpath.names import Names, names
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.validation import bindings, invariants, references, rules, slicing, values
from fhir_server.validation.occurrences import Found, counter, finder
from fhir_server.validation.report import Path, Walk, shown
from fhir_server.validation.rules import Demanded, Node

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]  # of one value
Applied = Callable[[Json, Path, Walk], None]  # of an element, in the object that has it


class Profile(NamedTuple):
    """A compiled profile."""

    url: str
    version: str | None
    type: str
    ancestors: frozenset[str]  # the profiles that it derives from
    check: Check


class Profiles:
    """The profiles of one set of definitions, each compiled when first declared."""

    def __init__(self, definitions: Definitions):
        self._definitions = definitions
        self._compiled: dict[str, Profile] = {}
        self._names: dict[str, Names] = {}

    def get(self, url: str) -> Profile | None:
        """Return the profile with canonical `url` (without version), or None when it is not known."""
        if url not in self._compiled:
            chain = rules.chain(url, self._definitions.profiles)
            if not chain:
                return None
            own, *others = chain
            compiler = _Compiler(self, self._definitions, own["type"])
            root = rules.tree(chain)
            definition = self._definitions.type(own["type"])
            check = compiler.content(root, {} if definition is None else definition.members)
            ancestors = frozenset(other["url"] for other in others)
            self._compiled[url] = Profile(
                url, own.get("version"), own["type"], ancestors, _with(check, compiler.unchecked, url)
            )
        return self._compiled[url]

    def names(self, type: str) -> Names:
        """Return what names mean in invariants on `type`."""
        if type not in self._names:
            self._names[type] = names(self._definitions, type)
        return self._names[type]


class _Compiler:
    """Compiles the tree of one profile."""

    def __init__(self, profiles: Profiles, definitions: Definitions, type: str):
        self._profiles = profiles
        self._definitions = definitions
        self._type = type
        self.unchecked: list[tuple[str, str]] = []  # rules that cannot be checked here: key, reason

    def content(self, node: Node, members: Mapping[str, Member]) -> Check:
        """Return the check of a value: its constraints, then the elements in it."""
        checks = list(self._constraints(node))
        elements = [
            element for child in node.children.values() if (element := self._element(child, members)) is not None
        ]

        def check(value: Any, path: Path, walk: Walk) -> None:
            if type(value) is dict:
                for element in elements:
                    element(value, path, walk)
            for constraint in checks:
                constraint(value, path, walk)

        return check

    def _constraints(self, node: Node) -> list[Check]:
        found = []
        for rule in node.constraints.values():
            try:
                found.append(invariants.compile(rule, self._profiles.names(self._type)))
            except Unsupported as reason:
                self.unchecked.append((rule.key, str(reason)))
        return found

    def _element(self, node: Node, members: Mapping[str, Member]) -> Applied | None:
        """Return the check of one element in the object that has it; None when the type has no such element."""
        own = {name: member for name, member in members.items() if node.name in (name, member.element.name)}
        if not own:
            self.unchecked.append((node.id, f"{node.name} is no element"))
            return None
        checks = {name: self._value(node, member) for name, member in own.items()}
        allowed = _allowed(node, own)
        slices = [slice for slice in map(self._slice_of(node, own), node.slices.values()) if slice is not None]
        count = counter(node, next(iter(own.values())).element)
        closed = _closed(node) if slices else None
        if not (any(checks.values()) or allowed or slices or count):
            return None  # nothing beyond what the type itself demands
        values_of = finder(own)

        def apply(owner: Json, path: Path, walk: Walk) -> None:
            found = values_of(owner, path)
            if count is not None:
                count(len(found), path, walk)
            if not found:
                if slices:
                    _sort(found, slices, closed, path, walk)
                return
            for name, value, at in found:
                if value is not None:
                    for check in checks[name]:
                        check(value, at, walk)
            if allowed is not None:
                allowed(found, walk)
            if slices:
                _sort(found, slices, closed, path, walk)

        return apply

    def _value(self, node: Node, member: Member) -> list[Check]:
        """Return the checks of one value of the element, as it has the type of `member`."""
        checks: list[Check] = [_fixed(node, demanded, member.type) for demanded in node.fixed]
        checks += [_pattern(node, demanded) for demanded in node.patterns]
        checks += [check for demanded in node.bindings if (check := self._binding(node, demanded, member)) is not None]
        if node.types is not None:
            checks += self._types(node, node.types, member)
        if node.children or node.constraints:
            checks.append(self.content(node, self._definitions.members(member)))
        return checks

    def _types(self, node: Node, types: Demanded, member: Member) -> list[Check]:
        """Return the checks of the profiles on a type: of the value itself, or of what it refers to."""
        found: list[Check] = []
        for kind in types.value:
            if kind["code"] != member.type:
                continue
            if targets := kind.get("targetProfile", ()):
                narrower = references.narrower(node.id, targets, self._definitions, types.profile)
                found += [narrower] if narrower is not None else []
            # Of several profiles a value follows any one; telling which is not done here.
            if len(kind.get("profile", ())) == 1:
                found.append(self._conforms(kind["profile"][0]))
        return found

    def _conforms(self, url: str) -> Check:
        """Check a value against a profile of its type, which may be one that leads back here."""

        def check(value: Any, path: Path, walk: Walk) -> None:
            profile = self._profiles.get(url.partition("|")[0])
            if profile is not None:
                profile.check(value, path, walk)

        return check

    def _binding(self, node: Node, demanded: Demanded, member: Member) -> Check | None:
        strength, value_set = demanded.value
        if strength not in ("required", "extensible"):
            return None
        codes = self._definitions.codes(value_set)
        if codes is None:
            if strength == "required":
                self.unchecked.append((f"{node.id}:binding", f"the codes of {value_set} are not known here"))
            return None
        binding = Binding(strength, value_set)
        if member.type != "code":
            coded = bindings.concept(member.type, node.id, binding, self._definitions.codes, demanded.profile)
            return None if coded is None else _of_objects(coded)
        test = bindings.code(binding, codes)

        def check(value: Any, path: Path, walk: Walk) -> None:
            fault = test(value) if test is not None else None
            if fault is not None:
                severity: Any = "error" if strength == "required" else "warning"
                walk.add(severity, fault.code, path, f"{node.id}:binding", (fault.en, fault.vi), demanded.profile)

        return check

    def _slice_of(self, node: Node, own: Mapping[str, Member]) -> Callable[[Node], "_Slice | None"]:
        def compile(slice: Node) -> _Slice | None:
            if node.name.endswith("[x]"):  # slices of a choice are told apart by type
                kinds = {kind["code"] for kind in slice.types.value} if slice.types is not None else set()
                chosen = {
                    name: member
                    for name, member in own.items()
                    if member.type in kinds or name == slice.id.rpartition(":")[2]
                }
                return _Slice(slice, None, {name: self._value(slice, member) for name, member in chosen.items()})
            belongs = slicing.belongs(node, slice, self._definitions)
            if belongs is None:
                self.unchecked.append((slice.id, "what belongs to this slice cannot be told here"))
                return None
            return _Slice(slice, belongs, {name: self._value(slice, member) for name, member in own.items()})

        return compile


class _Slice:
    """A slice: which values belong to it, how many there may be, and what is demanded of them."""

    def __init__(self, node: Node, belongs: slicing.Belongs | None, checks: Mapping[str, list[Check]]):
        self.node, self.checks = node, checks
        self.count = counter(node, None)
        self._belongs = belongs

    def holds(self, name: str, value: Any) -> bool:
        """Return whether the value of property `name` belongs to the slice."""
        return name in self.checks and (self._belongs is None or self._belongs(value))


def _sort(found: Found, slices: list[_Slice], closed: str | None, path: Path, walk: Walk) -> None:
    """Give each value to the first slice that it belongs to, and check it there."""
    counts = [0] * len(slices)
    for name, value, at in found:
        for position, slice in enumerate(slices):
            if slice.holds(name, value):
                counts[position] += 1
                if value is not None:
                    for check in slice.checks[name]:
                        check(value, at, walk)
                break
        else:
            if closed is not None:
                walk.error(
                    "structure",
                    at,
                    f"{closed}:slicing",
                    f"This value belongs to no slice of {closed}, and others are not allowed: remove it",
                    f"Giá trị này không thuộc lát cắt (slice) nào của {closed}, không cho phép giá trị khác: hãy bỏ đi",
                )
    for slice, number in zip(slices, counts, strict=True):
        if slice.count is not None:
            slice.count(number, path, walk)


def _closed(node: Node) -> str | None:
    return node.id if (node.slicing or {}).get("rules") == "closed" else None


def _allowed(node: Node, own: Mapping[str, Member]) -> Callable[[Found, Walk], None] | None:
    """Return the check that a choice has one of the types that the profile allows."""
    types = node.types
    if types is None or not node.name.endswith("[x]"):
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


def _of_objects(check: Check) -> Check:
    def guarded(value: Any, path: Path, walk: Walk) -> None:
        if type(value) is dict:
            check(value, path, walk)

    return guarded


def _fixed(node: Node, demanded: Demanded, kind: str) -> Check:
    """Check a fixed value. Of a concept, text and display may differ in what people mean to be the same: a warning."""

    def check(value: Any, path: Path, walk: Walk) -> None:
        if values.same(value, demanded.value):
            return
        codes = kind in ("CodeableConcept", "Coding") and values.holds(value, _without_displays(demanded.value))
        severity: Any = "warning" if codes else "error"
        _differs(severity, node, demanded, path, walk, "fixed")

    return check


def _without_displays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_displays(part) for name, part in value.items() if name not in ("display", "text")}
    return [_without_displays(part) for part in value] if isinstance(value, list) else value


def _pattern(node: Node, demanded: Demanded) -> Check:
    def check(value: Any, path: Path, walk: Walk) -> None:
        if not values.holds(value, demanded.value):
            _differs("error", node, demanded, path, walk, "pattern")

    return check


def _differs(severity: Any, node: Node, demanded: Demanded, path: Path, walk: Walk, facet: str) -> None:
    text = shown(demanded.value)
    walk.add(
        severity,
        "value",
        path,
        f"{node.id}:{facet}",
        (
            f"{node.id} has another value than the profile demands: use {text}",
            f"{node.id} khác giá trị hồ sơ yêu cầu: hãy dùng {text}",
        ),
        demanded.profile,
    )


def _with(check: Check, unchecked: list[tuple[str, str]], url: str) -> Check:
    """Say of a profile which of its rules are not checked here."""
    if not unchecked:
        return check

    def complete(value: Any, path: Path, walk: Walk) -> None:
        check(value, path, walk)
        for key, reason in unchecked:
            walk.add(
                "information",
                "not-supported",
                path,
                key,
                (
                    f"This rule of the profile is not checked here: {reason}",
                    f"Quy tắc này của hồ sơ chưa được kiểm tra ở đây: {reason}",
                ),
                url,
            )

    return complete
