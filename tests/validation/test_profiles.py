"""https://hl7.org/fhir/R4/profiling.html"""
# ruff: noqa: E501 (a table with one case a line)

from typing import Any

import pytest

from fhir_server.definitions import Definitions, core_facts
from fhir_server.validation import Validator

BASE = "http://example.org/StructureDefinition"
HL7 = "http://hl7.org/fhir/StructureDefinition"
URL = f"{BASE}/own"


def profile(
    *elements: dict[str, Any], url: str = URL, type: str = "Patient", base: str | None = None
) -> dict[str, Any]:
    """Return a profile with these rows; an id "Patient.name" stands for its path too."""
    rows = [{"path": ".".join(part.partition(":")[0] for part in row["id"].split(".")), **row} for row in elements]
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "version": "1.0",
        "type": type,
        "kind": "resource",
        "baseDefinition": base or f"{HL7}/{type}",
        "derivation": "constraint",
        "differential": {"element": rows},
    }


COLOURS = {
    "resourceType": "ValueSet",
    "url": "http://example.org/colours",
    "compose": {"include": [{"system": "http://c", "concept": [{"code": "red"}, {"code": "blue"}]}]},
}


def check(
    resource: dict[str, Any], *packages: dict[str, Any], profiles: tuple[str, ...] = (URL,)
) -> list[tuple[str, str | None, str | None]]:
    """Return severity, rule and place of every issue of `resource` against the profiles."""
    validator = Validator(Definitions(core_facts(), [COLOURS, *packages]))
    issues = validator.validate(resource, profiles).issues
    own = [issue for issue in issues if not (issue.profile is None and str(issue.rule).endswith(":binding"))]
    return [(issue.severity, issue.rule, issue.expression) for issue in own]


BY_SYSTEM = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
ME = {"resourceType": "Patient", "name": [{"text": "An", "given": ["An"]}], "gender": "male"}

