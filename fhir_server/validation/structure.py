"""Structure: properties, JSON shapes, cardinality, choices and values of every type, compiled to closures.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/conformance-rules.html#cardinality

A type's properties compile when they are first met, so that start costs nothing and unused ones never compile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Constraint, Element, Member
from fhir_server.fhirpath.names import Names, names
from fhir_server.validation import attachments, bindings, days, invariants, primitives, references, sayings
from fhir_server.validation.report import MAX_DEPTH, Path, Walk, below, shown

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]  # of one value
Property = Callable[[Any, Json, Path, Walk], None]  # of a property's value: also sees the object, whose path it gets

# R4's constraints that other parts of this package check, with texts that say more.
CHECKED_ELSEWHERE: Final = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"})
# R4 marks these as best practice: https://hl7.org/fhir/R4/best-practices.html
ADVICE: Final = frozenset({"dom-6", "con-3"})
MAX_NAME: Final = 64  # characters of a property's name: longer ones are not compared with those known


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
            return _stranger(name, self._members, self._owner)  # not kept: anybody can invent names without end
        self[name] = check
        return check


class Structures:
    """The checks of every type, compiled once for one set of definitions."""

    def __init__(self, definitions: Definitions, resource: Check, extension: Check):
        self._definitions = definitions
        self._resource = resource  # the check of a resource of whatever type within another one
        self._extension = extension  # the check of an extension against its own definition
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
            properties["_id"] = _no_extras
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
        return [
            invariants.compile(sayings.rule(constraint, constraint.key in ADVICE), self.names(type))
            for constraint in constraints
            if constraint.key not in CHECKED_ELSEWHERE and constraint.expression
        ]

    def property(self, name: str, members: Mapping[str, Member]) -> Property | None:
        """Return the check of property `name`, or None when no element has it."""
        member = members.get(name)
        if member is not None:
            check = (
                self._primitive_property(name, member) if self._is_primitive(member) else self._complex(name, member)
            )
            return _only_one_of(name, check, members, member.element) if member.element.choice else check
        member = members.get(name[1:]) if name.startswith("_") else None
        if member is None or not self._is_primitive(member):
            return None
        check = self._extras(name, member)
        return _only_one_of(name, check, members, member.element) if member.element.choice else check

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
                yield _value_or_extensions
                yield self._extension
            case "Attachment":
                yield attachments.check
            case "Coding":
                yield self._unknown_code
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
        step = step_of(name, member)
        if element.max == 1:

            def single(value: Any, owner: Json, path: Path, walk: Walk) -> None:
                check(value, (path, step, None, path[3] + 1), walk)

            return single

        def repeated(values: Any, owner: Json, path: Path, walk: Walk) -> None:
            if type(values) is not list or not values:
                _not_an_array(values, below(path, step), element.path, walk)
                return
            depth = path[3] + 1
            for index, value in enumerate(values):
                check(value, (path, step, index, depth), walk)
            if element.max is not None and len(values) > element.max:
                too_many(walk, below(path, step), element.path, len(values), element.max)

        return repeated

    def _primitive_property(self, name: str, member: Member) -> Property:
        check, element = self.primitive(member), member.element
        step, rule, extras = step_of(name, member), f"{element.path}:format", "_" + name
        if element.max == 1:
            rules = self._rules(element.constraints, element.path)

            def single(value: Any, owner: Json, path: Path, walk: Walk) -> None:
                fault = check(value)
                if fault is not None:
                    walk.error(fault.code, below(path, step), rule, fault.en, fault.vi)
                    return
                for constraint in rules:
                    constraint(value, below(path, step), walk)

            return single

        def repeated(values: Any, owner: Json, path: Path, walk: Walk) -> None:
            if type(values) is not list or not values:
                _not_an_array(values, below(path, step), element.path, walk)
                return
            for index, value in enumerate(values):
                if value is None and _has_extras(owner.get(extras), index):
                    continue
                fault = check(value)
                if fault is not None:
                    walk.error(fault.code, below(path, step, index), rule, fault.en, fault.vi)
            if element.max is not None and len(values) > element.max:
                too_many(walk, below(path, step), element.path, len(values), element.max)

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
                _not_an_array(values, below(path, step), element.path, walk)
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

    def check(value: Any, path: Path, walk: Walk) -> None:
        if type(value) is not dict:
            remedy = primitives.wrong_kind(value, f"an object with the properties of {key}", f"đối tượng {key}")
            walk.error("structure", path, f"{key}:shape", remedy.en, remedy.vi)
            return
        if len(value) < 2 and not value.keys() - alone:
            _empty(path, key, walk)
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
        for name, every, element in mandatory:
            if name not in value and every.isdisjoint(value):
                missing(walk, path, name, element)
        for rule in rules:
            rule(value, path, walk)

    return check


def _nothing(value: Any, owner: Json, path: Path, walk: Walk) -> None:
    """Accept `resourceType`, which has chosen this very check."""


def _no_extras(value: Any, owner: Json, path: Path, walk: Walk) -> None:
    """Refuse `_id` of a resource, whose id is of a system type (https://hl7.org/fhir/R4/resource.html#id)."""
    walk.error(
        "extension",
        below(path, "id"),
        "Resource.id:extension",
        "The id of a resource has no extensions: remove `_id`",
        "id của tài nguyên không có phần mở rộng: hãy bỏ `_id`",
    )


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


def _only_one_of(name: str, check: Property, members: Mapping[str, Member], element: Element) -> Property:
    """Refuse a second `value[x]` beside property `name`; the first of them by name reports."""
    own = name.removeprefix("_")
    others = {other for other, member in members.items() if member.element is element and other != own}
    others |= {"_" + other for other in others}

    def choice(value: Any, owner: Json, path: Path, walk: Walk) -> None:
        check(value, owner, path, walk)
        if owner.keys().isdisjoint(others):
            return
        given = sorted({own} | {other.removeprefix("_") for other in others & owner.keys()})
        if own != given[0] or (name != own and own in owner):
            return
        walk.error(
            "structure",
            below(path, element.name.removesuffix("[x]")),
            f"{element.path}:choice",
            f"{element.path} is given as {' and '.join(given)}: keep only one of them",
            f"{element.path} được ghi bằng {' và '.join(given)}: chỉ giữ lại một",
        )

    return choice


def _value_or_extensions(value: Json, path: Path, walk: Walk) -> None:
    """Check ext-1: an extension has a value or extensions, not both."""
    values = sum(1 for name in value if name.startswith(("value", "_value")))
    if bool(values) == ("extension" in value):
        walk.error(
            "invariant",
            path,
            "ext-1",
            "An extension has either a value or extensions of its own: give it exactly one of the two",
            "Phần mở rộng phải có giá trị hoặc các phần mở rộng con: hãy ghi đúng một trong hai",
        )


def _empty(path: Path, key: str, walk: Walk) -> None:
    walk.error(
        "invariant",
        path,
        "ele-1",
        "This element has neither a value nor anything in it: fill it, or leave it out",
        "Phần tử này không có giá trị hay nội dung: hãy ghi nội dung hoặc bỏ đi",
    )


def _not_an_array(value: Any, path: Path, rule: str, walk: Walk) -> None:
    if value == []:
        walk.error(
            "structure",
            path,
            f"{rule}:shape",
            "This array is empty: leave the property out, or put a value in it",
            "Mảng này rỗng: hãy bỏ thuộc tính hoặc ghi ít nhất một giá trị",
        )
        return
    found = primitives.kind(value)
    walk.error(
        "structure",
        path,
        f"{rule}:shape",
        f"This is {found[0]}, but the element may repeat: write an array, [ … ], even for one value",
        f"Đây là {found[1]}, nhưng phần tử này có thể lặp lại: hãy ghi mảng [ … ], kể cả khi chỉ có một giá trị",
    )


def too_many(walk: Walk, path: Path, element: str, found: int, most: int, profile: str | None = None) -> None:
    """Report more values than an element may have."""
    if most == 0:
        en, vi = "This element is not allowed here: remove it", "Không được dùng phần tử này ở đây: hãy bỏ đi"
    else:
        en = f"There are {found} values, at most {most} allowed: remove {found - most}"
        vi = f"Có {found} giá trị, tối đa {most}: hãy bỏ bớt {found - most}"
    walk.error("structure", path, f"{element}:max", en, vi, profile)


def missing(walk: Walk, path: Path, name: str, element: Element) -> None:
    """Report a mandatory element that is not there."""
    names = [name]
    if element.choice:
        stem = element.name.removesuffix("[x]")
        names = [stem + kind.code[:1].upper() + kind.code[1:] for kind in element.types[:4]]
    walk.error(
        "required",
        below(path, element.name.removesuffix("[x]")),
        f"{element.path}:min",
        f"{element.path} is missing: add {' or '.join(names)}",
        f"Thiếu {element.path}: hãy bổ sung {' hoặc '.join(names)}",
    )


def _stranger(name: str, members: Mapping[str, Member], owner: str) -> Property:
    """Report a property that no element has, with the name that was probably meant."""

    def check(value: Any, parent: Json, path: Path, walk: Walk) -> None:
        near: list[str] = []
        if walk.suggestions > 0 and len(name) <= MAX_NAME:
            walk.suggestions -= 1
            near = [known for known, member in members.items() if member.element.name == f"{name}[x]"][:1]
            near = near or get_close_matches(name, members, n=1, cutoff=0.7)
        remedy = (
            (f"did you mean '{near[0]}'?", f"có phải là '{near[0]}' không?")
            if near
            else (
                "remove it, or send it as an extension",
                "hãy bỏ đi hoặc gửi dưới dạng phần mở rộng (extension)",
            )
        )
        label = shown(name)
        step = label if label.isidentifier() else f"`{label}`"
        walk.error(
            "structure",
            below(path, step),
            f"{owner}:unknown",
            f"{owner} has no element '{label}': {remedy[0]}",
            f"{owner} không có phần tử '{label}': {remedy[1]}",
        )

    return check
