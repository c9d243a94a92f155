"""Where people are vaccinated: health stations, and in each province a public centre, a hospital and a private clinic.

https://hl7.org/fhir/R4/organization.html https://hl7.org/fhir/R4/location.html

The wards are real; the facilities, their codes and their staff are invented.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from examples import identifiers
from examples.chance import Chance
from examples.fhir import HL7, PROGRAMME, Resource, address, concept, human_name, meta, reference
from examples.names import name
from terminology.places import PROVINCES, WARDS, Place

_OWN_NUMBER: Final = 2**40 - 1  # the draws of the network; households count from 0
_PEOPLE_A_WARD: Final = 100
_LEAST_WARDS: Final = 24
_PRACTITIONER: Final = meta("practitioner")
FIRST_WARD: Final = "00004"  # Ba Đình, Hà Nội: where the family of the walk-through lives


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff."""

    id: str
    display: str
    resource: Resource = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Facility:
    """A facility with its staff; `organization` and `location` are ids, `parent` is the organization above it."""

    code: str
    name: str
    kind: str  # TYT, BV, CDC or PK
    ward: Place
    parent: str | None
    staff: tuple[Person, ...]
    performers: tuple[list[Resource], ...] = field(repr=False, compare=False)  # one for each who vaccinates

    @property
    def organization(self) -> str:
        """The id of its Organization."""
        return f"org-{self.code}"

    @property
    def location(self) -> str:
        """The id of its Location."""
        return f"loc-{self.code}"


@dataclass(frozen=True, slots=True)
class Network:
    """All facilities. A household goes to the station of its ward, for services to the clinic of its province."""

    stations: tuple[Facility, ...]
    centres: dict[str, Facility]  # by province: centre for disease control
    hospitals: dict[str, Facility]
    clinics: dict[str, Facility]

    def all(self) -> Iterator[Facility]:
        """Yield every facility, each after the one it is part of."""
        for facilities in (self.centres, self.hospitals, self.clinics):
            yield from facilities.values()
        yield from self.stations


