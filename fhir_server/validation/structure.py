"""Structure: properties, JSON shapes, cardinality, choices and values of every type, compiled to closures.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/conformance-rules.html#cardinality

A type's properties compile when they are first met, so that start costs nothing and unused ones never compile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Constraint, Element, Member
from fhir_server.fhirpath.names import Names, names
from fhir_server.validation import (
    attachments,
    bindings,
    days,
    invariants,
    primitives,
    quantities,
    references,
    sayings,
    seen,
    shapes,
)
from fhir_server.validation.report import MAX_DEPTH, Path, Walk, below
from fhir_server.validation.seen import Seen
from fhir_server.validation.shapes import Property

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]  # of one value

# R4's constraints that other parts of this package check, with texts that say more.
CHECKED_ELSEWHERE: Final = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})
# The one profile on a data type that R4's own elements have.
SIMPLE: Final = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"
# R4 marks these as best practice: https://hl7.org/fhir/R4/best-practices.html
ADVICE: Final = frozenset({"dom-6", "con-3"})


class Properties(dict[str, Property]):
    """The checks of an object's properties by name, each compiled when first met; strangers are reported."""

    def __init__(self, structures: "Structures", members: Mapping[str, Member], owner: str):
        super().__init__()
        self._structures = structures
        self._members = members
        self._owner = owner

    def __missing__(self, name: str) -> Property:
        check = self._structures.property(name, self._members)
        if check is None:
            return shapes.stranger(name, self._members, self._owner)  # not kept: anybody can invent names without end
        self[name] = check
        return check


