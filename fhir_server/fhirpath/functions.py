"""FHIRPath's values and functions over JSON: equality, order, conversion, and what needs no focus of its own.

https://hl7.org/fhirpath/N1/#functions · https://hl7.org/fhirpath/N1/#operations
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import add, mul, sub
from typing import Any, Final, NamedTuple, TypeGuard

Values = list[Any]  # a collection; never changed once made

TRUE: Final[Values] = [True]
FALSE: Final[Values] = [False]
EMPTY: Final[Values] = []
TEMPORAL: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
).fullmatch
WESTMOST, EASTMOST = timedelta(hours=-12), timedelta(hours=14)  # of Universal Time
INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


class Bare(NamedTuple):
    """A primitive without a value, for which there is only an id or an extension."""

    extras: dict[str, Any]


def logical(values: Values) -> bool | None:
    """Return a collection as a truth value: None when it is empty; one item that is no boolean counts as true."""
    if not values:
        return None
    first = values[0]
    return first if first is True or first is False else True


def boolean(value: bool | None) -> Values:
    """Return a truth value as a collection."""
    return EMPTY if value is None else TRUE if value else FALSE


def same(left: Any, right: Any) -> bool:
    """Return whether two items are equal; true is not 1."""
    if type(left) is bool or type(right) is bool:
        return left is right
    return bool(left == right)


def equal(left: Values, right: Values) -> bool | None:
    """`=`: None when one side has no value."""
    if not left or not right or type(left[0]) is Bare or type(right[0]) is Bare:
        return None
    if len(left) == 1 and len(right) == 1:
        if left != right and (timed(left[0]) or timed(right[0])):
            found = order(left, right)
            return None if found is None else found == 0
        return same(left[0], right[0])
    return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))


def timed(value: Any) -> bool:
    """Return whether `value` is a date with a time: the same moment is written in several ways."""
    return type(value) is str and value[10:11] == "T" and TEMPORAL(value) is not None


def equivalent(left: Values, right: Values) -> bool:
    """`~`: in any order, text without regard to case and white space."""
    return len(left) == len(right) and all(any(_alike(one, other) for other in right) for one in left)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        alike = " ".join(one.casefold().split()) == " ".join(other.casefold().split())
        return alike or ((timed(one) or timed(other)) and order([one], [other]) == 0)
    return same(one, other)


def order(left: Values, right: Values) -> int | None:
    """Return -1, 0 or 1 as `left` lies before, at or after `right`; None when that cannot be said."""
    if len(left) != 1 or len(right) != 1:
        return None
    return compared(left[0], right[0])


def compared(one: Any, other: Any) -> int | None:
    """Return -1, 0 or 1 as `one` lies before, at or after `other`; None when that cannot be said."""
    if isinstance(one, str) and isinstance(other, str):
        if not _written_alike(one, other) and like_a_date(one) and like_a_date(other):
            moments = TEMPORAL(one), TEMPORAL(other)
            if moments[0] and moments[1]:
                return _chronology(moments[0], moments[1])
        return (one > other) - (one < other)
    if is_number(one) and is_number(other):
        return (one > other) - (one < other)
    return None


def like_a_date(text: str) -> bool:
    """Return whether TEMPORAL is worth asking: the year is all there is, or a hyphen follows it."""
    return len(text) == 4 or text[4:5] == "-"


def _written_alike(one: str, other: str) -> bool:
    """Return whether two texts, also when they are dates or times, come in the order of their characters."""
    if len(one) == len(other):
        return len(one) <= 10 or one[19:] == other[19:] != ""  # to the second, and at the same offset
    # a date and a time, on different days
    short, long = (one, other) if len(one) < len(other) else (other, one)
    return len(short) == 10 and short != long[:10] and not _universal(long)


def _universal(text: str) -> bool:
    """Return whether a time is written without saying where: as Universal Time."""
    return text[-1] == "Z" or text[-6:] in ("+00:00", "-00:00")


def is_number(value: Any) -> TypeGuard[int | Decimal]:
    """Return whether a value is a number."""
    return type(value) is int or isinstance(value, Decimal)


def _chronology(one: re.Match[str], other: re.Match[str]) -> int | None:
    """Compare two dates or times to the precision that both have (§6.2.1); None when that does not decide.

    Seconds and what is behind their point are one precision. Nobody knows how a time without an offset lies to one
    that has it, nor which day it was where a time was written as Universal Time; another offset tells the place.
    """
    if one.group(4) and other.group(4) and (one.group(8) is None) != (other.group(8) is None):
        return None
    if one.group(4) and not other.group(4) and _universal(one.group()):
        return _on_a_day(one, other.groups()[:3])
    if other.group(4) and not one.group(4) and _universal(other.group()):
        found = _on_a_day(other, one.groups()[:3])
        return None if found is None else -found
    if one.group(8) and other.group(8):
        moments = _moment(one), _moment(other)
        if moments[0] is not None and moments[1] is not None:
            return (moments[0] > moments[1]) - (moments[0] < moments[1])
    for mine, yours in zip(one.groups()[:6], other.groups()[:6], strict=True):
        if mine is None or yours is None:
            return 0 if mine is yours else None
        if mine != yours:
            return 1 if mine > yours else -1
    parts = Decimal(one.group(7) or 0), Decimal(other.group(7) or 0)
    return (parts[0] > parts[1]) - (parts[0] < parts[1])


def _on_a_day(time: re.Match[str], date: tuple[str | Any, ...]) -> int | None:
    """Compare a time that does not say where it was with a date: None when the place decides.

    Half a day earlier it is at the places farthest west, fourteen hours later at those farthest east.
    """
    moment = _moment(time)
    wanted = tuple(int(part) for part in date if part is not None)
    if moment is None:
        return None
    try:
        ends = [(moment + shift).timetuple()[: len(wanted)] for shift in (WESTMOST, EASTMOST)]
    except OverflowError:
        return None
    if ends[0] > wanted:
        return 1
    return -1 if ends[1] < wanted else None


def _moment(match: re.Match[str]) -> datetime | None:
    try:
        return datetime.fromisoformat(match.group())
    except ValueError:
        return None  # a leap second, or a day that the calendar does not have


def concatenated(left: Values, right: Values) -> str:
    """`&`: what is empty is an empty text."""
    return "".join(str(value) for value in (*left[:1], *right[:1]))


def substring(text: str, start: int, length: int | None = None) -> Values:
    """`substring`: empty when it starts outside of the text."""
    if not 0 <= start < len(text):
        return EMPTY
    return [text[start:] if length is None else text[start : start + max(length, 0)]]


def to_integer(value: Any) -> Values:
    """`toInteger`: empty when the value is no whole number."""
    if type(value) is str and len(value) < 18 and value.isascii() and value.isdigit():  # as most often
        return [int(value)]
    if isinstance(value, bool):
        return [int(value)]
    if isinstance(value, int):
        return [value]
    return [int(value)] if isinstance(value, str) and INTEGER(value) else EMPTY


def to_decimal(value: Any) -> Values:
    """`toDecimal`: empty when the value is no number."""
    if is_number(value):
        return [value]
    if isinstance(value, bool):
        return [Decimal(int(value))]
    return [Decimal(value)] if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,30}(\.\d{1,30})?", value) else EMPTY


def to_string(value: Any) -> Values:
    """`toString`: empty for objects."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if type(value) is str:
        return [value]
    return [str(value)] if isinstance(value, int | Decimal) else EMPTY