def network(people: int, seed: int) -> Network:
    """Return the facilities that `people` need: the more people, the more wards, up to all of them."""
    chance = Chance(seed, _OWN_NUMBER)
    wards = _wards(chance, max(_LEAST_WARDS, people // _PEOPLE_A_WARD))
    first: dict[str, Place] = {}
    for ward in wards:
        first.setdefault(ward.province, ward)
    centres, hospitals, clinics = {}, {}, {}
    for province, ward in sorted(first.items()):
        short = PROVINCES[province].name.removeprefix("Thành phố ").removeprefix("Tỉnh ")
        centre = _facility(chance, f"{province}900", f"Trung tâm Kiểm soát bệnh tật {short}", "CDC", ward)
        centres[province] = centre
        hospitals[province] = _facility(chance, f"{province}901", f"Bệnh viện Sản Nhi {short}", "BV", ward)
        clinics[province] = _facility(chance, f"{province}902", f"Phòng tiêm chủng Mầm Xanh {short}", "PK", ward)
    counts = dict.fromkeys(centres, 0)
    stations = []
    for ward in wards:
        counts[ward.province] += 1
        code, parent = f"{ward.province}{counts[ward.province]:03}", centres[ward.province].organization
        stations.append(
            _facility(chance, code, f"Trạm Y tế {ward.name[0].lower()}{ward.name[1:]}", "TYT", ward, parent)
        )
    return Network(tuple(stations), centres, hospitals, clinics)


def _wards(chance: Chance, count: int) -> list[Place]:
    """Return `count` different wards, the first of them `FIRST_WARD`."""
    left = [ward for ward in WARDS.values() if ward.code != FIRST_WARD]
    chosen = [WARDS[FIRST_WARD]]
    while left and len(chosen) < count:
        place = chance.below(len(left))
        left[place], left[-1] = left[-1], left[place]
        chosen.append(left.pop())
    return chosen


def _facility(chance: Chance, code: str, title: str, kind: str, ward: Place, parent: str | None = None) -> Facility:
    staff = tuple(_person(chance, code, number) for number in range(1, 4 if kind != "TYT" else 3))
    ordering = {"function": concept(f"{HL7}/v2-0443", "OP", "Ordering Provider"), "actor": _actor(staff[0])}
    giving = concept(f"{HL7}/v2-0443", "AP", "Administering Provider")
    facility = {"actor": reference(f"Organization/org-{code}", title)}
    performers = tuple([{"function": giving, "actor": _actor(person)}, ordering, facility] for person in staff[1:])
    return Facility(code, title, kind, ward, parent, staff, performers)


def _actor(person: Person) -> Resource:
    return reference(f"Practitioner/{person.id}", person.display)


def _person(chance: Chance, code: str, number: int) -> Person:
    gender = "female" if chance.happens(0.7) else "male"
    called = name(chance, gender, chance.between(1968, 1999), "01")
    licence = f"{chance.below(100_000):06}/{code[:2]}-CCHN"
    resource = {
        "resourceType": "Practitioner",
        "id": f"staff-{code}-{number}",
        "meta": _PRACTITIONER,
        "identifier": [{"system": identifiers.LICENCE, "value": licence}],
        "active": True,
        "name": [human_name(called)],
        "gender": gender,
    }
    return Person(f"staff-{code}-{number}", called.text, resource)


_KINDS: Final = {
    "TYT": ("TYT", "Trạm y tế"),
    "BV": ("BV", "Bệnh viện"),
    "CDC": ("CDC", "Trung tâm Kiểm soát bệnh tật"),
    "PK": ("CSTC", "Cơ sở tiêm chủng"),
}
_PROVIDER: Final = {"system": f"{HL7}/organization-type", "code": "prov", "display": "Healthcare Provider"}
_SITE: Final = concept(f"{HL7}/location-physical-type", "si", "Site")
_ORGANIZATION: Final = meta("organization")
_LOCATION: Final = meta("location")
_ROLE: Final = meta("practitioner-role")
_ROLES: Final = (
    [concept(f"{HL7}/practitioner-role", "doctor", "Doctor", "Bác sĩ khám sàng lọc")],
    [concept(f"{HL7}/practitioner-role", "nurse", "Nurse", "Điều dưỡng tiêm chủng")],
)


def _kind(kind: str) -> Resource:
    """Return what kind of facility it is, by the programme's code and by HL7's."""
    found = concept(f"{PROGRAMME}/CodeSystem/facility-type", *_KINDS[kind])
    return found | {"coding": [*found["coding"], _PROVIDER]}


def resources(facility: Facility, today: date) -> Iterator[Resource]:
    """Yield Organization and Location of the facility, then Practitioner and PractitionerRole for each of its staff."""
    own = reference(f"Organization/{facility.organization}", facility.name)
    where = address(facility.ward, f"Số {int(facility.code) % 97 + 1}, đường Trung Tâm", today) | {"use": "work"}
    yield {
        "resourceType": "Organization",
        "id": facility.organization,
        "meta": _ORGANIZATION,
        "identifier": [{"system": identifiers.FACILITY, "value": facility.code}],
        "active": True,
        "type": [_kind(facility.kind)],
        "name": facility.name,
        "telecom": [
            {"system": "phone", "value": identifiers.telephone(50_000_000 + int(facility.code)), "use": "work"}
        ],
        "address": [where],
        **({"partOf": reference(f"Organization/{facility.parent}")} if facility.parent else {}),
    }
    yield {
        "resourceType": "Location",
        "id": facility.location,
        "meta": _LOCATION,
        "status": "active",
        "name": f"Điểm tiêm chủng – {facility.name}",
        "mode": "instance",
        "address": where,
        "physicalType": _SITE,
        "managingOrganization": own,
    }
    for place, person in enumerate(facility.staff):
        yield person.resource
        yield {
            "resourceType": "PractitionerRole",
            "id": person.id.replace("staff", "role"),
            "meta": _ROLE,
            "active": True,
            "practitioner": _actor(person),
            "organization": own,
            "code": _ROLES[min(place, 1)],
            "location": [reference(f"Location/{facility.location}")],
        }
