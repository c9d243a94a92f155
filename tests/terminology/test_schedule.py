"""https://hl7.org/fhir/R4/immunizationrecommendation.html"""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.diseases import DISEASES
from terminology.schedule import COVID19_PRIMARY, SERIES, Series, Span
from terminology.vaccines import VACCINES

DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))


@pytest.mark.parametrize(
    ("span", "day", "after"),
    [
        (Span(24, 24, "hour"), date(2026, 1, 31), date(2026, 2, 1)),
        (Span(28, 28, "day"), date(2026, 1, 31), date(2026, 2, 28)),
        (Span(6, 8, "week"), date(2026, 1, 1), date(2026, 2, 12)),
        (Span(2, 2, "month"), date(2026, 11, 1), date(2027, 1, 1)),
        (Span(1, 1, "month"), date(2026, 1, 31), date(2026, 3, 1)),
        (Span(1, 1, "month"), date(2026, 10, 31), date(2026, 12, 1)),
        (Span(1, 1, "year"), date(2024, 2, 29), date(2025, 3, 1)),
    ],
    ids=[
        "hours",
        "days",
        "the least of a range",
        "over the new year",
        "no 31 February",
        "no 31 November",
        "no 29 February",
    ],
)
def test_a_span_ends_on_the_first_day_that_is_late_enough(span: Span, day: date, after: date) -> None:
    assert span.after(day) == after


@given(st.sampled_from(["day", "week", "month", "year"]), st.integers(0, 60), DAYS, DAYS)
def test_a_later_start_never_ends_earlier(unit: str, count: int, one: date, other: date) -> None:
    span = Span(count, count, unit)
    assert span.after(min(one, other)) <= span.after(max(one, other))
    assert span.after(one) >= one


@pytest.mark.parametrize(
    ("series", "ages"),
    [
        ("hepb-birth", [Span(0, 0, "day")]),
        ("penta-primary", [Span(2, 2, "month"), Span(3, 3, "month"), Span(4, 4, "month")]),
        ("ipv", [Span(5, 5, "month"), Span(9, 9, "month")]),
        ("je-inactivated", [Span(12, 12, "month"), None, None]),
    ],
)
def test_the_programme_recommends_its_doses_at_these_ages(series: str, ages: list[Span | None]) -> None:
    assert [dose.recommended_age for dose in SERIES[series].doses] == ages


def test_a_condition_that_is_no_span_is_kept_as_a_remark() -> None:
    dose = SERIES["svc-hpv9"].doses[1]
    assert (dose.recommended_interval, dose.minimum_interval) == (None, None)
    assert dose.remarks == (
        "recommended_interval: 6-12 months (<15 y) / 2 months (>=15 y)",
        "minimum_interval: 5 months (<15 y) / 1 month (>=15 y)",
    )


@given(st.sampled_from(list(SERIES.values())))
def test_a_series_speaks_of_known_vaccines_and_diseases(series: Series) -> None:
    assert set(series.target_diseases) <= set(DISEASES)
    for dose in series.doses:
        assert dose.vaccines
        assert set(dose.vaccines) <= set(VACCINES)
        assert dose.certainty


def test_covid_19_series_speak_of_vaccines_with_certificate_codes() -> None:
    assert all(VACCINES[code].dcc for code in COVID19_PRIMARY)
    assert COVID19_PRIMARY["comirnaty"].interval == Span(3, 3, "week")
    assert COVID19_PRIMARY["abdala"].interval is None
    assert COVID19_PRIMARY["abdala"].remarks[0] == "0-14-28 days"
