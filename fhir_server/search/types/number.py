"""Number search: decimals written so that strings sort as numbers do, implicit precision, all prefixes.

A number without a prefix stands for the interval of its significant digits, by the rule and not by the page's example
of `1e2`: [50, 150). With gt, lt, ge, le, sa and eb it is exact. Numbers in resources are points, Ranges are intervals.

https://hl7.org/fhir/R4/search.html#number
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.search.entries import Span, field_above, field_below
from fhir_server.search.values import Context, Invalid, Prefix, Reader, prefixed, unescape

Json = dict[str, Any]

DIGITS = 60  # significant digits, and
EXPONENT = 400  # decimal exponents that are told apart
_NUMBER = re.compile(r"([+-]?)(\d{1,60})(?:\.(\d{0,60}))?(?:[eE]([+-]?\d{1,4}))?", re.ASCII)
_UNBOUNDED = "Z"


class Scaled(NamedTuple):
    """`digits` × 10 ** `exponent`, exactly."""

    digits: int
    exponent: int


class Written(NamedTuple):
    """A number as the client wrote it: its prefix, and the limits of the interval that it implies."""

    prefix: Prefix
    value: Scaled
    low: Scaled
    high: Scaled


class Number(NamedTuple):
    """A number with its prefix and the limits of the interval that it implies, all encoded."""

    prefix: Prefix
    value: str
    low: str  # inclusive
    high: str  # exclusive


def parse(text: str) -> Number:
    """Read a number with an optional prefix; raise Invalid when it is none or beyond what is indexed."""
    prefix, *limits = read(text)
    return Number(prefix, *(_encoded(each) for each in limits))


def read(text: str) -> Written:
    """Read a number with an optional prefix; raise Invalid when it is none or beyond what is indexed."""
    prefix, number = prefixed(unescape(text))
    found = _NUMBER.fullmatch(number)
    scaled = _scaled(*found.groups()) if found else None
    if scaled is None or abs(scaled.exponent) > EXPONENT or encode(scaled) is None:
        raise Invalid(
            f"'{text[:100]}' is no number of at most {DIGITS} digits: write for example 5.4, ge100 or 1.2e3",
            f"'{text[:100]}' không phải số có tối đa {DIGITS} chữ số: hãy viết ví dụ 5.4, ge100 hoặc 1.2e3",
        )
    half = abs(scaled.digits) if prefix == "ap" else 0
    return Written(prefix, scaled, *_around(scaled, max(5, half)))


def _scaled(sign: str, whole: str, fraction: str | None, power: str | None) -> Scaled:
    digits = int(whole + (fraction or ""))
    return Scaled(-digits if sign == "-" else digits, int(power or 0) - len(fraction or ""))


def _around(number: Scaled, half: int) -> tuple[Scaled, Scaled]:
    """Return `number` less and more `half` tenths of its last digit's unit (`ap`: a tenth of the number)."""
    digits, exponent = number.digits * 10, number.exponent - 1
    return Scaled(digits - half, exponent), Scaled(digits + half, exponent)


class Form(NamedTuple):
    """What the rests begin with that hold a number first: a point or the low end of an interval, or its high end."""

    low: str
    high: str


PLAIN = Form("|", ":end|")


def encode(number: Scaled) -> str | None:
    """Return a string of `0-9` and `~` that sorts as the number does; None beyond DIGITS or EXPONENT.

    Positive: 2, the exponent of 0.ddd above 500, the digits. Negative: 0, both complemented, and ~ so that of two
    with the same beginning the longer one is smaller. Zero: 1.
    """
    if number.digits == 0:
        return "1"
    digits = str(abs(number.digits))
    exponent = number.exponent + len(digits)
    digits = digits.rstrip("0")
    if len(digits) > DIGITS + 1 or abs(exponent) > EXPONENT + DIGITS:
        return None
    if number.digits > 0:
        return f"2{500 + exponent:03d}{digits}"
    return f"0{499 - exponent:03d}{digits.translate(_COMPLEMENT)}~"


_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def _encoded(number: Scaled) -> str:
    encoded = encode(number)
    assert encoded is not None  # parse has bounded it
    return encoded


