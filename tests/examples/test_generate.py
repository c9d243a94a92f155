"""https://hl7.org/fhir/R4/http.html#transaction"""

import re
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.chance import Chance
from examples.facilities import network
from examples.files import ORDER, line
from examples.generate import bundles
from examples.people import household

TODAY = date(2026, 11, 1)
Resource = dict[str, Any]


def entries(count: int, seed: int, today: date = TODAY) -> Iterator[Resource]:
    for bundle in bundles(count, seed, today):
        yield from bundle["entry"]


def resources(count: int, seed: int, today: date = TODAY) -> Iterator[Resource]:
    return (entry["resource"] for entry in entries(count, seed, today))


@pytest.fixture(scope="module")
def people() -> list[Resource]:
    """Everything about 400 people."""
    return list(resources(400, 11))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["reference"]] if isinstance(value.get("reference"), str) else []
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


@pytest.mark.parametrize("seed", [0, 1, -1, 2**40])
def test_the_same_arguments_give_the_same_bytes(seed: int) -> None:
    one, other = (b"".join(line(bundle) for bundle in bundles(30, seed, TODAY)) for _ in "ab")
    assert one == other


def test_another_seed_gives_other_people() -> None:
    one, other = ({line(r["name"]) for r in resources(50, seed) if r["resourceType"] == "Patient"} for seed in (1, 2))
    assert len(one & other) < 5


@settings(max_examples=30)
@given(st.integers(0, 60), st.integers(0, 1000))
def test_there_are_exactly_as_many_patients_as_asked_for(count: int, seed: int) -> None:
    assert sum(resource["resourceType"] == "Patient" for resource in resources(count, seed)) == count


@settings(max_examples=20)
@given(st.integers(0, 1000), st.dates(date(2015, 1, 1), date(2035, 12, 31)))
def test_every_reference_names_something_that_came_before(seed: int, today: date) -> None:
    known: set[str] = set()
    for resource in resources(40, seed, today):
        assert set(references(resource)) <= known
        known.add(f"{resource['resourceType']}/{resource['id']}")


def test_the_types_can_also_be_loaded_one_after_the_other(people: list[Resource]) -> None:
    for resource in people:
        place = ORDER.index(resource["resourceType"])
        assert all(ORDER.index(target.split("/")[0]) <= place for target in references(resource))


def test_every_resource_is_put_once_under_a_valid_id() -> None:
    urls = []
    for entry in entries(300, 5):
        resource = entry["resource"]
        assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource["id"])
        urls.append(entry["request"]["url"])
    assert len(set(urls)) == len(urls)


def test_more_than_a_million_people_have_ids_that_stay_valid() -> None:
    station = network(1, 1).stations[0]
    assert household(Chance(1, 1), station, 1_234_567, TODAY).members[0].id == "p-1234567"


@pytest.mark.parametrize("type", ORDER)
def test_every_resource_is_valid_to_an_independent_model(type: str, people: list[Resource]) -> None:
    model = get_fhir_model_class(type)
    found = [resource for resource in people if resource["resourceType"] == type]
    assert found
    for resource in found:
        model.model_validate_json(line(resource))


def test_the_first_people_come_before_the_last_are_thought_of() -> None:
    tracemalloc.start()
    try:
        assert len(list(islice(bundles(200_000, 3, TODAY), 2500))) == 2500
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000


def test_memory_does_not_grow_with_the_number_of_people() -> None:
    peaks = []
    for count in (200, 1_500):
        tracemalloc.start()
        for _ in bundles(count, 3, TODAY):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3_000_000


def test_nothing_happens_after_today(people: list[Resource]) -> None:
    end = f"{TODAY + timedelta(days=1)}"
    moments = [
        resource[key]
        for resource in people
        for key in ("occurrenceDateTime", "recorded", "birthDate", "date", "detected", "recordedDate")
        if key in resource
    ]
    assert len(moments) > 1000
    assert all(moment < end for moment in moments)
