"""The lots of each vaccine: one a half-year, its number and expiry following from the product and the day.

https://hl7.org/fhir/R4/medication.html
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple
from zlib import crc32

from examples.fhir import CORE, Resource, concept, meta, vaccine_code
from terminology.vaccines import VACCINES

_META: Final = meta("medication")
_YEARS_OF_LIFE: Final = (2, 2, 3)


class Lot(NamedTuple):
    """A lot as it is on the vial; `released` is the first day it was in use."""

    product: str
    number: str
    released: date
    expires: date


@cache
def _lot(product: str, year: int, half: int) -> Lot:
    mark = crc32(f"{product} {year} {half}".encode())
    letters = "".join(letter for letter in product.upper() if letter.isalpha())[:3]
    expires = date(year + _YEARS_OF_LIFE[mark % 3], 6 * half - 5 + mark // 3 % 6, 28)
    return Lot(product, f"{letters}{year % 100:02}{half}{mark % 10_000:04}", date(year, 6 * half - 5, 1), expires)


def lot(product: str, day: date) -> Lot:
    """Return the lot of `product` in use on `day`."""
    return _lot(product, day.year, 1 if day.month < 7 else 2)


def medications(product: str, today: date) -> Iterator[Resource]:
    """Yield the lots of `product` that `today` are in use or expired within the last year."""
    day = today - timedelta(days=4 * 366)
    while day <= today:
        found = lot(product, day)
        if found.expires >= today - timedelta(days=365):
            yield _medication(found, today)
        day += timedelta(days=184)


def _medication(found: Lot, today: date) -> Resource:
    vaccine = VACCINES[found.product]
    number = vaccine.registration
    url = f"{CORE}/StructureDefinition/vn-ext-med-reg-number"
    return {
        "resourceType": "Medication",
        "id": f"lot-{found.product}-{found.number.lower()}",
        "meta": _META,
        **({"extension": [{"url": url, "valueString": number}]} if number else {}),
        "code": vaccine_code(found.product),
        "status": "active" if found.expires >= today else "inactive",
        "manufacturer": {"display": vaccine.manufacturer},
        "form": concept("http://snomed.info/sct", "385219001", "Solution for injection")
        if found.product not in ORAL
        else {"text": "Hỗn dịch uống"},
        "batch": {"lotNumber": found.number, "expirationDate": found.expires.isoformat()},
    }


ORAL: Final = frozenset({"topv", "bopv", "rotavin-m1", "rotarix", "rotateq", "morcvax"})
