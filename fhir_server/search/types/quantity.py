"""Quantity search: a number with its unit, by system and code or by what people read.

A quantity in a unit of UCUM is also indexed in base units, and so is what a client asks for in one: `5.4 g` finds
`5400 mg`. A value without a unit, or with one that is not said to be of UCUM, is compared as it is written.

https://hl7.org/fhir/R4/search.html#quantity
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any, NamedTuple

from fhir_server.definitions import units
from fhir_server.definitions.units import Unit
from fhir_server.search.entries import Span, abbreviate, escape
from fhir_server.search.types import number
from fhir_server.search.types.number import Form, Number, Scaled
from fhir_server.search.values import Context, Invalid, Reader, split, unescape

Json = dict[str, Any]
Encode = Callable[[Any], str | None]  # of a JSON number

CURRENCIES = "urn:iso:std:iso:4217"
TYPES = {"Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Duration", "Count", "Distance"}
_END = r"(?![^\n])"


class Quantity(NamedTuple):
    """`number|system|code` as the client wrote it; with `base`, `number` is in that unit."""

    number: Number
    system: str | None = None  # None: any, or the code is a unit that people read
    code: str | None = None  # None: any unit
    base: str | None = None  # the base units of a unit of UCUM that can be converted


def parse(text: str) -> Quantity:
    """Read `number`, `number|system|code` or `number||code`; raise Invalid otherwise."""
    value, *unit = split(text, "|")
    match [unescape(part) for part in unit]:
        case []:
            return Quantity(number.parse(value))
        case [units.URL, code] if (known := units.unit(code)) is not None:
            return Quantity(_converted(value, known), units.URL, code, known.name)
        case [system, code] if code:
            return Quantity(number.parse(value), system or None, code)
    raise Invalid(
        f"'{text[:100]}' is no quantity: write number, number|system|code or number||code",
        f"'{text[:100]}' không phải đại lượng: hãy viết số, số|hệ thống|mã hoặc số||mã",
    )


def _converted(text: str, unit: Unit) -> Number:
    """Read a number in `unit` and return it in base units, with the precision that it was written with."""
    prefix, *limits = number.read(text)
    found = [number.encode_value(unit.convert(_fraction(each))) for each in limits]
    value, low, high = found
    if value is None or low is None or high is None:
        raise Invalid(
            f"'{text[:100]}' is beyond what is compared: write a smaller number or another unit",
            f"'{text[:100]}' vượt quá phạm vi so sánh: hãy viết số nhỏ hơn hoặc đơn vị khác",
        )
    return Number(prefix, value, low, high)


def _fraction(value: Scaled) -> Fraction:
    return Fraction(value.digits) * Fraction(10) ** value.exponent


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a quantity parameter cannot speak of that type."""
    if fhir_type in TYPES:
        return _quantity
    readers: dict[str, Reader] = {"Range": _range, "Money": _money, "SampledData": _sampled}
    return readers.get(fhir_type)


class _Written(NamedTuple):
    """One way to write a quantity: what its rests begin and end with, and how its numbers are encoded."""

    form: Form
    unit: str
    encode: Encode

    def point(self, value: Any) -> Iterable[str]:
        encoded = self.encode(value)
        return () if encoded is None else (f"{self.form.low}{encoded}{self.unit}",)

    def interval(self, low: Any, high: Any) -> Iterable[str]:
        """Return the rests of what lies between two numbers; None: open."""
        ends = ("" if low is None else self.encode(low), "Z" if high is None else self.encode(high))
        return number.interval_rests(*ends, self.unit, self.form)


def _ways(value: Json) -> Iterable[_Written]:
    """Yield the ways to write a quantity: by its code, by its unit when that reads differently, in base units."""
    code, system, unit = value.get("code", ""), value.get("system", ""), value.get("unit", "")
    if code or not unit:
        yield _Written(number.PLAIN, f" {escape(code)}|{abbreviate(system)}", number.encode_value)
    if unit and unit != code:
        yield _Written(number.PLAIN, f" {escape(unit)}|", number.encode_value)
    if system == units.URL and code and (known := units.unit(code)) is not None:
        yield _Written(_base_form(known.name), "", partial(_in_base, code))


def _base_form(name: str) -> Form:
    return Form(f":ucum|{name}|", f":ucum-end|{name}|")


@lru_cache(maxsize=16384)
def _in_base(code: str, value: Any) -> str | None:
    """Return a JSON number of the unit `code` encoded in base units; None when it is beyond what is indexed."""
    known = units.unit(code)
    if known is None or number.encode_value(value) is None:
        return None
    exact = value if isinstance(value, int | Decimal) else Decimal(repr(value))
    return number.encode_value(known.convert(Fraction(exact)))


def _quantity(value: Json) -> Iterable[str]:
    point, comparator = value.get("value"), value.get("comparator", "")
    if point is None:
        return ()
    if comparator.startswith("<"):
        return [rest for way in _ways(value) for rest in way.interval(None, point)]
    if comparator.startswith(">"):
        return [rest for way in _ways(value) for rest in way.interval(point, None)]
    return [rest for way in _ways(value) for rest in way.point(point)]


def _range(value: Json) -> Iterable[str]:
    low, high = value.get("low", {}), value.get("high", {})
    return [rest for way in _ways(low or high) for rest in way.interval(low.get("value"), high.get("value"))]


def _money(value: Json) -> Iterable[str]:
    return _quantity({"value": value.get("value"), "system": CURRENCIES, "code": value.get("currency", "")})


def _sampled(value: Json) -> Iterable[str]:
    low, high = value.get("lowerLimit"), value.get("upperLimit")
    return [rest for way in _ways(value.get("origin", {})) for rest in way.interval(low, high)]


def match(wanted: Quantity, *, composite: bool = False) -> list[Span]:
    """Return the spans of entries that `wanted` describes; any quantity may be an interval, by its comparator."""
    if wanted.base is not None:
        return number.match(wanted.number, intervals=True, composite=composite, form=_base_form(wanted.base))
    if wanted.code is None:
        unit = ""
    elif wanted.system is None:
        unit = rf" {re.escape(escape(wanted.code))}\|"
    else:
        unit = rf" {re.escape(escape(wanted.code))}\|{re.escape(abbreviate(wanted.system))}{_END}"
    return number.match(wanted.number, intervals=True, unit=unit, composite=composite)