# rows of the profile; a resource it accepts; one it refuses; severity, rule and place of the issue
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], tuple[str, str, str]]] = {
    "minimum": ([{"id": "Patient.birthDate", "min": 1}], {"birthDate": "2020"}, {}, ("error", "Patient.birthDate:min", "Patient.birthDate")),
    "maximum": ([{"id": "Patient.name", "max": "1"}], {"name": [{"text": "An"}]}, {"name": [{"text": "An"}, {"text": "Ân"}]}, ("error", "Patient.name:max", "Patient.name")),
    "prohibited": ([{"id": "Patient.photo", "max": "0"}], {}, {"photo": [{"url": "http://x"}]}, ("error", "Patient.photo:max", "Patient.photo")),
    "minimum in an element": ([{"id": "Patient.name.family", "min": 1}], {"name": [{"family": "Lê"}]}, {"name": [{"family": "Lê"}, {"text": "An"}]}, ("error", "Patient.name.family:min", "Patient.name[1].family")),
    "minimum in a backbone": ([{"id": "Patient.contact.name", "min": 1}], {}, {"contact": [{"telecom": [{"value": "1", "system": "phone"}]}]}, ("error", "Patient.contact.name:min", "Patient.contact[0].name")),
    "fixed code": ([{"id": "Patient.gender", "fixedCode": "male"}], {"gender": "male"}, {"gender": "female"}, ("error", "Patient.gender:fixed", "Patient.gender")),
    "fixed boolean": ([{"id": "Patient.active", "fixedBoolean": True}], {"active": True}, {"active": False}, ("error", "Patient.active:fixed", "Patient.active")),
    "fixed concept, other display": ([{"id": "Patient.maritalStatus", "fixedCodeableConcept": {"coding": [{"system": "http://c", "code": "M", "display": "Married"}]}}], {"maritalStatus": {"coding": [{"system": "http://c", "code": "M", "display": "Married"}]}}, {"maritalStatus": {"coding": [{"system": "http://c", "code": "M"}]}}, ("warning", "Patient.maritalStatus:fixed", "Patient.maritalStatus")),
    "pattern": ([{"id": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}}], {"maritalStatus": {"coding": [{"code": "x"}, {"system": "http://c", "code": "M"}]}}, {"maritalStatus": {"coding": [{"code": "S"}]}}, ("error", "Patient.maritalStatus:pattern", "Patient.maritalStatus")),
    "required binding": ([{"id": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "http://example.org/colours|1"}}], {"maritalStatus": {"coding": [{"code": "x"}, {"system": "http://c", "code": "red"}]}}, {"maritalStatus": {"coding": [{"code": "red"}]}}, ("error", "Patient.maritalStatus:binding", "Patient.maritalStatus")),
    "extensible binding": ([{"id": "Patient.maritalStatus", "binding": {"strength": "extensible", "valueSet": "http://example.org/colours"}}], {"maritalStatus": {"text": "red"}}, {"maritalStatus": {"coding": [{"system": "http://c", "code": "green"}]}}, ("warning", "Patient.maritalStatus:binding", "Patient.maritalStatus")),
    "required binding of a code": ([{"id": "Patient.language", "binding": {"strength": "required", "valueSet": "http://example.org/colours"}}], {"language": "red"}, {"language": "vi"}, ("error", "Patient.language:binding", "Patient.language")),
    "type of a choice": ([{"id": "Patient.deceased[x]", "type": [{"code": "boolean"}]}], {"deceasedBoolean": False}, {"deceasedDateTime": "2020"}, ("error", "Patient.deceased[x]:type", "Patient.deceased.ofType(dateTime)")),
    "target of a reference": ([{"id": "Patient.generalPractitioner", "type": [{"code": "Reference", "targetProfile": [f"{HL7}/Practitioner"]}]}], {"generalPractitioner": [{"reference": "Practitioner/1"}]}, {"generalPractitioner": [{"reference": "Organization/1"}]}, ("error", "Patient.generalPractitioner:target", "Patient.generalPractitioner[0].reference")),
    "constraint as error": ([{"id": "Patient.name", "constraint": [{"key": "n-1", "severity": "error", "human": "x", "expression": "text.exists()"}]}], {}, {"name": [{"text": "An"}, {"family": "Lê"}]}, ("error", "n-1", "Patient.name[1]")),
    "constraint as warning": ([{"id": "Patient", "constraint": [{"key": "p-1", "severity": "warning", "human": "x", "expression": "Patient.active.exists()"}]}], {"active": True}, {}, ("warning", "p-1", "Patient")),
    "constraint on a primitive": ([{"id": "Patient.name.family", "constraint": [{"key": "f-1", "severity": "error", "human": "x", "expression": "length() > 1"}]}], {"name": [{"family": "Lê"}]}, {"name": [{"family": "L"}]}, ("error", "f-1", "Patient.name[0].family")),
    "slice by fixed system, minimum": ([{"id": "Patient.identifier", "slicing": BY_SYSTEM}, {"id": "Patient.identifier:a", "min": 1}, {"id": "Patient.identifier:a.system", "fixedUri": "http://a"}], {"identifier": [{"system": "http://b"}, {"system": "http://a"}]}, {"identifier": [{"system": "http://b"}]}, ("error", "Patient.identifier:a:min", "Patient.identifier")),
    "slice by fixed system, rule within": ([{"id": "Patient.identifier", "slicing": BY_SYSTEM}, {"id": "Patient.identifier:a"}, {"id": "Patient.identifier:a.system", "fixedUri": "http://a"}, {"id": "Patient.identifier:a.value", "min": 1}], {"identifier": [{"system": "http://b"}]}, {"identifier": [{"system": "http://b"}, {"system": "http://a"}]}, ("error", "Patient.identifier:a.value:min", "Patient.identifier[1].value")),
    "slice by pattern of the whole": ([{"id": "Patient.identifier", "slicing": BY_SYSTEM}, {"id": "Patient.identifier:a", "max": "1", "patternIdentifier": {"system": "http://a"}}], {"identifier": [{"system": "http://a"}]}, {"identifier": [{"system": "http://a", "value": "1"}, {"system": "http://a", "value": "2"}]}, ("error", "Patient.identifier:a:max", "Patient.identifier")),
    "slice by coded type": ([{"id": "Patient.identifier", "slicing": {"discriminator": [{"type": "pattern", "path": "type"}], "rules": "open"}}, {"id": "Patient.identifier:mr", "max": "1"}, {"id": "Patient.identifier:mr.type", "patternCodeableConcept": {"coding": [{"code": "MR"}]}}], {"identifier": [{"type": {"text": "MR"}}]}, {"identifier": [{"type": {"coding": [{"code": "MR"}]}}, {"type": {"coding": [{"code": "MR"}]}}]}, ("error", "Patient.identifier:mr:max", "Patient.identifier")),
    "slice by required codes": ([{"id": "Patient.communication", "slicing": {"discriminator": [{"type": "value", "path": "language"}], "rules": "open"}}, {"id": "Patient.communication:red", "max": "0"}, {"id": "Patient.communication:red.language", "binding": {"strength": "required", "valueSet": "http://example.org/colours"}}], {"communication": [{"language": {"text": "vi"}}]}, {"communication": [{"language": {"coding": [{"system": "http://c", "code": "red"}]}}]}, ("error", "Patient.communication:red:max", "Patient.communication")),
    "slice by presence": ([{"id": "Patient.name", "slicing": {"discriminator": [{"type": "exists", "path": "family"}], "rules": "open"}}, {"id": "Patient.name:full", "min": 1}, {"id": "Patient.name:full.family", "min": 1}], {"name": [{"family": "Lê"}]}, {"name": [{"text": "Lê"}]}, ("error", "Patient.name:full:min", "Patient.name")),
    "closed slicing": ([{"id": "Patient.identifier", "slicing": {**BY_SYSTEM, "rules": "closed"}}, {"id": "Patient.identifier:a"}, {"id": "Patient.identifier:a.system", "fixedUri": "http://a"}], {"identifier": [{"system": "http://a"}]}, {"identifier": [{"system": "http://a"}, {"system": "http://b"}]}, ("error", "Patient.identifier:slicing", "Patient.identifier[1]")),
    "extension by url alone": ([{"id": "Patient.extension:e", "min": 1, "type": [{"code": "Extension", "profile": ["http://e"]}]}], {"extension": [{"url": "http://e", "valueCode": "a"}]}, {"extension": [{"url": "http://f", "valueCode": "a"}]}, ("error", "Patient.extension:e:min", "Patient.extension")),
    "slice of a choice by type": ([{"id": "Patient.deceased[x]", "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}}, {"id": "Patient.deceased[x]:deceasedBoolean", "type": [{"code": "boolean"}], "fixedBoolean": False}], {"deceasedDateTime": "2020"}, {"deceasedBoolean": True}, ("error", "Patient.deceased[x]:deceasedBoolean:fixed", "Patient.deceased.ofType(boolean)")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rule_accepts_and_refuses(case: str) -> None:
    rows, accepted, refused, issue = CASES[case]
    assert check({**ME, **accepted}, profile(*rows)) == []
    assert check({**ME, **refused}, profile(*rows)) == [issue]


def test_an_extension_alone_stands_for_a_mandatory_value() -> None:
    rule = profile({"id": "Patient.birthDate", "min": 1, "fixedDate": "2020-01-01"})
    absent = {"extension": [{"url": f"{HL7}/data-absent-reason", "valueCode": "unknown"}]}
    assert check({**ME, "_birthDate": absent}, rule) == []


def test_a_profile_adds_to_the_one_it_derives_from() -> None:
    parent = profile(
        {"id": "Patient.identifier", "slicing": BY_SYSTEM},
        {"id": "Patient.identifier:a.system", "fixedUri": "http://a"},
        {"id": "Patient.birthDate", "min": 1},
        url=f"{BASE}/parent",
    )
    child = profile({"id": "Patient.identifier:a", "min": 1}, base=f"{BASE}/parent")
    assert check(ME, parent, child) == [
        ("error", "Patient.identifier:a:min", "Patient.identifier"),
        ("error", "Patient.birthDate:min", "Patient.birthDate"),
    ]


def test_a_profile_and_its_parent_declared_together_report_once() -> None:
    parent = profile({"id": "Patient.birthDate", "min": 1}, url=f"{BASE}/parent")
    child = profile({"id": "Patient.active", "min": 1}, base=f"{BASE}/parent")
    both = {**ME, "meta": {"profile": [URL, f"{BASE}/parent|1.0"]}}
    assert len(check(both, parent, child, profiles=())) == 2


def test_a_type_may_have_a_profile_that_leads_back_to_itself() -> None:
    address = profile(
        {"id": "Identifier.assigner.identifier", "type": [{"code": "Identifier", "profile": [f"{BASE}/id"]}]},
        {"id": "Identifier.system", "min": 1},
        url=f"{BASE}/id",
        type="Identifier",
    )
    patient = profile({"id": "Patient.identifier", "type": [{"code": "Identifier", "profile": [f"{BASE}/id"]}]})
    nested = {"system": "http://a", "assigner": {"identifier": {"value": "1"}}}
    assert check({**ME, "identifier": [nested]}, address, patient) == [
        ("error", "Identifier.system:min", "Patient.identifier[0].assigner.identifier.system")
    ]


def test_profiles_are_checked_in_bundles_and_contained_resources_too() -> None:
    rule = profile({"id": "Patient.birthDate", "min": 1})
    declared = {**ME, "id": "p", "meta": {"profile": [URL]}}
    dose = {
        "resourceType": "Immunization",
        "contained": [declared],
        "status": "completed",
        "vaccineCode": {"text": "x"},
        "patient": {"reference": "#p"},
        "occurrenceDateTime": "2020",
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": declared}, {"resource": dose}]}
    assert check(bundle, rule, profiles=()) == [
        ("error", "Patient.birthDate:min", "Bundle.entry[0].resource.birthDate"),
        ("error", "Patient.birthDate:min", "Bundle.entry[1].resource.contained[0].birthDate"),
    ]


@pytest.mark.parametrize(
    ("declared", "severity"),
    [
        ("http://example.org/elsewhere", "warning"),
        (f"{URL}|2.0", "warning"),
        (f"{BASE}/group", "error"),
        (f"{HL7}/Patient", None),
        (f"{URL}|1.0", None),
    ],
    ids=["unknown", "another version", "of another type", "the type itself", "this version"],
)
def test_what_is_declared_is_checked_or_said_not_to_be(declared: str, severity: str | None) -> None:
    other = profile({"id": "Group.name", "min": 1}, url=f"{BASE}/group", type="Group")
    own = profile({"id": "Patient.gender", "min": 1})
    found = check({**ME, "meta": {"profile": [declared]}}, own, other, profiles=())
    assert found == ([] if severity is None else [(severity, "meta:profile", "Patient.meta.profile")])


@pytest.mark.parametrize(
    "row",
    [
        {"id": "Patient.name", "constraint": [{"key": "x", "severity": "error", "human": "x", "expression": "subsumes(name)"}]},
        {"id": "Patient.nonsense", "min": 1},
        {"id": "Patient.generalPractitioner:a", "min": 1},
    ],
    ids=["constraint", "element", "slice"],
)  # fmt: skip
def test_a_rule_that_cannot_be_checked_is_said_aloud_and_refuses_nothing(row: dict[str, Any]) -> None:
    ((severity, _, place),) = check(ME, profile(row))
    assert (severity, place) == ("information", "Patient")


@pytest.mark.parametrize("case", CASES)
def test_values_of_the_wrong_shape_are_passed_over(case: str) -> None:
    validator = Validator(Definitions(core_facts(), [COLOURS, profile(*CASES[case][0])]))
    shapes: list[Any] = [None, [], {}, "x", 7, True, [None], [[]], [{}], {"identifier": 1}, {"coding": {}}]
    for value in shapes:
        for name in ("identifier", "name", "extension", "maritalStatus", "gender", "meta", "communication"):
            assert not validator.validate({**ME, name: value}, [URL]).valid
