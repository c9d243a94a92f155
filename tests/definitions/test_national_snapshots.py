"""Snapshots of the national profiles, all three sets.

https://hl7.org/fhir/R4/profiling.html
"""

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import profiles
from fhir_server import wire
from fhir_server.definitions import Definitions, core_facts, snapshots, structures
from fhir_server.outcome import FhirError
from fhir_server.validation import Validator

Json = dict[str, Any]

NATIONAL = [
    definition
    for name in ("vn-core", "programme", "moh-ehealth")
    for definition in profiles.resources(name)
    if definition["resourceType"] == "StructureDefinition"
]
BY_URL = {definition["url"]: definition for definition in NATIONAL}


def national(url: str) -> Json | None:
    return BY_URL.get(url) or structures.find(url)


@pytest.mark.parametrize("definition", NATIONAL, ids=lambda definition: definition["url"].partition("//")[2])
def test_every_national_profile_has_a_snapshot(definition: Json) -> None:
    before = deepcopy(definition)
    made = snapshots.generate(definition, national)
    assert definition == before
    elements = made["snapshot"]["element"]
    ids = [element["id"] for element in elements]
    assert len(ids) == len({*ids})
    assert ids[0] == made["type"]
    for element in elements:
        assert {"path", "min", "max", "base", "definition"} <= element.keys()
        assert element["id"].rpartition(".")[0] in ("", *ids)
        assert (":" in element["id"].rpartition(".")[2]) == ("sliceName" in element)
        assert "type" in element or "contentReference" in element or "." not in element["path"]
    assert snapshots.generate(made, national) == made


def test_snapshots_are_valid_themselves() -> None:
    packages = [*profiles.resources(), *profiles.resources("moh-ehealth")]
    validator = Validator(Definitions(core_facts(), packages))
    for definition in NATIONAL:
        made = wire.loads(wire.dumps(snapshots.generate(definition, national)))
        assert [issue for issue in validator.validate(made).issues if issue.severity == "error"] == []


@given(st.sampled_from(NATIONAL), st.data())
def test_the_order_of_elements_without_slices_says_nothing(definition: Json, data: st.DataObject) -> None:
    rows = definition["differential"]["element"]
    shuffled = {**definition, "differential": {"element": [rows[0], *data.draw(st.permutations(rows[1:]))]}}
    expected = snapshots.generate(definition, national)["snapshot"]["element"]
    made = snapshots.generate(shuffled, national)["snapshot"]["element"]
    assert sorted(made, key=lambda element: element["id"]) == sorted(expected, key=lambda element: element["id"])


def places(value: Any, around: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the way to every value within `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [around, *(place for key, inner in items for place in places(inner, (*around, key)))]


@given(st.sampled_from(NATIONAL), st.data())
def test_whatever_is_spoilt_is_refused_or_laid_out(definition: Json, data: st.DataObject) -> None:
    spoilt = deepcopy({name: value for name, value in definition.items() if name != "text"})
    *way, last = data.draw(st.sampled_from(places(spoilt)[1:]))
    at: Any = spoilt
    for step in way:
        at = at[step]
    at[last] = data.draw(
        st.sampled_from([None, 7, "", "Patient", "*", "-1", [], [None], {}, {"code": "x"}, True, "a.b"])
    )
    with suppress(FhirError):
        assert wire.dumps(snapshots.generate(spoilt, national))