class Structures:
    """The checks of every type, compiled once for one set of definitions."""

    def __init__(self, definitions: Definitions, resource: Check, content: Check, position: Check, found: Seen):
        self._definitions = definitions
        self._seen = found
        self._resource = resource  # the check of a resource of whatever type within another one
        self._content, self._position = content, position  # of an extension: by its definition, where it stands
        self._objects: dict[str, Check] = {}
        self._primitives: dict[str, primitives.Primitive] = {}
        self._names: dict[str, Names] = {}
        self._unknown_code = bindings.unknown_code(definitions)

    def resource(self, name: str) -> Check:
        """Return the check of the resource type `name`, which is known; it does not look into `resourceType`."""
        if name not in self._objects:
            definition = self._definitions.type(name)
            assert definition is not None
            properties = Properties(self, definition.members, name)
            properties["resourceType"] = _nothing
            properties["_id"] = shapes.no_extras
            rules = self._rules(definition.root.constraints, name)
            self._objects[name] = _object(properties, self._mandatory(definition.members), name, rules)
        return self._objects[name]

    def names(self, type: str) -> Names:
        """Return what names mean in expressions on `type`."""
        if type not in self._names:
            self._names[type] = names(self._definitions, type)
        return self._names[type]

    def _rules(self, constraints: Iterable[Constraint], path: str) -> list[Check]:
        """Compile the constraints of the element at `path`."""
        type = path.partition(".")[0]
        compiled = [
            invariants.compile(sayings.rule(constraint, constraint.key in ADVICE), self.names(type))
            for constraint in constraints
            if constraint.key not in CHECKED_ELSEWHERE and constraint.expression
        ]
        return [invariants.check(compiled)] if compiled else []

    def property(self, name: str, members: Mapping[str, Member]) -> Property | None:
        """Return the check of property `name`, or None when no element has it."""
        member = members.get(name)
        if member is not None:
            check = (
                self._primitive_property(name, member) if self._is_primitive(member) else self._complex(name, member)
            )
            return shapes.only_one_of(name, check, members, member.element) if member.element.choice else check
        member = members.get(name[1:]) if name.startswith("_") else None
        if member is None or not self._is_primitive(member):
            return None
        check = self._extras(name, member)
        return shapes.only_one_of(name, check, members, member.element) if member.element.choice else check

    def _is_primitive(self, member: Member) -> bool:
        definition = self._definitions.type(member.type)
        return definition is not None and definition.kind == "primitive-type"

    def primitive(self, member: Member) -> primitives.Primitive:
        """Return the check of the value of a primitive element."""
        if member.element.binding is not None and member.element.binding.strength == "required":
            codes = self._definitions.codes(member.element.binding.value_set)
            if member.type == "code" and (check := bindings.code(member.element.binding, codes)) is not None:
                return check
        if member.type not in self._primitives:
            definition = self._definitions.type(member.type)
            pattern = None if definition is None else definition.pattern
            self._primitives[member.type] = primitives.compile(member.type, pattern)
        return self._primitives[member.type]

    def value(self, member: Member) -> Check:
        """Return the check of one value of a complex element."""
        if member.type == "Resource":
            return self._resource
        check = _all(self._object_of(member), list(self._more(member)))
        return days.of_address(check) if member.type == "Address" and self._definitions.periods else check

    def _more(self, member: Member) -> Iterator[Check]:
        """Yield what is to be checked of a complex value beside its properties."""
        element = member.element
        if element.constraints and not element.children:
            yield from self._rules(element.constraints, element.path)
        match member.type:
            case "Reference":
                kind = next(kind for kind in element.types if kind.code == "Reference")
                yield references.reference(element.path, kind.targets, self._definitions)
            case "Extension":
                yield shapes.value_or_extensions
                yield self._content
            case "Attachment":
                yield attachments.check
            case "Coding":
                yield self._unknown_code
            case "Quantity" | "Age" | "Count" | "Distance" | "Duration":
                yield quantities.of_ucum
                if any(SIMPLE in kind.profiles for kind in element.types):
                    yield shapes.no_comparator
            case _:
                pass
        if element.binding is not None:
            bound = bindings.check(member.type, element.path, element.binding, self._definitions)
            if bound is not None:
                yield bound

    def _object_of(self, member: Member) -> Check:
        element = member.element
        inline = bool(element.children or element.content)
        key = (element.content or element.path) if inline else member.type
        if key not in self._objects:
            members = self._definitions.members(member)
            self._objects[key] = _object(
                Properties(self, members, key), self._mandatory(members), key, self._rules(self._own(member, key), key)
            )
        return self._objects[key]

    def _own(self, member: Member, key: str) -> tuple[Constraint, ...]:
        """Return the constraints of an object: of its type, or of the element that holds its children."""
        if "." in key:
            return self._definitions.element(key).constraints
        definition = self._definitions.type(member.type)
        return () if definition is None else definition.root.constraints

    def _mandatory(self, members: Mapping[str, Member]) -> tuple[tuple[str, frozenset[str], Element], ...]:
        """Return for each element with a minimum: the usual property, all that may stand for it, the element."""
        wanted: dict[str, tuple[str, set[str], Element]] = {}
        for name, member in members.items():
            if member.element.min > 0:
                _, names, _ = wanted.setdefault(member.element.path, (name, set(), member.element))
                names.add(name)
                if self._is_primitive(member):
                    names.add("_" + name)
        return tuple((name, frozenset(names), element) for name, names, element in wanted.values())

    def _complex(self, name: str, member: Member) -> Property:
        check, element = self.value(member), member.element
        if seen.repeats(member, self._definitions):
            check = self._seen.once([check])
        if member.type == "Extension":  # the same one may stand here and not there
            check = _all(check, [self._position])
        step = step_of(name, member)
        if element.max == 1:

            def single(value: Any, owner: Json, path: Path, walk: Walk) -> None:
                check(value, (path, step, None, path[3] + 1), walk)

            return single

        def repeated(values: Any, owner: Json, path: Path, walk: Walk) -> None:
            if type(values) is not list or not values:
                shapes.not_an_array(values, below(path, step), element.path, walk)
                return
            depth = path[3] + 1
            for index, value in enumerate(values):
                check(value, (path, step, index, depth), walk)
            if element.max is not None and len(values) > element.max:
                shapes.too_many(walk, below(path, step), element.path, len(values), element.max)

        return repeated

    def _primitive_property(self, name: str, member: Member) -> Property:
        (fault_of, usual), element = self.primitive(member), member.element
        step, rule, extras = step_of(name, member), f"{element.path}:format", "_" + name
        if element.max == 1:
            rules = self._rules(element.constraints, element.path)

            def single(value: Any, owner: Json, path: Path, walk: Walk) -> None:
                if type(value) is not str or not 0 < len(value) <= primitives.SHORT or not usual(value):
                    fault = fault_of(value)
                    if fault is not None:
                        walk.error(fault.code, below(path, step), rule, fault.en, fault.vi)
                        return
                for constraint in rules:
                    constraint(value, below(path, step), walk)

            return single

        def repeated(values: Any, owner: Json, path: Path, walk: Walk) -> None:
            if type(values) is not list or not values:
                shapes.not_an_array(values, below(path, step), element.path, walk)
                return
            for index, value in enumerate(values):
                if value is None and _has_extras(owner.get(extras), index):
                    continue
                fault = fault_of(value)
                if fault is not None:
                    walk.error(fault.code, below(path, step, index), rule, fault.en, fault.vi)
            if element.max is not None and len(values) > element.max:
                shapes.too_many(walk, below(path, step), element.path, len(values), element.max)

        return repeated

    def _extras(self, name: str, member: Member) -> Property:
        """Check `_birthDate`: the id and extensions of a primitive value."""
        element = member.element
        definition = self._definitions.type("Element")
        assert definition is not None
        check = self._objects.get("Element")
        if check is None:
            check = self._objects["Element"] = _object(Properties(self, definition.members, "Element"), (), "Element")
        of_one = check
        step, twin = step_of(name[1:], member), name[1:]
        if element.max == 1:

            def single(value: Any, owner: Json, path: Path, walk: Walk) -> None:
                of_one(value, (path, step, None, path[3] + 1), walk)

            return single

        def repeated(values: Any, owner: Json, path: Path, walk: Walk) -> None:
            if type(values) is not list or not values:
                shapes.not_an_array(values, below(path, step), element.path, walk)
                return
            twins = owner.get(twin)
            if type(twins) is list and len(twins) != len(values):
                walk.error(
                    "structure",
                    below(path, step),
                    f"{element.path}:shape",
                    f"'{twin}' has {len(twins)} values and '{name}' {len(values)}: make both arrays equally long, with "
                    "null where a value has no extension",
                    f"'{twin}' có {len(twins)} giá trị còn '{name}' có {len(values)}: hai mảng phải dài bằng nhau, ghi "
                    "null ở vị trí không có phần mở rộng",
                )
            for index, value in enumerate(values):
                if value is not None or type(twins) is not list:
                    of_one(value, (path, step, index, path[3] + 1), walk)

        return repeated


