"""Quantities against a least or greatest one: in the same unit as such, in another one of UCUM by conversion.

https://hl7.org/fhir/R4/datatypes.html#Quantity
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from fhir_server.definitions import units
from fhir_server.validation.report import Path, Walk, below, shown

Json = dict[str, Any]


def of_ucum(value: Json, path: Path, walk: Walk) -> None:
    """Warn of a code that is said to be of UCUM and is not: what the number counts is then for everybody to guess."""
    code = value.get("code")
    if value.get("system") == units.URL and type(code) is str and code and not units.known(code):
        walk.warn(
            "code-invalid",
            below(path, "code"),
            "Quantity.code:ucum",
            f"'{shown(code)}' is no unit of UCUM: write one (mL, mg, [iU], {{dose}}), or leave out system and code and "
            "write the unit in words",
            f"'{shown(code)}' không phải đơn vị UCUM: hãy dùng mã đúng (mL, mg, [iU], {{dose}}), hoặc bỏ system và "
            "code, chỉ ghi unit",
        )


def order(one: Json, other: Json) -> int | None:
    """Return -1, 0 or 1 as `one` is less than, as much as or more than `other`; None when that cannot be told."""
    left, right = _number(one), _number(other)
    if left is None or right is None:
        return None
    if not _same_unit(one, other):
        from_one, from_other = _unit(one), _unit(other)
        if from_one is None or from_other is None or from_one.name != from_other.name:
            return None
        left = left * from_one.factor + from_one.zero
        right = right * from_other.factor + from_other.zero
    return (left > right) - (left < right)


def incomparable(one: Json, other: Json) -> bool:
    """Return whether the two measure different things: no conversion leads from one unit of UCUM to the other."""
    from_one, from_other = _unit(one), _unit(other)
    return from_one is not None and from_other is not None and from_one.name != from_other.name


def _number(quantity: Json) -> Fraction | None:
    value = quantity.get("value")
    if type(value) is bool or not isinstance(value, int | float | Decimal):
        return None
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


def _same_unit(one: Json, other: Json) -> bool:
    """Return whether both have the same code or, without codes, the same unit in words."""
    if "code" in one or "code" in other:
        return one.get("code") == other.get("code") and one.get("system") == other.get("system")
    return bool(one.get("unit") == other.get("unit"))


def _unit(quantity: Json) -> units.Unit | None:
    code = quantity.get("code")
    return units.unit(code) if type(code) is str and quantity.get("system") == units.URL else None
