"""Shapes: what may be wrong with properties and objects, whatever is in them, and how it is told.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/conformance-rules.html#cardinality
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.definitions.model import Element, Member
from fhir_server.validation import primitives
from fhir_server.validation.report import Path, Walk, below, shown

Json = dict[str, Any]
Property = Callable[[Any, Json, Path, Walk], None]  # of a property's value: also sees the object, whose path it gets

MAX_NAME: Final = 64  # characters of a property's name: longer ones are not compared with those known


def no_extras(value: Any, owner: Json, path: Path, walk: Walk) -> None:
    """Refuse `_id` of a resource, whose id is of a system type (https://hl7.org/fhir/R4/resource.html#id)."""
    walk.error(
        "extension",
        below(path, "id"),
        "Resource.id:extension",
        "The id of a resource has no extensions: remove `_id`",
        "id của tài nguyên không có phần mở rộng: hãy bỏ `_id`",
    )


def only_one_of(name: str, check: Property, members: Mapping[str, Member], element: Element) -> Property:
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


def value_or_extensions(value: Json, path: Path, walk: Walk) -> None:
    """Check ext-1: an extension has a value or extensions, not both."""
    has_value = False
    for name in value:
        if name[:5] == "value" or name[:6] == "_value":
            has_value = True
    if has_value == ("extension" in value):
        walk.error(
            "invariant",
            path,
            "ext-1",
            "An extension has either a value or extensions of its own: give it exactly one of the two",
            "Phần mở rộng phải có giá trị hoặc các phần mở rộng con: hãy ghi đúng một trong hai",
        )


def no_comparator(value: Json, path: Path, walk: Walk) -> None:
    """Check sqty-1 of SimpleQuantity (https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity)."""
    if "comparator" in value or "_comparator" in value:
        walk.error(
            "invariant",
            path,
            "sqty-1",
            "This quantity is exact: remove comparator",
            "Số lượng ở đây phải là giá trị chính xác: hãy bỏ comparator",
        )


def empty(path: Path, key: str, walk: Walk) -> None:
    walk.error(
        "invariant",
        path,
        "ele-1",
        "This element has neither a value nor anything in it: fill it, or leave it out",
        "Phần tử này không có giá trị hay nội dung: hãy ghi nội dung hoặc bỏ đi",
    )


def not_an_array(value: Any, path: Path, rule: str, walk: Walk) -> None:
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


def stranger(name: str, members: Mapping[str, Member], owner: str) -> Property:
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
