"""The law of date search: intervals, by every prefix.

https://hl7.org/fhir/R4/search.html#date · https://hl7.org/fhir/R4/search.html#prefix
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fhir_server.search.types import date
from fhir_server.search.types.date import Date, key
from fhir_server.search.values import Invalid
from tests.search.searching import CONTEXT, NOW, finds, lies

PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
ZONE = CONTEXT.zone

# Few moments, so that intervals often touch.
moments = st.builds(
    lambda days, seconds: datetime(2024, 2, 28, 16, 59, 58, tzinfo=UTC) + timedelta(days=days, seconds=seconds),
    st.integers(-400, 400) | st.sampled_from([0, 1]),
    st.sampled_from([0, 1, 2, 3600, 7 * 3600]),
)
precisions = st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S+07:00", "%Y-%m-%dT%H:%M:%S.500Z"])
texts = st.builds(lambda moment, form: moment.astimezone(ZONE).strftime(form), moments, precisions)
periods = st.fixed_dictionaries({}, optional={"start": texts, "end": texts})
values = st.tuples(st.just("dateTime"), texts) | st.tuples(st.just("Period"), periods)


def limits(value: tuple[str, Any]) -> tuple[datetime, datetime] | None:
    """The interval that a value stands for; the ends of time for what is open."""
    kind, written = value
    if kind == "dateTime":
        return date.interval(written, ZONE)
    if not written:
        return None
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    start = date.interval(written["start"], ZONE)[0] if "start" in written else first  # type: ignore[index]
    end = date.interval(written["end"], ZONE)[1] if "end" in written else last  # type: ignore[index]
    return start, end


def described(value: tuple[datetime, datetime], wanted: Date) -> bool:
    """What the table of prefixes says, read aloud."""
    (start, end), (low, high) = value, (wanted.start, wanted.end)
    contained = low <= start and end <= high
    match wanted.prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return end > high
        case "ge":
            return end > high or contained
        case "lt":
            return start < low
        case "le":
            return start < low or contained
        case "sa":
            return start >= high
        case "eb":
            return end <= low
        case "ap":
            return start < high and low < end


@settings(max_examples=400)
@given(st.lists(values, min_size=1, max_size=3), st.sampled_from(PREFIXES), texts, st.booleans())
@example([("dateTime", "2024-01"), ("dateTime", "2024-03")], "eq", "2024-02", False)
@example([("dateTime", "2024")], "eq", "2024-01", True)
@example([("Period", {"start": "2024-01-21"})], "le", "2024-03-14", False)
@example([("Period", {"start": "2023", "end": "2025"})], "ap", "2024-02-28", False)
def test_a_resource_is_found_exactly_when_one_of_its_dates_is_described(
    written: list[tuple[str, Any]], prefix: str, text: str, composite: bool
) -> None:
    known = [interval for value in written if (interval := limits(value)) is not None]
    assume(all(start < end for start, end in known))
    wanted = date.parse(prefix + text, CONTEXT, NOW)
    rests = [rest for kind, value in written for rest in date.reader(kind, CONTEXT)(value)]  # type: ignore[misc]
    if composite:
        rests = [rest for rest in rests if rest.startswith("|")]
    expected = any(described(interval, wanted) for interval in known)
    assert lies(rests, date.match(wanted, composite=composite)) is expected


@given(moments, moments)
def test_keys_sort_as_time_does(one: datetime, other: datetime) -> None:
    # A separator that sorts below every digit always follows.
    assert (key(one) + "-" < key(other) + "-") is (one < other)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", "2023-12-31T17:00Z", "2024-12-31T17:00Z"),
        ("2024-02", "2024-01-31T17:00Z", "2024-02-29T17:00Z"),
        ("2024-12", "2024-11-30T17:00Z", "2024-12-31T17:00Z"),
        ("2024-02-29", "2024-02-28T17:00Z", "2024-02-29T17:00Z"),
        ("2024-02-29T10:00", "2024-02-29T03:00Z", "2024-02-29T03:01Z"),
        ("2024-02-29T10:00:00", "2024-02-29T03:00Z", "2024-02-29T03:00:01Z"),
        ("2024-02-29T10:00:00Z", "2024-02-29T10:00Z", "2024-02-29T10:00:01Z"),
        ("2024-02-29T10:00:00 09:00", "2024-02-29T01:00Z", "2024-02-29T01:00:01Z"),
        ("2024-02-29T10:00:00.1239Z", "2024-02-29T10:00:00.123Z", "2024-02-29T10:00:00.124Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00Z", "2017-01-01T00:00:01Z"),
    ],
)
def test_a_date_is_as_long_as_it_is_precise(text: str, start: str, end: str) -> None:
    assert date.interval(text, ZONE) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_local_day_may_have_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start, end = date.interval("2024-10-27", berlin)  # type: ignore[misc]
    assert end - start == timedelta(hours=25)


@pytest.mark.parametrize("text", ["0001", "0001-01-01", "9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("prefix", ["eq", "ge", "le", "ap"])
def test_the_ends_of_time_are_found(text: str, prefix: str) -> None:
    assert finds({"resourceType": "Patient", "birthDate": text}, ("birthdate", prefix + text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "24",
        "2024-13",
        "2024-02-30",
        "2024-1-1",
        "2024-02-29T10",
        "2024-02-29T25:00Z",
        "xx2024",
        "2024-02-29T10:00+99:00",
        "٢٠٢٤",
    ],
)
def test_refuses_what_is_no_date(text: str) -> None:
    with pytest.raises(Invalid):
        date.parse(text, CONTEXT, NOW)


SCHEDULE = {"event": ["2024-01-31"], "repeat": {"boundsPeriod": {"start": "2024-02-01", "end": "2024-03-24"}}}
ROWS = [
    ("2013-01-14T00:00:00+07:00", "eq2013-01-14", True),
    ("2013-01-14T10:00:00+07:00", "eq2013-01-14", True),
    ("2013-01-15T00:00:00+07:00", "eq2013-01-14", False),
    ("2013-01-15T00:00:00+07:00", "ne2013-01-14", True),
    ("2013-01-14T00:00:00+07:00", "ne2013-01-14", False),
    ("2013-01-14", "lt2013-01-14T10:00", True),
    ("2013-01-14", "gt2013-01-14T10:00", True),
    ("2013-01-14T23:30:00Z", "2013-01-15", True),
    ("2013-01-14", "ap2013-01-14", True),
    ("2013-01", "2013-01-14", False),
    ("2013-01-14", "2013", True),
]


@pytest.mark.parametrize(("value", "text", "expected"), ROWS, ids=[f"{value} {text}" for value, text, _ in ROWS])
def test_the_examples_of_the_page(value: str, text: str, expected: bool) -> None:
    assert finds({"resourceType": "Immunization", "occurrenceDateTime": value}, ("date", text)) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["ge2024-01-01", "lt2024-02-01"], True),
        (["ge2024-01-01", "lt2024-01-15"], False),
        (["gt2024-01-14", "le2024-01-15", "ne2024-01-16"], True),
        (["gt2024-01-15", "lt2024-01-15"], False),
        (["gt2024-01-15T00:00", "lt2024-01-15T23:59"], True),
        (["ge2024-01-15", "ap2024-01-15", "le2024"], True),
    ],
)
def test_limits_of_one_date_are_joined(texts: list[str], expected: bool) -> None:
    dose = {"resourceType": "Immunization", "occurrenceDateTime": "2024-01-15"}
    assert finds(dose, *(("date", text) for text in texts)) is expected


def test_limits_of_several_dates_are_not_joined() -> None:
    dose = {"resourceType": "Immunization", "reaction": [{"date": "2024-01-01"}, {"date": "2024-03-01"}]}
    assert finds(dose, ("reaction-date", "lt2024-02"), ("reaction-date", "gt2024-02"))


def test_the_outer_limits_of_a_timing_matter() -> None:
    request = {"resourceType": "ServiceRequest", "occurrenceTiming": SCHEDULE}
    assert finds(request, ("occurrence", "ge2024-01-31"), ("occurrence", "le2024-03-24"))
    assert finds(request, ("occurrence", "gt2024-03-01"))
    assert not finds(request, ("occurrence", "2024-02"))
    assert finds(request, ("occurrence", "eb2024-03-25"))
    assert not finds(request, ("occurrence", "eb2024-03-24"))


def test_near_a_date_is_a_tenth_of_its_distance_from_now() -> None:
    dose = {"resourceType": "Immunization", "occurrenceDateTime": "2025-03-01"}
    assert finds(dose, ("date", "ap2025-02-01"))
    assert not finds(dose, ("date", "ap2025-01-01"))


@settings(max_examples=300)
@given(values, st.lists(st.tuples(st.sampled_from(PREFIXES), texts), min_size=1, max_size=3))
def test_several_limits_hold_of_one_value(value: tuple[str, Any], wanted: list[tuple[str, str]]) -> None:
    interval = limits(value)
    assume(interval is not None and interval[0] < interval[1])
    kind, written = value
    dates = [date.parse(prefix + text, CONTEXT, NOW) for prefix, text in wanted]
    expected = all(described(interval, each) for each in dates)  # type: ignore[arg-type]
    resource = {"resourceType": "Observation", f"effective{kind[0].upper()}{kind[1:]}": written}
    assert finds(resource, *(("date", prefix + text) for prefix, text in wanted)) is expected
