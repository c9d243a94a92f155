"""FHIRPath Patch: operations as a Parameters resource, applied to the places that their paths name. Pure.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member as Property
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.names import Names, names
from fhir_server.fhirpath.syntax import (
    Call,
    Index,
    Literal,
    Member,
    Node,
    Step,
    This,
    Typed,
    Unsupported,
    Variable,
    parse,
    type_name,
)
from fhir_server.outcome import BadRequest, Conflict, TooCostly, Unprocessable

Json = dict[str, Any]

MAX_OPERATIONS = 200
MAX_PATH = 1000  # characters
MAX_PLACES = 500_000  # that one patch may look at
MAX_WORK = 20_000_000  # bytes of the resource times operations: each may read all of it
# What criteria of a client may call: nothing that reads the resource again for each item, and no regular expressions.
FUNCTIONS = frozenset({"exists", "empty", "not", "first", "last", "count", "startsWith", "endsWith", "lower", "upper"})
# Which parts an operation needs beside its type and path.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "add": ("name", "value"),
    "insert": ("value", "index"),
    "delete": (),
    "replace": ("value",),
    "move": ("source", "destination"),
}
_KINDS = {"type": str, "path": str, "name": str, "index": int, "source": int, "destination": int}


class Operation(NamedTuple):
    """One operation of a patch."""

    type: str
    path: Node
    parts: Mapping[str, Any]  # by name; `value` is still the row of Parameters
    at: str  # where it stands and what it does, for messages


class Place(NamedTuple):
    """Where a value is: a property of an object, or an item of its array."""

    holder: Json
    name: str
    item: int | None
    member: Property | None  # None: the resource itself

    @property
    def value(self) -> Any:
        """What is there now."""
        return self.holder[self.name] if self.item is None else self.holder[self.name][self.item]


def read(resource: Json) -> tuple[Operation, ...]:
    """Return the operations of a Parameters resource; raise BadRequest when it is no FHIRPath Patch."""
    rows = resource.get("parameter")
    if not isinstance(rows, list) or not rows or len(rows) > MAX_OPERATIONS:
        raise BadRequest(
            f"A FHIRPath Patch has 1 to {MAX_OPERATIONS} parameters called operation",
            f"FHIRPath Patch có từ 1 đến {MAX_OPERATIONS} tham số tên operation",
        )
    return tuple(_operation(row, number) for number, row in enumerate(rows))


def apply(definitions: Definitions, operations: tuple[Operation, ...], resource: Json) -> Json:
    """Return `resource` changed by `operations`, itself untouched.

    Raise Conflict for an operation that does not apply to the resource as it is, Unprocessable for one that never can.
    """
    written = wire.dumps(resource)
    if len(written) * len(operations) > MAX_WORK:
        raise _too_costly()
    patching = _Patching(definitions, {"": wire.loads(written)}, [0])
    for operation in operations:
        try:
            patching.perform(operation)
        except Unsupported as error:
            raise _malformed(operation.at, f"the path is not supported: {error}", f"không hỗ trợ: {error}") from None
    return patching.resource


def _operation(row: Any, number: int) -> Operation:
    at = f"operation {number}"
    if not isinstance(row, dict) or row.get("name") != "operation" or not isinstance(row.get("part"), list):
        raise _malformed(at, "must be called operation and have parts", "phải tên operation và có các part")
    parts: Json = {}
    for part in row["part"]:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or (name != "value" and name not in _KINDS) or name in parts:
            raise _malformed(at, f"has an unknown or repeated part {str(name)[:64]}", "có part lạ hoặc lặp lại")
        value = part if name == "value" else next((part[key] for key in part if key.startswith("value")), None)
        if name != "value" and (type(value) is not _KINDS[name] or value in ("", None)):
            raise _malformed(at, f"has no proper {name}", f"có {name} không hợp lệ")
        parts[name] = value
    kind = str(parts.get("type"))
    if kind not in _NEEDS or "path" not in parts:
        raise _malformed(at, f"needs a path and a type: {', '.join(_NEEDS)}", f"cần path và type: {', '.join(_NEEDS)}")
    if missing := [name for name in _NEEDS[kind] if name not in parts]:
        raise _malformed(at, f"'{kind}' needs {missing[0]}", f"'{kind}' cần {missing[0]}")
    at = f"{at} ({kind} {parts['path'][:128]})"
    if len(parts["path"]) > MAX_PATH:
        raise _malformed(at, f"the path has over {MAX_PATH} characters", f"path dài hơn {MAX_PATH} ký tự")
    try:
        return Operation(kind, parse(parts["path"]), parts, at)
    except Unsupported as error:
        raise _malformed(at, f"the path cannot be read: {error}", f"không đọc được path: {error}") from None


def _malformed(at: str, en: str, vi: str) -> BadRequest:
    return BadRequest(f"FHIRPath Patch, {at}: {en}", f"FHIRPath Patch, {at}: {vi}")


def _conflict(operation: Operation, en: str, vi: str) -> Conflict:
    """Return the error for a resource that is not as the patch takes it to be (RFC 5789, 2.2: conflicting state)."""
    return Conflict(
        f"FHIRPath Patch, {operation.at}: {en}; nothing was changed",
        f"FHIRPath Patch, {operation.at}: {vi}; chưa thay đổi gì",
    )


def _inapplicable(operation: Operation, en: str, vi: str) -> Unprocessable:
    """Return the error for an operation that applies to no resource of the type."""
    return Unprocessable(
        f"FHIRPath Patch, {operation.at}: {en}; nothing was changed",
        f"FHIRPath Patch, {operation.at}: {vi}; chưa thay đổi gì",
    )


def _too_costly() -> TooCostly:
    return TooCostly(
        "The patch looks at too many elements: send the whole resource by PUT",
        "Bản vá xét quá nhiều phần tử: hãy gửi cả tài nguyên bằng PUT",
    )


def _modest(node: Any) -> bool:
    """Return whether criteria cost no more than one look at each item."""
    if isinstance(node, Call):
        return node.name in FUNCTIONS and all(isinstance(each, Literal) for each in node.arguments)
    if isinstance(node, Variable):
        return False  # %resource is all of it, again for each item
    return all(_modest(part) for part in node if isinstance(part, tuple)) if isinstance(node, tuple) else True


@lru_cache(maxsize=256)
def _names(definitions: Definitions, type: str) -> Names:
    return names(definitions, type)


@dataclass(frozen=True, slots=True)
class _Patching:
    definitions: Definitions
    top: Json  # holds the resource under ""
    looked: list[int]  # one number: at how many places it has looked

    @property
    def resource(self) -> Json:
        found: Json = self.top[""]
        return found

    def perform(self, operation: Operation) -> None:
        match operation.type:
            case "add":
                self.add(operation)
            case "insert":
                self.insert(operation)
            case "delete":
                if (place := self.only(operation, self.places(operation.path))) is not None:
                    if place.member is None:
                        raise _inapplicable(operation, "this is the resource itself", "đây là chính tài nguyên")
                    _delete(place)
            case "replace":
                self.replace(operation)
            case _:
                self.move(operation)

    def add(self, operation: Operation) -> None:
        place = self.one(operation, self.places(operation.path))
        if not isinstance(place.value, dict):
            raise _inapplicable(operation, "the path leads to no element with children", "path không có phần tử con")
        name, member, value = self.typed(operation, place, operation.parts["name"], operation.parts["value"])
        holder = place.value
        if member.element.max != 1:
            holder.setdefault(name, []).append(value)
        elif self.children([place], operation.parts["name"]) or name in holder or f"_{name}" in holder:
            raise _conflict(operation, f"{name} exists already: replace it", f"{name} đã có: hãy dùng replace")
        else:
            holder[name] = value

    def insert(self, operation: Operation) -> None:
        parent, stem = self.collection(operation)
        name, _, value = self.typed(operation, parent, stem, operation.parts["value"])
        items, index = parent.value.setdefault(name, []), operation.parts["index"]
        if not 0 <= index <= len(items):
            raise _conflict(operation, f"there are {len(items)} items", f"chỉ có {len(items)} mục")
        items.insert(index, value)
        if isinstance(extras := parent.value.get(f"_{name}"), list):
            extras.insert(index, None)

    def replace(self, operation: Operation) -> None:
        place = self.one(operation, self.places(operation.path))
        if place.member is None:
            raise _inapplicable(operation, "this is the resource itself: use PUT", "đây là chính tài nguyên: dùng PUT")
        stem = place.member.element.name.removesuffix("[x]")
        name, _, value = self.converted(operation, stem, operation.parts["value"], {place.name: place.member})
        if place.item is not None:
            place.holder[place.name][place.item] = value
            return
        if name != place.name:  # a choice changes its type
            _delete(place)
        place.holder[name] = value

    def move(self, operation: Operation) -> None:
        parent, name = self.collection(operation)
        items = parent.value.get(name, [])
        source, destination = operation.parts["source"], operation.parts["destination"]
        if not (0 <= source < len(items) and 0 <= destination < len(items)):
            raise _conflict(operation, f"there are {len(items)} items", f"chỉ có {len(items)} mục")
        for each in (items, parent.value.get(f"_{name}")):
            if isinstance(each, list):
                each.insert(destination, each.pop(source))

    def collection(self, operation: Operation) -> tuple[Place, str]:
        """Return the element that has the list which the path names, and the list's name."""
        path = operation.path
        if not (isinstance(path, Step) and isinstance(path.then, Member)):
            raise _inapplicable(operation, "the path must name a list, as Patient.name", "path phải chỉ tới danh sách")
        parent = self.one(operation, self.places(path.source))
        member = self.members(parent).get(path.then.name)
        if not isinstance(parent.value, dict) or member is None or member.element.max == 1:
            raise _inapplicable(operation, "the path names no list", "path không chỉ tới danh sách")
        return parent, path.then.name

    def one(self, operation: Operation, places: list[Place]) -> Place:
        place = self.only(operation, places)
        if place is None:
            raise _conflict(operation, "the path leads to nothing", "path không dẫn tới phần tử nào")
        return place

    def only(self, operation: Operation, places: list[Place]) -> Place | None:
        if len(places) > 1:
            raise _conflict(
                operation, f"the path leads to {len(places)} elements: name one", f"path dẫn tới {len(places)} phần tử"
            )
        return places[0] if places else None

    # Places

    def places(self, node: Node) -> list[Place]:
        """Return where the values are that `node` selects; raise Unsupported when it selects by other means."""
        match node:
            case Member(name) | Step(This(), Member(name)):
                whole = [Place(self.top, "", None, None)]
                return whole if name == self.resource.get("resourceType") else self.children(whole, name)
            case Step(source, This()):
                return self.places(source)
            case Step(source, Member(name)):
                return self.children(self.places(source), name)
            case Step(source, Call(name, arguments)):
                return self.selected(self.places(source), name, arguments)
            case Index(source, Literal(int(position))):
                return self.places(source)[position : position + 1]
            case Typed("as", source, kind):
                return [place for place in self.places(source) if place.member and place.member.type == kind]
            case _:
                raise Unsupported("a patch names elements by path, where(), extension(), first(), last() and [index]")

    def selected(self, places: list[Place], name: str, arguments: tuple[Node, ...]) -> list[Place]:
        match name, arguments:
            case "where", (criteria,) if _modest(criteria):
                test = evaluation.compile(criteria, _names(self.definitions, str(self.resource["resourceType"])))
                return [place for place in places if test([place.value], Around(self.resource)) == [True]]
            case "extension", (Literal(str(url)),):
                return [place for place in self.children(places, "extension") if place.value.get("url") == url]
            case "first", ():
                return places[:1]
            case "last", ():
                return places[-1:]
            case "ofType" | "as", (kind,):
                wanted = type_name(kind)
                return [place for place in places if place.member and place.member.type == wanted]
            case _:
                raise Unsupported(f"{name}()")

    def children(self, places: list[Place], name: str) -> list[Place]:
        found: list[Place] = []
        for place in places:
            if not isinstance(place.value, dict):
                continue
            for key, member in self.members(place).items():
                if key in place.value and (key == name or member.element.name == f"{name}[x]"):
                    value = place.value[key]
                    items = [item for item, each in enumerate(value) if each is not None] if type(value) is list else []
                    found += [Place(place.value, key, item, member) for item in items]
                    found += [] if type(value) is list else [Place(place.value, key, None, member)]
        self.looked[0] += len(found)
        if self.looked[0] > MAX_PLACES:
            raise _too_costly()
        return found

    def members(self, place: Place) -> Mapping[str, Property]:
        value = place.value
        if isinstance(value, dict) and "resourceType" in value:
            definition = self.definitions.type(str(value["resourceType"]))
            return definition.members if definition else {}
        return self.definitions.members(place.member) if place.member else {}

    # Values

    def typed(self, operation: Operation, place: Place, name: str, row: Json) -> tuple[str, Property, Any]:
        """Return the JSON property that `row` becomes below `place` as `name`, its definition and its value."""
        return self.converted(operation, name, row, self.members(place))

    def converted(
        self, operation: Operation, name: str, row: Json, members: Mapping[str, Property]
    ) -> tuple[str, Property, Any]:
        given = [key for key in row if key in {"part", "resource"} or key.startswith("value")]
        if len(given) != 1 or row.keys() - {"name", "id", given[0]}:
            raise _malformed(operation.at, f"{name[:64]} needs one value", f"{name[:64]} cần đúng một giá trị")
        key = name
        choice = next((each for each in members.values() if each.element.name == f"{name}[x]"), None)
        if choice is not None:
            key = name + given[0].removeprefix("value")
            kinds = {name + kind.code[0].upper() + kind.code[1:]: kind.code for kind in choice.element.types}
            member = Property(choice.element, kinds[key]) if key in kinds else None
        else:
            member = members.get(key)
        if member is None:
            raise _inapplicable(operation, f"no element {key[:64]} can be there", f"không thể có {key[:64]} ở đó")
        if given[0] != "part":
            return key, member, wire.loads(wire.dumps(row[given[0]]))
        return key, member, self.parts(operation, row["part"], member)

    def parts(self, operation: Operation, rows: Any, member: Property) -> Json:
        """Return the element that is given as parts, one for each child."""
        element: Json = {}
        for row in rows if isinstance(rows, list) else [None]:
            if not isinstance(row, dict) or not isinstance(row.get("name"), str):
                raise _malformed(operation.at, "each part has a name", "mỗi part phải có tên")
            members = self.definitions.members(member)
            key, child, value = self.converted(operation, row["name"], row, members)
            if child.element.max != 1:
                element.setdefault(key, []).append(value)
            elif key in element:
                raise _malformed(operation.at, f"{key[:64]} is given twice", f"{key[:64]} được gửi hai lần")
            else:
                element[key] = value
        return element


def _delete(place: Place) -> None:
    """Remove the value and what belongs to it: of a primitive also its extensions."""
    for name in (place.name, f"_{place.name}"):
        if place.item is None:
            place.holder.pop(name, None)
        elif isinstance(items := place.holder.get(name), list):
            del items[place.item : place.item + 1]
            if not any(each is not None for each in items):
                del place.holder[name]
