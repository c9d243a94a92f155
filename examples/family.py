"""The family of the walk-through: the child Nguyễn Minh An and his mother Trần Thị Bích Hằng, both invented.

https://hl7.org/fhir/R4/patient-example.html
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from examples import covid, identifiers
from examples.facilities import Network
from examples.names import Name
from examples.people import Household, Member
from examples.programme import Event, Next, next_dose, planned
from terminology.schedule import SERIES

CHILD: Final = Member(
    "nguyen-minh-an",
    2,
    "child",
    Name("Nguyễn", ("Minh",), "An"),
    "male",
    date(2025, 8, 12),
    "01",
    identifiers.cccd("001", "male", date(2025, 8, 12), 2),
    None,
)
MOTHER: Final = Member(
    "tran-thi-bich-hang",
    1,
    "mother",
    Name("Trần", ("Thị", "Bích"), "Hằng"),
    "female",
    date(1994, 3, 21),
    "01",
    identifiers.cccd("001", "female", date(1994, 3, 21), 1),
    identifiers.telephone(1),
)
SERIALS: Final = 3  # the first serial that is nobody's here

_CHILD_DOSES: Final = (
    ("hepb-birth", 1, "gene-hbvax", date(2025, 8, 12)),
    ("bcg", 1, "bcg-ivac", date(2025, 8, 20)),
    ("penta-primary", 1, "sii-penta", date(2025, 10, 14)),
    ("opv-primary", 1, "bopv", date(2025, 10, 14)),
    ("penta-primary", 2, "sii-penta", date(2025, 11, 14)),
    ("opv-primary", 2, "bopv", date(2025, 11, 14)),
    ("penta-primary", 3, "sii-penta", date(2025, 12, 15)),
    ("opv-primary", 3, "bopv", date(2025, 12, 15)),
    ("ipv", 1, "ipv-imovax", date(2026, 1, 14)),
    ("ipv", 2, "ipv-imovax", date(2026, 5, 14)),
    ("measles-mono", 1, "mvvac", date(2026, 5, 14)),
    ("je-inactivated", 1, "jevax", date(2026, 8, 14)),
    ("je-inactivated", 2, "jevax", date(2026, 8, 25)),
    ("mr", 1, "mrvac", date(2027, 2, 12)),
    ("dtp-booster", 4, "dpt-ivac", date(2027, 2, 12)),
    ("je-inactivated", 3, "jevax", date(2027, 8, 25)),
)
_MOTHER_DOSES: Final = (
    (date(2021, 8, 14), covid.PRIMARY, 1, 2),
    (date(2021, 9, 11), covid.PRIMARY, 2, 2),
    (date(2022, 1, 22), covid.BOOSTER, 3, 3),
)


def household(network: Network, today: date) -> Household:
    """Return the family at home in the first ward; the child only when it is born."""
    members = (MOTHER, CHILD) if CHILD.birth <= today else (MOTHER,)
    return Household(network.stations[0], "Số 12, phố Hoa Sữa", False, members)


def events(member: Member, today: date) -> Iterator[Event]:
    """Yield the doses of the child or of the mother until `today`."""
    if member is MOTHER:
        rows = (covid.dose(day, "comirnaty", series, number, of) for day, series, number, of in _MOTHER_DOSES)
    else:
        rows = (_planned(*row) for row in _CHILD_DOSES)
    yield from (event for event in rows if event.day <= today)


def _planned(name: str, number: int, product: str, day: date) -> Event:
    series = SERIES[name]
    return planned(series, next(dose for dose in series.doses if dose.number == number), product, day)


def following(member: Member, today: date) -> list[Next]:
    """Return the next dose of each series of the child that is still open."""
    found: dict[str, Next] = {}
    for name, number, product, day in _CHILD_DOSES if member is CHILD else ():
        if day > today and name not in found:
            series = SERIES[name]
            dose = next(dose for dose in series.doses if dose.number == number)
            days = [given for other, _, _, given in _CHILD_DOSES if other == name and given <= today]
            found[name] = next_dose(series, dose, product, member.birth, day, days)
    return list(found.values())
