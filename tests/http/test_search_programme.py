"""Every search parameter of the programme's five resource types: one value that finds the resource, one that does not.

https://hl7.org/fhir/R4/patient.html#search · https://hl7.org/fhir/R4/immunization.html#search ·
https://hl7.org/fhir/R4/immunizationrecommendation.html#search · https://hl7.org/fhir/R4/medication.html#search ·
https://hl7.org/fhir/R4/adverseevent.html#search
"""

from typing import Any

import httpx
import pytest

from fhir_server.definitions import core
from tests.http.search_examples import CCCD, CVX, SCT
from tests.http.serving import bundle, entry
from tests.http.test_search import numbers, split

Json = dict[str, Any]

BHYT = "http://fhir.hl7.org.vn/core/sid/bhyt"
ADVERSE = "http://terminology.hl7.org/CodeSystem/adverse-event-"


def _codes(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _to(reference: str) -> Json:
    return {"reference": reference}


FULL: list[Json] = [
    {
        "resourceType": "Patient",
        "extension": [
            {
                # As the parameter's expression has it; the extension itself ends in patient-mothersMaidenName.
                "url": "http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName",
                "valueString": "Lê Thị Hoa",
            }
        ],
        "identifier": [{"system": CCCD, "value": "001225000012"}, {"system": BHYT, "value": "TE1010000000001"}],
        "active": True,
        "name": [{"family": "Nguyễn", "given": ["Minh", "An"]}],
        "telecom": [{"system": "phone", "value": "0912 345 678"}, {"system": "email", "value": "an@bv.example"}],
        "gender": "male",
        "birthDate": "2025-08-12",
        "deceasedDateTime": "2026-01-02",
        "address": [
            {
                "use": "home",
                "line": ["Số 12, phố Hoa Sữa"],
                "city": "Hà Nội",
                "state": "Miền Bắc",
                "postalCode": "11100",
                "country": "VN",
            }
        ],
        "communication": [{"language": _codes("urn:ietf:bcp:47", "vi")}],
        "generalPractitioner": [_to("Practitioner/gp")],
        "managingOrganization": _to("Organization/tyt"),
        "link": [{"other": _to("Patient/older"), "type": "replaces"}],
    },
    {
        "resourceType": "Immunization",
        "identifier": [{"system": "http://bv.example/dose", "value": "D-1"}],
        "status": "not-done",
        "statusReason": _codes("http://terminology.hl7.org/CodeSystem/v3-ActReason", "MEDPREC"),
        "vaccineCode": _codes(CVX, "08"),
        "patient": _to("Patient/full"),
        "occurrenceDateTime": "2025-08-12T09:30:00+07:00",
        "manufacturer": _to("Organization/vabiotech"),
        "lotNumber": "HB-2025-01",
        "location": _to("Location/room"),
        "performer": [{"actor": _to("Practitioner/nurse")}],
        "reasonCode": [_codes(SCT, "429060002")],
        "reasonReference": [_to("Condition/c")],
        "reaction": [{"date": "2025-08-13", "detail": _to("Observation/fever")}],
        "protocolApplied": [
            {"series": "Viêm gan B", "targetDisease": [_codes(SCT, "66071002")], "doseNumberPositiveInt": 1}
        ],
    },
    {
        "resourceType": "ImmunizationRecommendation",
        "identifier": [{"system": "http://bv.example/plan", "value": "R-1"}],
        "patient": _to("Patient/full"),
        "date": "2025-09-01",
        "recommendation": [
            {
                "vaccineCode": [_codes(CVX, "110")],
                "targetDisease": _codes(SCT, "397428000"),
                "forecastStatus": _codes(
                    "http://terminology.hl7.org/CodeSystem/immunization-recommendation-status", "due"
                ),
                "supportingImmunization": [_to("Immunization/full")],
                "supportingPatientInformation": [_to("Observation/weight")],
            }
        ],
    },
    {
        "resourceType": "Medication",
        "identifier": [{"system": "http://bv.example/product", "value": "M-1"}],
        "code": _codes("http://www.whocc.no/atc", "J07BC01"),
        "status": "active",
        "manufacturer": _to("Organization/vabiotech"),
        "form": _codes(SCT, "385219001"),
        "ingredient": [
            {"itemCodeableConcept": _codes(SCT, "1003507003")},
            {"itemReference": _to("Substance/aluminium")},
        ],
        "batch": {"lotNumber": "GB-7", "expirationDate": "2027-06-30"},
    },
    {
        "resourceType": "AdverseEvent",
        "actuality": "actual",
        "category": [_codes(f"{ADVERSE}category", "product-problem")],
        "event": _codes(SCT, "39579001"),
        "subject": _to("Patient/full"),
        "date": "2025-08-12T10:00:00+07:00",
        "resultingCondition": [_to("Condition/shock")],
        "location": _to("Location/room"),
        "seriousness": _codes(f"{ADVERSE}seriousness", "serious"),
        "severity": _codes(f"{ADVERSE}severity", "severe"),
        "recorder": _to("Practitioner/nurse"),
        "suspectEntity": [{"instance": _to("Immunization/full")}],
        "study": [_to("ResearchStudy/s")],
    },
]

META: Json = {
    "profile": ["http://example.org/fhir/StructureDefinition/any"],
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
    "source": "http://bv.example/feed#1",
    "tag": [{"system": "http://bv.example/tags", "code": "xem-lai"}],
}
# Of every type.
COMMON = [
    ("_id", "full", "bare"),
    ("_lastUpdated", "ge2020", "lt2020"),
    ("_profile", "http://example.org/fhir/StructureDefinition/any", "http://example.org/fhir/StructureDefinition"),
    ("_security", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R", "N"),
    ("_source", "http://bv.example/feed#1", "http://bv.example/feed"),
    ("_tag", "http://bv.example/tags|xem-lai", "http://bv.example/tags|khac"),
]
# Parameters of R4 that cannot be searched: they are refused, with what to do instead.
REFUSED = {
    "Patient": {"age", "birthOrderBoolean"},  # R4 does not say where their values are
    **{type: set() for type in ("Immunization", "ImmunizationRecommendation", "Medication", "AdverseEvent")},
}
REFUSED_OF_ALL = {"_content", "_text", "_query"}
# By type: parameter, values that find the resource, values that do not.
ROWS: dict[str, list[tuple[str, str, str]]] = {
    "Patient": [
        ("active", "true", "false"),
        ("address", "so 12", "so 13"),
        ("address-city", "ha noi", "hue"),
        ("address-country", "VN", "LA"),
        ("address-postalcode", "11100", "11101"),
        ("address-state", "mien bac", "mien nam"),
        ("address-use", "home", "work"),
        ("birthdate", "2025-08", "2025-09"),
        ("death-date", "ge2026", "lt2026"),
        ("deceased", "true", "false"),
        ("email", "an@bv.example", "0912345678"),
        ("family", "nguyen", "minh"),
        ("gender", "male", "female"),
        ("general-practitioner", "Practitioner/gp", "Practitioner/nurse"),
        ("given", "minh", "nguyen"),
        ("identifier", f"{CCCD}|001225000012", f"{CCCD}|001225000013"),
        ("language", "urn:ietf:bcp:47|vi", "en"),
        ("link", "Patient/older", "Patient/full"),
        ("mothersMaidenName", "le thi", "nguyen"),
        ("name", "nguyen minh an", "le thi hoa"),
        ("organization", "tyt", "vabiotech"),
        ("phone", "0912345678", "an@bv.example"),
        ("phonetic", "nguyen", "tran"),
        ("vn-bhyt", "TE1010000000001", "001225000012"),
        ("vn-cccd", f"{CCCD}|001225000012", "TE1010000000001"),
        ("telecom", "an@bv.example", "0912345679"),
    ],
    "Immunization": [
        ("date", "2025-08-12", "2025-08-13"),
        ("identifier", "http://bv.example/dose|D-1", "http://bv.example/plan|D-1"),
        ("location", "Location/room", "Location/other"),
        ("lot-number", "hb-2025", "2025"),
        ("manufacturer", "Organization/vabiotech", "Organization/tyt"),
        ("patient", "Patient/full", "Patient/older"),
        ("performer", "Practitioner/nurse", "Organization/nurse"),
        ("reaction", "Observation/fever", "Observation/weight"),
        ("reaction-date", "2025-08-13", "2025-08-12"),
        ("reason-code", f"{SCT}|429060002", f"{CVX}|429060002"),
        ("reason-reference", "Condition/c", "Observation/c"),
        ("series", "viem gan", "gan"),
        ("status", "not-done", "completed"),
        ("status-reason", "MEDPREC", "IMMUNE"),
        ("target-disease", f"{SCT}|66071002", "397428000"),
        ("vaccine-code", f"{CVX}|08", f"{CVX}|8"),
    ],
    "ImmunizationRecommendation": [
        ("date", "ge2025-09", "lt2025-09"),
        ("identifier", "R-1", "R-2"),
        ("information", "Observation/weight", "Observation/fever"),
        ("patient", "Patient/full", "Patient/older"),
        ("status", "due", "overdue"),
        ("support", "Immunization/full", "Immunization/other"),
        ("target-disease", "397428000", "66071002"),
        ("vaccine-type", f"{CVX}|110", f"{CVX}|08"),
    ],
    "Medication": [
        ("code", "http://www.whocc.no/atc|J07BC01", f"{CVX}|J07BC01"),
        ("expiration-date", "2027-06", "2027-07"),
        ("form", "385219001", "385055001"),
        ("identifier", "http://bv.example/product|M-1", "http://bv.example/dose|M-1"),
        ("ingredient", "Substance/aluminium", "Medication/aluminium"),
        ("ingredient-code", f"{SCT}|1003507003", f"{SCT}|385219001"),
        ("lot-number", "GB-7", "GB"),
        ("manufacturer", "Organization/vabiotech", "Organization/tyt"),
        ("status", "active", "inactive"),
    ],
    "AdverseEvent": [
        ("actuality", "actual", "potential"),
        ("category", "product-problem", "medication-mishap"),
        ("date", "2025-08-12", "2025-08-11"),
        ("event", f"{SCT}|39579001", "386661006"),
        ("location", "Location/room", "Location/other"),
        ("recorder", "Practitioner/nurse", "Practitioner/gp"),
        ("resultingcondition", "Condition/shock", "Condition/c"),
        ("seriousness", "serious", "non-serious"),
        ("severity", f"{ADVERSE}severity|severe", f"{ADVERSE}seriousness|severe"),
        ("study", "ResearchStudy/s", "ResearchStudy/t"),
        ("subject", "Patient/full", "Patient/older"),
        ("substance", "Immunization/full", "Medication/full"),
    ],
}


@pytest.fixture(scope="module")
async def stored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that holds one resource of each type, and another that has next to nothing."""
    bare: list[Json] = [
        {"resourceType": "Patient"},
        {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": {"text": "?"},
            "patient": {"display": "?"},
            "occurrenceString": "?",
        },
    ]
    rows = [entry("PUT", f"{each['resourceType']}/full", {**each, "id": "full", "meta": META}) for each in FULL]
    rows += [entry("PUT", f"{each['resourceType']}/bare", {**each, "id": "bare"}) for each in bare]
    answer = await client.post("/fhir", json=bundle("transaction", *rows))
    assert answer.status_code == 200, answer.text
    return client


CASES = [(type, *row) for type, rows in ROWS.items() for row in (*rows, *COMMON)]


@pytest.mark.parametrize(("type", "code", "right", "wrong"), CASES, ids=[f"{type}-{code}" for type, code, *_ in CASES])
async def test_a_parameter_finds_the_resource_by_its_own_value_only(
    stored: httpx.AsyncClient, type: str, code: str, right: str, wrong: str
) -> None:
    rows = ((code, right, True), (code, wrong, False), (code, f"{wrong},{right}", True))
    missing = ((f"{code}:missing", "false", True), (f"{code}:missing", "true", False))
    for name, value, expected in rows + (missing if code not in {"_id", "_lastUpdated"} else ()):
        _, parameters = split(f"{type}?{name}={value}")
        assert ("full" in numbers(await stored.get(f"/fhir/{type}?{parameters}"))) is expected, (name, value)


@pytest.mark.parametrize("type", ROWS)
async def test_every_parameter_of_the_type_has_a_row(stored: httpx.AsyncClient, type: str) -> None:
    [rest] = (await stored.get("/fhir/metadata")).json()["rest"]
    [claimed] = [row["searchParam"] for row in rest["resource"] if row["type"] == type]
    rows = {code for code, *_ in (*ROWS[type], *COMMON)}
    assert {each["name"] for each in claimed} == rows
    standard = set(core().search_parameters(type)) - {"_filter"}  # it has a table of its own
    assert standard - REFUSED_OF_ALL - REFUSED[type] <= rows


@pytest.mark.parametrize(
    ("type", "code"), [(type, code) for type in ROWS for code in sorted(REFUSED_OF_ALL | REFUSED[type])]
)
async def test_a_parameter_without_a_row_is_refused(stored: httpx.AsyncClient, type: str, code: str) -> None:
    answer = await stored.get(f"/fhir/{type}?{code}=1", headers={"accept-language": "vi"})
    assert answer.status_code == 400
    [issue] = answer.json()["issue"]
    assert f"{code} is not supported" in issue["diagnostics"]
    assert f"{code} không được hỗ trợ" in issue["details"]["text"]


# A value that each modifier can read, whatever the parameter.
VALUES = {
    "missing": "true",
    "in": "http://hl7.org/fhir/ValueSet/administrative-gender",
    "not-in": "http://hl7.org/fhir/ValueSet/administrative-gender",
    "of-type": "http://a|MR|1",
    "above": "http://hl7.org/fhir/issue-type|required",
    "below": "http://hl7.org/fhir/issue-type|invalid",
}


@pytest.mark.parametrize("type", ROWS)
async def test_every_modifier_that_is_claimed_works(stored: httpx.AsyncClient, type: str) -> None:
    [rest] = (await stored.get("/fhir/metadata")).json()["rest"]
    [claimed] = [row["searchParam"] for row in rest["resource"] if row["type"] == type]
    tried = 0
    for each in claimed:
        for modifier in each["documentation"].removeprefix("Modifiers: ").split(", "):
            if modifier not in {"none", "[type]"}:
                _, parameters = split(f"{type}?{each['name']}:{modifier}={VALUES.get(modifier, 'a')}")
                answer = await stored.get(f"/fhir/{type}?{parameters}")
                assert answer.status_code == 200, (each["name"], modifier, answer.text)
                tried += 1
    assert tried > 20
