"""Each rule of the programme's profiles accepts what it should and refuses what it should.

https://hl7.org.vn/en/knowledge/vn-core-artifacts/ · QĐ 3891/QĐ-BYT · TT 13/2026/TT-BYT
"""
# ruff: noqa: E501 (a table with one case a line)

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from examples import generate
from fhir_server import wire
from fhir_server.validation import Validator
from tests.profiles.bases import (
    BHYT,
    CCCD,
    CMND,
    CORE,
    DOSE,
    ETHNICITY,
    ORIGINS,
    PASSPORT,
    PATIENT,
    PROGRAMME_TYPE,
    UNKNOWN,
    without,
)
from tests.profiles.bases import NUMBER as PROGRAMME


def numbered(system: str, *values: str) -> dict[str, Any]:
    """Return the change of identifiers to these numbers beside the programme's own."""
    return {
        "identifier": [{"system": PROGRAMME, "value": "TC1"}, *({"system": system, "value": value} for value in values)]
    }


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Return severity, rule and place of every issue."""
    return [(issue.severity, issue.rule, issue.expression) for issue in validator.validate(resource).issues]


@pytest.mark.parametrize("resource", [PATIENT, DOSE], ids=["Patient", "Immunization"])
def test_what_the_tables_start_from_is_accepted(resource: dict[str, Any], validator: Validator) -> None:
    assert found(validator, resource) == []


# what, changes, severity, rule, expression
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str, str, str]] = [
    # identifiers
    ("citizen number of 13 digits", PATIENT, numbered(CCCD, "0010850123456"), "error", "vn-cccd-format", "Patient.identifier[1].value"),
    ("citizen number of 11 digits", PATIENT, numbered(CCCD, "00108501234"), "error", "vn-cccd-format", "Patient.identifier[1].value"),
    ("citizen number with letters", PATIENT, numbered(CCCD, "00108501234O"), "error", "vn-cccd-format", "Patient.identifier[1].value"),
    ("citizen number with spaces", PATIENT, numbered(CCCD, "001 085 012 345"), "error", "vn-cccd-format", "Patient.identifier[1].value"),
    ("citizen number and line feed", PATIENT, numbered(CCCD, "001085012345\n"), "error", "vn-cccd-format", "Patient.identifier[1].value"),
    ("two citizen numbers", PATIENT, numbered(CCCD, "001085012345", "001085012346"), "error", "Patient.identifier:CCCD:max", "Patient.identifier"),
    ("citizen number without value or reason", PATIENT, {"identifier": [{"system": PROGRAMME, "value": "TC1"}, {"system": CCCD}]}, "error", "Patient.identifier:CCCD.value:min", "Patient.identifier[1].value"),
    ("insurance number of 11 digits", PATIENT, numbered(BHYT, "01234567890"), "error", "vn-imm-bhyt-format", "Patient.identifier[1].value"),
    ("insurance number in small letters", PATIENT, numbered(BHYT, "te1234567890123"), "error", "vn-imm-bhyt-format", "Patient.identifier[1].value"),
    ("old card of 10 digits", PATIENT, numbered(CMND, "0123456789"), "error", "vn-imm-cmnd-format", "Patient.identifier[1].value"),
    ("passport with space", PATIENT, numbered(PASSPORT, "C 1234567"), "error", "vn-imm-passport-format", "Patient.identifier[1].value"),
    ("programme number like a citizen number", PATIENT, {"identifier": [{"system": PROGRAMME, "value": "001085012345"}]}, "error", "vn-imm-programme-format", "Patient.identifier[0].value"),
    ("programme number of 33", PATIENT, {"identifier": [{"system": PROGRAMME, "value": "T" * 33}]}, "error", "vn-imm-programme-format", "Patient.identifier[0].value"),
    ("no number of the programme", PATIENT, {"identifier": [{"system": "http://his.example.vn", "value": "1"}]}, "error", "vn-imm-patient-identifier", "Patient"),
    ("identifier without system", PATIENT, {"identifier": [{"system": PROGRAMME, "value": "TC1"}, {"value": "1"}]}, "error", "Patient.identifier.system:min", "Patient.identifier[1].system"),
    ("a man's number for a woman", PATIENT, {"gender": "female"}, "warning", "vn-imm-cccd-sex", "Patient"),
    ("another year than the number's", PATIENT, {"birthDate": "1986-03-15"}, "warning", "vn-imm-cccd-birth", "Patient"),
    ("another century than the number's", PATIENT, {"birthDate": "2085-03-15"}, "warning", "vn-imm-cccd-birth", "Patient"),
    # the person
    ("ethnic group in words", PATIENT, {"extension": [*ORIGINS, {**ETHNICITY, "valueCodeableConcept": {"text": "Kinh"}}]}, "error", "Extension.value[x]:binding", "Patient.extension[3].value.ofType(CodeableConcept)"),
    ("two ethnic groups", PATIENT, {"extension": [*ORIGINS, ETHNICITY, ETHNICITY]}, "error", "Patient.extension:ethnicity:max", "Patient.extension"),
    ("a country by its name", PATIENT, {"address": [{"use": "home", "text": "Hà Nội", "country": "Việt Nam"}, *({**one, "use": "temp"} for one in PATIENT["address"])]}, "warning", "vn-imm-address-permanent", "Patient"),
    ("Vietnamese address without province", PATIENT, {"address": [*PATIENT["address"], {"country": "VN"}]}, "warning", "vn-addr-province", "Patient.address[1]"),
    # doses
    ("unknown programme", DOSE, {"extension": [{"url": PROGRAMME_TYPE, "valueCode": "TCMR"}]}, "error", "Extension.value[x]:binding", "Immunization.extension[0].value.ofType(code)"),
    ("another extension instead", DOSE, {"extension": [{"url": "http://x", "valueCode": "tcmr"}]}, "error", "Immunization.extension:programType:min", "Immunization.extension"),
    ("not given, no reason", DOSE, {"status": "not-done"}, "error", "vn-imm-not-done-reason", "Immunization"),
    ("recorded before given", DOSE, {"recorded": "2026-03-19T23:00:00+07:00"}, "error", "vn-imm-not-in-the-future", "Immunization"),
    ("recorded before given, in another zone", DOSE, {"recorded": "2026-03-20T00:59:59Z"}, "error", "vn-imm-not-in-the-future", "Immunization"),
    ("vaccine in words", DOSE, {"vaccineCode": {"text": "BCG"}, "manufacturer": {"display": "IVAC"}}, "error", "Immunization.vaccineCode.coding:min", "Immunization.vaccineCode.coding"),
    ("no facility", DOSE, {"performer": DOSE["performer"][:1]}, "warning", "vn-imm-facility", "Immunization"),
    ("a person by number is no facility", DOSE, {"performer": [{"actor": {"type": "Practitioner", "identifier": {"value": "1"}}}]}, "warning", "vn-imm-facility", "Immunization"),
    ("a facility by number is no person", DOSE, {"performer": [{"actor": {"type": "Organization", "identifier": {"value": "1"}}}]}, "warning", "vn-imm-person", "Immunization"),
    ("from elsewhere, not said from where", DOSE, {"primarySource": False}, "warning", "vn-imm-origin", "Immunization"),
    ("dose number in words", DOSE, {"protocolApplied": [{"targetDisease": [{"text": "Lao"}], "doseNumberString": "1"}]}, "error", "Immunization.protocolApplied.doseNumber[x]:type", "Immunization.protocolApplied[0].doseNumber.ofType(string)"),
    ("no disease", DOSE, {"protocolApplied": [{"doseNumberPositiveInt": 1}]}, "error", "Immunization.protocolApplied.targetDisease:min", "Immunization.protocolApplied[0].targetDisease"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "changes", "severity", "rule", "expression"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_a_broken_rule_is_one_issue_at_its_place(
    resource: dict[str, Any], changes: dict[str, Any], severity: str, rule: str, expression: str, validator: Validator
) -> None:
    assert found(validator, {**resource, **changes}) == [(severity, rule, expression)]


# what, changes, issues: a code that its system does not have is one too
TWICE: list[tuple[str, dict[str, Any], dict[str, Any], set[tuple[str, str]]]] = [
    ("unknown ethnic group", PATIENT, {"extension": [*ORIGINS, {**ETHNICITY, "valueCodeableConcept": {"coding": [{"system": f"{CORE}/CodeSystem/vn-ethnicity-cs", "code": "1"}]}}]}, {("error", "Extension.value[x]:binding"), ("error", "Coding.code:unknown")}),
    ("ethnic group as string", PATIENT, {"extension": [*ORIGINS, {"url": ETHNICITY["url"], "valueString": "Kinh"}]}, {("error", "Extension.value[x]:type"), ("error", "Extension.value[x]:binding")}),
    ("district of before 2025 as ward", PATIENT, {"address": [*PATIENT["address"], {"extension": [{"url": f"{CORE}/StructureDefinition/vn-ext-ward", "valueCoding": {"system": f"{CORE}/CodeSystem/vn-ward-cs", "code": "00001"}}]}]}, {("warning", "Extension.value[x]:binding"), ("error", "Coding.code:unknown")}),
    ("not given, unknown reason", DOSE, {"status": "not-done", "statusReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "LAZY"}]}}, {("warning", "Immunization.statusReason:binding"), ("warning", "Coding.code:unknown")}),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "changes", "issues"), [row[1:] for row in TWICE], ids=[row[0] for row in TWICE])
def test_a_wrong_code_breaks_the_binding_and_is_unknown_to_its_system(
    resource: dict[str, Any], changes: dict[str, Any], issues: set[tuple[str, str]], validator: Validator
) -> None:
    assert {issue[:2] for issue in found(validator, {**resource, **changes})} == issues


@pytest.mark.parametrize(
    ("resource", "name", "severity", "rule"),
    [
        (PATIENT, "identifier", "error", "Patient.identifier:min"),
        (PATIENT, "name", "error", "Patient.name:min"),
        (PATIENT, "gender", "error", "Patient.gender:min"),
        (PATIENT, "birthDate", "error", "Patient.birthDate:min"),
        (DOSE, "extension", "error", "Immunization.extension:programType:min"),
        (DOSE, "occurrenceDateTime", "error", "Immunization.occurrence[x]:min"),
        (DOSE, "lotNumber", "error", "vn-imm-lot"),
        (DOSE, "performer", "warning", "vn-imm-facility"),
        (DOSE, "performer", "warning", "vn-imm-person"),
        (DOSE, "protocolApplied", "warning", "vn-imm-dose-order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_named(
    resource: dict[str, Any], name: str, severity: str, rule: str, validator: Validator
) -> None:
    issues = found(validator, without(resource, name))
    assert (severity, rule) in [issue[:2] for issue in issues]
    if name not in ("identifier", "performer"):
        assert len(issues) == 1


def test_a_date_in_words_is_refused(validator: Validator) -> None:
    dose = {**without(DOSE, "occurrenceDateTime"), "occurrenceString": "mùa xuân 2026"}
    assert found(validator, dose) == [
        ("error", "Immunization.occurrence[x]:type", "Immunization.occurrence.ofType(string)")
    ]


ACCEPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("newborn without number", PATIENT, {"identifier": [{"system": CCCD, "_value": UNKNOWN}, {"system": PROGRAMME, "value": "TC0001"}]}),
    ("insurance number of 12 digits", PATIENT, numbered(BHYT, "001085012345")),
    ("insurance number of 10 digits", PATIENT, numbered(BHYT, "0123456789")),
    ("insurance number of an older card", PATIENT, numbered(BHYT, "TE1010123456789")),
    ("old card of 9 digits", PATIENT, numbered(CMND, "012345678")),
    ("old card of 12 digits", PATIENT, numbered(CMND, "012345678901")),
    ("foreigner with passport", PATIENT, {"identifier": [{"system": PASSPORT, "value": "X12345678"}]}),
    ("hospital's number beside", PATIENT, numbered("http://bv.example.vn/mrn", "BV/2026-001")),
    ("woman born in this century", PATIENT, {"identifier": [{"system": CCCD, "value": "001325000001"}], "gender": "female", "birthDate": "2025-08-12"}),
    ("year of birth only", PATIENT, {"birthDate": "1985"}),
    ("unknown birth date", PATIENT, {"birthDate": None, "_birthDate": UNKNOWN}),
    ("sex neither male nor female", PATIENT, {"gender": "unknown"}),
    ("address abroad", PATIENT, {"address": [{"country": "LA", "use": "home", "type": "both"}]}),
    ("not given, with reason", DOSE, {"status": "not-done", "statusReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "OSTOCK"}]}}),
    ("called off before its day", DOSE, {"status": "not-done", "statusReason": {"text": "Chống chỉ định"}, "occurrenceDateTime": "2026-03-25", "recorded": "2026-03-20"}),
    ("entered in error, with the day that was wrong", DOSE, {"status": "entered-in-error", "occurrenceDateTime": "2062-03-20", "recorded": "2026-03-20"}),
    ("reason in words", DOSE, {"status": "not-done", "statusReason": {"text": "Trẻ sốt"}}),
    ("recorded on the same day", DOSE, {"recorded": "2026-03-20"}),
    ("given on a day that had begun here and not yet in Greenwich", DOSE, {"occurrenceDateTime": "2026-03-20", "recorded": "2026-03-19T17:30:00Z"}),
    ("lot that expired on the same day, in Universal Time", DOSE, {"occurrenceDateTime": "2026-12-31T18:00:00Z", "recorded": "2026-12-31T18:00:00Z", "expirationDate": "2026-12-31"}),
    ("recorded at the same moment in another zone", DOSE, {"recorded": "2026-03-20T01:00:00Z"}),
    ("somebody by number", DOSE, {"performer": [{"actor": {"identifier": {"value": "1"}}}]}),
    ("facility in a transaction", DOSE, {"performer": [{"actor": {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}]}),
    ("source not said, lot unknown", DOSE, {"primarySource": None, "lotNumber": None}),
    ("copied from paper, lot unknown", DOSE, {"primarySource": False, "reportOrigin": {"text": "Sổ tiêm chủng"}, "lotNumber": None}),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "changes"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_what_the_rules_allow_is_accepted(
    resource: dict[str, Any], changes: dict[str, Any], validator: Validator
) -> None:
    changed = {name: value for name, value in {**resource, **changes}.items() if value is not None}
    assert found(validator, changed) == []


def test_an_issue_carries_the_profile_that_its_rule_comes_from(validator: Validator) -> None:
    patient = {**PATIENT, **numbered(CCCD, "0010850123456")}
    (issue,) = validator.validate(patient).issues
    assert issue.profile == f"{CORE}/StructureDefinition/vn-core-patient"
    assert "12 digits" in issue.en
    assert "13 characters" in issue.en
    assert "12 chữ số" in issue.vi


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("comirnty", "did you mean comirnaty?"),
        ("Comirnaty", "did you mean comirnaty?"),
        ("x", "correct the code or the system"),
        ("comirnaty" * 9, "correct the code or the system"),
    ],
)
def test_a_code_that_is_not_known_is_told_with_the_one_that_was_probably_meant(
    code: str, says: str, validator: Validator
) -> None:
    product = {"coding": [{"system": "https://fhir.tiemchung.vn/CodeSystem/vaccine-product", "code": code}]}
    issues = validator.validate({**DOSE, "vaccineCode": product}).issues
    assert [issue.en.rpartition(": ")[2] for issue in issues if issue.rule == "Coding.code:unknown"] == [says]


def test_what_r4_and_the_profile_say_alike_is_told_once(validator: Validator) -> None:
    told = found(validator, {**DOSE, "patient": {"reference": "Organization/1"}})
    assert told == [("error", "Immunization.patient:target", "Immunization.patient.reference")]


def test_without_the_profile_the_rules_do_not_apply(validator: Validator) -> None:
    assert found(validator, without({**PATIENT, **numbered(CCCD, "1")}, "meta")) == []


EXAMPLES = Path(__file__).parents[2] / "../shared/national/examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("Example*.json")), ids=lambda path: path.stem)
def test_the_examples_of_the_community_draft_are_accepted(path: Path, validator: Validator) -> None:
    resource = wire.loads(path.read_bytes())["resource"]
    assert validator.validate(resource).issues == ()


def test_the_demonstration_data_are_accepted(validator: Validator) -> None:
    seen = set()
    for bundle in generate.bundles(40, seed=7, today=date(2026, 11, 1)):
        for entry in bundle["entry"]:
            resource = wire.loads(wire.dumps(entry["resource"]))
            seen.add(resource["resourceType"])
            assert validator.validate(resource).issues == ()
    assert {"Patient", "Immunization", "ImmunizationRecommendation", "Medication"} <= seen


@pytest.mark.parametrize(
    ("entries", "rules"),
    [
        ([{"resource": {"resourceType": "Composition"}}], False),
        ([{"resource": {"resourceType": "Patient"}}], True),
        ([], True),
    ],
    ids=["Composition first", "something else first", "nothing"],
)
def test_a_document_of_vn_core_begins_with_its_composition(
    entries: list[dict[str, Any]], rules: bool, validator: Validator
) -> None:
    bundle = {"resourceType": "Bundle", "type": "document"} | ({"entry": entries} if entries else {})
    found = validator.validate(bundle, [f"{CORE}/StructureDefinition/vn-core-bundle"]).issues
    assert ("vn-bundle-document-first" in {issue.rule for issue in found}) is rules


def test_a_bundle_of_vn_core_that_is_no_document_may_begin_with_anything(validator: Validator) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient"}}]}
    for profile in ("vn-core-bundle", "vn-core-health-credential-bundle"):
        assert not [
            issue
            for issue in validator.validate(bundle, [f"{CORE}/StructureDefinition/{profile}"]).issues
            if issue.severity == "error" and (issue.rule or "").startswith(("vn-", "Bundle.type"))
        ]
