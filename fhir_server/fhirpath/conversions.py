"""Conversions between types, and mathematics: functions of one value and, some, one argument.

https://hl7.org/fhirpath/N1/#conversion · https://hl7.org/fhirpath/N1/#math
"""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any, Final

from fhir_server.fhirpath.functions import (
    EMPTY,
    TEMPORAL,
    Values,
    boolean,
    is_number,
    to_decimal,
    to_integer,
    to_string,
)

TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})
TIME: Final = re.compile(r"\d\d(:\d\d(:\d\d(\.\d+)?)?)?", re.ASCII).fullmatch
EXACTLY: Final = Context(prec=38)  # digits; what does not fit is refused, so that nobody calculates without end
MAX_PLACES: Final = 30


def to_boolean(value: Any) -> Values:
    """`toBoolean`: empty when the value is neither true nor false."""
    text = str(value).lower() if isinstance(value, bool | int | Decimal | str) else ""
    return [True] if text in TRUE else [False] if text in FALSE else EMPTY


def to_date(value: Any) -> Values:
    """`toDate`: the day of a date or time; empty when the value is none."""
    return [value.partition("T")[0]] if type(value) is str and TEMPORAL(value) else EMPTY


def to_date_time(value: Any) -> Values:
    """`toDateTime`: empty when the value is no date or time."""
    return [value] if type(value) is str and TEMPORAL(value) else EMPTY


def to_time(value: Any) -> Values:
    """`toTime`: empty when the value is no time of day."""
    return [value] if type(value) is str and TIME(value) else EMPTY


CONVERSIONS: Final[Mapping[str, Callable[[Any], Values]]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": to_string,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
}


def _converted(to: Callable[[Any], Values]) -> Callable[[Values], Values]:
    return lambda values: to(values[0]) if len(values) == 1 else EMPTY


def _converts(to: Callable[[Any], Values]) -> Callable[[Values], Values]:
    return lambda values: boolean(bool(to(values[0]))) if len(values) == 1 else EMPTY


def _calculated(work: Callable[[Decimal], Decimal | int]) -> Callable[[Values], Values]:
    """Compile a function of one number; empty where it has no value."""

    def calculate(values: Values) -> Values:
        if len(values) != 1 or not is_number(values[0]):
            return EMPTY
        try:
            found = work(Decimal(values[0]))
        except (DecimalException, OverflowError):
            return EMPTY
        return [found] if isinstance(found, int) or found.is_finite() else EMPTY

    return calculate


def _whole(rounding: str) -> Callable[[Decimal], int]:
    return lambda number: int(number.to_integral_value(rounding, EXACTLY))


# name → collection → collection
PLAIN: Final[Mapping[str, Callable[[Values], Values]]] = {
    **{f"to{name}": _converted(to) for name, to in CONVERSIONS.items()},
    **{f"convertsTo{name}": _converts(to) for name, to in CONVERSIONS.items()},
    "abs": lambda values: [abs(values[0])] if len(values) == 1 and is_number(values[0]) else EMPTY,
    "ceiling": _calculated(_whole(ROUND_CEILING)),
    "floor": _calculated(_whole(ROUND_FLOOR)),
    "truncate": _calculated(_whole(ROUND_DOWN)),
    "exp": _calculated(EXACTLY.exp),
    "ln": _calculated(EXACTLY.ln),
    "sqrt": _calculated(EXACTLY.sqrt),
}


def logarithm(value: Any, base: Any) -> Values:
    """`log`: empty when the value or the base is not above zero."""
    return _calculated(lambda number: EXACTLY.divide(EXACTLY.ln(number), EXACTLY.ln(Decimal(base))))([value])


def power(value: Any, exponent: Any) -> Values:
    """`power`: empty when it has no value among the real numbers, or too large a one."""
    return _calculated(lambda number: EXACTLY.power(number, Decimal(exponent)))([value])


def rounded(value: Any, places: Any) -> Values:
    """`round` to so many places behind the point, halves away from zero; empty with more than 30."""
    if not 0 <= places <= MAX_PLACES:
        return EMPTY
    return _calculated(lambda number: number.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, EXACTLY))([value])


# name → (number, argument) → collection
NUMERIC: Final[Mapping[str, Callable[[Any, Any], Values]]] = {"log": logarithm, "power": power, "round": rounded}
