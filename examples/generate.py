"""Real-looking immunization data for any number of invented people, as transaction Bundles, one family at a time.

https://hl7.org/fhir/R4/http.html#transaction

Everything is PUT under an id that follows from the arguments: loading a set twice changes nothing. Memory does not grow
with the number of people; the facilities do, up to one for each ward of the country.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final

from examples import covid, events, facilities, family, lots, people, programme
from examples.chance import Chance
from examples.doses import Subject, immunization, mistake
from examples.facilities import Network
from examples.fhir import Resource, reference
from examples.people import Household, Member
from examples.programme import Child, Event, Next
from examples.recommendations import recommendation

_FIRST_CHILDREN: Final = date(2012, 1, 1)  # older people have no childhood doses on record
_MISTAKES: Final = 0.004
_REGULAR: Final = date(2018, 1, 1)


def bundles(count: int, seed: int, today: date) -> Iterator[Resource]:
    """Yield transaction Bundles: each facility with its staff, each vaccine with its lots, then family after family.

    There are exactly `count` Patients, the family of the walk-through first. The same arguments give the same Bundles.
    Bundles share parts with each other: copy one before changing it.
    """
    network = facilities.network(count, seed)
    for facility in network.all():
        yield transaction(facilities.resources(facility, today))
    for product in programme.products():
        yield transaction(lots.medications(product, today))
    left, number, serial = count, 0, family.SERIALS
    home = family.household(network, today)
    while left > 0:
        members = home.members[:left]
        yield transaction(_household(home, members, network, Chance(seed, number), today))
        left -= len(members)
        number += 1
        chance = Chance(seed, number)
        home = people.household(chance, chance.one(network.stations), serial, today)
        serial += len(home.members)


def transaction(resources: Iterable[Resource]) -> Resource:
    """Return the Bundle that puts `resources`, in their order, under their ids."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
            for resource in resources
        ],
    }


def _household(
    home: Household, members: tuple[Member, ...], network: Network, chance: Chance, today: date
) -> Iterator[Resource]:
    """Yield the Patients of a household, then what belongs to each."""
    for member in members:
        yield people.patient(member, home, chance, today)
    for member in members:
        if member.role == "child":
            yield people.mother_of(member, home.members[0])
        patient = reference(f"Patient/{member.id}", member.name.text)
        subject = Subject(member.id, patient, member.birth, home.station, network)
        happened, following = _life(member, home, chance, today)
        yield from _records(subject, happened, chance, today)
        if following:
            yield recommendation(subject, following, today)


def _records(subject: Subject, happened: list[Event], chance: Chance, today: date) -> Iterator[Resource]:
    """Yield a resource for each dose in the order of days, each followed by what went wrong with it."""
    number = reactions = 0
    for event in sorted(happened, key=lambda event: (event.day, event.product, event.number)):
        number += 1
        dose = immunization(subject, event, number, chance, today)
        yield dose
        if dose["status"] != "completed" or not dose["primarySource"]:
            continue
        if subject.id == family.CHILD.id and number == 3:
            found: Resource | None = events.adverse_event(subject, dose, event.day, 1, events.FEVER, 25, today)
        else:
            found = events.after(subject, dose, event.day, reactions + 1, chance, today)
        if found:
            reactions += 1
            yield found
        if chance.happens(_MISTAKES):
            number += 1
            yield mistake(dose, number)


def _life(member: Member, home: Household, chance: Chance, today: date) -> tuple[list[Event], list[Next]]:
    """Return the doses of a person until `today` and the next ones of a child."""
    if member in (family.MOTHER, family.CHILD):
        return list(family.events(member, today)), family.following(member, today)
    following: list[Next] = []
    happened = list(covid.doses(member.birth, chance, today))
    if member.birth >= _FIRST_CHILDREN:
        child = Child(member.birth, member.gender, home.station.ward.province, home.private)
        given, following = programme.childhood(child, chance, today)
        happened += given
    elif member.role == "mother":
        births = [other.birth for other in home.members if other.role == "child"]
        happened += programme.pregnancy(births, today, chance)
    happened += _bought(member, home, chance, today)
    return happened, following


def _bought(member: Member, home: Household, chance: Chance, today: date) -> Iterator[Event]:
    """Yield what people buy at any age: influenza vaccine, and the treatment after a bite; young women HPV vaccine."""
    since = max(_REGULAR, member.birth + timedelta(days=400))
    days = (today - since).days
    if days <= 0:
        return
    if chance.happens(0.3 if home.private else 0.06):
        years = (year for year in range(since.year, today.year + 1) if chance.happens(0.4))
        yield from (
            event for event in programme.influenza(years, "vaxigrip-tetra", today, chance) if event.day >= since
        )
    if chance.happens(0.02):
        start = since + timedelta(days=chance.below(days))
        yield from programme.course("svc-rabies-pep", start, "verorab", today, chance)
    if member.gender == "female" and 1988 <= member.birth.year <= 2006 and chance.happens(0.1):
        start = since + timedelta(days=chance.below(days))
        yield from programme.course("svc-hpv4", start, "gardasil", today, chance)
