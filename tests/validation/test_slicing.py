"""https://hl7.org/fhir/R4/profiling.html#slicing"""

from typing import Any

import pytest

from fhir_server.definitions import snapshots, structures
from tests.validation.test_profiles import BASE, HL7, check, profile

Json = dict[str, Any]
LOINC = "http://loinc.org"


def slicing(kind: str, path: str, rules: str = "open", **more: Any) -> Json:
    """Return ElementDefinition.slicing with one discriminator."""
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules, **more}}


def coded(code: str) -> Json:
    """Return a concept of LOINC."""
    return {"coding": [{"system": LOINC, "code": code}]}


def citizen(code: str) -> Json:
    """Return the extension with a citizenship."""
    part = {"url": "code", "valueCodeableConcept": coded(code)}
    return {"url": f"{HL7}/patient-citizenship", "extension": [part]}


def bundle(*resources: Json) -> Json:
    """Return a collection of resources with full URLs that name them."""
    entries = [{"fullUrl": f"http://x/{one['resourceType']}/{one['id']}", "resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


AN = {"resourceType": "Patient", "id": "an", "gender": "male"}
HOA = {"resourceType": "Patient", "id": "hoa", "gender": "female"}
ORG = {"resourceType": "Organization", "id": "o", "name": "x"}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
ME = {"resourceType": "Patient"}
MALE = profile({"id": "Patient.gender", "min": 1, "patternCode": "male"}, url=f"{BASE}/male")
ABSENT = {"url": f"{HL7}/data-absent-reason", "valueCode": "unknown"}

# type, rows, a resource that is accepted, one that is refused, rule of the issue
CASES: dict[str, tuple[str, list[Json], Json, Json, str]] = {
    "by pattern of a concept": (
        "Observation",
        [
            {"id": "Observation.component", **slicing("pattern", "code")},
            {"id": "Observation.component:a", "max": "1"},
            {"id": "Observation.component:a.code", "patternCodeableConcept": coded("1")},
        ],
        {**OBSERVATION, "component": [{"code": coded("1")}, {"code": coded("2")}, {"code": coded("2")}]},
        {**OBSERVATION, "component": [{"code": coded("1")}, {"code": coded("1")}]},
        "Observation.component:a:max",
    ),
    "by a value deep in the slice": (
        "Observation",
        [
            {"id": "Observation.component", **slicing("value", "code")},
            {"id": "Observation.component:a", "min": 1},
            {"id": "Observation.component:a.code.coding.code", "fixedCode": "1"},
        ],
        {**OBSERVATION, "component": [{"code": coded("1")}]},
        {**OBSERVATION, "component": [{"code": coded("2")}]},
        "Observation.component:a:min",
    ),
    "by existence": (
        "Patient",
        [
            {"id": "Patient.name", **slicing("exists", "period.end")},
            {"id": "Patient.name:old", "max": "1"},
            {"id": "Patient.name:old.period.end", "min": 1},
            {"id": "Patient.name:now", "min": 1},
            {"id": "Patient.name:now.period.end", "max": "0"},
        ],
        {**ME, "name": [{"text": "a", "period": {"end": "2020"}}, {"text": "b"}]},
        {**ME, "name": [{"text": "a", "period": {"end": "2020"}}]},
        "Patient.name:now:min",
    ),
    "by the type of a choice": (
        "Observation",
        [
            {"id": "Observation.value[x]", **slicing("type", "$this")},
            {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
            {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
        ],
        {**OBSERVATION, "valueQuantity": {"value": 1, "unit": "g"}},
        {**OBSERVATION, "valueQuantity": {"value": 1}},
        "Observation.value[x]:valueQuantity.unit:min",
    ),
    "a choice named by its type": (
        "Observation",
        [{"id": "Observation.valueQuantity.unit", "path": "Observation.valueQuantity.unit", "min": 1}],
        {**OBSERVATION, "valueQuantity": {"value": 1, "unit": "g"}},
        {**OBSERVATION, "valueQuantity": {"value": 1}},
        "Observation.valueQuantity.unit:min",
    ),
    "a choice of which two types are named": (
        "Observation",
        [{"id": "Observation.valueQuantity", "min": 0}, {"id": "Observation.valueString", "min": 0}],
        {**OBSERVATION, "valueString": "x"},
        {**OBSERVATION, "valueBoolean": True},
        "Observation.value[x]:type",
    ),
    "a choice named by its type, sliced openly": (
        "Observation",
        [
            {"id": "Observation.value[x]", **slicing("type", "$this")},
            {"id": "Observation.valueQuantity.unit", "min": 1},
        ],
        {**OBSERVATION, "valueString": "x"},
        {**OBSERVATION, "valueQuantity": {"value": 1}},
        "Observation.valueQuantity.unit:min",
    ),
    "a choice named by its type, with its types told": (
        "Observation",
        [
            {"id": "Observation.value[x]", "type": [{"code": "Quantity"}, {"code": "string"}]},
            {"id": "Observation.valueQuantity.unit", "min": 1},
        ],
        {**OBSERVATION, "valueString": "x"},
        {**OBSERVATION, "valueBoolean": True},
        "Observation.value[x]:type",
    ),
    "by the type of a resource": (
        "Bundle",
        [
            {"id": "Bundle.entry", **slicing("type", "resource")},
            {"id": "Bundle.entry:p", "min": 1, "max": "1"},
            {"id": "Bundle.entry:p.resource", "type": [{"code": "Patient"}]},
        ],
        bundle(AN, ORG),
        bundle(AN, HOA),
        "Bundle.entry:p:max",
    ),
    "elements of the resource in a slice": (
        "Bundle",
        [
            {"id": "Bundle.entry", **slicing("type", "resource")},
            {"id": "Bundle.entry:p"},
            {"id": "Bundle.entry:p.resource", "type": [{"code": "Patient"}]},
            {"id": "Bundle.entry:p.resource.birthDate", "min": 1},
        ],
        bundle({**AN, "birthDate": "2020"}, ORG),
        bundle(AN),
        "Bundle.entry:p.resource.birthDate:min",
    ),
    "by profile": (
        "Bundle",
        [
            {"id": "Bundle.entry", **slicing("profile", "resource")},
            {"id": "Bundle.entry:m", "min": 1},
            {"id": "Bundle.entry:m.resource", "type": [{"code": "Patient", "profile": [f"{BASE}/male"]}]},
        ],
        bundle(AN, HOA),
        bundle(HOA),
        "Bundle.entry:m:min",
    ),
    "by the type that a reference leads to": (
        "Patient",
        [
            {"id": "Patient.generalPractitioner", **slicing("type", "resolve()")},
            {
                "id": "Patient.generalPractitioner:o",
                "max": "1",
                "type": [{"code": "Reference", "targetProfile": [f"{HL7}/Organization"]}],
            },
        ],
        {**ME, "generalPractitioner": [{"reference": "Organization/1"}, {"reference": "Practitioner/1"}]},
        {**ME, "generalPractitioner": [{"reference": "Organization/1"}, {"reference": "Organization/2"}]},
        "Patient.generalPractitioner:o:max",
    ),
    "by an extension": (
        "Patient",
        [
            {"id": "Patient.name", **slicing("value", f"extension('{HL7}/data-absent-reason').value")},
            {"id": "Patient.name:unknown", "max": "0"},
            {"id": "Patient.name:unknown.extension", **slicing("value", "url")},
            {
                "id": "Patient.name:unknown.extension:absent",
                "type": [{"code": "Extension", "profile": [f"{HL7}/data-absent-reason"]}],
            },
            {"id": "Patient.name:unknown.extension:absent.value[x]", "fixedCode": "unknown"},
        ],
        {**ME, "name": [{"text": "a"}]},
        {**ME, "name": [{"extension": [ABSENT]}]},
        "Patient.name:unknown:max",
    ),
    "closed": (
        "Patient",
        [
            {"id": "Patient.telecom", **slicing("value", "system", "closed")},
            {"id": "Patient.telecom:t"},
            {"id": "Patient.telecom:t.system", "fixedCode": "phone"},
        ],
        {**ME, "telecom": [{"system": "phone", "value": "1"}]},
        {**ME, "telecom": [{"system": "email", "value": "1"}]},
        "Patient.telecom:slicing",
    ),
    "others at the end only": (
        "Patient",
        [
            {"id": "Patient.telecom", **slicing("value", "system", "openAtEnd")},
            {"id": "Patient.telecom:t"},
            {"id": "Patient.telecom:t.system", "fixedCode": "phone"},
        ],
        {**ME, "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "1"}]},
        {**ME, "telecom": [{"system": "email", "value": "1"}, {"system": "phone", "value": "1"}]},
        "Patient.telecom:order",
    ),
    "ordered": (
        "Patient",
        [
            {"id": "Patient.telecom", **slicing("value", "system", ordered=True)},
            {"id": "Patient.telecom:t"},
            {"id": "Patient.telecom:t.system", "fixedCode": "phone"},
            {"id": "Patient.telecom:e"},
            {"id": "Patient.telecom:e.system", "fixedCode": "email"},
        ],
        {**ME, "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "1"}]},
        {**ME, "telecom": [{"system": "email", "value": "1"}, {"system": "phone", "value": "1"}]},
        "Patient.telecom:order",
    ),
    "slices of a slice": (
        "Patient",
        [
            {"id": "Patient.telecom", **slicing("value", "system")},
            {"id": "Patient.telecom:t", **slicing("value", "use")},
            {"id": "Patient.telecom:t.system", "fixedCode": "phone"},
            {"id": "Patient.telecom:t/home", "max": "1"},
            {"id": "Patient.telecom:t/home.use", "fixedCode": "home"},
        ],
        {
            **ME,
            "telecom": [
                {"system": "phone", "value": "1", "use": "home"},
                {"system": "email", "value": "1", "use": "home"},
            ],
        },
        {
            **ME,
            "telecom": [
                {"system": "phone", "value": "1", "use": "home"},
                {"system": "phone", "value": "2", "use": "home"},
            ],
        },
        "Patient.telecom:t/home:max",
    ),
    "slices of a slice that says nothing of its slicing": (
        "Patient",
        [
            {"id": "Patient.extension", **slicing("value", "url")},
            {
                "id": "Patient.extension:n",
                "type": [{"code": "Extension", "profile": [f"{HL7}/patient-citizenship"]}],
            },
            {"id": "Patient.extension:n/vn", "max": "1"},
            {"id": "Patient.extension:n/vn.extension.valueCodeableConcept", "patternCodeableConcept": coded("VN")},
        ],
        {**ME, "extension": [citizen("VN"), citizen("LA"), citizen("LA")]},
        {**ME, "extension": [citizen("VN"), citizen("VN")]},
        "Patient.extension:n/vn:max",
    ),
    "slices of a slice of a choice": (
        "Observation",
        [
            {"id": "Observation.value[x]", **slicing("type", "$this")},
            {
                "id": "Observation.value[x]:valueCodeableConcept",
                "type": [{"code": "CodeableConcept"}],
                **slicing("pattern", "$this"),
            },
            {"id": "Observation.value[x]:valueCodeableConcept/a", "patternCodeableConcept": coded("1")},
            {"id": "Observation.value[x]:valueCodeableConcept/a.text", "min": 1},
        ],
        {**OBSERVATION, "valueCodeableConcept": coded("2")},
        {**OBSERVATION, "valueCodeableConcept": coded("1")},
        "Observation.value[x]:valueCodeableConcept/a.text:min",
    ),
    "by the type of a choice that the path names with [x]": (
        "Observation",
        [
            {"id": "Observation.component", **slicing("type", "value[x]")},
            {"id": "Observation.component:q", "max": "1"},
            {"id": "Observation.component:q.value[x]", "min": 1, "type": [{"code": "Quantity"}]},
        ],
        {
            **OBSERVATION,
            "component": [
                {"code": coded("1"), "valueQuantity": {"value": 1}},
                {"code": coded("1"), "valueString": "x"},
            ],
        },
        {**OBSERVATION, "component": [{"code": coded("1"), "valueQuantity": {"value": 1}}] * 2},
        "Observation.component:q:max",
    ),
    "by required codes": (
        "Patient",
        [
            {"id": "Patient.maritalStatus.coding", **slicing("value", "$this")},
            {
                "id": "Patient.maritalStatus.coding:c",
                "min": 1,
                "binding": {"strength": "required", "valueSet": "http://example.org/colours"},
            },
        ],
        {**ME, "maritalStatus": {"coding": [{"system": "http://c", "code": "red"}]}},
        {**ME, "maritalStatus": {"coding": [{"system": "http://c", "code": "green"}]}},
        "Patient.maritalStatus.coding:c:min",
    ),
}


@pytest.mark.parametrize(("type", "rows", "good", "bad", "rule"), CASES.values(), ids=CASES)
def test_a_slice_accepts_and_refuses(type: str, rows: list[Json], good: Json, bad: Json, rule: str) -> None:
    own = profile(*rows, type=type)
    assert check(good, own, MALE) == []
    found = check(bad, own, MALE)
    assert ("error", rule) in [(severity, key) for severity, key, _ in found]


def test_a_target_that_is_at_hand_is_checked_against_its_profile() -> None:
    target = [{"code": "Reference", "targetProfile": [f"{BASE}/male"]}]
    own = profile({"id": "RelatedPerson.patient", "type": target}, type="RelatedPerson")
    for patient, expected in ((AN, []), (HOA, [("error", "RelatedPerson.patient:targetProfile")])):
        person = {
            "resourceType": "RelatedPerson",
            "id": "r",
            "patient": {"reference": f"Patient/{patient['id']}"},
            "meta": {"profile": [own["url"]]},
        }
        found = check(bundle(patient, person), own, MALE, profiles=())
        assert [(severity, rule) for severity, rule, _ in found] == expected


@pytest.mark.parametrize(
    "element",
    [
        {"id": "Patient.name", "min": "x"},
        {"path": None},
        {"id": "Patient.name", "max": "many"},
        {"id": "Patient.name", "slicing": {"discriminator": [{"type": "value"}]}, "sliceName": 3},
        {"id": "Patient.name", "constraint": [{"key": "a"}]},
    ],
    ids=["minimum", "path", "maximum", "discriminator", "constraint"],
)
def test_a_broken_differential_is_reported_and_refuses_nothing(element: Json) -> None:
    own = profile({"id": "Patient.gender", "min": 0})
    own["differential"]["element"].append({"path": "Patient.name", **element})
    found = check({**ME, "name": [{"text": "a"}]}, own)
    assert [severity for severity, _, _ in found if severity == "error"] == []


@pytest.mark.parametrize("alone", [False, True], ids=["by its differential", "as published, by its snapshot"])
def test_a_vital_sign_is_a_quantity(alone: bool) -> None:
    url = f"{HL7}/bodyheight"
    height = structures.find(url)
    assert height is not None
    made = snapshots.generate(height, structures.find)
    own = {name: value for name, value in {**made, "url": f"{BASE}/height"}.items() if name != "differential"}
    sign = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    measured = {
        **OBSERVATION,
        "category": [sign],
        "code": coded("8302-2"),
        "subject": {"display": "An"},
        "effectiveDateTime": "2026-03-20",
    }
    profiles = (own["url"] if alone else url,)
    good = {"valueQuantity": {"value": 158, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}}
    wrong = [check({**measured, **value}, own, profiles=profiles) for value in (good, {"valueString": "158 cm"})]
    errors = [{rule for severity, rule, _ in found if severity == "error"} for found in wrong]
    assert errors[0] == set()
    assert "Observation.value[x]:type" in errors[1]
