"""Date search: every value is an interval [start, end) in UTC, as precise as it was written.

Entries hold both ends of one value, so that a resource with several dates is judged by each of them, never by the
start of one and the end of another. Intervals longer than a day are also found by their end.

https://hl7.org/fhir/R4/search.html#date
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fhir_server.search.entries import Span, field_above, field_at_most, field_below
from fhir_server.search.values import Context, Invalid, Prefix, Reader, prefixed, unescape

Json = dict[str, Any]

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(Z|[+\- ]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_ALWAYS = ""  # before every date
_NEVER = "Z"  # after every date
# Values of at most this length have no entry by their end: what reaches over a moment began within it.
_SHORT = timedelta(days=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Interval(NamedTuple):
    """[start, end) in UTC; None: open."""

    start: datetime | None
    end: datetime | None


class Date(NamedTuple):
    """A date with its prefix, as the interval that its precision implies."""

    prefix: Prefix
    start: datetime
    end: datetime


def parse(text: str, context: Context, now: datetime) -> Date:
    """Read a date or time with an optional prefix; raise Invalid when it is none.

    With `ap` the interval is widened by a tenth of the gap between it and `now`.
    """
    prefix, wanted = prefixed(unescape(text))
    limits = interval(wanted, context.zone)
    if limits is None:
        raise Invalid(
            f"'{text[:100]}' is no date: write for example 2024, 2024-03-01 or ge2024-03-01T10:00:00+07:00",
            f"'{text[:100]}' không phải ngày: hãy viết ví dụ 2024, 2024-03-01 hoặc ge2024-03-01T10:00:00+07:00",
        )
    start, end = limits
    if prefix == "ap":
        margin = abs(now - start) / 10
        start, end = _shifted(start, -margin), _shifted(end, margin)
    return Date(prefix, start, end)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return _FIRST if by < timedelta() else _LAST


def interval(text: str, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """Return the start and end of a date, dateTime or instant in UTC; None when it is none.

    A time without an offset, and every date, is taken in `zone`. Precision finer than a millisecond is dropped.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return _limits(found, zone)
    except (ValueError, OverflowError):
        return None


def _limits(found: re.Match[str], zone: ZoneInfo) -> tuple[datetime, datetime]:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is None:
        start = datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001  # its zone is given below
        end = _following(start, "day" if day else "month" if month else "year")
        return _utc(start.replace(tzinfo=zone)), _LAST if end is None else _utc(end.replace(tzinfo=zone))
    leap = second == "60"  # a leap second belongs to the minute after it
    milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
    at = datetime(int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second or 0))  # noqa: DTZ001
    at += timedelta(seconds=1 if leap else 0, milliseconds=milliseconds)
    start = _utc(at.replace(tzinfo=_offset(offset) if offset else zone))
    length = timedelta(milliseconds=1) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
    return start, _shifted(start, length)


def _following(start: datetime, unit: str) -> datetime | None:
    try:
        if unit == "day":
            return start + timedelta(days=1)
        if unit == "month" and start.month < 12:
            return start.replace(month=start.month + 1)
        return start.replace(year=start.year + 1, month=1)
    except (ValueError, OverflowError):
        return None  # the last one that a date can be in


def _offset(text: str) -> Any:
    # In a URL an unescaped + reads as a space.
    return datetime.fromisoformat(f"2000-01-01T00:00{text.replace(' ', '+')}").tzinfo


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST


