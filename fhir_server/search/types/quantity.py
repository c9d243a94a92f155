"""Quantity search: a number with its unit, by system and code or by what people read.

https://hl7.org/fhir/R4/search.html#quantity
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from fhir_server.search.entries import Span, abbreviate, escape
from fhir_server.search.types import number
from fhir_server.search.types.number import Number
from fhir_server.search.values import Context, Invalid, Reader, split, unescape

Json = dict[str, Any]

CURRENCIES = "urn:iso:std:iso:4217"
TYPES = {"Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Duration", "Count", "Distance"}
_END = r"(?![^\n])"


class Quantity(NamedTuple):
    """`number|system|code` as the client wrote it."""

    number: Number
    system: str | None = None  # None: any, or the code is a unit that people read
    code: str | None = None  # None: any unit


def parse(text: str) -> Quantity:
    """Read `number`, `number|system|code` or `number||code`; raise Invalid otherwise."""
    value, *unit = split(text, "|")
    quantity = number.parse(value)
    match [unescape(part) for part in unit]:
        case []:
            return Quantity(quantity)
        case [system, code] if code:
            return Quantity(quantity, system or None, code)
    raise Invalid(
        f"'{text[:100]}' is no quantity: write number, number|system|code or number||code",
        f"'{text[:100]}' không phải đại lượng: hãy viết số, số|hệ thống|mã hoặc số||mã",
    )


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a quantity parameter cannot speak of that type."""
    if fhir_type in TYPES:
        return _quantity
    readers: dict[str, Reader] = {"Range": _range, "Money": _money, "SampledData": _sampled}
    return readers.get(fhir_type)


def _units(value: Json) -> Iterable[str]:
    """Return ` code|system` and, when it reads differently, ` unit|`."""
    code, system, unit = value.get("code", ""), value.get("system", ""), value.get("unit", "")
    written = f" {escape(code)}|{abbreviate(system)}"
    return (
        (written,) if not unit or unit == code else (f" {escape(unit)}|", written) if code else (f" {escape(unit)}|",)
    )


def _quantity(value: Json) -> Iterable[str]:
    point = number.encode_value(value.get("value"))
    if point is None:
        return ()
    units = _units(value)
    comparator = value.get("comparator", "")
    if comparator.startswith("<"):
        return [rest for unit in units for rest in number.interval_rests("", point, unit)]
    if comparator.startswith(">"):
        return [rest for unit in units for rest in number.interval_rests(point, "Z", unit)]
    return [f"|{point}{unit}" for unit in units]


def _range(value: Json) -> Iterable[str]:
    low, high = number.limit(value.get("low"), ""), number.limit(value.get("high"), "Z")
    units = _units(value.get("low") or value.get("high") or {})
    return [rest for unit in units for rest in number.interval_rests(low, high, unit)]


def _money(value: Json) -> Iterable[str]:
    return _quantity({"value": value.get("value"), "system": CURRENCIES, "code": value.get("currency", "")})


def _sampled(value: Json) -> Iterable[str]:
    limits = [number.encode_value(value[name]) if name in value else "" for name in ("lowerLimit", "upperLimit")]
    units = _units(value.get("origin", {}))
    return [rest for unit in units for rest in number.interval_rests(limits[0], limits[1] or "Z", unit)]


def match(wanted: Quantity, *, composite: bool = False) -> list[Span]:
    """Return the spans of entries that `wanted` describes; any quantity may be an interval, by its comparator."""
    if wanted.code is None:
        unit = ""
    elif wanted.system is None:
        unit = rf" {re.escape(escape(wanted.code))}\|"
    else:
        unit = rf" {re.escape(escape(wanted.code))}\|{re.escape(abbreviate(wanted.system))}{_END}"
    return number.match(wanted.number, intervals=True, unit=unit, composite=composite)
