"""Snapshots say the same as the differentials that they are made from: the validator finds the same by either.

https://hl7.org/fhir/R4/profiling.html
"""

from typing import Any

import pytest

import profiles
from fhir_server.definitions import Definitions, core_facts, snapshots, structures
from fhir_server.validation import Validator
from tests.profiles.bases import BASES, Resource
from tests.profiles.test_pairs import PAIRS, Changes, changed
from tests.profiles.test_rules import REFUSED, TWICE

Json = dict[str, Any]

TODAY = "2026-11-22"

INSTANCES: dict[str, tuple[Resource, Changes]] = {
    **{base["resourceType"]: (base, {}) for base in BASES},
    **{f"accepted by {name}": (base, accepted) for base, name, accepted, _ in PAIRS},
    **{f"refused by {name}": (base, refused) for base, name, _, refused in PAIRS},
    **{row[0]: (row[1], row[2]) for row in REFUSED},
    **{row[0]: (row[1], row[2]) for row in TWICE},
}


@pytest.fixture(scope="module")
def by_snapshots() -> Validator:
    """A validator that knows the national profiles by their snapshots alone."""
    resources = list(profiles.resources())
    known = {one["url"]: one for one in resources if one["resourceType"] == "StructureDefinition"}

    def alone(definition: Json) -> Json:
        made = snapshots.generate(definition, lambda url: known.get(url) or structures.find(url))
        return {name: value for name, value in made.items() if name != "differential"}

    others = [one for one in resources if one["resourceType"] != "StructureDefinition"]
    return Validator(Definitions(core_facts(), [*others, *map(alone, known.values())]))


def found(validator: Validator, resource: Any) -> set[tuple[str, str | None]]:
    """Return severity and place of everything that is wrong."""
    issues = validator.validate(resource, today=TODAY).issues
    return {(issue.severity, issue.expression) for issue in issues}


@pytest.mark.parametrize("name", INSTANCES)
def test_a_snapshot_accepts_and_refuses_what_its_differential_does(
    name: str, validator: Validator, by_snapshots: Validator
) -> None:
    resource = changed(*INSTANCES[name])
    assert found(by_snapshots, resource) == found(validator, resource)