def key(moment: datetime) -> str:
    """Return a moment as digits that sort as time does; zeros at the end of the time of day are left out."""
    if moment >= _LAST:
        return _NEVER
    time = f"{moment.hour:02d}{moment.minute:02d}{moment.second:02d}{moment.microsecond // 1000:03d}".rstrip("0")
    return f"{moment.year:04d}{moment.month:02d}{moment.day:02d}{time}"


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a date parameter cannot speak of that type."""
    zone = context.zone

    @lru_cache(maxsize=65536)
    def written(value: str) -> tuple[str, ...]:
        limits = interval(value, zone)
        return () if limits is None else _rests(Interval(*limits))

    if fhir_type in {"date", "dateTime", "instant"}:
        return lambda value: written(value) if isinstance(value, str) else ()
    if fhir_type == "Period":
        return lambda value: _rests(_period(value, zone))
    if fhir_type == "Timing":
        return lambda value: _timing(value, zone)
    return None


def _period(value: Json, zone: ZoneInfo) -> Interval | None:
    start, end = (interval(value[name], zone) if name in value else None for name in ("start", "end"))
    if start is None and end is None:
        return None
    return Interval(start[0] if start else None, end[1] if end else None)


def _timing(value: Json, zone: ZoneInfo) -> tuple[str, ...]:
    """Only the outer limits matter: from the first event or bound to the last."""
    found = [Interval(*limits) for event in value.get("event", ()) if event and (limits := interval(event, zone))]
    bounds = _period(value.get("repeat", {}).get("boundsPeriod", {}), zone)
    if bounds is not None:
        found.append(bounds)
    if not found:
        return ()
    starts, ends = [each.start for each in found], [each.end for each in found]
    first = None if None in starts else min(start for start in starts if start is not None)
    last = None if None in ends else max(end for end in ends if end is not None)
    return _rests(Interval(first, last))


def _rests(value: Interval | None) -> tuple[str, ...]:
    if value is None:
        return ()
    start, end = value
    if start is not None and end is not None and end <= start:
        end = start + timedelta(milliseconds=1)  # a Period that ends before it begins: what it says of its beginning
    low = _ALWAYS if start is None else key(start)
    high = _NEVER if end is None else key(end)
    if start is not None and end is not None and end - start <= _SHORT:
        return (f"|{low}-{high}",)
    return (f"|{low}-{high}", f":end|{high}-{low}")


def match(wanted: Date, *, composite: bool = False) -> list[Span]:
    """Return the spans of entries that `wanted` describes.

    `composite`: use only rests that begin with `|`, the others are not part of composites.
    """
    start, end = key(wanted.start), key(wanted.end)
    match wanted.prefix:
        case "eq":
            return [_starting(start, end, field_at_most(end))]
        case "ne":
            return [_starting("-", start), _starting(end, "}"), _starting(start, end, field_above(end))]
        case "gt":
            return [_starting(end, "}"), *_reaching(wanted.end, wanted.end, composite)]
        case "ge":
            return [_starting(start, "}"), *_reaching(wanted.start, wanted.end, composite)]
        case "lt":
            return [_starting("-", start)]
        case "le":
            return [_starting("-", start), _starting(start, end, field_at_most(end))]
        case "sa":
            return [_starting(end, "}")]
        case "eb":
            return [_starting("-", start, field_at_most(start))]
        case "ap":
            return [_starting(start, end), *_reaching(wanted.start, wanted.start, composite, before=end)]


def _starting(low: str, high: str, end: str | None = None) -> Span:
    """Return the span of values that start from `low` to before `high` and whose end matches `end`.

    "-" sorts before every start (and after the mark of presence), "}" after.
    """
    return Span(f"|{low}", f"|{high}", None if end is None else rf"\|[0-9]*-{end}")


def _reaching(start: datetime, end: datetime, composite: bool, before: str | None = None) -> list[Span]:
    """Return the spans of values that start before `start` and end after `end`.

    `before`: leave out longer ones that start then or later; without it these are found a second time.
    """
    above = field_above(key(end))
    if composite:
        return [_starting("-", key(start), above)]
    limit = "" if before is None else rf":end\|[0-9Z]*-{field_below(before)}"
    spans = [Span(f":end|{key(end)}0", ":end}", limit or None)]
    since = _shifted(end, -_SHORT)
    if since < start:
        spans.append(_starting(key(since), key(start), above))
    return spans
