"""Which doses a person has had by today and which come next: the national schedule as life follows it.

https://hl7.org/fhir/R4/immunization.html

Ages, intervals and products come from `terminology.schedule`. This module adds when each vaccine came into use
(approximate) and how people differ from the plan: late, ill on the day, gone to a private clinic, never come back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Final

from examples.chance import Chance, Weighted
from terminology.places import LEGACY_PROVINCES
from terminology.schedule import SERIES, Dose, Series
from terminology.vaccines import VACCINES

EPI, SERVICE, CAMPAIGN = "tcmr", "dich-vu", "chien-dich"


@dataclass(frozen=True, slots=True)
class Event:
    """A dose on a day: given, or (with a `reason`) not given."""

    day: date
    product: str
    series: str  # what the record calls the series
    number: int
    of: int
    diseases: tuple[str, ...]
    programme: str
    place: str = "station"  # station, hospital or clinic
    reason: str | None = None
    doses: str | None = None  # millilitres where they are not the usual ones of the product


@dataclass(frozen=True, slots=True)
class Next:
    """The next dose of a series: when it may be given, is due, is overdue, and is too late."""

    product: str
    series: str
    number: int
    of: int
    disease: str
    earliest: date
    due: date
    overdue: date
    latest: date | None  # the last day it can be given


@dataclass(frozen=True, slots=True)
class Child:
    """What decides which series a child follows. `private` families buy most vaccines."""

    birth: date
    gender: str
    province: str
    private: bool


_STARTED: Final = {
    "ipv": date(2018, 6, 1),
    "mr": date(2015, 1, 1),
    "rota": date(2022, 10, 1),
    "td-7": date(2024, 9, 1),
    "pcv": date(2025, 1, 1),
    "hpv-girls": date(2026, 1, 1),
    "svc-imojev": date(2019, 1, 1),
}
_PRODUCTS: Final[dict[str, tuple[tuple[date, str], ...]]] = {  # the product of the programme until a day
    "penta-primary": ((date(2018, 7, 1), "quinvaxem"), (date(2019, 6, 1), "combe-five"), (date.max, "sii-penta")),
    "opv-primary": ((date(2016, 6, 1), "topv"), (date.max, "bopv")),
    "hpv-girls": ((date.max, "gardasil"),),
}
_PUBLIC: Final = [
    *("hepb-birth", "bcg", "penta-primary", "opv-primary", "rota", "pcv", "ipv", "measles-mono", "mr"),
    *("dtp-booster", "je-inactivated", "td-7", "hpv-girls"),
]
_PRIVATE: Final = [
    *("hepb-birth", "bcg", "svc-hexa", "svc-rotarix", "svc-pcv", "svc-menactra", "svc-mmr", "svc-var"),
    *("svc-imojev", "svc-hav", "td-7", "svc-dengue"),
]
_SOMETIMES: Final = (("svc-var", 0.12), ("svc-mmr", 0.08), ("svc-rotarix", 0.06))  # what other families buy
_HPV_PROVINCES: Final = ("08", "51", "66", "86")  # pilot from 2026
_ROTA_2026: Final = ("01",)  # Hà Nội from 2026-01-01; other provinces joined from 2022 on
_REASONS: Final = Weighted([("OSTOCK", 5), ("MEDPREC", 4), ("PATOBJ", 1)])
_MISSED, _POSTPONED = 0.025, 0.02


@cache
def _pcv_provinces() -> dict[str, date]:
    """Return from when each province gives the pneumococcal vaccine; the plan names provinces as before July 2025."""
    names = {place.name.split(" ", 1)[1]: place.successor for place in LEGACY_PROVINCES.values()}
    names |= {place.name.removeprefix("Thành phố "): place.successor for place in LEGACY_PROVINCES.values()}
    begun: dict[str, date] = {}
    for year, provinces in sorted((SERIES["pcv"].geography or {}).items()):
        for province in provinces if isinstance(provinces, list) else ():
            begun.setdefault(names[province], date(int(year[:4]), 1, 1))
    return begun


def products() -> list[str]:
    """Return every product that is in use today and that somebody here can be given, COVID-19 vaccines aside."""
    bought = ["svc-flu", "svc-rabies-pep", "svc-hpv4"]
    named = {product for periods in _PRODUCTS.values() for _, product in periods}
    named |= {product for name in [*_PUBLIC, *_PRIVATE, *bought] for product in SERIES[name].doses[0].vaccines}
    return sorted(product for product in {*named, "td-ivac", "tt-ivac"} if VACCINES[product].status == "in-use")


def _begins(series: str, child: Child) -> date | None:
    """Return from which day on the series is offered to the child, None when it never is."""
    match series:
        case "pcv":
            return _pcv_provinces().get(child.province)
        case "hpv-girls":
            return _STARTED[series] if child.gender == "female" and child.province in _HPV_PROVINCES else None
        case "rota":
            return date(2026, 1, 1) if child.province in _ROTA_2026 else _STARTED[series]
        case _:
            return _STARTED.get(series, date.min)


def _product(series: Series, day: date, usual: str) -> str:
    periods = _PRODUCTS.get(series.id)
    return next(product for until, product in periods if day < until) if periods else usual


def childhood(child: Child, chance: Chance, today: date) -> tuple[list[Event], list[Next]]:
    """Return the doses of childhood until `today`, in no order, and the next dose of every series still open."""
    chosen = list(_PRIVATE if child.private else _PUBLIC)
    if not child.private:
        chosen += [series for series, share in _SOMETIMES if chance.happens(share)]
    if "svc-rotarix" in chosen and "rota" in chosen:
        chosen.remove("rota")
    life = _Childhood(child, chance, today)
    for name in chosen:
        begins = _begins(name, child)
        if begins is not None:
            life.follow(SERIES[name], begins)
    return life.events, life.following


class _Childhood:
    """The doses of one child so far."""

    def __init__(self, child: Child, chance: Chance, today: date) -> None:
        self.events: list[Event] = []
        self.following: list[Next] = []
        self._birth, self._chance, self._today = child.birth, chance, today
        self._given: dict[str, list[date]] = {}  # by series
        self._visits: dict[date, date] = {}  # what is due on one day is given on one visit

    def follow(self, series: Series, begins: date) -> None:
        """Add the doses of one series until today, and the one that comes next."""
        days = self._given[series.id] = []
        usual = self._chance.one(series.doses[0].vaccines)
        for dose in series.doses:
            due = self._due(series, dose)
            if due is None or due < begins:
                return  # the dose before it is missing, or the vaccine came too late for this child
            last = dose.maximum_age.after(self._birth) if dose.maximum_age else date.max
            day = self._visit(series, due)
            product = _product(series, day, usual)
            if day <= self._today and due > self._birth and self._chance.happens(_POSTPONED):
                self.events.append(replace(planned(series, dose, product, day), reason=self._chance.pick(_REASONS)))
                day = _visit(day + timedelta(days=14), self._chance, soon=21)
            if day > self._today or self._chance.happens(_MISSED):
                if last > max(self._today, due):
                    self.following.append(next_dose(series, dose, product, self._birth, due, days))
                return
            if day >= last:
                return
            self.events.append(planned(series, dose, product, day))
            days.append(day)

    def _due(self, series: Series, dose: Dose) -> date | None:
        """Return the day the dose is due, by its ages and intervals; None when the dose before is missing."""
        before = self._given[series.id]
        if series.id == "dtp-booster":
            before = self._given.get("penta-primary", [])[2:3]
            if not before:
                return None
        # Two months from 1 January are 59 days, fewer than the least age of 60 days: all the limits count.
        ages = (dose.recommended_age, dose.minimum_age)
        intervals = (dose.recommended_interval, dose.minimum_interval) if before else ()
        days = [age.after(self._birth) for age in ages if age]
        days += [interval.after(before[-1]) for interval in intervals if interval]
        return max(days, default=None)

    def _visit(self, series: Series, due: date) -> date:
        if series.id == "hepb-birth":
            return due + timedelta(days=self._chance.soon(1))
        if due not in self._visits:
            self._visits[due] = _visit(due, self._chance, soon=40)
        return self._visits[due]


def _visit(due: date, chance: Chance, soon: int) -> date:
    """Return the day somebody comes for what is due: mostly within days, never on a Sunday."""
    day = due + timedelta(days=chance.soon(soon))
    return day + timedelta(days=1) if day.weekday() == 6 else day


def planned(series: Series, dose: Dose, product: str, day: date) -> Event:
    """Return the dose of the schedule as an event."""
    service = series.programme == "service"
    place = "clinic" if service else "hospital" if series.id in ("hepb-birth", "bcg") else "station"
    count = max(dose.number, series.doses[-1].number)
    programme = SERVICE if service else EPI
    return Event(day, product, series.title, dose.number, count, VACCINES[product].target_diseases, programme, place)


def next_dose(series: Series, dose: Dose, product: str, birth: date, due: date, days: list[date]) -> Next:
    """Return when `dose` may, should and can at the latest be given after doses on `days`."""
    ages = [dose.minimum_age.after(birth)] if dose.minimum_age else []
    intervals = [dose.minimum_interval.after(days[-1])] if dose.minimum_interval and days else []
    latest = dose.maximum_age.after(birth) - timedelta(days=1) if dose.maximum_age else None
    month = due + timedelta(days=30)
    overdue = max(month, dose.latest_age.after(birth)) if dose.latest_age else month
    count = max(dose.number, series.doses[-1].number)
    earliest = min(max([*ages, *intervals], default=due), due)
    return Next(product, series.title, dose.number, count, series.target_diseases[0], earliest, due, overdue, latest)


def course(name: str, first: date, product: str, today: date, chance: Chance) -> Iterator[Event]:
    """Yield the doses until `today` of a private series that begins on `first`, whatever the age."""
    series, day = SERIES[name], first
    for dose in series.doses:
        if dose.number > 1:
            interval = dose.recommended_interval
            if interval is None or chance.happens(_MISSED):
                return
            day = interval.after(day)
        if day > today:
            return
        yield planned(series, dose, product, day)


def influenza(years: Iterable[int], product: str, today: date, chance: Chance) -> Iterator[Event]:
    """Yield one dose in the autumn of each of `years`."""
    for year in years:
        day = date(year, 9, 1) + timedelta(days=chance.below(100))
        if day <= today:
            yield Event(day, product, f"Cúm mùa {year}", 1, 1, VACCINES[product].target_diseases, SERVICE, "clinic")


def pregnancy(births: list[date], today: date, chance: Chance) -> Iterator[Event]:
    """Yield the tetanus doses of a mother: two in the first pregnancy, one in each later one, five at most."""
    number = 0
    for birth in births:
        for days in (150, 118) if number == 0 else (130,):
            day = birth - timedelta(days=days + chance.below(14))
            if number < 5 and day >= date(2016, 1, 1) and day <= today:
                number += 1
                product = "td-ivac" if day >= date(2024, 1, 1) else "tt-ivac"
                yield Event(
                    day, product, "Uốn ván cho phụ nữ có thai", number, 5, VACCINES[product].target_diseases, EPI
                )