def _object(
    properties: Properties,
    mandatory: tuple[tuple[str, frozenset[str], Element], ...],
    key: str,
    rules: Sequence[Check] = (),
) -> Check:
    """Check an object: its properties one by one, then what is missing, then its constraints."""
    # A primitive value may have an id beside it; in every other element an id says nothing.
    alone = frozenset() if key == "Element" else frozenset({"id"})
    usual = frozenset(name for name, _, _ in mandatory)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if type(value) is not dict:
            remedy = primitives.wrong_kind(value, f"an object with the properties of {key}", f"đối tượng {key}")
            walk.error("structure", path, f"{key}:shape", remedy.en, remedy.vi)
            return
        if len(value) < 2 and value.keys() <= alone:
            shapes.empty(path, key, walk)
            return
        if path[3] > MAX_DEPTH:
            walk.error(
                "too-costly",
                path,
                "depth:max",
                f"This lies deeper than {MAX_DEPTH} elements and was not read: make the resource flatter",
                f"Phần này lồng sâu hơn {MAX_DEPTH} mức nên không được đọc: hãy giảm số mức lồng nhau",
            )
            return
        for name, child in value.items():
            properties[name](child, value, path, walk)
        if usual and not usual <= value.keys():
            for name, every, element in mandatory:
                if every.isdisjoint(value):
                    shapes.missing(walk, path, name, element)
        for rule in rules:
            rule(value, path, walk)

    return check


def _nothing(value: Any, owner: Json, path: Path, walk: Walk) -> None:
    """Accept `resourceType`, which has chosen this very check."""


def _all(first: Check, others: list[Check]) -> Check:
    """Return the check by `first`, and of objects by `others`."""
    if not others:
        return first
    if len(others) == 1:
        (second,) = others

        def both(value: Any, path: Path, walk: Walk) -> None:
            first(value, path, walk)
            if type(value) is dict:
                second(value, path, walk)

        return both

    def check(value: Any, path: Path, walk: Walk) -> None:
        first(value, path, walk)
        if type(value) is dict:
            for other in others:
                other(value, path, walk)

    return check


def step_of(name: str, member: Member) -> str:
    """Return the FHIRPath step of property `name`: a choice is `value.ofType(Quantity)`."""
    if not member.element.choice:
        return name
    return f"{member.element.name.removesuffix('[x]')}.ofType({member.type})"


def _has_extras(extras: Any, index: int) -> bool:
    return type(extras) is list and index < len(extras) and extras[index] is not None
