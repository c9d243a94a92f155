"""The national schedule as data: series, doses, ages and intervals, each with the certainty it was collected with.

https://hl7.org/fhir/R4/immunizationrecommendation.html
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from terminology.diseases import by_key
from terminology.tables import Table, read


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, `least` to `most` of `unit` (hour, day, week, month, year)."""

    least: int
    most: int
    unit: str

    def after(self, day: date) -> date:
        """Return the first day that is at least this long after `day`."""
        match self.unit:
            case "hour":
                return day + timedelta(days=self.least // 24)
            case "day" | "week":
                return day + timedelta(days=self.least * (7 if self.unit == "week" else 1))
            case _:
                return _months_after(day, self.least * (12 if self.unit == "year" else 1))


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose of a series. Ages count from the `clock` (birth, pregnancy, exposure); `vaccines` are product codes.

    `certainty` speaks of the recommended age and interval, `certainty_limits` of the least and greatest age.
    """

    number: int
    label: str
    recommended_age: Span | None
    latest_age: Span | None
    minimum_age: Span | None
    maximum_age: Span | None
    recommended_interval: Span | None
    minimum_interval: Span | None
    interval_from: str | None
    clock: str
    vaccines: tuple[str, ...]
    certainty: str
    certainty_limits: str
    citations: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A series of the programme (EPI), of a risk area or of private services."""

    id: str
    title: str
    group: str
    programme: str
    target_group: str
    target_diseases: tuple[str, ...]  # SNOMED CT codes
    geography: dict[str, Any] | None  # roll-out: year, then provinces by their names before July 2025
    doses: tuple[Dose, ...]


@dataclass(frozen=True, slots=True)
class CovidPrimary:
    """The primary series of a COVID-19 vaccine as Viet Nam gave it: number of doses and interval between them."""

    vaccine: str
    doses: int
    interval: Span | None
    certainty: str
    remarks: tuple[str, ...]


def _months_after(day: date, months: int) -> date:
    # A day the month does not have becomes the first of the next one (CDSi logic, section 3): never too early.
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    try:
        return day.replace(year=year, month=month + 1)
    except ValueError:
        return date(year + (month == 11), (month + 1) % 12 + 1, 1)


def _dose(row: dict[str, Any]) -> Dose:
    spans = ("recommended_age", "latest_age", "minimum_age", "maximum_age", "recommended_interval", "minimum_interval")
    lists = ("vaccines", "citations", "remarks")
    return Dose(
        **row
        | {name: Span(*row[name]) if row[name] else None for name in spans}
        | {name: tuple(row[name]) for name in lists}
    )


def _series(row: dict[str, Any]) -> Series:
    diseases = tuple(by_key(key).code for key in row["target_diseases"])
    return Series(**row | {"target_diseases": diseases, "doses": tuple(_dose(dose) for dose in row["doses"])})


def _load() -> dict[str, Series]:
    return {row["id"]: _series(row) for row in read("schedule")["rows"]}


def _covid(row: dict[str, Any]) -> CovidPrimary:
    interval = Span(*row["interval"]) if row["interval"] else None
    return CovidPrimary(**row | {"interval": interval, "remarks": tuple(row["remarks"])})


def _load_covid() -> dict[str, CovidPrimary]:
    return {row["vaccine"]: _covid(row) for row in read("schedule")["covid19"]}


SERIES: Final = Table(_load)  # by id
COVID19_PRIMARY: Final = Table(_load_covid)  # by product code
