"""What a differential may not say: https://hl7.org/fhir/R4/profiling.html#limitations"""

from typing import Any

import pytest

from fhir_server.definitions import snapshots
from fhir_server.outcome import TooCostly
from tests.definitions.profiles import OWN, Json, found, profile, refused

ROW = "StructureDefinition.differential.element[0]"


@pytest.mark.parametrize(
    ("type", "element", "rule"),
    [
        ("Patient", {"id": "Patient.nickname"}, "path"),
        ("Patient", {"id": "Patient.name.nickname"}, "path"),
        ("Patient", {"id": "Patient.birthQuantity"}, "path"),
        ("Observation", {"id": "Patient.name"}, "path"),
        ("Immunization", {"id": "Immunization.status", "min": 0}, "min"),
        ("Immunization", {"id": "Immunization.status", "max": "*"}, "max"),
        ("Patient", {"id": "Patient.name", "min": 3, "max": "2"}, "min"),
        ("Patient", {"id": "Patient.birthDate", "type": [{"code": "dateTime"}]}, "type"),
        ("Observation", {"id": "Observation.value[x]", "type": [{"code": "Address"}]}, "type"),
        ("Observation", {"id": "Observation.value[x].code", "min": 1}, "type"),
        ("Patient", {"id": "Patient.gender", "binding": {"strength": "extensible"}}, "binding"),
        ("Bundle", {"id": "Bundle.entry.resource", "type": [{"code": "string"}]}, "type"),
        ("Patient", {"id": "Patient.link.other", "type": [{"code": "Patient"}]}, "type"),
    ],
    ids=lambda value: str(value.get("id")) if isinstance(value, dict) else value,
)  # fmt: skip
def test_what_the_base_does_not_let_is_refused_at_its_element(type: str, element: Json, rule: str) -> None:
    definition = profile(type, element)
    assert refused(definition) == [(ROW, f"snapshot-{rule}")]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    rows = (
        {"id": "Patient.nickname"},
        {"id": "Patient.gender", "max": "2"},
        {"id": "Patient.name"},
        {"id": "Patient.x"},
    )
    assert refused(profile("Patient", *rows)) == [
        ("StructureDefinition.differential.element[0]", "snapshot-path"),
        ("StructureDefinition.differential.element[1]", "snapshot-max"),
        ("StructureDefinition.differential.element[3]", "snapshot-path"),
    ]


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [("Patient", True), ("Resource", True), ("Age", False)],
    ids=["a resource type", "the same", "another kind"],
)
def test_a_type_may_be_one_that_specializes_that_of_the_base(kind: str, allowed: bool) -> None:
    definition = profile("Bundle", {"id": "Bundle.entry.resource", "type": [{"code": kind}]})
    if allowed:
        assert found(definition)["Bundle.entry.resource"]["type"] == [{"code": kind}]
    else:
        assert refused(definition) == [(ROW, "snapshot-type")]


def changed(**changes: Any) -> Json:
    return {**profile("Patient", {"id": "Patient.name", "min": 1}), **changes}


@pytest.mark.parametrize(
    ("definition", "rule"),
    [
        (changed(baseDefinition=f"{OWN}/none"), "unknown"),
        (changed(baseDefinition=f"{OWN}/one"), "base"),
        (changed(differential={}), "differential"),
        (changed(derivation="specialization"), "differential"),
        (changed(differential={"element": [{"id": "Patient.name"}]}), "read"),
        (changed(differential={"element": [{"path": "Patient.name", "min": "one"}]}), "read"),
        (changed(differential={"element": "all"}), "read"),
        (changed(differential=7), "read"),
        (changed(mapping=7), "read"),
        (changed(differential={}, snapshot={"element": [{"path": "Patient"}]}, baseDefinition=7), "read"),
        (changed(differential={"element": [{"path": ".".join(["Patient", *["contact"] * 50])}]}), "read"),
        (changed(differential={"element": [{"path": "Patient.name", "sliceName": "a" + "/b" * 50}]}), "read"),
        (changed(differential={"element": [{"path": "Patient.name.family"}] * 33_334}), "read"),
    ],
    ids=[
        *("unknown base", "circle", "nothing", "a type", "no path", "no number", "no list", "no view", "no mappings"),
        *("no address", "deep", "slices in slices", "many"),
    ],
)
def test_a_definition_of_which_none_can_be_made_is_refused(definition: Json, rule: str) -> None:
    assert refused(definition, definition) == [("StructureDefinition", f"snapshot-{rule}")]


def test_an_extension_that_is_not_known_is_named_where_the_differential_goes_into_it() -> None:
    kind = {"code": "Extension", "profile": [f"{OWN}/none"]}
    row = {"id": "Patient.extension:a", "sliceName": "a", "type": [kind]}
    assert found(profile("Patient", row))["Patient.extension:a"]["type"] == [kind]
    inside = {"id": "Patient.extension:a.value[x]", "min": 1}
    assert refused(profile("Patient", row, inside)) == [(ROW, "snapshot-unknown")]


def test_a_profile_may_name_itself_but_not_go_into_itself() -> None:
    kind = {"code": "Patient", "profile": [f"{OWN}/one"]}
    row = {"id": "Patient.contained", "type": [kind]}
    itself = profile("Patient", row)
    assert found(itself, itself)["Patient.contained"]["type"] == [kind]
    into = profile("Patient", row, {"id": "Patient.contained.name", "min": 1})
    assert refused(into, into) == [("StructureDefinition", "snapshot-base")]


def test_more_than_can_be_unfolded_is_too_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_ELEMENTS", 60)
    found(profile("Patient", {"id": "Patient.name", "min": 1}))
    with pytest.raises(TooCostly):
        found(profile("Patient", *({"id": f"Patient.{name}.id", "max": "0"} for name in ("name", "address", "photo"))))


def test_no_more_than_two_hundred_faults_are_told() -> None:
    assert len(refused(profile("Patient", *({"id": f"Patient.x{number}"} for number in range(300))))) == 200