def encode_value(value: Any) -> str | None:
    """Return a JSON number encoded; None when it is beyond what is indexed."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, int):
        return encode(Scaled(value, 0)) if abs(value).bit_length() <= 200 else None
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > 2 * EXPONENT:
        return None
    sign, digits, exponent = value.as_tuple()
    if len(digits) > 2 * DIGITS:
        return None
    number = int("".join(map(str, digits)))
    return encode(Scaled(-number if sign else number, int(exponent)))


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a number parameter cannot speak of that type."""
    if fhir_type in {"integer", "positiveInt", "unsignedInt", "decimal"}:
        return _point
    return _range if fhir_type == "Range" else None


def _point(value: Any) -> Iterable[str]:
    encoded = encode_value(value)
    return () if encoded is None else (f"|{encoded}",)


def _range(value: Json) -> Iterable[str]:
    return interval_rests(limit(value.get("low"), ""), limit(value.get("high"), _UNBOUNDED), "")


def limit(quantity: Json | None, absent: str) -> str | None:
    """Return a Range's limit encoded, `absent` when there is none, None when it is beyond what is indexed."""
    return absent if quantity is None or "value" not in quantity else encode_value(quantity["value"])


def interval_rests(low: str | None, high: str | None, unit: str, form: Form = PLAIN) -> tuple[str, ...]:
    """Return the two rests of an interval: by its low and by its high end."""
    if low is None or high is None:
        return ()
    return (f"{form.low}{low}/{high}{unit}", f"{form.high}{high}/{low}{unit}")


def match(
    wanted: Number, *, intervals: bool, unit: str = "", composite: bool = False, form: Form = PLAIN
) -> list[Span]:
    """Return the spans of entries that `wanted` describes.

    `intervals`: whether the parameter can meet a Range; `unit`: a pattern for what follows the number; `composite`:
    leave out the rests by the high end, which are not part of composites.
    """
    spans = _Spans(form, unit, intervals, composite)
    value, low, high = wanted.value, wanted.low, wanted.high
    above = value + "0"  # the least that sorts above `value`, whatever follows it
    match wanted.prefix:
        case "eq":
            return [spans.ending(low, high, field_below(high))]
        case "ne":
            reaching = spans.reaching(low, high, f"(?!{field_below(high)})", at_least=high)
            return [spans.beginning("/", low), spans.beginning(high, "}"), *reaching]
        case "gt":
            return [spans.beginning(above, "}"), *spans.reaching("/", above, field_above(value), at_least=above)]
        case "ge":
            reaching = spans.reaching("/", value, f"(?!{field_below(value)})", at_least=value)
            return [spans.beginning(value, "}"), *reaching]
        case "lt":
            return [spans.beginning("/", value)]
        case "le":
            return [spans.beginning("/", above)]
        case "sa":
            return [spans.beginning(above, "}")]
        case "eb":
            return [spans.ending("/", value, field_below(value))]
        case "ap":
            reaching = spans.reaching("/", low, f"(?!{field_below(low)})", at_least=low, start=field_below(high))
            return [spans.beginning(low, high), *reaching]


class _Spans(NamedTuple):
    """Makes spans of the points `|low` and the intervals `|low/high`, all with the same unit.

    "/" sorts below every encoded number (and above the mark of presence), "}" above.
    """

    form: Form
    unit: str
    intervals: bool
    composite: bool

    def beginning(self, low: str, high: str) -> Span:
        """Return the span of points and intervals that begin from `low` to below `high`."""
        return self._from(low, high, rf"[^\n ]*{self.unit}" if self.unit else None)

    def ending(self, low: str, high: str, end: str) -> Span:
        """Return the same without the intervals whose high end does not match `end`."""
        if not self.intervals:
            return self.beginning(low, high)
        return self._from(low, high, rf"[0-9~]*(?:/{end})?(?![^\n ]){self.unit}")

    def reaching(self, low: str, high: str, end: str, at_least: str, start: str = "[0-9~]*") -> list[Span]:
        """Return the span of intervals that begin from `low` to below `high` and whose high end matches `end`.

        Outside composites they are found by their high end, `at_least` and above; those that begin later match too.
        """
        if not self.intervals:
            return []
        if self.composite:
            return [self._from(low, high, rf"[0-9~]*/{end}[^\n ]*{self.unit}")]
        form = self.form.high
        return [Span(form + at_least, f"{form}}}", rf"{re.escape(form)}[0-9~Z]*/{start}(?![^\n ]){self.unit}")]

    def _from(self, low: str, high: str, pattern: str | None) -> Span:
        form = self.form.low
        return Span(form + low, form + high, None if pattern is None else re.escape(form) + pattern)
