"""https://hl7.org/fhir/R4/validation.html · https://hl7.org/fhir/R4/json.html"""
# ruff: noqa: E501 (a table with one case a line)

from copy import deepcopy
from typing import Any

import pytest

from fhir_server import wire
from fhir_server.validation import Exists, Validator
from fhir_server.validation.report import MAX_DEPTH, MAX_ISSUES
from tests.validation.conftest import EXAMPLES

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "an",
    "meta": {"versionId": "1", "lastUpdated": "2026-03-20T08:00:00+07:00"},
    "identifier": [{"system": "http://example.org/sid", "value": "1"}],
    "active": True,
    "name": [{"use": "official", "text": "Nguyễn Văn An", "family": "Nguyễn", "given": ["Văn", "An"]}],
    "gender": "male",
    "birthDate": "1985-03-15",
    "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "Trần Thị Bích"}}],
}
DOSE: dict[str, Any] = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08"}]},
    "patient": {"reference": "Patient/an"},
    "occurrenceDateTime": "2026-03-20T08:00:00+07:00",
    "doseQuantity": {"value": wire.Exact("0.50"), "unit": "mL"},
    "protocolApplied": [{"doseNumberPositiveInt": 1}],
}
REMOVE = object()


def changed(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `resource` in which the value at each path is another one, or is gone."""
    copy = deepcopy(resource)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        here: Any = copy
        for step in steps:
            here = here[step]
        if value is REMOVE:
            del here[last]
        else:
            here[last] = value
    return copy


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_the_official_examples_are_valid(path: Any, r4: Validator) -> None:
    issues = r4.validate(wire.loads(path.read_bytes())).issues
    assert [issue for issue in issues if issue.severity == "error"] == []


@pytest.mark.parametrize("resource", [PATIENT, DOSE], ids=["Patient", "Immunization"])
def test_what_the_broken_inputs_start_from_is_valid(resource: dict[str, Any], r4: Validator) -> None:
    assert r4.validate(resource).issues == ()


# name, resource, changes, (code, expression, rule)
BROKEN: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, str]]] = [
    # properties
    ("unknown element", PATIENT, {"nmae": "x"}, ("structure", "Patient.nmae", "Patient:unknown")),
    ("dangerous name", PATIENT, {"$where": "1"}, ("structure", "Patient.`$where`", "Patient:unknown")),
    ("dotted name", PATIENT, {"a.b": 1}, ("structure", "Patient.`a.b`", "Patient:unknown")),
    ("unknown in a type", PATIENT, {"name/0/famly": "x"}, ("structure", "Patient.name[0].famly", "HumanName:unknown")),
    ("unknown in a backbone", PATIENT, {"contact/0/nam": 1}, ("structure", "Patient.contact[0].nam", "Patient.contact:unknown")),
    ("comments of DSTU2", PATIENT, {"fhir_comments": ["x"]}, ("structure", "Patient.fhir_comments", "Patient:unknown")),
    ("extras of a complex", PATIENT, {"_name": {"id": "a"}}, ("structure", "Patient._name", "Patient:unknown")),
    ("resourceType in a type", PATIENT, {"name/0/resourceType": "HumanName"}, ("structure", "Patient.name[0].resourceType", "HumanName:unknown")),
    # shapes
    ("object for array", PATIENT, {"name": {"text": "An"}}, ("structure", "Patient.name", "Patient.name:shape")),
    ("array for object", PATIENT, {"meta": [{"versionId": "1"}]}, ("structure", "Patient.meta", "Meta:shape")),
    ("string for object", PATIENT, {"name/0": "An"}, ("structure", "Patient.name[0]", "HumanName:shape")),
    ("empty array", PATIENT, {"name": []}, ("structure", "Patient.name", "Patient.name:shape")),
    ("empty object", PATIENT, {"name/0": {}}, ("invariant", "Patient.name[0]", "ele-1")),
    ("only an id", PATIENT, {"name/0": {"id": "a"}}, ("invariant", "Patient.name[0]", "ele-1")),
    ("empty string", PATIENT, {"name/0/text": ""}, ("structure", "Patient.name[0].text", "HumanName.text:format")),
    ("null", PATIENT, {"birthDate": None}, ("structure", "Patient.birthDate", "Patient.birthDate:format")),
    ("null in array", PATIENT, {"name/0/given/0": None}, ("structure", "Patient.name[0].given[0]", "HumanName.given:format")),
    ("null in array of objects", PATIENT, {"name": [None]}, ("structure", "Patient.name[0]", "HumanName:shape")),
    ("extras not aligned", PATIENT, {"name/0/_given": [{"id": "a"}]}, ("structure", "Patient.name[0].given", "HumanName.given:shape")),
    ("extras not an array", PATIENT, {"name/0/_given": {"id": "a"}}, ("structure", "Patient.name[0].given", "HumanName.given:shape")),
    ("extras not an object", PATIENT, {"_birthDate": "x"}, ("structure", "Patient.birthDate", "Element:shape")),
    ("extras with a stranger", PATIENT, {"_birthDate": {"id": "a", "value": "1"}}, ("structure", "Patient.birthDate.value", "Element:unknown")),
    # cardinality
    ("no status", DOSE, {"status": REMOVE}, ("required", "Immunization.status", "Immunization.status:min")),
    ("no dose date", DOSE, {"occurrenceDateTime": REMOVE}, ("required", "Immunization.occurrence", "Immunization.occurrence[x]:min")),
    ("no number within", DOSE, {"protocolApplied/0": {"series": "a"}}, ("required", "Immunization.protocolApplied[0].doseNumber", "Immunization.protocolApplied.doseNumber[x]:min")),
    ("two choices", DOSE, {"occurrenceString": "spring"}, ("structure", "Immunization.occurrence", "Immunization.occurrence[x]:choice")),
    ("two choices, one only extended", DOSE, {"_occurrenceString": {"extension": [{"url": "http://x", "valueCode": "a"}]}}, ("structure", "Immunization.occurrence", "Immunization.occurrence[x]:choice")),
    # primitives
    ("no such month", PATIENT, {"birthDate": "1985-13-01"}, ("value", "Patient.birthDate", "Patient.birthDate:format")),
    ("no such day", PATIENT, {"birthDate": "2025-02-29"}, ("value", "Patient.birthDate", "Patient.birthDate:format")),
    ("Vietnamese date order", PATIENT, {"birthDate": "15/03/1985"}, ("value", "Patient.birthDate", "Patient.birthDate:format")),
    ("date with line feed", PATIENT, {"birthDate": "1985-03-15\n"}, ("value", "Patient.birthDate", "Patient.birthDate:format")),
    ("time without zone", DOSE, {"occurrenceDateTime": "2026-03-20T08:00:00"}, ("value", "Immunization.occurrence.ofType(dateTime)", "Immunization.occurrence[x]:format")),
    ("time without seconds", DOSE, {"occurrenceDateTime": "2026-03-20T08:00+07:00"}, ("value", "Immunization.occurrence.ofType(dateTime)", "Immunization.occurrence[x]:format")),
    ("instant without time", PATIENT, {"meta/lastUpdated": "2026-03-20"}, ("value", "Patient.meta.lastUpdated", "Meta.lastUpdated:format")),
    ("boolean in quotes", PATIENT, {"active": "true"}, ("structure", "Patient.active", "Patient.active:format")),
    ("number for boolean", PATIENT, {"active": 1}, ("structure", "Patient.active", "Patient.active:format")),
    ("boolean for integer", PATIENT, {"multipleBirthInteger": True}, ("structure", "Patient.multipleBirth.ofType(integer)", "Patient.multipleBirth[x]:format")),
    ("fraction for integer", PATIENT, {"multipleBirthInteger": wire.Exact("2.0")}, ("value", "Patient.multipleBirth.ofType(integer)", "Patient.multipleBirth[x]:format")),
    ("integer over 32 bits", PATIENT, {"multipleBirthInteger": 2**31}, ("value", "Patient.multipleBirth.ofType(integer)", "Patient.multipleBirth[x]:format")),
    ("dose number zero", DOSE, {"protocolApplied/0/doseNumberPositiveInt": 0}, ("value", "Immunization.protocolApplied[0].doseNumber.ofType(positiveInt)", "Immunization.protocolApplied.doseNumber[x]:format")),
    ("decimal in quotes", DOSE, {"doseQuantity/value": "0.5"}, ("structure", "Immunization.doseQuantity.value", "Quantity.value:format")),
    ("decimal without end", DOSE, {"doseQuantity/value": wire.Exact("0." + "1" * 80)}, ("value", "Immunization.doseQuantity.value", "Quantity.value:format")),
    ("huge decimal", DOSE, {"doseQuantity/value": wire.Exact("1e400")}, ("value", "Immunization.doseQuantity.value", "Quantity.value:format")),
    ("UUID with more behind it", PATIENT, {"meta": {"source": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520asdf"}}, ("value", "Patient.meta.source", "Meta.source:format")),
    ("id with a path", PATIENT, {"id": "../etc/passwd"}, ("value", "Patient.id", "Patient.id:format")),
    ("id of 65", PATIENT, {"id": "a" * 65}, ("value", "Patient.id", "Patient.id:format")),
    ("uri with space", PATIENT, {"identifier/0/system": "http://a b"}, ("value", "Patient.identifier[0].system", "Identifier.system:format")),
    ("code with spaces", PATIENT, {"language": " vi"}, ("value", "Patient.language", "Patient.language:format")),
    ("control character", PATIENT, {"name/0/text": "An\x00"}, ("value", "Patient.name[0].text", "HumanName.text:format")),
    ("long string", PATIENT, {"name/0/text": "n" * (2**20 + 1)}, ("too-long", "Patient.name[0].text", "HumanName.text:format")),
    ("not base64", PATIENT, {"photo": [{"contentType": "image/png", "data": "abc"}]}, ("value", "Patient.photo[0].data", "Attachment.data:format")),
    # codes
    ("unknown code", PATIENT, {"gender": "nam"}, ("code-invalid", "Patient.gender", "Patient.gender:format")),
    ("unknown status", DOSE, {"status": "complete"}, ("code-invalid", "Immunization.status", "Immunization.status:format")),
    ("not a MIME type", PATIENT, {"photo": [{"contentType": "picture"}]}, ("code-invalid", "Patient.photo[0].contentType", "Attachment.contentType:format")),
    # extensions
    ("extension without url", PATIENT, {"extension": [{"valueCode": "a"}]}, ("required", "Patient.extension[0].url", "Extension.url:min")),
    ("extension without value", PATIENT, {"extension": [{"url": "http://x", "id": "a"}]}, ("invariant", "Patient.extension[0]", "ext-1")),
    ("extension with both", PATIENT, {"extension": [{"url": "http://x", "valueCode": "a", "extension": [{"url": "y", "valueCode": "b"}]}]}, ("invariant", "Patient.extension[0]", "ext-1")),
    ("extension with two values", PATIENT, {"extension": [{"url": "http://x", "valueCode": "a", "valueString": "b"}]}, ("structure", "Patient.extension[0].value", "Extension.value[x]:choice")),
    # references
    ("extension with a relative address", PATIENT, {"extension": [{"url": "nationality", "valueCode": "VN"}]}, ("extension", "Patient.extension[0]", "Extension.url:absolute")),
    ("the same on a value", PATIENT, {"_birthDate": {"extension": [{"url": "time", "valueCode": "b"}]}}, ("extension", "Patient.birthDate.extension[0]", "Extension.url:absolute")),
    ("more or less of a simple quantity", DOSE, {"doseQuantity/comparator": "<"}, ("invariant", "Immunization.doseQuantity", "sqty-1")),
    ("reference to the wrong type", DOSE, {"patient/reference": "Organization/1"}, ("value", "Immunization.patient.reference", "Immunization.patient:target")),
    ("absolute one to the wrong type", DOSE, {"patient/reference": "https://h.vn/fhir/Group/1"}, ("value", "Immunization.patient.reference", "Immunization.patient:target")),
    ("reference in lower case", DOSE, {"patient/reference": "patient/1"}, ("value", "Immunization.patient.reference", "Immunization.patient:format")),
    ("reference without type", DOSE, {"patient/reference": "123"}, ("value", "Immunization.patient.reference", "Immunization.patient:format")),
    ("reference with path tricks", DOSE, {"patient/reference": "Patient/../Group/1"}, ("value", "Immunization.patient.reference", "Immunization.patient:format")),
    ("conditional reference", DOSE, {"patient/reference": "Patient?identifier=1"}, ("value", "Immunization.patient.reference", "Immunization.patient:format")),
    ("contained one missing", DOSE, {"patient/reference": "#p"}, ("not-found", "Immunization.patient.reference", "ref-1")),
    ("type and reference disagree", DOSE, {"patient/type": "Group"}, ("value", "Immunization.patient.type", "Immunization.patient:type")),
    ("type alone is wrong", DOSE, {"patient": {"type": "Group", "display": "x"}}, ("value", "Immunization.patient.reference", "Immunization.patient:target")),
    # contained
    ("contained without use", DOSE, {"contained": [{"resourceType": "Patient", "id": "p"}]}, ("invariant", "Immunization.contained[0]", "dom-3")),
    ("contained without id", DOSE, {"contained": [{"resourceType": "Patient", "active": True}]}, ("required", "Immunization.contained[0].id", "dom-3")),
    ("broken contained", DOSE, {"contained": [{"resourceType": "Patient", "id": "p", "gender": "x"}], "patient/reference": "#p"}, ("code-invalid", "Immunization.contained[0].gender", "Patient.gender:format")),
    ("nested contained", DOSE, {"contained": [{"resourceType": "Patient", "id": "p", "contained": [{"resourceType": "Organization", "id": "p", "name": "x"}]}], "patient/reference": "#p"}, ("invariant", "Immunization.contained[0].contained", "dom-2")),
    ("contained with a version", DOSE, {"contained": [{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}], "patient/reference": "#p"}, ("invariant", "Immunization.contained[0].meta.versionId", "dom-4")),
    ("contained of the wrong type", DOSE, {"contained": [{"resourceType": "Group", "id": "p", "type": "person", "actual": True}], "patient/reference": "#p"}, ("value", "Immunization.patient.reference", "Immunization.patient:target")),
    # narrative
    ("script in narrative", PATIENT, {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div>'}}, ("value", "Patient.text.div", "Narrative.div:format")),
    # the type itself
    ("unknown type", PATIENT, {"resourceType": "Patiant"}, ("structure", "Resource", "Resource:resourceType")),
    ("no type", PATIENT, {"resourceType": REMOVE}, ("structure", "Resource", "Resource:resourceType")),
    ("type of another kind", PATIENT, {"resourceType": ["Patient"]}, ("structure", "Resource", "Resource:resourceType")),
    ("abstract type", PATIENT, {"resourceType": "DomainResource"}, ("structure", "Resource", "Resource:resourceType")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "changes", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_broken_input_is_refused_with_one_issue_at_its_place(
    resource: dict[str, Any], changes: dict[str, Any], expected: tuple[str, str, str], r4: Validator
) -> None:
    report = r4.validate(changed(resource, changes))
    assert [(issue.severity, issue.code, issue.expression, issue.rule) for issue in report.issues] == [
        ("error", *expected)
    ]
    assert not report.valid


@pytest.mark.parametrize(("resource", "changes"), [row[1:3] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_text_is_in_both_languages_and_says_what_to_do(
    resource: dict[str, Any], changes: dict[str, Any], r4: Validator
) -> None:
    (issue,) = r4.validate(changed(resource, changes)).issues
    assert issue.en != issue.vi
    assert ":" in issue.en
    assert ":" in issue.vi
    assert len(issue.en) < 400


ACCEPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("leap day", PATIENT, {"birthDate": "2024-02-29"}),
    ("year alone", PATIENT, {"birthDate": "1956"}),
    ("leap second", DOSE, {"occurrenceDateTime": "2016-12-31T23:59:60Z"}),
    ("line feeds and tabs in text", PATIENT, {"name/0/text": "Nguyễn\tVăn\nAn"}),
    ("text of several scripts", PATIENT, {"name/0/text": "Hòa\u00a0Bình 平 Ω 🙂"}),
    ("null beside an extension", PATIENT, {"name/0/given": [None, "An"], "name/0/_given": [{"extension": [{"url": "http://x", "valueCode": "unknown"}]}, None]}),
    ("only an extension", PATIENT, {"gender": REMOVE, "_gender": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}),
    ("extension for a mandatory value", DOSE, {"status": REMOVE, "_status": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}),
    ("extensions within extensions", PATIENT, {"extension": [{"url": "http://x", "extension": [{"url": "y", "valueCode": "b"}]}]}),
    ("false and zero are values", PATIENT, {"active": False, "multipleBirthInteger": 0}),
    ("base64 in lines", PATIENT, {"photo": [{"contentType": "image/png", "data": "aGVs\nbG8="}]}),
    ("urn reference", DOSE, {"patient/reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}),
    ("reference elsewhere", DOSE, {"patient/reference": "https://his.example.vn/fhir/Patient/7/_history/2"}),
    ("logical reference", DOSE, {"patient": {"type": "Patient", "identifier": {"system": "http://x", "value": "1"}}}),
    ("contained and used", DOSE, {"contained": [{"resourceType": "Patient", "id": "p"}], "patient/reference": "#p"}),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "changes"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_unusual_but_right_input_is_accepted(resource: dict[str, Any], changes: dict[str, Any], r4: Validator) -> None:
    assert r4.validate(changed(resource, changes)).issues == ()


def test_all_issues_are_reported_at_once(r4: Validator) -> None:
    report = r4.validate(changed(PATIENT, {"gender": "nam", "birthDate": "15/03/1985", "name/0/given/1": 7}))
    assert [issue.expression for issue in report.issues] == [
        "Patient.name[0].given[1]",
        "Patient.gender",
        "Patient.birthDate",
    ]


@pytest.mark.parametrize(
    ("name", "meant"), [("birthdate", "birthDate"), ("adress", "address"), ("deceased", "deceasedBoolean")]
)
def test_a_misspelt_element_is_answered_with_the_right_name(name: str, meant: str, r4: Validator) -> None:
    (issue,) = r4.validate({**PATIENT, name: "x"}).issues
    assert f"'{meant}'" in issue.en
    assert f"'{meant}'" in issue.vi


def test_literal_relative_references_become_questions(r4: Validator) -> None:
    report = r4.validate(changed(DOSE, {"location": {"reference": "Location/tyt/_history/3"}}))
    assert [asked[:3] for asked in report.questions] == [("Patient", "an", None), ("Location", "tyt", "3")]
    assert [asked.expression for asked in report.questions] == ["Immunization.patient", "Immunization.location"]
    assert {type(asked) for asked in report.questions} == {Exists}


def test_expressions_start_where_the_caller_says(r4: Validator) -> None:
    report = r4.validate(changed(DOSE, {"status": "x"}), at="Bundle.entry[3].resource")
    assert report.issues[0].expression == "Bundle.entry[3].resource.status"
    assert report.questions[0].expression == "Bundle.entry[3].resource.patient"


def bundle(*resources: dict[str, Any], type: str = "transaction") -> dict[str, Any]:
    entries = [{"resource": resource, "request": {"method": "POST", "url": "X"}} for resource in resources]
    return {"resourceType": "Bundle", "type": type, "entry": entries}


def test_the_resources_of_a_bundle_are_checked_within(r4: Validator) -> None:
    report = r4.validate(bundle(PATIENT, changed(DOSE, {"status": "x"})))
    assert [issue.expression for issue in report.issues] == ["Bundle.entry[1].resource.status"]


def test_a_transaction_may_hold_conditional_references(r4: Validator) -> None:
    dose = changed(DOSE, {"patient/reference": "Patient?identifier=a|1"})
    assert r4.validate(bundle(dose)).issues == ()
    assert len(r4.validate(bundle(dose, type="batch")).issues) == 1


def test_each_resource_of_a_bundle_has_its_own_contained_ones(r4: Validator) -> None:
    own = changed(DOSE, {"contained": [{"resourceType": "Patient", "id": "p"}], "patient/reference": "#p"})
    borrowed = changed(DOSE, {"patient/reference": "#p"})
    report = r4.validate(bundle(own, borrowed))
    assert [issue.expression for issue in report.issues] == ["Bundle.entry[1].resource.patient.reference"]


def test_what_a_bundle_holds_itself_is_not_asked_for(r4: Validator) -> None:
    other = changed(DOSE, {"patient/reference": "Patient/hoa"})
    report = r4.validate(bundle(PATIENT, DOSE, other))
    [asked] = report.questions
    assert (asked[:2], asked.expression) == (("Patient", "hoa"), "Bundle.entry[2].resource.patient")


def test_the_number_of_issues_is_bounded(r4: Validator) -> None:
    report = r4.validate({**PATIENT, **{f"x{number}": 1 for number in range(1000)}})
    assert len(report.issues) == MAX_ISSUES + 1
    assert report.issues[-1].code == "too-costly"


def test_the_depth_is_bounded(r4: Validator) -> None:
    extension: dict[str, Any] = {"url": "http://x", "valueCode": "a"}
    for _ in range(MAX_DEPTH + 20):
        extension = {"url": "http://x", "extension": [extension]}
    (issue,) = r4.validate({**PATIENT, "extension": [extension]}).issues
    assert (issue.code, issue.rule) == ("too-costly", "depth:max")


@pytest.mark.parametrize(
    ("resource", "changes"),
    [
        (DOSE, {"doseQuantity/value": wire.Exact("1.000000000000000000E-245")}),
        (DOSE, {"doseQuantity/value": wire.Exact("-1.000000000000000000E+245")}),
        (PATIENT, {"meta": {"source": "urn:uuid:68D043B5-9ECF-4559-A57A-396E0D452311"}}),
    ],
    ids=["tiny decimal", "huge decimal", "UUID in upper case"],
)
def test_what_examples_of_r4_hold_is_accepted(resource: dict[str, Any], changes: dict[str, Any], r4: Validator) -> None:
    assert r4.validate(changed(resource, changes)).valid
