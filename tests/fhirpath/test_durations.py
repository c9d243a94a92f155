"""https://hl7.org/fhirpath/N1/#datetime-arithmetic"""

from typing import Any

import pytest

from fhir_server.definitions import core
from fhir_server.fhirpath.evaluation import compile
from fhir_server.fhirpath.names import names
from fhir_server.fhirpath.syntax import Unsupported

NAMES = names(core(), "AdverseEvent")
ROWS = [
    ("hours in a zone", "2026-03-20T23:30:00+07:00", "+ 24 hours", "2026-03-21T23:30:00+07:00"),
    ("an hour in UTC", "2026-12-31T23:30:00Z", "+ 1 hour", "2027-01-01T00:30:00Z"),
    ("fractions stay", "2026-03-20T08:00:00.250Z", "+ 1 minute", "2026-03-20T08:01:00.250Z"),
    ("24 hours of a date are a day", "2026-03-20", "+ 24 hours", "2026-03-21"),
    ("23 hours of a date are none", "2026-03-20", "+ 23 hours", "2026-03-20"),
    ("days over a leap day", "2024-02-28", "+ 2 days", "2024-03-01"),
    ("a week back", "2026-01-03", "- 1 week", "2025-12-27"),
    ("months end with the month", "2024-01-31", "+ 1 month", "2024-02-29"),
    ("a year from a leap day", "2024-02-29", "+ 1 year", "2025-02-28"),
    ("months of a year and month", "2026-11", "+ 3 months", "2027-02"),
    ("60 days of a month", "2026-01", "+ 60 days", "2026-03"),
    ("months of a year", "2026", "+ 25 months", "2028"),
    ("days of a year", "2026", "+ 30 days", "2026"),
    ("years before 1000", "0999-12-31", "- 1 day", "0999-12-30"),
]


@pytest.mark.parametrize(("text", "by", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_duration_moves_a_date_and_keeps_its_precision(text: str, by: str, expected: str) -> None:
    assert compile(f"detected {by}", NAMES)([{"detected": text}], {}) == [expected]


@pytest.mark.parametrize(
    "resource",
    [{}, {"detected": "9999-12-31"}, {"detected": "soon"}, {"detected": "2026-02-31"}],
    ids=["nothing", "the end of the calendar", "no date", "no such day"],
)
def test_what_cannot_be_moved_is_empty(resource: dict[str, Any]) -> None:
    assert compile("detected + 1 day", NAMES)([resource], {}) == []


def test_a_moved_time_is_compared_as_a_time() -> None:
    late = compile("date > detected + 24 hours", NAMES)
    event = {"detected": "2026-03-20T08:00:00+07:00", "date": "2026-03-21T01:00:00Z"}  # the same moment a day later
    assert late([event], {}) == [False]
    assert late([event | {"date": "2026-03-21T01:00:01Z"}], {}) == [True]


@pytest.mark.parametrize("expression", ["value > 4 'mg'", "detected + 1.5 days"], ids=["UCUM", "parts of units"])
def test_other_quantities_are_not_compiled(expression: str) -> None:
    with pytest.raises(Unsupported):
        compile(expression, NAMES)