def distinct(values: Iterable[Any]) -> Values:
    """Return the items of `values` that differ from those before them."""
    found: Values = []
    texts: set[str] = set()  # looked up, for the codes of a code system are thousands
    others: Values = []
    for value in values:
        if type(value) is str:
            if value in texts or any(same(value, other) for other in others):
                continue
            texts.add(value)
        elif any(same(value, other) for other in found):
            continue
        else:
            others.append(value)
        found.append(value)
    return found


def children(values: Values) -> Values:
    """Return what lies one level below; the order is that of the JSON."""
    found: Values = []
    for value in values:
        content = value.extras if type(value) is Bare else value if type(value) is dict else {}
        for name, child in content.items():
            if name != "resourceType" and not name.startswith("_"):
                found.extend(child if type(child) is list else [child])
    return [value for value in found if value is not None]


def descendants(values: Values) -> Values:
    """Return what lies below, on every level."""
    found: Values = []
    level = children(values)
    while level:
        found.extend(level)
        level = children(level)
    return found


WHOLE: Final[Mapping[str, Callable[[int, int], int]]] = {"+": add, "-": sub, "*": mul}  # of whole numbers


def arithmetic(operator: str, left: Values, right: Values) -> Values:
    """Return `left operator right` of two numbers or two texts; empty when there are none, or when it is x / 0."""
    if len(left) != 1 or len(right) != 1:
        return EMPTY
    one, other = left[0], right[0]
    if type(one) is int and type(other) is int and operator in WHOLE:
        return [WHOLE[operator](one, other)]
    if operator == "+" and isinstance(one, str) and isinstance(other, str):
        return [one + other]
    if not (is_number(one) and is_number(other)) or (operator in ("/", "div", "mod") and other == 0):
        return EMPTY
    match operator:
        case "+":
            return [one + other]
        case "-":
            return [one - other]
        case "*":
            return [one * other]
        case "/":
            return [Decimal(one) / Decimal(other)]
        case "div":
            return [int(Decimal(one) / Decimal(other)) if isinstance(one, Decimal) else _quotient(one, other)]
        case _:
            return [one - other * _quotient(one, other)]


