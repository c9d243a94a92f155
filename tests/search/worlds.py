"""Random resources that refer to each other; few different values, so that they often meet.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from tests.search.naive import UCUM

Json = dict[str, Any]
Item = TypeVar("Item")

SYSTEMS = ["http://x", "http://hl7.org/fhir/sid/cvx"]
CODES = ["a", "A", "b", "a-b"]
TEXTS = ["Nguyễn", "nguyen van", "Đào", "dao", "An", "Văn An", "Trần", "an nguyen"]
DATES = ["2023-12", "2024", "2024-02", "2024-02-29", "2024-03-01", "2025", "1999-12-31"]
MOMENTS = [
    "2024-02-29T10:00:00+07:00",
    "2024-02-29T23:30:00Z",
    "2024-03-01T06:30:00+07:00",
    "2023-12-31T17:00:00.250Z",
]
NUMBERS = ["0.2", "0.20", "0.24", "0.21", "0.3", "5.4", "5.44", "5.60", "-2", "0"]
AMOUNTS = ["5.4", "5400", "0.0054", "5.44", "5.60", "10", "-5", "0"]
UNITS: list[Json] = [
    {},
    {"unit": "g"},
    {"system": UCUM, "code": "mg"},
    {"system": UCUM, "code": "g", "unit": "gram"},
    {"system": UCUM, "code": "kg"},
    {"system": "http://x", "code": "g"},
]
EACH = 9  # resources of a type


def world(seed: int, size: int) -> list[Json]:
    """Return `size` resources in the order in which they are to be stored: the first ones of a larger world."""
    types = Random(seed).choices(list(CONTENT), k=size)
    return [
        {"resourceType": type, "id": _id(type, types[:n].count(type)), **CONTENT[type](_Writer(seed, n))}
        for n, type in enumerate(types)
    ]


def _id(type: str, number: int) -> str:
    return f"{type[0].lower()}{number}"


class _Writer:
    """Writes the elements of one resource."""

    def __init__(self, seed: int, number: int):
        self.random = Random(f"{seed}/{number}")

    def one(self, values: Sequence[Item]) -> Item:
        return self.random.choice(values)

    def maybe(self, likely: float = 0.7, **members: Callable[[], Any]) -> Json:
        """Return an object that may lack any of the members."""
        return {name: write() for name, write in members.items() if self.random.random() < likely}

    def either(self, **members: Callable[[], Any]) -> Json:
        """Return an object with one of the members, or mostly so."""
        name = self.one(list(members))
        return self.maybe(0.9, **{name: members[name]})

    def some(self, write: Callable[[], Any]) -> list[Any]:
        return [write() for _ in range(self.one([1, 1, 2, 3]))]

    def text(self) -> str:
        return self.one(TEXTS)

    def date(self) -> str:
        return self.one(DATES)

    def moment(self) -> str:
        return self.one(DATES + MOMENTS)

    def instant(self) -> str:
        return self.one(MOMENTS)

    def period(self) -> Json:
        first, last = sorted([self.date(), self.date()])
        return self.one([{"start": first, "end": last}, {"start": first}, {"end": last}])

    def coding(self) -> Json:
        system = self.one([None, *SYSTEMS])
        return {"code": self.one(CODES), **({"system": system} if system else {}), **self.maybe(0.3, display=self.text)}

    def concept(self) -> Json:
        return {"coding": self.some(self.coding), **self.maybe(0.3, text=self.text)} | self.one([{}, {"text": "An"}])

    def words(self) -> Json:
        return {"text": self.text()} if self.random.random() < 0.2 else self.concept()

    def identifier(self) -> Json:
        kind = {"type": {"coding": [{"system": "http://x", "code": "MR"}]}}
        coding = self.coding()
        value = {"value": coding["code"], **({"system": coding["system"]} if "system" in coding else {})}
        return value | self.one([{}, kind])

    def to(self, *types: str) -> Callable[[], Json]:
        """Return how a reference is written to what may be stored or not, here or elsewhere."""

        def reference() -> Json:
            type = self.one(list(types))
            here = {"reference": f"{type}/{_id(type, self.random.randrange(EACH))}"}
            elsewhere = {"reference": self.one(["http://other.example/Patient/p0", "https://other.example/x"])}
            return self.one([here] * 8 + [elsewhere, {"identifier": self.identifier()}])

        return reference

    def quantity(self) -> Json:
        more = self.one([{}] * 4 + [{"comparator": "<"}, {"comparator": ">="}, {"comparator": ">"}])
        return {"value": Decimal(self.one(AMOUNTS)), **self.one(UNITS), **more}

    def measured(self) -> Json:
        return {"code": self.words(), **self.maybe(0.9, valueQuantity=self.quantity)}

    def number(self) -> Decimal:
        return Decimal(self.one(NUMBERS))

    def interval(self) -> Json:
        low, high = {"low": {"value": self.number()}}, {"high": {"value": Decimal("7.5")}}
        return self.one([low, high, low | high])

    def name(self) -> Json:
        return {"family": self.text(), **self.maybe(0.6, given=lambda: self.some(self.text), text=self.text)}

    def position(self) -> Json:
        return {"latitude": self.one([Decimal("0.01"), 0]), "longitude": self.one([Decimal("0.1"), 0, 1])}


CONTENT: dict[str, Callable[[_Writer], Json]] = {
    "Organization": lambda w: w.maybe(name=w.text, partOf=w.to("Organization")),
    "Patient": lambda w: w.maybe(
        meta=lambda: {"tag": [w.coding()], "source": w.one(SYSTEMS)},
        name=lambda: w.some(w.name),
        gender=lambda: w.one(["male", "female"]),
        active=lambda: w.one([True, False]),
        birthDate=w.date,
        identifier=lambda: w.some(w.identifier),
        managingOrganization=w.to("Organization"),
        generalPractitioner=lambda: w.some(w.to("Organization")),
    ),
    "Observation": lambda w: (
        w.measured()
        | w.maybe(0.2, valueString=w.text)
        | w.either(effectiveDateTime=w.moment, effectivePeriod=w.period, effectiveInstant=w.instant)
        | w.maybe(subject=w.to("Patient", "Patient", "Location"), component=lambda: w.some(w.measured))
    ),
    "RiskAssessment": lambda w: w.maybe(
        subject=w.to("Patient"),
        prediction=lambda: w.some(
            lambda: w.either(probabilityDecimal=w.number, probabilityRange=w.interval) or {"id": "1"}
        ),
    ),
    "Immunization": lambda w: w.maybe(
        0.8,
        patient=w.to("Patient"),
        occurrenceDateTime=w.moment,
        vaccineCode=w.words,
        status=lambda: w.one(["completed", "not-done"]),
        lotNumber=w.text,
        reaction=lambda: w.some(lambda: {"date": w.date()}),
    ),
    "Location": lambda w: w.maybe(position=w.position, name=w.text, alias=lambda: w.some(w.text)),
}
