"""COVID-19 doses of 2021 and 2022, by the order in which Viet Nam opened them to ages and products.

https://hl7.org/fhir/R4/immunization-definitions.html#Immunization.protocolApplied

A booster carries the number of the dose in the whole order (3 of 3 after two), as certificates count it; the name of
the series tells basic doses from boosters.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from examples.chance import Chance, Weighted
from examples.programme import CAMPAIGN, Event
from terminology.schedule import COVID19_PRIMARY
from terminology.vaccines import VACCINES

PRIMARY, BOOSTER = "COVID-19 cơ bản", "COVID-19 nhắc lại"
_OPENED: Final = (  # from this age on, from this day on, with these products
    (65, date(2021, 5, 10), Weighted([("vaxzevria", 55), ("comirnaty", 20), ("vero-cell", 20), ("spikevax", 5)])),
    (
        18,
        date(2021, 6, 20),
        Weighted(
            [("vaxzevria", 38), ("comirnaty", 26), ("vero-cell", 24), ("spikevax", 8), ("abdala", 3), ("sputnik-v", 1)]
        ),
    ),
    (12, date(2021, 11, 1), Weighted([("comirnaty", 1)])),
    (5, date(2022, 4, 16), Weighted([("comirnaty", 60), ("spikevax", 40)])),
)
_BOOSTERS: Final = Weighted([("comirnaty", 50), ("vaxzevria", 30), ("spikevax", 20)])
_FIRST_BOOSTER, _SECOND_BOOSTER = date(2021, 12, 17), date(2022, 5, 10)
_LAST_DAY: Final = date(2023, 6, 30)
_MILLILITRES: Final = {"comirnaty": ("0.3", "0.2"), "spikevax": ("0.5", "0.25")}  # adult, half or child


def doses(birth: date, chance: Chance, today: date) -> Iterator[Event]:
    """Yield the doses that a person born on `birth` had until `today`."""
    age = 2021 - birth.year
    opened = next(((day, products) for least, day, products in _OPENED if age >= least), None)
    if opened is None or chance.happens(0.06):
        return
    last = min(today, _LAST_DAY)
    day, product = opened[0] + timedelta(days=chance.soon(150)), chance.pick(opened[1])
    plan = COVID19_PRIMARY[product]
    for number in range(1, plan.doses + 1):
        if day > last or (number > 1 and chance.happens(0.03)):
            return
        yield dose(day, product, PRIMARY, number, plan.doses, child=age < 12)
        given = day
        day = (plan.interval.after(day) if plan.interval else day + timedelta(days=14)) + timedelta(
            days=chance.soon(30)
        )
    yield from _boosters(age, given, plan.doses, chance, last)


def _boosters(age: int, given: date, number: int, chance: Chance, last: date) -> Iterator[Event]:
    if age < 12:
        return
    wait = 90 if age >= 18 else 150
    for opened in (_FIRST_BOOSTER, _SECOND_BOOSTER) if age >= 50 else (_FIRST_BOOSTER,):
        day = max(opened, given + timedelta(days=wait)) + timedelta(days=chance.soon(90))
        if day > last or chance.happens(0.25):
            return
        number += 1
        product = chance.pick(_BOOSTERS) if age >= 18 else "comirnaty"
        yield dose(day, product, BOOSTER, number, number)
        given, wait = day, 120


def dose(day: date, product: str, series: str, number: int, of: int, child: bool = False) -> Event:
    """Return a dose of the campaign, with the millilitres that go with product, series and age."""
    adult, less = _MILLILITRES.get(product, ("0.5", "0.5"))
    millilitres = less if child or (product == "spikevax" and series == BOOSTER) else adult
    diseases = VACCINES[product].target_diseases
    return Event(day, product, series, number, of, diseases, CAMPAIGN, "station", None, millilitres)
