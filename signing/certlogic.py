"""CertLogic 1.3: the language of business rules, evaluated with a bound on its work.

https://github.com/ehn-dcc-development/eu-dcc-business-rules/blob/main/certlogic/specification/README.md
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from signing.refusal import Refused

MOST_STEPS = 10_000  # the largest public rule takes a few hundred
DEEPEST = 64
_UNITS = ("year", "month", "day", "hour")
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)
_INTEGER = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_PATH = re.compile(r"(?:[^.]+(?:\.[^.]+)*)?")
_UVCI = re.compile(r"[/#:]")
_UVCI_PREFIX = "URN:UVCI:"

Evaluate = Callable[[Any], Any]


def evaluate(expression: Any, data: Any) -> Any:
    """Return the value of `expression` for `data`: JSON, or a datetime; raise Refused when it has none."""
    return _Evaluation().value(expression, data, DEEPEST)


def truthy(value: Any) -> bool:
    """Return whether `value` counts as true: true, and any text, list, number or object that is not empty or zero."""
    return value is True or (not isinstance(value, bool) and (isinstance(value, datetime) or bool(value)))


def falsy(value: Any) -> bool:
    """Return whether `value` counts as false: false, null, and what is empty or zero."""
    return value is None or not truthy(value)


def problems(expression: Any) -> tuple[str, ...]:
    """Return what makes `expression` no CertLogic, whatever the data; nothing when it can be evaluated."""
    found: list[str] = []
    _check(expression, found, DEEPEST)
    return tuple(found)


class _Evaluation:
    """One evaluation: counts its steps, so that no rule takes longer than it should."""

    def __init__(self) -> None:
        self.steps = 0

    def value(self, expression: Any, data: Any, depth: int) -> Any:
        self.steps += 1
        if self.steps > MOST_STEPS or not depth:
            raise Refused("rule-too-long", f"the rule takes more than {MOST_STEPS} steps or {DEEPEST} levels")
        if isinstance(expression, list):
            return [self.value(item, data, depth - 1) for item in expression]
        if not isinstance(expression, dict):
            if expression is None or (isinstance(expression, float) and expression % 1):
                raise _invalid(f"{expression} is no expression")
            return expression
        operator, operands = _operation(expression)
        if operator == "var":
            return _variable(operands, data)
        if operator == "if":
            return self._if(operands, data, depth)
        if operator == "and":
            return self._and(operands, data, depth)
        if operator == "reduce":
            return self._reduce(operands, data, depth)
        values = [self.value(operand, data, depth - 1) for operand in operands]
        return _OPERATORS[operator](values)

    def _if(self, operands: Sequence[Any], data: Any, depth: int) -> Any:
        if len(operands) != 3:
            raise _invalid("`if` takes a condition and two branches")
        guard = self.value(operands[0], data, depth - 1)
        return self.value(operands[1 if truthy(guard) else 2], data, depth - 1)

    def _and(self, operands: Sequence[Any], data: Any, depth: int) -> Any:
        if len(operands) < 2:
            raise _invalid("`and` takes two operands or more")
        found = None
        for operand in operands:
            found = self.value(operand, data, depth - 1)
            if falsy(found):
                return found
        return found

    def _reduce(self, operands: Sequence[Any], data: Any, depth: int) -> Any:
        if len(operands) != 3:
            raise _invalid("`reduce` takes a list, an operation and a beginning")
        items, found = self.value(operands[0], data, depth - 1), self.value(operands[2], data, depth - 1)
        if items is None:
            return found
        if not isinstance(items, list):
            raise _invalid("`reduce` goes over a list")
        for item in items:
            found = self.value(operands[1], {"accumulator": found, "current": item, "data": data}, depth - 1)
        return found


def _operation(expression: Mapping[str, Any]) -> tuple[str, Any]:
    if len(expression) != 1:
        raise _invalid(f"expression object must have exactly one key, but it has {len(expression)}")
    [(operator, operands)] = expression.items()
    if operator == "var":
        return operator, operands
    if operator not in _NAMES:
        raise _invalid(f'unrecognised operator: "{operator:.40}"')
    if not isinstance(operands, list) or not operands:
        raise _invalid('operation not of the form { "<operator>": [ <values...> ] }')
    return operator, operands


def _variable(path: Any, data: Any) -> Any:
    if not isinstance(path, str):
        raise _invalid(f'not of the form {{ "var": "<path>" }}: {path!r:.40}')
    found = data
    for step in path.split(".") if path else ():
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and _INTEGER.fullmatch(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _identical(values: Sequence[Any]) -> bool:
    if len(values) != 2:
        raise _invalid("`===` takes two operands")
    one, other = values
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _in(values: Sequence[Any]) -> bool:
    match values:
        case [_, None]:  # a list that is missing holds nothing
            return False
        case [value, [*items]]:
            return any(_identical((value, item)) for item in items)
        case _:
            raise _invalid("`in` looks for a value in a list")


def _plus(values: Sequence[Any]) -> Any:
    if len(values) != 2 or not all(_is_integer(value) for value in values):
        raise _invalid("`+` adds two integers")
    return values[0] + values[1]


def _not(values: Sequence[Any]) -> bool:
    if len(values) != 1:
        raise _invalid("`!` takes one operand")
    return falsy(values[0])


def _ordered(compare: Callable[[Any, Any], bool], valid: Callable[[Any], bool], what: str) -> Callable[..., bool]:
    def operator(values: Sequence[Any]) -> bool:
        if len(values) not in (2, 3) or not all(valid(value) for value in values):
            raise _invalid(f"two or three {what} are compared")
        return all(compare(one, next) for one, next in pairwise(values))

    return operator


def _plus_time(values: Sequence[Any]) -> datetime:
    match values:
        case [str() | datetime() as moment, amount, str() as unit] if unit in _UNITS and _is_integer(amount):
            return _shifted(_time(moment), amount, unit)
        case _:
            raise _invalid("`plusTime` takes a date or time, an integer, and one of year, month, day, hour")


def _date_of_birth(values: Sequence[Any]) -> datetime:
    """Return the last day that a date of birth in parts may stand for, at midnight UTC."""
    match values:
        case [str() as text] if read := _PARTIAL_DATE.fullmatch(text):
            return _last_day(read)
        case _:
            raise _invalid("`dccDateOfBirth` takes a date YYYY, YYYY-MM or YYYY-MM-DD")


def _from_uvci(values: Sequence[Any]) -> str | None:
    match values:
        case [None, index] if _is_integer(index):
            return None
        case [str() as identifier, index] if _is_integer(index):
            parts = _UVCI.split(identifier.removeprefix(_UVCI_PREFIX))
            return parts[index] if 0 <= index < len(parts) else None
        case _:
            raise _invalid("`extractFromUVCI` takes an identifier and an integer")


def _time(value: str | datetime) -> datetime:
    if isinstance(value, datetime):
        return value
    if read := _PARTIAL_DATE.fullmatch(value):
        return _last_day(read)
    try:
        if not _DATE_TIME.match(value):  # of the other forms of ISO 8601, none
            raise ValueError
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _invalid(f"{value!r:.40} is not a date or time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _last_day(date: re.Match[str]) -> datetime:
    """Return the last day that a date without day or month may stand for, at midnight UTC."""
    year, month = int(date[1]), int(date[2] or 12)
    try:
        if date[3]:
            return datetime(year, month, int(date[3]), tzinfo=UTC)
        first = datetime(year, month, 1, tzinfo=UTC)
    except ValueError:
        raise _invalid(f"{date[0]} is not a date") from None
    return _shifted(first, 1, "month") - timedelta(days=1)


def _shifted(moment: datetime, amount: int, unit: str) -> datetime:
    """Return `moment` and so many units; a day that the month lacks runs over into the next, as in JavaScript."""
    moment = moment.astimezone(UTC)
    try:
        if unit == "hour":
            return moment + timedelta(hours=amount)
        if unit == "day":
            return moment + timedelta(days=amount)
        months = moment.month - 1 + (amount if unit == "month" else 12 * amount)
        first = moment.replace(year=moment.year + months // 12, month=months % 12 + 1, day=1)
        return first + timedelta(days=moment.day - 1)
    except (ValueError, OverflowError):
        raise _invalid("a time beyond the calendar") from None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not value % 1


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime | str)


def _times(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return _ordered(lambda one, other: compare(_time(one), _time(other)), _is_time, "dates and times")


_OPERATORS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "===": _identical,
    "in": _in,
    "+": _plus,
    "!": _not,
    ">": _ordered(lambda one, other: one > other, _is_integer, "integers"),
    "<": _ordered(lambda one, other: one < other, _is_integer, "integers"),
    ">=": _ordered(lambda one, other: one >= other, _is_integer, "integers"),
    "<=": _ordered(lambda one, other: one <= other, _is_integer, "integers"),
    "after": _times(lambda one, other: one > other),
    "before": _times(lambda one, other: one < other),
    "not-after": _times(lambda one, other: one <= other),
    "not-before": _times(lambda one, other: one >= other),
    "plusTime": _plus_time,
    "dccDateOfBirth": _date_of_birth,
    "extractFromUVCI": _from_uvci,
}
_NAMES = {*_OPERATORS, "if", "and", "reduce"}
_COUNTS: dict[str, tuple[int, ...]] = {
    "if": (3,),
    "===": (2,),
    "in": (2,),
    "+": (2,),
    "!": (1,),
    "reduce": (3,),
    "extractFromUVCI": (2,),
}
_COUNTS |= {"dccDateOfBirth": (1,), "plusTime": (3,)}
_COUNTS |= dict.fromkeys((">", "<", ">=", "<=", "after", "before", "not-after", "not-before"), (2, 3))


def _check(expression: Any, found: list[str], depth: int) -> None:
    if not depth:
        found.append(f"more than {DEEPEST} levels")
    elif isinstance(expression, list):
        for item in expression:
            _check(item, found, depth - 1)
    elif isinstance(expression, dict):
        try:
            operator, operands = _operation(expression)
        except Refused as refusal:
            found.append(refusal.detail)
            return
        if operator == "var":
            if not isinstance(operands, str) or not _PATH.fullmatch(operands):
                found.append(f"data access path is not valid: {operands!r:.40}")
            return
        if operator == "and" and len(operands) < 2:
            found.append("an `and` takes two operands or more")
        if operator in _COUNTS and len(operands) not in _COUNTS[operator]:
            found.append(f"`{operator}` does not take {len(operands)} operands")
        for operand in operands:
            _check(operand, found, depth - 1)
    elif expression is None or (isinstance(expression, float) and expression % 1):
        found.append(f"invalid CertLogic expression: {expression!r:.40}")


def _invalid(detail: str) -> Refused:
    return Refused("rule-invalid", detail)
