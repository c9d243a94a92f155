"""Invented households: who lives there, and their Patient and RelatedPerson resources.

https://hl7.org/fhir/R4/patient.html https://hl7.org/fhir/R4/relatedperson.html
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from examples import identifiers
from examples.chance import Chance, Weighted
from examples.facilities import Facility
from examples.fhir import HL7, Resource, address, concept, ethnicity, human_name, meta, moment, origins, reference
from examples.names import Name, name
from terminology.places import PLACE_PREFIXES

_META: Final = meta("patient")
_RELATED: Final = meta("related-person")
# Shares of the census of 2019, rounded; the rest of the 54 groups are left out.
_ETHNIC_GROUPS: Final = Weighted(
    {
        "01": 85.3,
        "02": 1.9,
        "03": 1.9,
        "06": 1.5,
        "08": 1.45,
        "05": 1.4,
        "07": 1.1,
        "09": 0.93,
        "04": 0.78,
        "10": 0.53,
        "12": 0.4,
    }.items()
)
_CHILDREN: Final = Weighted([(1, 42), (2, 46), (3, 12)])
_STREETS: Final = ("Lê Lợi", "Trần Phú", "Nguyễn Huệ", "Hai Bà Trưng", "Quang Trung", "Hùng Vương", "Lý Thường Kiệt")
_MOTHER: Final = concept(f"{HL7}/v3-RoleCode", "MTH", "mother", "Mẹ")
_NUMBER_UNKNOWN: Final = {
    "system": identifiers.CCCD,
    "_value": {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "temp-unknown"}
        ]
    },
}
_BIRTH_TIME: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"


@dataclass(frozen=True, slots=True)
class Member:
    """A person of a household; `citizen` is None while a newborn has no number."""

    id: str
    serial: int
    role: str  # mother, father, child or adult
    name: Name
    gender: str
    birth: date
    ethnic_group: str
    citizen: str | None
    telephone: str | None


@dataclass(frozen=True, slots=True)
class Household:
    """People who live together: in `line` of the ward of `station`; `private` families buy most vaccines."""

    station: Facility
    line: str
    private: bool
    members: tuple[Member, ...]


def household(chance: Chance, station: Facility, first: int, today: date) -> Household:
    """Invent a household whose first member has the serial `first`: a young family, or one or two older people."""
    urban = station.ward.name.startswith("Phường")
    line = f"Số {chance.between(1, 299)}, đường {chance.one(_STREETS)}" if urban else f"Thôn {chance.between(1, 12)}"
    group = "01" if urban and chance.happens(0.8) else chance.pick(_ETHNIC_GROUPS)
    private = chance.happens(0.25 if urban else 0.06)
    make = _Maker(chance, station, group, first, today)
    if chance.happens(0.8):
        _young(make, chance, today)
    else:
        _older(make, chance, today)
    return Household(station, line, private, tuple(make.members))


class _Maker:
    """Gives people their names and numbers, one after the other."""

    def __init__(self, chance: Chance, station: Facility, group: str, first: int, today: date) -> None:
        self.members: list[Member] = []
        self._chance, self._group, self._next, self._today = chance, group, first, today
        self._places = _places(station.ward.province)

    def add(self, role: str, gender: str, birth: date, family: str | None = None) -> Member:
        """Add a person."""
        serial = self._next
        self._next += 1
        called = name(self._chance, gender, birth.year, self._group, family)
        days = (self._today - birth).days
        if days < 10:  # not named yet
            called = Name(None, ("Con", "bà"), self.members[0].name.text, temporary=True)
        numbered = days > 14 + self._chance.below(46)
        number = identifiers.cccd(self._chance.one(self._places), gender, birth, serial) if numbered else None
        phone = identifiers.telephone(serial) if days > 18 * 366 else None
        member = Member(f"p-{serial:06}", serial, role, called, gender, birth, self._group, number, phone)
        self.members.append(member)
        return member


@cache
def _places(province: str) -> tuple[str, ...]:
    """Return the prefixes of citizen numbers in the province: those of the older provinces it was made of."""
    return tuple(prefix for prefix, place in PLACE_PREFIXES.items() if place.successor == province)


def _young(make: _Maker, chance: Chance, today: date) -> None:
    """A mother, sometimes the father, and their children, more often small ones."""
    births = [today - timedelta(days=int(chance.draw() ** 1.7 * 14 * 365))]
    for _ in range(chance.pick(_CHILDREN) - 1):
        births.insert(0, births[0] - timedelta(days=chance.between(500, 1600)))
    mother = make.add("mother", "female", births[0] - timedelta(days=365 * 19 + chance.below(365 * 14)))
    family = None
    if chance.happens(0.4):
        family = make.add("father", "male", mother.birth - timedelta(days=chance.between(-900, 2500))).name.family
    for birth in births:
        child = make.add("child", "male" if chance.happens(0.527) else "female", birth, family)
        family = family or child.name.family  # brothers and sisters share it


def _older(make: _Maker, chance: Chance, today: date) -> None:
    """One or two people of 45 to 92 years, or a young adult who lives alone."""
    if chance.happens(0.3):
        gender = "male" if chance.happens(0.5) else "female"
        make.add("adult", gender, today - timedelta(days=chance.between(18 * 366, 30 * 365)))
        return
    birth = today - timedelta(days=45 * 366 + int(chance.draw() ** 1.4 * 47 * 365))
    make.add("adult", "female", birth)
    if chance.happens(0.6):
        make.add("adult", "male", birth - timedelta(days=chance.between(-1500, 3000)))


def patient(member: Member, home: Household, chance: Chance, today: date) -> Resource:
    """Return the Patient: citizen number (or why there is none), often insurance number, always a programme code."""
    if member.citizen is None:
        found = [_NUMBER_UNKNOWN]
    else:
        found = [{"use": "official", "system": identifiers.CCCD, "value": member.citizen}]
        if chance.happens(0.93):
            found.append({"system": identifiers.BHYT, "value": identifiers.bhyt(member.serial)})
    found.append({"use": "secondary", "system": identifiers.PROGRAMME, "value": identifiers.programme(member.serial)})
    resource = {
        "resourceType": "Patient",
        "id": member.id,
        "meta": _META,
        "extension": [ethnicity(member.ethnic_group), *origins(home.station.ward.code, today)],
        "identifier": found,
        "active": True,
        "name": [human_name(member.name)],
        "gender": member.gender,
        "birthDate": member.birth.isoformat(),
        "address": [address(home.station.ward, home.line, today) | {"type": "both"}],
        "managingOrganization": reference(f"Organization/{home.station.organization}"),
    }
    if member.telephone:
        resource["telecom"] = [{"system": "phone", "value": member.telephone, "use": "mobile"}]
    if (today - member.birth).days < 366:
        born = moment(member.birth, chance.below(7 * 60))
        resource["_birthDate"] = {"extension": [{"url": _BIRTH_TIME, "valueDateTime": born}]}
    return resource


def mother_of(child: Member, mother: Member) -> Resource:
    """Return the mother as the child's RelatedPerson, with her own citizen number and telephone."""
    telecom = {"telecom": [{"system": "phone", "value": mother.telephone, "use": "mobile"}]} if mother.telephone else {}
    return {
        "resourceType": "RelatedPerson",
        "id": f"{child.id}-mother",
        "meta": _RELATED,
        "identifier": [{"system": identifiers.CCCD, "value": mother.citizen}],
        "active": True,
        "patient": reference(f"Patient/{child.id}", child.name.text),
        "relationship": [_MOTHER],
        "name": [human_name(mother.name)],
        **telecom,
        "gender": "female",
        "birthDate": mother.birth.isoformat(),
    }