def _quotient(one: Any, other: Any) -> int:
    """Return the whole part of a quotient, towards zero."""
    whole = int(abs(one) // abs(other))
    return whole if (one < 0) == (other < 0) else -whole


def negation(values: Values) -> Values:
    """`not()`."""
    value = logical(values)
    return EMPTY if value is None else FALSE if value else TRUE


def within(some: Values, every: Values) -> Values:
    """`in`."""
    if not some:
        return EMPTY
    return boolean(any(same(some[0], value) for value in every))


PLAIN: Mapping[str, Callable[[Values], Values]] = {
    "empty": lambda values: FALSE if values else TRUE,
    "exists": lambda values: TRUE if values else FALSE,
    "not": negation,
    "count": lambda values: [len(values)],
    "first": lambda values: values[:1],
    "last": lambda values: values[-1:],
    "tail": lambda values: values[1:],
    "single": lambda values: values if len(values) == 1 else EMPTY,
    "distinct": distinct,
    "isDistinct": lambda values: boolean(len(distinct(values)) == len(values)),
    "hasValue": lambda values: boolean(len(values) == 1 and type(values[0]) not in (dict, Bare)),
    "allTrue": lambda values: boolean(all(value is True for value in values)),
    "anyTrue": lambda values: boolean(any(value is True for value in values)),
    "allFalse": lambda values: boolean(all(value is False for value in values)),
    "anyFalse": lambda values: boolean(any(value is False for value in values)),
    "children": children,
    "descendants": descendants,
    "trace": lambda values: values,
    # The narrative has its own reader, which every narrative has passed before.
    "htmlChecks": lambda values: TRUE,
    "length": lambda values: [len(value) for value in values[:1] if type(value) is str],
    "upper": lambda values: [value.upper() for value in values[:1] if type(value) is str],
    "lower": lambda values: [value.lower() for value in values[:1] if type(value) is str],
    "trim": lambda values: [value.strip() for value in values[:1] if type(value) is str],
    "toChars": lambda values: [character for value in values[:1] if type(value) is str for character in value],
}
# name → (text, argument) → collection
TEXTUAL: Mapping[str, Callable[[str, Any], Values]] = {
    "startsWith": lambda text, part: boolean(text.startswith(str(part))),
    "endsWith": lambda text, part: boolean(text.endswith(str(part))),
    "contains": lambda text, part: boolean(str(part) in text),
    "split": lambda text, part: text.split(str(part)) if part else [text],
    "indexOf": lambda text, part: [text.find(str(part))],
}
# name → (left, right) → collection
PAIRS: Mapping[str, Callable[[Values, Values], Values]] = {
    "union": lambda left, right: distinct([*left, *right]),
    "combine": lambda left, right: [*left, *right],
    "intersect": lambda left, right: distinct(v for v in left if any(same(v, w) for w in right)),
    "exclude": lambda left, right: [v for v in left if not any(same(v, w) for w in right)],
    "subsetOf": lambda left, right: boolean(all(any(same(v, w) for w in right) for v in left)),
    "supersetOf": lambda left, right: boolean(all(any(same(v, w) for w in left) for v in right)),
    "skip": lambda left, right: left[right[0] :] if right and type(right[0]) is int else EMPTY,
    "take": lambda left, right: left[: right[0]] if right and type(right[0]) is int else EMPTY,
}
