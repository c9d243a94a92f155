"""Doses as Immunization resources.

https://hl7.org/fhir/R4/immunization.html
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

from examples.chance import Chance
from examples.facilities import Facility, Network
from examples.fhir import (
    CORE,
    HL7,
    UCUM,
    Resource,
    concept,
    meta,
    programme_type,
    reference,
    target_disease,
    vaccine_code,
)
from examples.lots import ORAL, lot
from examples.programme import SERVICE, Event
from terminology.vaccines import VACCINES

_REGISTER_BEGAN: Final = date(2017, 3, 24)  # older doses were copied from the paper record
_META: Final = meta("immunization")
_ROUTES: Final = {
    "PO": "Swallow, oral",
    "IDINJ": "Injection, intradermal",
    "SQ": "Injection, subcutaneous",
    "IM": "Injection, intramuscular",
}
_SUBCUTANEOUS: Final = frozenset(
    {"mvvac", "mrvac", "jevax", "imojev", "mmr-ii", "priorix", "varivax", "varilrix", "varicella-gcc", "qdenga"}
)
_MILLILITRES: Final = {
    "bcg-ivac": "0.1",
    "bopv": "0.1",
    "topv": "0.1",
    "rotavin-m1": "2",
    "rotarix": "1.5",
    "rotateq": "2",
    "comirnaty": "0.3",
}
_SITES: Final = {"LT": "left thigh", "RT": "right thigh", "LA": "left arm", "RA": "right arm"}
_REASONS: Final = {
    "OSTOCK": ("product out of stock", "Hết vắc xin"),
    "MEDPREC": ("medical precaution", "Tạm hoãn: trẻ sốt khi khám sàng lọc"),
    "PATOBJ": ("patient objection", "Gia đình chưa đồng ý"),
}
_FUNDING: Final = f"{CORE}/CodeSystem/vn-immunization-funding-source-cs"
_PAPER: Final = concept(f"{HL7}/immunization-origin", "record", "Written Record", "Phiếu, sổ tiêm chủng")
_MISTAKE: Final = [{"text": "Nhập trùng mũi tiêm: đã hủy"}]


@dataclass(frozen=True, slots=True)
class Subject:
    """The person a dose is for, and where it may be given."""

    id: str
    reference: Resource
    birth: date
    station: Facility
    network: Network

    def facility(self, place: str) -> Facility:
        """Return the facility where this person gets what is given at a `station`, `hospital` or `clinic`."""
        match place:
            case "clinic":
                return self.network.clinics[self.station.ward.province]
            case "hospital":
                return self.network.hospitals[self.station.ward.province]
            case _:
                return self.station


@cache
def _route(product: str) -> Resource:
    code = "PO" if product in ORAL else "IDINJ" if product == "bcg-ivac" else "SQ" if product in _SUBCUTANEOUS else "IM"
    return concept(f"{HL7}/v3-RouteOfAdministration", code, _ROUTES[code])


@cache
def _site(code: str) -> Resource:
    return concept(f"{HL7}/v3-ActSite", code, _SITES[code])


@cache
def _quantity(product: str, millilitres: str | None) -> Resource:
    value = Decimal(millilitres or _MILLILITRES.get(product, "0.5"))
    return {"value": value, "unit": "mL", "system": UCUM, "code": "mL"}


@cache
def _funding(programme: str) -> Resource:
    code, text = ("tu-phi", "Tự chi trả") if programme == SERVICE else ("ngan-sach", "Ngân sách nhà nước")
    return concept(_FUNDING, code, text)


@cache
def _reason(code: str) -> Resource:
    display, text = _REASONS[code]
    return concept(f"{HL7}/v3-ActReason", code, display, text)


@cache
def _protocol(series: str, number: int, of: int, diseases: tuple[str, ...]) -> list[Resource]:
    return [
        {
            "series": series,
            "targetDisease": [target_disease(code) for code in diseases],
            "doseNumberPositiveInt": number,
            "seriesDosesPositiveInt": of,
        }
    ]


@cache
def _manufacturer(product: str) -> Resource:
    return {"display": VACCINES[product].manufacturer}


@cache
def _location(facility: str, name: str) -> Resource:
    return reference(f"Location/{facility}", name)


def immunization(subject: Subject, event: Event, number: int, chance: Chance, today: date) -> Resource:
    """Return the record of `event`, the person's dose `number` in the order of days."""
    facility = subject.facility(event.place)
    minute = 7 * 60 + chance.below(9 * 60)
    paper = event.day < _REGISTER_BEGAN
    head = {
        "resourceType": "Immunization",
        "id": f"{subject.id}-i{number:02}",
        "meta": _META,
        "extension": [programme_type(event.programme)],
        "status": "completed" if event.reason is None else "not-done",
    }
    occurrence = {
        "vaccineCode": vaccine_code(event.product),
        "patient": subject.reference,
        "occurrenceDateTime": f"{event.day.isoformat()}T{minute // 60:02}:{minute % 60:02}:00+07:00",
        "recorded": _recorded(event.day, minute, paper, chance, today),
        "primarySource": not paper,
    }
    where = {
        "location": _location(facility.location, facility.name),
        "performer": facility.performers[minute % len(facility.performers)],
        "fundingSource": _funding(event.programme),
        "protocolApplied": _protocol(event.series, event.number, event.of, event.diseases),
    }
    origin = {"reportOrigin": _PAPER} if paper else {}
    if event.reason is not None:
        return head | {"statusReason": _reason(event.reason)} | occurrence | origin | where
    return head | occurrence | (origin or _given(subject, event, minute)) | where


def _given(subject: Subject, event: Event, minute: int) -> dict[str, Any]:
    found = lot(event.product, event.day)
    side = minute // 7 % 2
    infant = (event.day - subject.birth).days < 365
    site = {} if event.product in ORAL else {"site": _site(("LT", "RT")[side] if infant else ("LA", "RA")[side])}
    if event.product == "bcg-ivac":
        site = {"site": _site("LA")}
    return {
        "manufacturer": _manufacturer(event.product),
        "lotNumber": found.number,
        "expirationDate": found.expires.isoformat(),
        **site,
        "route": _route(event.product),
        "doseQuantity": _quantity(event.product, event.doses),
    }


def _recorded(day: date, minute: int, paper: bool, chance: Chance, today: date) -> str:
    """Return when a dose was written down: most at once, some days later, old ones when the register began."""
    if paper:
        later = _REGISTER_BEGAN + timedelta(days=30 + chance.below(120))
    else:
        later = day + timedelta(days=chance.between(1, 6)) if chance.happens(0.12) else day
    minute = minute + 5 + minute % 40
    return f"{min(later, max(day, today)).isoformat()}T{minute // 60:02}:{minute % 60:02}:00+07:00"


def mistake(resource: Resource, number: int) -> Resource:
    """Return the same dose entered once more by mistake, and marked so."""
    base = resource["id"].rpartition("-i")[0]
    return resource | {"id": f"{base}-i{number:02}", "status": "entered-in-error", "note": _MISTAKE}
