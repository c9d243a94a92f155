"""Dates and times moved by a calendar duration: `detected + 24 hours`.

https://hl7.org/fhirpath/N1/#datetime-arithmetic
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

UNITS: Final = ("year", "month", "week", "day", "hour", "minute", "second")  # each also with an s
MOMENT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?)?(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII
).fullmatch
PRECISION: Final = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
IN_SECONDS: Final = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


class Duration(NamedTuple):
    """A whole number of a calendar unit, such as 24 hours."""

    amount: int
    unit: str


def moved(text: str, by: Duration, sign: int) -> str | None:
    """Return the date or time `text` moved by a duration, forwards or (sign -1) back, as precise as it was.

    A duration finer than `text` counts as far as it makes whole units of its precision (24 hours are a day). None when
    `text` is no date or leaves the calendar.
    """
    read = MOMENT(text)
    if read is None:
        return None
    parts = [int(part) for part in read.groups()[:6] if part is not None]
    year, month, day, hour, minute, second = parts + [1, 1, 1, 0, 0, 0][len(parts) :]
    try:
        start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)  # the zone is written as it was
        end = _end(start, by, sign, len(parts))
    except (ValueError, OverflowError):
        return None
    # strftime does not pad years before 1000
    written = end.strftime(PRECISION[len(parts) - 1].replace("%Y", f"{end.year:04}"))
    return written + (read[7] or "") + (read[8] or "")


def _end(start: datetime, by: Duration, sign: int, precision: int) -> datetime:
    """Return where a moment of so many parts (1: year … 6: second) comes to."""
    if by.unit in ("year", "month"):
        months = by.amount * (12 if by.unit == "year" else 1)
        if precision == 1:
            months -= months % 12
        return _months(start, sign * months)
    seconds = by.amount * IN_SECONDS[by.unit]
    if precision <= 2:
        months = seconds // 86_400 // 30  # the conversion of the specification: a month has 30 days
        return _months(start, sign * (months if precision == 2 else months // 12 * 12))
    finest = (86_400, 3_600, 60, 1)[precision - 3]
    return start + sign * timedelta(seconds=seconds - seconds % finest)


def _months(start: datetime, months: int) -> datetime:
    """Return the same day so many months on, or the last of a month that is shorter."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))
